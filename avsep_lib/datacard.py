"""The data card: what a dataset holds, how loud it is, and whether anything crosses from one split to another.

Conventions
-----------
Levels are RMS in dB relative to full scale (dBFS). A clip is *quiet* in a window of 50 ms whose level lies 30 dB below
the level of the whole clip: a rest, not the end of a note.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from avsep_lib.clips import ClipStore
from avsep_lib.config import load_profile
from avsep_lib.errors import LeakageError
from avsep_lib.files import read_json
from avsep_lib.inputs import dataset_of, require_data
from avsep_lib.manifest import SPLITS, is_solo, label_list, spread_evenly
from avsep_lib.mixtures import LISTS, read_list

WINDOW_S = 0.05
QUIET_DB = 30.0
PER_CLASS = 60  # clips of a class in a split whose sound is measured; the embedded datasets have fewer
# What two splits must not share: the column, and what a shared value would mean.
UNSHARED = {
    "video_id": "video",
    "sha256": "audio file",
    "melody_seed": "melody",
    "recording_seed": "recording condition",
    "drawing_seed": "drawing",
}


def level_dbfs(waveform: np.ndarray) -> float:
    """RMS level of a waveform in dBFS."""
    return float(10 * np.log10(np.mean(np.square(waveform, dtype=np.float64)) + 1e-20))


def quiet_share(waveform: np.ndarray, sample_rate: int) -> float:
    """Share of `WINDOW_S` windows whose level lies `QUIET_DB` or more below that of the clip."""
    n = round(WINDOW_S * sample_rate)
    windows = waveform[: len(waveform) // n * n].reshape(-1, n).astype(np.float64)
    power = np.mean(windows**2, axis=1)
    return float(np.mean(power <= power.mean() * 10 ** (-QUIET_DB / 10)))


def clip_levels(store: ClipStore, per_class: int = PER_CLASS) -> pd.DataFrame:
    """One row per clip: clip_id, split, labels, solo, duration_s, level_dbfs, peak, quiet_share.

    The last three are measured for `per_class` clips of each class in each split, spread evenly, and NaN for the rest.
    """
    rows = []
    table = store.table.reset_index(drop=True)
    for row, solo, measured in zip(table.itertuples(), is_solo(table), spread_evenly(table, per_class)):
        values = _measures(store.waveform(row.clip_id), store.sample_rate) if measured else (np.nan,) * 3
        rows.append((row.clip_id, row.split, row.labels, solo, row.duration_s, *values))
    columns = ["clip_id", "split", "labels", "solo", "duration_s", "level_dbfs", "peak", "quiet_share"]
    return pd.DataFrame(rows, columns=columns)


def _measures(waveform: np.ndarray, sample_rate: int) -> tuple[float, float, float]:
    return level_dbfs(waveform), float(np.abs(waveform).max()), quiet_share(waveform, sample_rate)


def solo_counts(clips: pd.DataFrame) -> pd.DataFrame:
    """Solo clips per class (rows) and split (columns, in the manifest's order)."""
    solos = clips[is_solo(clips)]
    counts = pd.crosstab(solos["labels"].rename("instrument"), solos["split"])
    return counts[[split for split in SPLITS if split in counts]]


def data_card(levels: pd.DataFrame, provenance: pd.DataFrame) -> pd.DataFrame:
    """One row per class, for the data card.

    Parameters
    ----------
    levels : DataFrame
        From `clip_levels`.
    provenance : DataFrame
        ``provenance.csv``; of an embedded dataset, its `stand_in` column says what really sounds.

    Returns
    -------
    DataFrame
        Indexed by instrument: solo clips per split, duets it plays in, minutes of solos, median level and quiet share.
    """
    solos = levels[levels.solo].groupby("labels")
    duets = [name for labels in levels.labels[~levels.solo] for name in label_list(labels)]
    card = solo_counts(levels)
    card["duets"] = pd.Series(duets, dtype=str).value_counts().reindex(card.index, fill_value=0).astype(int)
    card["minutes"] = solos.duration_s.sum() / 60
    card["level (dBFS)"] = solos.level_dbfs.median()
    card["quiet (%)"] = 100 * solos.quiet_share.median()
    if "stand_in" not in provenance:
        return card.assign(**{"stand-in": ""})
    stand_ins = provenance[~provenance.labels.str.contains("|", regex=False)].groupby("labels").stand_in.first()
    card["stand-in"] = stand_ins.fillna("").str.partition(": ")[2].reindex(card.index, fill_value="")
    return card


def shared_between_splits(manifest: pd.DataFrame, provenance: pd.DataFrame) -> pd.DataFrame:
    """How many videos, audio files and seeds each pair of splits has in common.

    Parameters
    ----------
    manifest, provenance : DataFrame
        Of one dataset; joined by clip_id. What provenance lacks (a dataset of recordings has no seeds) is left out.

    Returns
    -------
    DataFrame
        One row per pair of splits, one column per entry of `UNSHARED`; every number should be 0.
    """
    seeds = provenance.drop(columns=["split", "labels"], errors="ignore")
    clips = manifest.merge(seeds, on="clip_id", validate="one_to_one")
    kept = {column: name for column, name in UNSHARED.items() if column in clips}
    values = {split: {c: set(group[c]) for c in kept} for split, group in clips.groupby("split")}
    pairs = combinations([split for split in SPLITS if split in values], 2)
    rows = {f"{a} and {b}": {name: len(values[a][c] & values[b][c]) for c, name in kept.items()} for a, b in pairs}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("splits")


def check_nothing_shared(shared: pd.DataFrame) -> None:
    """LeakageError naming the first pair of splits with something in common; see `shared_between_splits`."""
    for pair, row in shared.iterrows():
        if len(found := row[row > 0]):
            raise LeakageError(f"{pair} share {found.iloc[0]} x {found.index[0]}; keep each in one split")


def mixture_card(folder: Path) -> pd.DataFrame:
    """One row per mixture list: mixtures, different clips, unpaired clips, and the start of its SHA-256."""
    info = read_json(folder / "mixtures.json")
    rows = []
    for name in LISTS:
        table = read_list(folder, name)
        unpaired = info["unpaired"].get(name, [])
        rows.append(
            (name, table.mixture_id.nunique(), table.clip_id.nunique(), len(unpaired), info["sha256"][name][:12])
        )
    return pd.DataFrame(rows, columns=["list", "mixtures", "clips", "unpaired", "sha256"]).set_index("list")


def typical_clips(clips: pd.DataFrame, split: str = "test") -> pd.DataFrame:
    """The clips that a data card shows, by rule and not by choice: each class's first solo, then the first duet.

    Returns
    -------
    DataFrame
        Manifest rows indexed by labels.
    """
    clips = clips[clips.split == split].sort_values("clip_id")
    solo = is_solo(clips)
    first = pd.concat([clips[solo].drop_duplicates("labels").sort_values("labels"), clips[~solo].head(1)])
    return first.set_index("labels", drop=False)


def some_of(shown: pd.DataFrame, n: int = 24) -> pd.DataFrame:
    """`typical_clips`, or `n` of them spread over the list where it is longer."""
    return shown.iloc[np.unique(np.linspace(0, len(shown) - 1, min(n, len(shown))).astype(int))]


def pictures_of_others(profile: str, dataset: str, n: int = 12) -> dict[str, np.ndarray]:
    """Middle frames of the other datasets of a profile: `n` of the classes that `dataset` lacks, spread over the list.

    A profile with one dataset has none.

    Returns
    -------
    dict
        ``"wild: seashore"`` to a picture (height, width, 3), dataset after dataset.
    """
    import matplotlib.pyplot as plt

    chosen = load_profile(profile)
    dataset = dataset_of(chosen, dataset)
    (own,) = require_data(profile, dataset, "clips/clips.json")
    known = set(ClipStore.open(own.parent).table.labels)
    pictures = {}
    for other in chosen.datasets:
        if other == dataset:
            continue
        store = ClipStore.open(require_data(profile, other, "clips/clips.json")[0].parent)
        shown = typical_clips(store.table.reset_index(drop=True))
        for clip in some_of(shown[is_solo(shown) & ~shown.labels.isin(known)], n).itertuples():
            pictures[f"{other}: {clip.labels}"] = plt.imread(store.frame_path(clip.clip_id, clip.n_frames // 2))
    return pictures
