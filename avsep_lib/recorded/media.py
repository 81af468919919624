"""Decoded videos in a folder keyed by content: what is there already is never decoded again.

``media/<key>/`` holds ``audio.flac``, ``000001.jpg``... and ``media.json``; it appears complete or not at all. The key is
the SHA-256 of the file's bytes, the settings of the decoding and the part. ``media/known.sqlite`` remembers hashes by
path, size and time of change, and measures (see `memory` and `inspection`).
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from avsep_lib.errors import DataError
from avsep_lib.files import canonical_json, read_json, sha256_file, sha256_text, write_json
from avsep_lib.recorded.decoding import AUDIO, FRAME, Decoding, UnusableVideo, decode_to_folder
from avsep_lib.recorded.memory import Memory, file_state, writable
from avsep_lib.recorded.pool import Died, run_all

VERSION = 1  # of the decoding; a change decodes everything again
INFO = "media.json"  # written last
DIED = "the decoder crashed on it"


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
    results: list[Decoded | None] = [None] * len(videos)
    with closing(Memory(media)) as memory:
        _sweep(media)
        tasks = []
        for i, (path, how) in enumerate(videos):
            key = file_state(path)
            sha = memory.get(f"sha256 {key}") or ""
            if sha and (ready := _finished(media, media_key(sha, how), sha)):
                results[i] = ready
            else:
                tasks.append((i, key, Task(path, sha, how, str(media))))
        for n, result in run_all(decode_task, [task for _, _, task in tasks], workers, "videos"):
            i, key, task = tasks[n]
            results[i] = Decoded(task.sha256, "", "unreadable", DIED) if isinstance(result, Died) else result
            if results[i].sha256:
                memory.put(f"sha256 {key}", results[i].sha256)
    return results


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
    with writable(media):
        _decode_into(path, media, key, task.how)
    if ready := _finished(media, key, sha):
        return ready
    raise DataError(f"{media / key} changed while it was written; run again, with nothing else writing there")


def _no_file(path: Path) -> Decoded | None:
    if not path.exists():
        link = f" (a link to {os.readlink(path)})" if path.is_symlink() else ""
        return Decoded("", "", "missing", f"{path}{link} does not exist")
    if not path.is_file():
        return Decoded(
            "", "", "unreadable", f"{path} is {'a folder' if path.is_dir() else 'no regular file'}, not a video file"
        )
    if not path.stat().st_size:
        return Decoded("", "", "unreadable", f"{path} has 0 bytes")
    return None


def _decode_into(path: Path, media: Path, key: str, how: Decoding) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f".{key}.", dir=media))
    try:
        write_json(temporary / INFO, _decode(path, temporary, how))
        os.chmod(temporary, 0o755)
        _move(temporary, media / key)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
    if target.is_dir() and _info(target) is None:
        shutil.rmtree(target)
    try:
        os.replace(source, target)
    except OSError:
        if _info(target) is None:
            raise


def _finished(media: Path, key: str, sha256: str) -> Decoded | None:
    folder = media / key
    if (info := _info(folder)) is None:
        return None
    return Decoded(sha256, "" if info["problem"] else str(folder), info["problem"], info["detail"])


def _info(folder: Path) -> dict | None:
    """``media.json`` of a folder that lacks none of its files, else None."""
    try:
        names = set(os.listdir(folder))
    except OSError:
        return None
    if INFO not in names:
        return None
    info = read_json(folder / INFO)
    needed = set() if info["problem"] else {AUDIO, *(FRAME.format(i + 1) for i in range(info["n_frames"]))}
    return info if needed <= names else None


def _sweep(media: Path) -> None:
    """Remove what workers that were killed left behind; a folder of the last hour may be somebody's work."""
    for folder in media.glob(".*.*"):
        if folder.is_dir() and folder.stat().st_mtime < time.time() - 3600:
            shutil.rmtree(folder, ignore_errors=True)
