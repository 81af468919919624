"""Who is mixed with whom: a fixed training pool, and matched validation and test pairs.

A mixture list is tidy: one row per (mixture_id, source) with `clip_id`, `start_s`, `frame` and `gain`. Times are in
seconds, so that a variant at another sample rate mixes the same moments. Lists are written with their SHA-256; all
rows of a table share them.

``python -m avsep_lib.mixtures`` writes ``pool.csv``, ``val.csv``, ``test.csv`` and ``mixtures.json``.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from avsep_lib.cli import json_argument, run_main
from avsep_lib.clips import ClipStore
from avsep_lib.errors import DataError, LeakageError
from avsep_lib.files import atomic_path, read_json, sha256_file, write_json
from avsep_lib.manifest import SPLITS, is_solo, label_list
from avsep_lib.settings import AudioSettings, MixtureSettings, from_dict
from avsep_lib.text_files import check_numbers, read_table

LISTS = ("pool", "val", "test")
LIST_COLUMNS = ["mixture_id", "source", "clip_id", "start_s", "frame", "gain"]


class _Clips:
    """The columns that drawing needs, as plain arrays: looking rows up in a DataFrame costs more than the drawing."""

    def __init__(self, clips: pd.DataFrame) -> None:
        self.ids: list[str] = clips.clip_id.tolist()
        self.labels: list[str] = clips.labels.tolist()
        self.duration_s = clips.duration_s.to_numpy(float)
        self.fps = clips.fps.to_numpy(float)
        self.n_frames = clips.n_frames.to_numpy(int)

    def __len__(self) -> int:
        return len(self.ids)

    def frame_at(self, position: int, seconds: float) -> int:
        """The frame that is shown at a time."""
        return min(int(seconds * self.fps[position]), int(self.n_frames[position]) - 1)


def _random_source(rng: np.random.Generator, clips: _Clips, i: int, clip_s: float, mixtures: MixtureSettings) -> tuple:
    """A random crop of clip `i`, a random frame inside it and a random gain."""
    start_s = round(float(rng.uniform(0, max(clips.duration_s[i] - clip_s, 0))), 4)
    frame = clips.frame_at(i, rng.uniform(start_s, start_s + clip_s))
    return clips.ids[i], start_s, frame, round(float(rng.uniform(mixtures.gain_low, mixtures.gain_high)), 4)


def centre_start(duration_s: float, clip_s: float) -> float:
    """Where the middle `clip_s` seconds of a clip begin, in seconds as lists have them; 0 for a shorter clip."""
    return round(max(duration_s - clip_s, 0) / 2, 4)


def _centre_source(clips: _Clips, i: int, clip_s: float) -> tuple:
    """The centre crop of clip `i`, its centre frame, no gain (validation and test)."""
    duration_s = clips.duration_s[i]
    return clips.ids[i], centre_start(duration_s, clip_s), clips.frame_at(i, duration_s / 2), 1.0


def _tidy(mixtures: list[tuple[tuple, ...]], prefix: str) -> pd.DataFrame:
    rows = [(f"{prefix}{i:05d}", j, *source) for i, sources in enumerate(mixtures) for j, source in enumerate(sources)]
    return pd.DataFrame(rows, columns=LIST_COLUMNS)


class _Partners:
    """Draws a partner that shares no class (`same_class`: just another clip), uniformly.

    Kept per set of labels are the few clips that may *not* be drawn. The partner is the k-th of the others, which a
    binary search finds: nothing here grows with clips times classes.
    """

    def __init__(self, clips: _Clips, same_class: bool) -> None:
        self.n_clips, self.same_class = len(clips), same_class
        of_class: dict[str, list[int]] = {}
        for i, labels in enumerate(clips.labels):
            for label in label_list(labels):
                of_class.setdefault(label, []).append(i)
        self.excluded = {
            labels: np.unique(np.concatenate([of_class[label] for label in label_list(labels)]))
            for labels in dict.fromkeys(clips.labels)
        }

    def lonely(self) -> str | None:
        """The first labels for which no partner is left, if any."""
        if self.same_class:
            return None
        return next((labels for labels, found in self.excluded.items() if len(found) == self.n_clips), None)

    def draw(self, rng: np.random.Generator, first: int, labels: str) -> int:
        """Position of a partner of the clip at position `first`."""
        excluded = np.array([first]) if self.same_class else self.excluded[labels]
        k = int(rng.choice(self.n_clips - len(excluded)))
        return k + int(np.searchsorted(excluded - np.arange(len(excluded)), k, side="right"))


def partnerless_duets(clips: pd.DataFrame) -> list[str]:
    """Ids of the duets that share a class with every clip; those of one kind share it with each other, too."""
    found: list[str] = []
    while True:
        left = clips[~clips.clip_id.isin(found)]
        labels = _Partners(_Clips(left), same_class=False).lonely() if len(left) else None
        if labels is None or "|" not in labels:
            return found
        found += left.clip_id[left.labels == labels].tolist()


def training_pool(clips: pd.DataFrame, clip_s: float, mixtures: MixtureSettings) -> pd.DataFrame:
    """A seeded pool of training mixtures, of two sources unless the settings say otherwise.

    Parameters
    ----------
    clips : DataFrame
        Manifest rows of the training split.
    clip_s : float
        Mixture length in seconds.
    mixtures : MixtureSettings

    Raises
    ------
    DataError
        When some solo has no partner of another class, or no clip is left.

    Notes
    -----
    A duet that holds every class there is (of two classes, each does) has no partner and takes no part.
    """
    clips = clips if mixtures.use_duets else clips[is_solo(clips)]
    if mixtures.use_duets and not mixtures.same_class:
        clips = clips[~clips.clip_id.isin(partnerless_duets(clips))]
    if len(clips) < 2:
        left = "one clip only" if len(clips) else "no solo clip"
        raise DataError(f"training pool: {left}; add clips to the training split or set use_duets")
    rng = np.random.default_rng([mixtures.seed, 1])
    columns = _Clips(clips)
    partners = _Partners(columns, mixtures.same_class)
    if (labels := partners.lonely()) is not None:
        raise DataError(f"training pool: no clip of another class than {labels!r}; add classes or set same_class")
    pool = []
    for _ in range(mixtures.pool_size):
        first = int(rng.choice(len(columns)))
        if mixtures.of_pairs:
            drawn = (first, partners.draw(rng, first, columns.labels[first]))
        else:
            size = int(rng.integers(mixtures.fewest_sources, mixtures.most_sources + 1))
            drawn = _strangers(rng, columns, first, size)
        pool.append(tuple(_random_source(rng, columns, i, clip_s, mixtures) for i in drawn))
    return _tidy(pool, "p")


def _strangers(rng: np.random.Generator, clips: _Clips, first: int, size: int) -> tuple[int, ...]:
    """`size` clips of which no two share a class, the first given; fewer where there are no more such clips."""
    chosen, classes = [first], set(label_list(clips.labels[first]))
    for i in map(int, rng.permutation(len(clips))):
        if len(chosen) == size:
            break
        if classes.isdisjoint(labels := label_list(clips.labels[i])):
            chosen.append(i)
            classes.update(labels)
    return tuple(chosen)


def matched_pairs(clips: pd.DataFrame, seed: int, place: str = "matching") -> list[tuple[str, str]]:
    """A random cross-class matching of solo clips: each clip in at most one pair.

    The class with most clips left is always served first, which pairs as many clips as any matching can. Unpaired
    stay one clip of an odd number and, where one class holds more than half, its surplus (the caller counts them).

    Raises
    ------
    DataError
        When there is one class only, or no clip; `place` begins the message.
    """
    rng = np.random.default_rng(seed)
    left = {label: list(rng.permutation(group.clip_id.to_numpy())) for label, group in clips.groupby("labels")}
    if len(left) < 2:
        found = f"every solo clip is of class {next(iter(left))!r}" if left else "there is no solo clip"
        raise DataError(f"{place}: {found}, and pairs are of two classes; add solo clips of other classes")
    pairs = []
    while sum(map(len, left.values())) > 1:
        most = max(map(len, left.values()))
        first = str(rng.choice(sorted(label for label, ids in left.items() if len(ids) == most)))
        others = sorted(label for label, ids in left.items() if ids and label != first)
        if not others:
            break
        weights = np.array([len(left[label]) for label in others], dtype=float)
        second = str(rng.choice(others, p=weights / weights.sum()))
        pair = (left[first].pop(), left[second].pop())
        pairs.append(pair if rng.random() < 0.5 else pair[::-1])
    return pairs


def matched_groups(
    clips: pd.DataFrame, seed: int, sizes: Iterable[int], place: str = "matching"
) -> list[tuple[str, ...]]:
    """A random matching of solo clips into groups of distinct classes: each clip in at most one group.

    As in `matched_pairs` the classes with most clips left are served first.

    Parameters
    ----------
    clips : DataFrame
        `clip_id` and `labels` of solos.
    seed : int
    sizes : iterable of int
        Wanted sizes, one group after the other (endless, mostly); it ends with the first size that cannot be had.
    place : str
        Begins the message.

    Raises
    ------
    DataError
        When not one group can be made.
    """
    rng = np.random.default_rng(seed)
    left = {label: list(rng.permutation(group.clip_id.to_numpy())) for label, group in clips.groupby("labels")}
    groups = []
    for size in sizes:
        found = sorted(
            (label for label, ids in left.items() if ids), key=lambda label: (-len(left[label]), rng.random())
        )
        if len(found) < size:
            break
        groups.append(tuple(str(left[label].pop()) for label in rng.permutation(found[:size])))
    if not groups:
        raise DataError(f"{place}: solo clips of {len(left)} classes, which no group of that size can be made of")
    return groups


def evaluation_list(
    clips: pd.DataFrame,
    clip_s: float,
    seed: int,
    prefix: str,
    absent: pd.DataFrame | None = None,
    sizes: Iterable[int] | None = None,
) -> pd.DataFrame:
    """Matched pairs of solo clips at their centre crops; see `matched_pairs`.

    Parameters
    ----------
    clips : DataFrame
        Manifest rows of the split.
    clip_s : float
        Mixture length in seconds.
    seed : int
    prefix : str
        First letter of the mixture ids.
    absent : DataFrame, optional
        Audited items of the dataset that are listed and cannot be used. Those of the split are matched like the others
        and their pairs dropped: a missing clip takes its pair with it and never reshuffles the rest.
    sizes : iterable of int, optional
        Numbers of sources of one mixture after the other, in place of pairs; see `matched_groups`.

    Raises
    ------
    DataError
        As `matched_pairs`, or when no pair is left.
    """
    split = clips.split.iloc[0]
    solos = clips[is_solo(clips)]
    listed = solos[["clip_id", "labels"]]
    if absent is not None:
        missing = absent[is_solo(absent) & (absent.split == split)]
        listed = pd.concat([listed, missing[["clip_id", "labels"]]]).sort_values("clip_id", ignore_index=True)
    known, columns = set(solos.clip_id), _Clips(solos)
    place = f"split {split!r}"
    matched = matched_pairs(listed, seed, place) if sizes is None else matched_groups(listed, seed, sizes, place)
    pairs = [pair for pair in matched if known.issuperset(pair)]
    if not pairs:
        raise DataError(
            f"split {split!r}: every listed pair has a clip that cannot be used; obtain more of the listed files, or set "
            "decided_over: usable"
        )
    position = {clip_id: i for i, clip_id in enumerate(columns.ids)}
    sources = [tuple(_centre_source(columns, position[clip_id], clip_s) for clip_id in pair) for pair in pairs]
    return _tidy(sources, prefix)


def check_no_leakage(lists: dict[str, pd.DataFrame], clips: pd.DataFrame) -> None:
    """Raise LeakageError when a video of one list occurs in another, or a list uses a foreign split.

    Parameters
    ----------
    lists : dict
        ``{"pool" | "val" | "test": mixture list}``.
    clips : DataFrame
        Manifest rows, indexed by clip_id.
    """
    split_of = {"pool": "train", "val": "val", "test": "test"}
    videos = {}
    for name, table in lists.items():
        rows = clips.loc[table.clip_id.unique()]
        if len(foreign := rows[rows.split != split_of[name]]):
            clip = foreign.iloc[0]
            raise LeakageError(
                f"{name} list: clip {clip.clip_id!r} belongs to split {clip.split!r}, not {split_of[name]!r}"
            )
        videos[name] = set(rows.video_id)
    for a, b in (("pool", "val"), ("pool", "test"), ("val", "test")):
        if shared := sorted(videos.get(a, set()) & videos.get(b, set())):
            raise LeakageError(f"video {shared[0]!r} is in the {a} and the {b} list; keep a video in one split")


def build_lists(
    store: ClipStore, audio: AudioSettings, mixtures: MixtureSettings, absent: pd.DataFrame | None = None
) -> dict[str, pd.DataFrame]:
    """The three lists of a dataset, checked for leakage; for `absent` see `evaluation_list`."""
    clip_s = audio.n_samples / audio.sample_rate
    if len(short := store.table[store.table.n_samples < audio.n_samples]):
        clip = short.iloc[0]
        raise DataError(
            f"clip {clip.clip_id!r} lasts {clip.n_samples / store.sample_rate:.2f} s, a mixture {clip_s:.2f} s; "
            "drop its row from the manifest or lower audio.n_samples"
        )
    split = {name: group for name, group in store.table.groupby("split")}
    if missing := [name for name in ("train", "val", "test") if name not in split]:
        raise DataError(f"{store.folder}: no clips in split {missing[0]!r}")

    def evaluated(name: str, seed: int) -> pd.DataFrame:
        if mixtures.of_pairs:
            return evaluation_list(split[name], clip_s, seed, name[0], absent)
        largest = min(mixtures.most_sources, split[name].loc[is_solo(split[name]), "labels"].nunique())
        sizes = range(min(mixtures.fewest_sources, largest), largest + 1)
        return evaluation_list(split[name], clip_s, seed, name[0], absent, itertools.cycle(sizes))

    lists = {
        "pool": training_pool(split["train"], clip_s, mixtures),
        "val": evaluated("val", mixtures.seed + 1),
        "test": evaluated("test", mixtures.seed + 2),
    }
    check_no_leakage(lists, store.table)
    return lists


def absent_clips(audit: Path) -> pd.DataFrame:
    """Clips of an ``audit.csv`` that are listed and were dropped: `clip_id`, `labels` and `split`."""
    columns = ("clip_id", "labels", "split", "status")
    table = read_table(audit, columns, columns, missing=False, way_out="`make figures` writes it", whole=True)
    for column, known in (("status", ("kept", "dropped")), ("split", SPLITS)):
        if len(bad := table[~table[column].isin(known)]):
            raise DataError(f"{audit}: clip {bad.clip_id.iloc[0]!r} has {column} = {bad[column].iloc[0]!r}")
    return table.loc[(table.status == "dropped") & (table.labels != ""), ["clip_id", "labels", "split"]]


def read_list(folder: str | Path, name: str) -> pd.DataFrame:
    """Read one mixture list; DataError when it is not the list that ``mixtures.json`` describes."""
    folder = Path(folder)
    hashes = read_json(folder / "mixtures.json", "sha256")["sha256"]
    path = folder / f"{name}.csv"
    known = hashes.get(name) if isinstance(hashes, dict) else None
    if not path.is_file() or sha256_file(path) != known:
        raise DataError(
            f"{path} is missing or was edited (SHA-256 differs from mixtures.json); delete {folder} and rerun"
        )
    table = read_table(
        path, LIST_COLUMNS, ("mixture_id", "clip_id"), missing=False, way_out=f"delete {folder} and rerun"
    )
    _check_list(table, path)
    return table


def _check_list(table: pd.DataFrame, path: Path) -> None:
    """DataError for a list without a mixture, or with values that no mixture can have."""
    if not len(table) or (table[["mixture_id", "clip_id"]] == "").any(axis=None):
        raise DataError(f"{path} lists no mixture, or one without a name; delete {path.parent} and rerun")
    limits = {"source": (0, 1e3), "start_s": (0, 1e6), "frame": (0, 1e9), "gain": (1e-12, 1e6)}
    check_numbers(table, str(path), limits, ("source", "frame"), key="mixture_id")
    if (twice := table.duplicated(["mixture_id", "source"])).any():
        raise DataError(f"{path}: mixture {table.mixture_id[twice].iloc[0]!r} has a source twice")


def write_lists(lists: dict[str, pd.DataFrame], out: Path, store: ClipStore) -> None:
    """Write the lists, and ``mixtures.json`` last: hashes, counts and the clips that found no partner; all or none."""
    try:
        for name, table in lists.items():
            with atomic_path(out / f"{name}.csv") as path:
                table.to_csv(path, index=False)
        write_json(out / "mixtures.json", _list_info(lists, out, store))
    except BaseException:  # a list without its hash would look complete
        for name in lists:
            (out / f"{name}.csv").unlink(missing_ok=True)
        raise


def _list_info(lists: dict[str, pd.DataFrame], out: Path, store: ClipStore) -> dict:
    solos = store.table[is_solo(store.table)]
    unpaired = {n: sorted(set(solos.clip_id[solos.split == n]) - set(lists[n].clip_id)) for n in ("val", "test")}
    if duets := set(partnerless_duets(store.table[store.table.split == "train"])) - set(lists["pool"].clip_id):
        unpaired["pool"] = sorted(duets)
    return {
        "sha256": {name: sha256_file(out / f"{name}.csv") for name in LISTS},
        "n_mixtures": {name: int(table.mixture_id.nunique()) for name, table in lists.items()},
        "unpaired": unpaired,
    }


def crop_start(store: ClipStore, clip_id: str, start_s: float, audio: AudioSettings) -> int:
    """First sample of a crop; rounding to samples may pass the last possible one by one."""
    return min(round(start_s * audio.sample_rate), store.n_samples(clip_id) - audio.n_samples)


def scaled_crop(store: ClipStore, clip_id: str, start: int, n_samples: int, gain: float) -> np.ndarray:
    """A source as it enters a mixture, float32 (n_samples,).

    The gain comes first and the clip to [-1, 1] second, as in the lineage; the division by n is `audio.mix`.
    """
    return np.clip(store.crop(clip_id, start, n_samples) * np.float32(gain), -1, 1)


def load_sources(store: ClipStore, rows: pd.DataFrame, audio: AudioSettings) -> np.ndarray:
    """Gain-scaled, clipped source waveforms of one mixture, shape (n_sources, n_samples); see `scaled_crop`."""
    if store.sample_rate != audio.sample_rate:
        raise DataError(f"{store.folder} is at {store.sample_rate} Hz, audio.sample_rate is {audio.sample_rate}")
    crops = []
    for row in rows.itertuples():
        start = crop_start(store, row.clip_id, row.start_s, audio)
        crops.append(scaled_crop(store, row.clip_id, start, audio.n_samples, row.gain))
    return np.stack(crops)


def main() -> None:
    """Command line: write the three lists of a dataset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=json_argument, required=True)
    parser.add_argument("--audio", type=json_argument, required=True)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--audit", type=Path, help="audit.csv, where pairs are decided over all that is listed")
    arguments = parser.parse_args()
    store = ClipStore.open(arguments.clips)
    audio, mixtures = from_dict(AudioSettings, arguments.audio), from_dict(MixtureSettings, arguments.settings)
    absent = absent_clips(arguments.audit) if arguments.audit else None
    write_lists(build_lists(store, audio, mixtures, absent), arguments.out, store)


if __name__ == "__main__":
    run_main(main)
