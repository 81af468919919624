"""The published lists: JSON of MUSIC and MUSIC-21, CSV of VGGSound, and a folder of whatever could be obtained."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from avsep_lib.errors import DataError
from avsep_lib.recorded.labels import same_label
from avsep_lib.recorded.places import OUTSIDE, Places
from avsep_lib.recorded.rows import NAN, Row, csv_rows
from avsep_lib.recorded.settings import RecordedSettings
from avsep_lib.recorded.walk import videos_below
from avsep_lib.text_files import parse_json, read_text

EXPECTED = "YouTube id, start in seconds, label, split"
SPLIT_NAMES = {"train": "train", "test": "test", "val": "val", "valid": "val", "validation": "val"}
VGGSOUND_S = 10.0  # length of the part of each video that VGGSound means


def read_published(settings: RecordedSettings, notes: Counter[str]) -> Iterator[Row]:
    """A row for every video that the lists name, with its file where there is one.

    Files are looked for once in `root` and all folders below it, by name: ``<id>.*``, and for VGGSound first
    ``<id>_<start, six digits>.*``, which is taken to be cut already. Files of no list are counted in `notes`.

    Raises
    ------
    DataError
        A file that is no such list, or a folder that cannot be listed.
    """
    files: dict[str, list[str]] = {}
    for entry in videos_below(settings.root, notes):
        files.setdefault(os.path.splitext(entry.name)[0], []).append(entry.path)
    places, used = Places([settings.root]), set()
    for split, path in settings.listed_files():
        read = _music if path.lower().endswith(".json") else _vggsound
        for row in read(path, "" if split == "all" else split):
            row = row if row.problem else _with_file(row, files, places, used)
            yield row
    notes["unlisted_files"] += sum(path not in used for paths in files.values() for path in paths)


def _music(path: str, given: str) -> Iterator[Row]:
    """``{"videos": {label: [id, ...]}}``, or the inner mapping alone."""
    data, name = _json(path), os.path.basename(path)
    videos = data.get("videos", data) if isinstance(data, dict) else data
    if not isinstance(videos, dict) or not all(isinstance(ids, list) for ids in videos.values()):
        raise DataError(
            f'{path}: expected {{"videos": {{label: [YouTube ids]}}}} as MUSIC has it, or the inner mapping'
        )
    for label, ids in videos.items():
        for number, video_id in enumerate(ids, start=1):
            place = f"{name} {label}, number {number}"
            if isinstance(video_id, str) and video_id.strip():
                yield Row(video_id.strip(), label, given, place, video_id.strip())
            else:
                yield Row("", label, given, place, problem="unreadable", detail=f"{video_id!r} is no YouTube id")


def _json(path: str) -> object:
    text = read_text(path, way_out="mend the list or correct `lists`")
    try:
        return parse_json(text)
    except ValueError as error:
        raise DataError(f"list {path} is not JSON in UTF-8 ({error}); fetch it again") from None


def _vggsound(path: str, given: str) -> Iterator[Row]:
    """``id, start, label, split`` without header; the last column counts where the list is named `all`."""
    for number, found, wrong in csv_rows(path, (4,), EXPECTED):
        place = f"{os.path.basename(path)} row {number}"
        split = given or (SPLIT_NAMES.get(found[3].lower(), "") if len(found) == 4 else "")
        if not wrong:
            wrong = _wrong_fields(found, split)
        if wrong:
            yield Row("", "", split, place, problem="unreadable", detail=wrong)
            continue
        start = float(found[1])
        stem = f"{found[0]}_{int(start):06d}"
        yield Row(stem, found[2], split, place, found[0], start_s=start, end_s=start + VGGSOUND_S)


def _wrong_fields(found: list[str], split: str) -> str:
    """What is wrong with a line of four columns."""
    if not found[0]:
        return "no YouTube id"
    if not found[1].replace(".", "", 1).isdecimal() or len(found[1]) > 12:
        return f"start is {found[1]!r}, not a number of seconds; a header line?"
    return "" if split else f"split is {found[3]!r}; known: {', '.join(SPLIT_NAMES)}"


def _with_file(row: Row, files: dict[str, list[str]], places: Places, used: set[str]) -> Row:
    """The row with the path of its video; a file of just this part comes before the whole video."""
    names = list(dict.fromkeys((row.stem, row.video_id)))
    stem = next((name for name in names if name in files), "")
    if not stem:
        return row._replace(problem="missing", detail=f"no video named {' or '.join(names)} below the root")
    paths = files[stem]
    used.update(paths)
    path = next((p for p in paths if same_label(os.path.basename(os.path.dirname(p)), row.label)), paths[0])
    if not os.path.isfile(path):
        return row._replace(problem="missing", detail=f"{path} is no file or a link to nowhere")
    if not places.holds(path):
        return row._replace(problem="unreadable", detail=f"{OUTSIDE} through a link: {path}")
    others = f"{len(paths)} files of this name; the others: {', '.join(p for p in paths if p != path)}"
    row = row._replace(video=path, detail=others if len(paths) > 1 else "")
    is_cut = stem == row.stem and row.stem != row.video_id
    return row._replace(start_s=NAN, end_s=NAN) if is_cut else row
