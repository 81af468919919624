"""Decoded videos in a folder keyed by content: what is there already is never decoded again.

``media/<key>/`` holds ``audio.flac``, ``000001.jpg``... and ``media.json``; it appears complete or not at all. The key is
the SHA-256 of the file's bytes, the settings of the decoding and the part. ``media/known.sqlite`` remembers hashes by
path, size and time of change, and measures (see `inspection`).
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from avsep_lib.files import canonical_json, read_json, sha256_file, sha256_text, write_json
from avsep_lib.recorded.decoding import AUDIO, Decoding, UnusableVideo, decode_to_folder
from avsep_lib.recorded.pool import Died, run_all

VERSION = 1  # of the decoding; a change decodes everything again
DIED = "the decoder crashed on it"


class Notes:
    """Small facts by key that outlive a run, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=60)
        self._connection.execute("CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
        self._unsaved = 0

    def get(self, key: str) -> str | None:
        """The value noted under `key`."""
        found = self._connection.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
        return found[0] if found else None

    def put(self, key: str, value: str) -> None:
        """Note a value; it is on disk after every 50th and after `close`."""
        self._connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, value))
        self._unsaved += 1
        if self._unsaved >= 50:
            self._connection.commit()
            self._unsaved = 0

    def close(self) -> None:
        """Save and close."""
        self._connection.commit()
        self._connection.close()


@dataclass(frozen=True)
class Task:
    """One video, or part of one, to decode."""

    path: str
    sha256: str  # of the file; empty: not known yet
    how: Decoding
    media: str


@dataclass(frozen=True)
class Decoded:
    """What a task gave. `folder` is empty where nothing could be decoded; then `problem` and `detail` say why."""

    sha256: str
    folder: str = ""
    problem: str = ""
    detail: str = ""


def decode_all(videos: list[tuple[str, Decoding]], media: Path, workers: int) -> list[Decoded]:
    """Decode videos in parallel into the folder `media`; finished ones are only looked up.

    Parameters
    ----------
    videos : list
        Absolute paths, and how to decode each.
    media : Path
        The folder; a run that was interrupted goes on where it stopped.
    workers : int
        Processes; 0 decodes in this one.

    Returns
    -------
    list of Decoded
        In the order of `videos`. A video in which the decoder itself dies is `unreadable`, and the others go on.
    """
    media.mkdir(parents=True, exist_ok=True)
    results: list[Decoded | None] = [None] * len(videos)
    with closing(Notes(media / "known.sqlite")) as notes:
        tasks = []
        for i, (path, how) in enumerate(videos):
            key = file_state(path)
            sha = notes.get(f"sha256 {key}") or ""
            if sha and (ready := _finished(media, media_key(sha, how), sha)):
                results[i] = ready
            else:
                tasks.append((i, key, Task(path, sha, how, str(media))))
        for n, result in run_all(decode_task, [task for _, _, task in tasks], workers, "videos"):
            i, key, task = tasks[n]
            results[i] = Decoded(task.sha256, "", "unreadable", DIED) if isinstance(result, Died) else result
            if results[i].sha256:
                notes.put(f"sha256 {key}", results[i].sha256)
    return results


def file_state(path: str | os.PathLike) -> str:
    """Path, size and time of change of a file: equal as long as nobody wrote to it; its error's name if unreachable."""
    try:
        state = os.stat(path)
    except OSError as error:
        return f"{path} {type(error).__name__}"
    return f"{path} {state.st_size} {state.st_mtime_ns}"


def media_key(sha256: str, how: Decoding) -> str:
    """Name of the folder for a file's content, decoded in a certain way."""
    settings = {name: repr(value) for name, value in dataclasses.asdict(how).items()}
    return sha256_text(canonical_json({"file": sha256, "how": settings, "version": VERSION}))[:32]


def decode_task(task: Task) -> Decoded:
    """Decode one video; runs in a worker."""
    path, media = Path(task.path), Path(task.media)
    if found := _no_file(path):
        return found
    try:
        sha = task.sha256 or sha256_file(path)
    except OSError as error:
        return Decoded("", "", "unreadable", f"{path}: {error.strerror}")
    key = media_key(sha, task.how)
    if ready := _finished(media, key, sha):
        return ready
    temporary = Path(tempfile.mkdtemp(prefix=f".{key}.", dir=media))
    try:
        write_json(temporary / "media.json", _decode(path, temporary, task.how))
        os.chmod(temporary, 0o755)
        _move(temporary, media / key)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _finished(media, key, sha)


def _no_file(path: Path) -> Decoded | None:
    if not path.exists():
        link = f" (a link to {os.readlink(path)})" if path.is_symlink() else ""
        return Decoded("", "", "missing", f"{path}{link} does not exist")
    if path.is_dir():
        return Decoded("", "", "unreadable", f"{path} is a folder, not a video file")
    if not path.stat().st_size:
        return Decoded("", "", "unreadable", f"{path} has 0 bytes")
    return None


def _decode(path: Path, folder: Path, how: Decoding) -> dict:
    """Contents of ``media.json``: what was decoded, or why nothing was; then the folder holds nothing else."""
    try:
        return decode_to_folder(path, folder, how) | {"problem": "", "detail": ""}
    except UnusableVideo as error:
        for file in folder.iterdir():
            file.unlink()
        return {"problem": error.problem, "detail": str(error)}


def _move(source: Path, target: Path) -> None:
    """Put a finished folder in its place, unless another worker was quicker with the same content."""
    if target.is_dir() and not (target / "media.json").is_file():
        shutil.rmtree(target)
    try:
        os.replace(source, target)
    except OSError:
        if not (target / "media.json").is_file():
            raise


def _finished(media: Path, key: str, sha256: str) -> Decoded | None:
    folder = media / key
    if not (folder / "media.json").is_file():
        return None
    info = read_json(folder / "media.json")
    if info["problem"]:
        return Decoded(sha256, "", info["problem"], info["detail"])
    return Decoded(sha256, str(folder), "", "") if (folder / AUDIO).is_file() else None


def notes_of(media: Path) -> Notes:
    """The notes kept in a media folder."""
    return Notes(media / "known.sqlite")


def load_all(notes: Notes, keys: list[str]) -> Iterator[dict | None]:
    """The JSON noted under each key, or None."""
    for key in keys:
        text = notes.get(key)
        yield json.loads(text) if text is not None else None
