"""Small file helpers: content hashes, and writes that appear complete or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avsep_lib.errors import DataError
from avsep_lib.text_files import parse_json, read_text


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it only when the block ends without an error.

    A killed or failing writer therefore never leaves a file that a later run could take for complete.
    The temporary name keeps the suffix, because many writers choose their format by it.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


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
