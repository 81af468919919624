"""Errors that name the value, the place and the way out.

Every error the suite raises on purpose derives from `AvsepError`, so that a command line can print one clear line
and exit non-zero, while a genuine bug still shows its traceback.
"""

import errno

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


_FULL, _CLOSED = "cannot be written", "cannot be read or written"
_STORAGE = {  # what cannot be done, and the way out
    errno.ENOSPC: (_FULL, "free disk space"),
    errno.EDQUOT: (_FULL, "free some of your quota"),
    errno.EFBIG: (_FULL, "lift the limit on the size of files (ulimit -f)"),
    errno.EROFS: (_FULL, "make it writable, or work on a copy of the checkout elsewhere"),
    errno.EACCES: (_CLOSED, "give yourself the permission"),
    errno.EPERM: (_CLOSED, "give yourself the permission"),
    errno.EIO: (_CLOSED, "look after the disk"),
    errno.EMFILE: (_CLOSED, "lift the limit on open files (ulimit -n)"),
    errno.ENFILE: (_CLOSED, "close other programs"),
}


class StorageError(AvsepError, OSError):
    """The system does not let a file be used: disk full, read-only, no permission, a quota or a limit.

    Made like any `OSError`, ``StorageError(errno, strerror, filename)``, and caught as one where a caller knows more.
    """

    def __str__(self) -> str:
        cannot, way_out = _STORAGE[self.errno]
        return f"{self.filename} {cannot}: {self.strerror}; {way_out}, then run again"


def storage_error(error: BaseException | None, path: object = None) -> StorageError | None:
    """What an `OSError` says about storage, of `path` where that is given; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in _STORAGE:
        return None
    return StorageError(error.errno, error.strerror, str(path or error.filename or "a file"))
