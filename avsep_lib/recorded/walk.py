"""Video files below a folder, found once, in an order that does not depend on the disk."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from avsep_lib.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".m4v", ".avi")


def is_video(name: str) -> bool:
    """True for a file name that ends as videos do; hidden files (also those macOS leaves on other disks) are none."""
    return name.lower().endswith(VIDEO_SUFFIXES) and not name.startswith(".")


def is_folder(entry: os.DirEntry) -> bool:
    """True for a folder or a link to one; False for a link in a circle."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def entries(folder: str) -> list[os.DirEntry]:
    """Content of a folder by name; DataError when it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"folder {folder} cannot be listed ({error.strerror}); mend it or correct `root`") from None


def videos_below(root: str, notes: Counter[str]) -> Iterator[os.DirEntry]:
    """Every video file below `root`; other files and linked folders are counted in `notes`, not followed."""
    folders = []
    for entry in entries(root):
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.path)
        elif is_folder(entry):
            notes["links_not_followed"] += 1
        elif is_video(entry.name):
            yield entry
        else:
            notes["other_files"] += 1
    for folder in folders:
        yield from videos_below(folder, notes)
