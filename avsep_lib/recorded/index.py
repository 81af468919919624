"""The index format of Sound-of-Pixels, CLIPSep and HFRA: sound files and folders of pictures, one CSV line each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from avsep_lib.recorded.places import OUTSIDE, Places
from avsep_lib.recorded.rows import Row, csv_rows
from avsep_lib.recorded.settings import RecordedSettings

EXPECTED = "audio path, frames folder, number of frames (and perhaps a label)"


def read_index(settings: RecordedSettings, notes: Counter[str]) -> Iterator[Row]:
    """Rows of all index files.

    A line is ``audio path, frames folder, number of frames`` without header. Paths are relative to `root` or to the
    folder of the file itself. The label is the folder that holds the sound; CLIPSep's lists of VGGSound, whose folders
    are not classes, give it in a fourth column.

    Raises
    ------
    DataError
        A file that is no such index. One bad line among good ones is a row with a problem.
    """
    for split, path in settings.listed_files():
        places = Places([settings.root, os.path.dirname(path)])
        for number, found, wrong in csv_rows(path, (3, 4), EXPECTED):
            given, place = "" if split == "all" else split, f"{os.path.basename(path)} row {number}"
            if wrong:
                yield Row("", "", given, place, problem="unreadable", detail=wrong)
            else:
                yield _row(found, given, place, places, settings.path_prefix)


def _row(found: list[str], given: str, place: str, places: Places, prefix: str) -> Row:
    """One line with the right number of columns."""
    sound, pictures = (_own_path(text, prefix) for text in found[:2])
    folder, name = os.path.split(sound)
    label = found[3] if len(found) == 4 else os.path.basename(folder)
    audio, problem, detail = places.find(sound, "file")
    frames, frames_problem, frames_detail = places.find(pictures, "folder")
    if not problem:
        problem, detail = frames_problem, frames_detail
    if OUTSIDE in detail and not prefix and os.path.isabs(found[0]):
        detail += "; for a list made on another machine set path_prefix"
    if wrong := _wrong_count(found[2]):
        problem, detail = wrong
    n_frames = 0 if wrong else int(found[2])
    # A header line names no video: it must not be taken for one that two lists share.
    stem = "" if problem == "unreadable" and wrong else os.path.splitext(name)[0]
    return Row(stem, label, given, place, "", audio, frames, n_frames, problem=problem, detail=detail)


def _own_path(text: str, prefix: str) -> str:
    """The path without the part that stands for the root on the machine where the list was made."""
    return text[len(prefix) :].lstrip("/") if prefix and text.startswith(prefix) else text


def _wrong_count(text: str) -> tuple[str, str] | None:
    """Problem and detail of a third column that is no positive whole number."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return "unreadable", f"number of frames is {text!r}, not a whole number; a header line?"
    return ("no_frames", "the list promises 0 frames") if int(text) == 0 else None
