"""The manifest: one CSV that describes any dataset, one row per clip.

Conventions
-----------
Paths are relative to the manifest's folder. `labels` joins the class names of a clip with ``|`` (a duet has two).
`frames` is a folder of ``000001.jpg`` ... `n_frames` at `fps` frames per second. `sha256` is the audio file's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from avsep_lib.errors import DataError, LeakageError
from avsep_lib.text_files import check_numbers, read_table

COLUMNS = [
    "clip_id", "video_id", "labels", "split", "audio", "frames",
    "n_frames", "fps", "sample_rate", "duration_s", "sha256",
]  # fmt: skip
SPLITS = ("train", "val", "test", "pretrain")
TEXT = ("clip_id", "video_id", "labels", "split", "audio", "frames", "sha256")
WHOLE = ("n_frames", "sample_rate")
POSITIVE = {"n_frames": (1, 1e9), "fps": (1e-6, 1e4), "sample_rate": (1, 1e6), "duration_s": (1e-6, 1e6)}


def read_manifest(path: str | Path) -> pd.DataFrame:
    """Read and check a manifest.

    Raises
    ------
    DataError
        Missing file, wrong columns, duplicate clip, unknown split, empty label, impossible number.
    LeakageError
        A video that occurs in more than one split.
    """
    way_out = "correct the manifest; `make figures` writes the embedded one"
    table = read_table(path, COLUMNS, TEXT, missing=False, way_out=way_out)
    check_manifest(table, str(path))
    return table.astype(dict.fromkeys(WHOLE, int))


def check_manifest(table: pd.DataFrame, place: str) -> None:
    """Raise on the first thing wrong with a manifest table; `place` begins each message."""
    if not len(table):
        raise DataError(f"{place}: no clip in it")
    if missing := [c for c in COLUMNS if c not in table.columns]:
        raise DataError(f"{place}: missing column {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    if len(duplicated := table.clip_id[table.clip_id.duplicated()]):
        raise DataError(f"{place}: clip_id {duplicated.iloc[0]!r} occurs twice; every clip needs its own id")
    if len(bad := table[~table.split.isin(SPLITS)]):
        raise DataError(
            f"{place}: clip {bad.clip_id.iloc[0]!r} has split {bad.split.iloc[0]!r}; known: {', '.join(SPLITS)}"
        )
    for column in ("clip_id", "video_id", "audio", "frames", "labels"):
        if len(bad := table[table[column].str.strip() == ""]):
            what = "label" if column == "labels" else column
            raise DataError(f"{place}: clip {bad.clip_id.iloc[0]!r} has no {what}")
    if len(bad := table[~table.labels.map(_are_labels)]):
        raise DataError(
            f"{place}: clip {bad.clip_id.iloc[0]!r} has the labels {bad.labels.iloc[0]!r}; join different names by |"
        )
    check_numbers(table, place, POSITIVE, WHOLE, key="clip_id")
    if len(bad := table[~table.sha256.str.fullmatch("([0-9a-f]{64})?")]):
        raise DataError(
            f"{place}: clip {bad.clip_id.iloc[0]!r} has sha256 = {bad.sha256.iloc[0]!r}; write 64 hexadecimal digits or nothing"
        )
    splits_per_video = table.groupby("video_id").split.nunique()
    if len(leaking := splits_per_video[splits_per_video > 1]):
        found = sorted(table.split[table.video_id == leaking.index[0]].unique())
        raise LeakageError(
            f"{place}: video {leaking.index[0]!r} is in splits {' and '.join(found)}; keep a video in one split"
        )


def _are_labels(labels: str) -> bool:
    """Whether a cell holds one label, or different ones joined by ``|``."""
    parts = label_list(labels)
    return all(part.strip() for part in parts) and len(set(parts)) == len(parts)


def label_list(labels: str) -> list[str]:
    """Class names of a clip, e.g. ``"flute|violin"`` -> ``["flute", "violin"]``."""
    return labels.split("|")


def is_solo(table: pd.DataFrame) -> pd.Series:
    """True for clips with a single label."""
    return ~table.labels.str.contains("|", regex=False)


def spread_evenly(clips: pd.DataFrame, n: int) -> pd.Series:
    """Which rows to take so that no class has more than `n` in a split: every k-th, beginning with the first."""
    groups = clips.groupby(["labels", "split"])
    place, size = groups.cumcount(), groups["labels"].transform("size")
    taken = np.minimum(size, n)
    return (place * taken // size) > ((place - 1) * taken // size)
