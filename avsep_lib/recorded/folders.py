"""Folders of videos: ``root/<label>/<id>.mp4``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from avsep_lib.recorded.places import OUTSIDE, Places
from avsep_lib.recorded.rows import Row
from avsep_lib.recorded.settings import RecordedSettings
from avsep_lib.recorded.walk import entries, is_folder, is_video, videos_below


def read_folders(settings: RecordedSettings, notes: Counter[str]) -> Iterator[Row]:
    """A row for every video in a label's folder.

    What looks like a mistake has a row with a problem: a video beside or below the label folders, a label folder
    without any. Other files (pictures, subtitles, ...) are counted in `notes`.

    Raises
    ------
    DataError
        A folder that cannot be listed.
    """
    places = Places([settings.root])
    base = os.path.basename(os.path.normpath(settings.root))
    for entry in entries(settings.root):
        if is_folder(entry) and not places.holds(entry.path):
            yield _bad(entry.name, entry.name, base, "unreadable", f"{OUTSIDE} through a link: {entry.path}")
        elif is_folder(entry):
            yield from _label(entry, f"{base}/{entry.name}", places, notes)
        elif is_video(entry.name):
            yield _bad(_stem(entry), "", base, "unreadable", "no label: the file lies in no label's folder")
        else:
            notes["other_files"] += 1


def _label(folder: os.DirEntry, place: str, places: Places, notes: Counter[str]) -> Iterator[Row]:
    """Rows of one label."""
    before, empty = notes["other_files"], True
    for entry in videos_below(folder.path, notes):
        empty = False
        if os.path.dirname(entry.path) != folder.path:
            yield _bad(_stem(entry), folder.name, place, "unreadable", f"{entry.path} lies deeper than label/file")
        elif not os.path.isfile(entry.path):
            yield _bad(_stem(entry), folder.name, place, "unreadable", f"{entry.path} is not a file")
        elif not places.holds(entry.path):
            yield _bad(_stem(entry), folder.name, place, "unreadable", f"{OUTSIDE} through a link: {entry.path}")
        else:
            yield Row(_stem(entry), folder.name, "", place, video=entry.path)
    if empty:
        others = notes["other_files"] - before
        yield _bad("", folder.name, place, "missing", f"no video in this folder ({others} other files)")


def _stem(entry: os.DirEntry) -> str:
    return os.path.splitext(entry.name)[0]


def _bad(stem: str, label: str, place: str, problem: str, detail: str) -> Row:
    return Row(stem, label, "", place, problem=problem, detail=detail)
