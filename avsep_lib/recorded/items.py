"""Every item of a recorded dataset in one table, before any sound or picture is opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator

import pandas as pd

from avsep_lib.errors import DataError
from avsep_lib.recorded.folders import read_folders
from avsep_lib.recorded.ids import clip_ids, video_ids
from avsep_lib.recorded.index import read_index
from avsep_lib.recorded.labels import class_names
from avsep_lib.recorded.places import UNWRITABLE
from avsep_lib.recorded.published import read_published
from avsep_lib.recorded.rows import Row
from avsep_lib.recorded.settings import RecordedSettings
from avsep_lib.recorded.splits import assign_splits

COLUMNS = [
    "clip_id", "video_id", "labels", "split", "list", "audio", "frames", "n_frames",
    "video", "start_s", "end_s", "problem", "detail",
]  # fmt: skip
READERS: dict[str, Callable[[RecordedSettings, Counter[str]], Iterator[Row]]] = {
    "index": read_index,
    "videos": read_folders,
    "list": read_published,
}


def read_items(settings: RecordedSettings) -> pd.DataFrame:
    """Every listed or found item of a dataset; what is wrong with one is said in its row.

    Only lists are read and names looked up, so that 130,000 items take seconds.

    Parameters
    ----------
    settings : RecordedSettings
        Where to look.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`. `audio`, `frames` and `video` are absolute paths of what exists, or empty. `n_frames` is what
        an index promises, else 0. `start_s` and `end_s` (seconds) bound the part of a longer video that is meant, else
        NaN. `problem` is empty or one of `settings.PROBLEMS`, `detail` what was found. ``attrs["notes"]`` counts what
        has no row: files of no list, files that are no videos, links to folders.

    Raises
    ------
    DataError
        A root or list that cannot be read or is something else, or no item at all.
    LeakageError
        A video that the lists put in two splits.
    ConfigError
        A `video_id` pattern that does not fit a file name.
    """
    notes: Counter[str] = Counter()
    table = pd.DataFrame.from_records(list(read_rows(settings, notes)), columns=list(Row._fields))
    if table.empty:
        raise DataError(f"{settings.root}: nothing found of a dataset in the format {settings.format!r}")
    table = _named(_without_label(table), settings)
    if settings.policy.duplicate != "keep":  # else they are to be measured like any other item
        table = _repeated(table)
    table["split"] = assign_splits(table, settings)
    table["clip_id"] = clip_ids(table.stem, table.labels, table.list)
    table = table[COLUMNS].copy()
    table.attrs["notes"] = dict(notes)
    return table


def read_rows(settings: RecordedSettings, notes: Counter[str]) -> Iterator[Row]:
    """One row per item as it is listed or found; what is no item is counted in `notes`. Raises DataError as above."""
    if not os.path.isdir(settings.root):
        raise DataError(f"root {settings.root} is no folder; correct `root` in the dataset's YAML")
    yield from map(_writable, READERS[settings.format](settings, notes))


def _writable(row: Row) -> Row:
    """The row without characters that no table can hold; a file with such a name cannot be used."""
    fields = {field: value for field, value in row._asdict().items() if isinstance(value, str)}
    if not any(UNWRITABLE.search(value) for value in fields.values()):
        return row
    name = row.video or row.audio or row.stem
    row = row._replace(**{field: UNWRITABLE.sub("_", value) for field, value in fields.items()})
    if row.problem:
        return row
    return row._replace(
        audio="",
        frames="",
        video="",
        problem="unreadable",
        detail=f"control characters or no UTF-8 in the name {name!r}",
    )


def _without_label(table: pd.DataFrame) -> pd.DataFrame:
    """Items without a label get their problem."""
    bare = (table.label.str.strip() == "") & (table.problem == "")
    table.loc[bare, ["problem", "detail"]] = ["unreadable", "no label: the file lies in no folder named after it"]
    return table


def _named(table: pd.DataFrame, settings: RecordedSettings) -> pd.DataFrame:
    """With class names and video ids."""
    names = class_names(table.label, settings.duet_separators)
    table["labels"] = table.label.map(names)
    table["video_id"] = video_ids(table, settings.video_id)
    return table


def _repeated(table: pd.DataFrame) -> pd.DataFrame:
    """The second row of the same file (and part) becomes a duplicate; rows with a given split come first."""
    path = table.video.where(table.video != "", table.audio)
    rows = table.assign(path=path, open=table.given == "")[(table.problem == "") & (path != "")]
    rows = rows.sort_values("open", kind="stable")
    again = rows.index[rows.duplicated(["path", "start_s"])]
    first = rows.groupby(["path", "start_s"], dropna=False, sort=False).list.transform("first")
    table.loc[again, "problem"] = "duplicate"
    table.loc[again, "detail"] = "the same file as " + first[again]
    return table
