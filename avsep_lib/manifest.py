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

COLUMNS = [
    "clip_id", "video_id", "labels", "split", "audio", "frames",
    "n_frames", "fps", "sample_rate", "duration_s", "sha256",
]  # fmt: skip
SPLITS = ("train", "val", "test", "pretrain")


def read_manifest(path: str | Path) -> pd.DataFrame:
    """Read and check a manifest.

    Raises
    ------
    DataError
        Missing file, wrong columns, duplicate clip, unknown split, empty label, impossible number.
    LeakageError
        A video that occurs in more than one split.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"manifest {path} is missing; `make figures` writes the embedded one")
    table = pd.read_csv(
        path, dtype={"clip_id": str, "video_id": str, "labels": str, "split": str}, keep_default_na=False
    )
    check_manifest(table, str(path))
    return table


def check_manifest(table: pd.DataFrame, place: str) -> None:
    """Raise on the first thing wrong with a manifest table; `place` begins each message."""
    if missing := [c for c in COLUMNS if c not in table.columns]:
        raise DataError(f"{place}: missing column {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    if len(duplicated := table.clip_id[table.clip_id.duplicated()]):
        raise DataError(f"{place}: clip_id {duplicated.iloc[0]!r} occurs twice; every clip needs its own id")
    if len(bad := table[~table.split.isin(SPLITS)]):
        raise DataError(
            f"{place}: clip {bad.clip_id.iloc[0]!r} has split {bad.split.iloc[0]!r}; known: {', '.join(SPLITS)}"
        )
    if len(bad := table[table.labels.str.strip() == ""]):
        raise DataError(f"{place}: clip {bad.clip_id.iloc[0]!r} has no label")
    for column in ("n_frames", "fps", "sample_rate", "duration_s"):
        values = pd.to_numeric(table[column], errors="coerce")
        if len(bad := table[~(values > 0)]):
            raise DataError(
                f"{place}: clip {bad.clip_id.iloc[0]!r} has {column} = {bad[column].iloc[0]!r}; it must be > 0"
            )
    splits_per_video = table.groupby("video_id").split.nunique()
    if len(leaking := splits_per_video[splits_per_video > 1]):
        found = sorted(table.split[table.video_id == leaking.index[0]].unique())
        raise LeakageError(
            f"{place}: video {leaking.index[0]!r} is in splits {' and '.join(found)}; keep a video in one split"
        )


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
