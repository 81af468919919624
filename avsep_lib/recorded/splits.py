"""Which split each video belongs to: as the lists say, else by a seeded draw within each class."""

from __future__ import annotations

import hashlib
import math

import pandas as pd

from avsep_lib.errors import LeakageError
from avsep_lib.recorded.settings import RecordedSettings, Shares


def assign_splits(table: pd.DataFrame, settings: RecordedSettings) -> pd.Series:
    """Split of every item; all items of a video share one.

    Videos without a given split are ordered by a hash of seed and id within their class and dealt out by `shares`: the
    order of the files does not matter, and a video more or less moves few others. Where splits are decided over what is
    usable, missing and unreadable items are dealt out apart, so that the others fill every split; where they are
    decided over what is listed, they count like any other. Duets are for training, since scores are taken on solos. Lists without a val split have it taken from their training videos; lists without a test split, as the
    released code's, whose validation list is its test list too, have it taken from their validation videos.

    Parameters
    ----------
    table : DataFrame
        Columns `video_id`, `labels`, `given` (split or empty), `list` and `problem`.
    settings : RecordedSettings
        `shares` and `seed`.

    Raises
    ------
    LeakageError
        A video that the lists put in two splits.
    """
    _check_given(table)
    videos = _videos(table)
    videos["apart"] = False if settings.over_listed else ~videos.usable
    videos["split"] = videos.given
    rest = videos[videos.given == ""]
    videos.loc[rest.index[rest.duet | (rest["class"] == "")], "split"] = "train"
    _deal(videos, rest[~rest.duet & (rest["class"] != "")], settings.shares, settings.seed)
    shares = settings.shares
    if not _has(videos, "test") and _has(videos, "val"):
        _move(videos, "val", "test", shares.test / (shares.val + shares.test), settings.seed)
    if not _has(videos, "val"):
        _move(videos, "train", "val", shares.val / (shares.train + shares.val), settings.seed)
    return table.video_id.map(videos.split)


def quotas(n: int, shares: Shares) -> dict[str, int]:
    """Numbers of test, val and train videos of a class with `n` videos; from three on each split has one.

    Examples
    --------
    >>> quotas(10, Shares())
    {'test': 2, 'val': 1, 'train': 7}
    >>> quotas(3, Shares())
    {'test': 1, 'val': 1, 'train': 1}
    >>> quotas(2, Shares())
    {'test': 1, 'val': 0, 'train': 1}
    """
    if n < 3:
        return {"test": n // 2, "val": 0, "train": n - n // 2}
    test, val = (max(1, math.floor(share * n + 0.5)) for share in (shares.test, shares.val))
    while test + val >= n:  # a large share of a small class
        test, val = (test - 1, val) if test >= val else (test, val - 1)
    return {"test": test, "val": val, "train": n - test - val}


def _check_given(table: pd.DataFrame) -> None:
    given = table[table.given != ""].drop_duplicates(["video_id", "given"])
    leaking = given[given.video_id.duplicated(keep=False)]
    if leaking.empty:
        return
    first, n = leaking.video_id.iloc[0], leaking.video_id.nunique()
    places = " and ".join(f"{row.given} ({row.list})" for row in leaking[leaking.video_id == first].itertuples())
    more = f", and {n - 1} more videos likewise" if n > 1 else ""
    raise LeakageError(f"video {first!r} is in the splits {places}{more}; delete it from all lists but one")


def _videos(table: pd.DataFrame) -> pd.DataFrame:
    """One row per video: given split, class (of its solo items), whether it has a duet, whether any item is usable."""
    duet = table.labels.str.contains("|", regex=False)
    videos = pd.DataFrame(index=pd.Index(table.video_id.unique(), name="video_id"))
    for column, values in (("given", table.given), ("class", table.labels.where(~duet, ""))):
        known = table.assign(value=values)[values != ""].sort_values("value", kind="stable").drop_duplicates("video_id")
        videos[column] = known.set_index("video_id").value.reindex(videos.index, fill_value="")
    videos["duet"] = videos.index.isin(table.video_id[duet])
    videos["usable"] = videos.index.isin(table.video_id[table.problem == ""])
    return videos


def _deal(videos: pd.DataFrame, chosen: pd.DataFrame, shares: Shares, seed: int) -> None:
    """Give every chosen video a split, class by class."""
    for group in _in_order(chosen, seed):
        counts = quotas(len(group), shares)
        videos.loc[group, "split"] = [split for split, count in counts.items() for _ in range(count)]


def _has(videos: pd.DataFrame, split: str) -> bool:
    return bool((videos.usable & (videos.split == split)).any())


def _move(videos: pd.DataFrame, source: str, target: str, share: float, seed: int) -> None:
    """Move `share` of the solo videos of one split to another, at least one of each class that has two."""
    solos = videos[(videos.split == source) & ~videos.duet & (videos["class"] != "")]
    for group in _in_order(solos, seed):
        count = min(max(1, math.floor(share * len(group) + 0.5)), len(group) - 1)
        videos.loc[group[:count], "split"] = target


def _in_order(chosen: pd.DataFrame, seed: int) -> list[list[str]]:
    """Ids of the videos of each class, those dealt out `apart` in a list of their own, in an order of seed and ids."""
    ordered = chosen.assign(order=[hashlib.sha256(f"{seed}/{v}".encode()).digest() for v in chosen.index])
    groups = ordered.sort_values("order").groupby(["apart", "class"], sort=True)
    return [list(group.index) for _, group in groups]
