"""Small file helpers: content hashes, and writes that appear complete or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avsep_lib.errors import AvsepError, DataError, storage_error
from avsep_lib.text_files import parse_json, read_text

LEFTOVER = re.compile(r"\..+\.[a-z0-9_]{8}\.unfinished(\.[^.]+)?")  # names that `atomic_path` gives
PROBE = 1 << 16  # bytes; a disk that is full has no room for them


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it only when the block ends without an error.

    A killed or failing writer therefore never leaves a file that a later run could take for complete, nor does a power
    cut: the content is on the disk before the name is. The temporary name keeps the suffix, because many writers choose
    their format by it; what a kill leaves of it, `remove_leftovers` finds.

    Raises
    ------
    StorageError
        The system does not let the file be written.
    """
    target = Path(path)
    suffix = f".unfinished{target.suffix}"
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=suffix, dir=target.parent)
    temporary = Path(name)
    hold(handle)
    try:
        with writing(target, temporary):
            yield temporary
            os.chmod(temporary, 0o644)
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            os.replace(temporary, target)
    finally:
        os.close(handle)
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path, at: Path | None = None) -> Iterator[None]:
    """Turn what a writer makes of a full disk and its like into a `StorageError` that names `path`.

    PyTorch, safetensors and libsndfile keep the system's reason to themselves; then the system is asked once more, with
    some bytes at the end of the file `at` (default: `path`).
    """
    try:
        yield
    except AvsepError:
        raise
    except Exception as error:
        if refused := storage_error(error, path) or storage_error(_refusal(at or path), path):
            raise refused from error
        raise


def _refusal(path: Path) -> OSError | None:
    """What the system says to more bytes at the end of a file, which is left as it was; None when it takes them."""
    if not path.is_file():
        return None
    size = path.stat().st_size
    try:
        with path.open("ab") as stream:
            stream.write(bytes(PROBE))
    except OSError as error:
        return error
    finally:
        with contextlib.suppress(OSError):
            os.truncate(path, size)
    return None


def hold(handle: int) -> bool:
    """Lock an open file until it is closed or its process ends; False when somebody else has, or nobody can."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove the temporary files that killed writers have left below a folder; those of living writers stay.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed = []
    for place, _, names in os.walk(folder):
        for path in (Path(place) / name for name in names if LEFTOVER.fullmatch(name)):
            with contextlib.suppress(OSError), path.open("r+b") as stream:
                if hold(stream.fileno()):
                    path.unlink()
                    removed.append(path)
    return removed


def remove_leftover_folders(parent: Path, prefix: str) -> None:
    """Remove folders of our own that begin with `prefix`, that no process holds; one made in the last minute may not be held yet."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            state = folder.stat()
            if state.st_uid != os.getuid() or time.time() - state.st_mtime < 60:
                continue
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                if hold(handle):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def sha256_file(path: str | os.PathLike) -> str:
    """Hex SHA-256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """Hex SHA-256 of a string, UTF-8 encoded."""
    return hashlib.sha256(text.encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text, hence equal hashes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text`, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def read_json(path: str | os.PathLike, *keys: str) -> Any:
    """Read JSON; a missing or broken file is a `DataError` that names it, as is one without one of the `keys`."""
    text = read_text(path, way_out="`make figures` writes it")
    try:
        value = parse_json(text)
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); delete it and run `make figures` again") from None
    if keys and (not isinstance(value, dict) or (missing := [key for key in keys if key not in value])):
        lacks = f"lacks {', '.join(missing)}" if isinstance(value, dict) else "is no JSON object"
        raise DataError(f"{path} {lacks}; delete it and run `make figures` again")
    return value
