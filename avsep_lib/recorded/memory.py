"""What was found out about a file is remembered as long as nobody writes to it: one SQLite file in the media folder."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from avsep_lib.errors import DataError

NAME = "known.sqlite"
SAVE_S = 2.0  # seconds between two writes to the disk


class Memory:
    """Text by key that outlives a run; a folder that cannot be written to, or a broken file, is a DataError."""

    def __init__(self, media: Path) -> None:
        self._path = media / NAME
        with writable(media):
            media.mkdir(parents=True, exist_ok=True)
        with self._intact():
            self._connection = sqlite3.connect(self._path, timeout=60)
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID"
            )
        self._unsaved: dict[str, str] = {}  # not in an open transaction, which would lock others out
        self._saved = time.monotonic()

    def get(self, key: str) -> str | None:
        """The text remembered under `key`."""
        if key in self._unsaved:
            return self._unsaved[key]
        with self._intact():
            found = self._connection.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return found[0] if found else None

    def put(self, key: str, value: str) -> None:
        """Remember a text; it is on disk `SAVE_S` later, or after `close`."""
        self._unsaved[key] = value
        if time.monotonic() - self._saved >= SAVE_S:
            self._save()

    def close(self) -> None:
        """Save and close."""
        self._save()
        self._connection.close()

    def _save(self) -> None:
        with self._intact(), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", self._unsaved.items())
        self._unsaved.clear()
        self._saved = time.monotonic()

    @contextlib.contextmanager
    def _intact(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DataError(f"{self._path} cannot be used ({error}); delete it, everything is measured again") from None


@contextlib.contextmanager
def writable(media: Path) -> Iterator[None]:
    """Turn a full disk or a folder without permission into a DataError that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(f"media folder {media} cannot be written to ({error}); make room or name another one") from None


def file_state(path: str | os.PathLike) -> str:
    """Path, size and time of change of a file: equal as long as nobody wrote to it; its error's name if unreachable."""
    try:
        state = os.stat(path)
    except OSError as error:
        return f"{path} {type(error).__name__}"
    return f"{path} {state.st_size} {state.st_mtime_ns}"
