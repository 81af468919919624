"""Errors that name the value, the place and the way out.

Every error the suite raises on purpose derives from `AvsepError`, so that a command line can print one clear line
and exit non-zero, while a genuine bug still shows its traceback.
"""


class AvsepError(Exception):
    """Base class: something a user can mend."""


class ConfigError(AvsepError):
    """A profile, run or notebook parameter is unknown, mistyped or contradictory."""


class DataError(AvsepError):
    """A clip, frame, manifest or mixture list is missing, truncated, silent or inconsistent."""


class WeightsError(AvsepError):
    """A checkpoint or encoder file is missing, incomplete or made for another model."""


class LeakageError(AvsepError):
    """Something of the test split can be seen in training."""


class CanaryError(AvsepError):
    """A built-in check of the pipeline failed; its name is the first word of the message."""
