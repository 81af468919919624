"""Errors that name the value, the place and the way out.

Every error the suite raises on purpose derives from `AvsepError`, so that a command line can print one clear line
and exit non-zero, while a genuine bug still shows its traceback.
"""

LONGEST = 2500  # characters of a message; a value of a broken file may have millions


class AvsepError(Exception):
    """Base class: something a user can mend."""

    def __str__(self) -> str:
        text = super().__str__()
        left_out = len(text) - LONGEST
        return text if left_out <= 0 else f"{text[: LONGEST - 500]} [{left_out:,} characters] {text[-500:]}"


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
