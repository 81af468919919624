"""Ids of videos and clips."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd
import regex

from avsep_lib.errors import ConfigError
from avsep_lib.recorded.labels import NOTHING_IN_TABLES

# VGGSound's files are named <YouTube id>_<start second, six digits>; other names are ids as they are.
CUT_FROM_YOUTUBE = re.compile(r"([\w-]{11})_\d{6}", re.ASCII)
UNSAFE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff/\\:*?\"<>|]+")
LIKE_NOTHING = NOTHING_IN_TABLES | {"", ".", ".."}
LONGEST = 120  # bytes: ids become parts of file names
PATIENCE = 1.0  # seconds for one stem: some patterns try more ways than there are atoms; `re` has no clock, `regex` has


def video_ids(table: pd.DataFrame, pattern: str) -> list[str]:
    """Id of the video that each item was taken from: given, or found within its stem.

    Parameters
    ----------
    table : DataFrame
        Columns `video_id` (empty where it is to be found), `stem` and `list`.
    pattern : str
        Regular expression whose first group is the id; empty: the stem, without the start second of VGGSound's names.

    Raises
    ------
    ConfigError
        The pattern does not match a stem, its group is empty there, or it takes longer than `PATIENCE`.
    """
    expression = regex.compile(pattern) if pattern else None
    ids = zip(table.video_id, table.stem, table.list)
    return [given or _video_id(stem, place, expression) for given, stem, place in ids]


def _video_id(stem: str, place: str, expression: regex.Pattern | None) -> str:
    if not stem:
        return place  # a row that names no file is a video of its own
    if expression is None:
        match = CUT_FROM_YOUTUBE.fullmatch(stem)
        return match[1] if match else stem
    try:
        match = expression.search(stem, timeout=PATIENCE)
    except TimeoutError:
        raise ConfigError(
            f"video_id {expression.pattern!r} is still searching {stem!r} ({place}) after {PATIENCE:g} s; "
            "a repetition inside a repetition, such as (a+)+, has too many ways to fit: simplify the pattern"
        ) from None
    if not match or not match[1]:
        raise ConfigError(f"video_id {expression.pattern!r} finds no id in {stem!r} ({place}); correct the pattern")
    return match[1]


def clip_ids(stems: Sequence[str], labels: Sequence[str], lists: Sequence[str]) -> pd.Series:
    """Unique names that may stand in file names: the stem, with the label before it where several items share it."""
    stem = pd.Series([_safe(stem) for stem in stems], dtype=object)
    shared = stem.duplicated(keep=False) | stem.isin(LIKE_NOTHING)
    ids = stem.copy()
    for i in ids.index[shared]:
        ids[i] = _safe("-".join(filter(None, (labels[i].replace("|", "+"), stem[i] or lists[i]))))
        ids[i] = _safe(lists[i]) if ids[i] in LIKE_NOTHING else ids[i]  # "." without a label
    while (again := ids.duplicated()).any():
        number = ids.groupby(ids).cumcount() + 1
        ids[again] = ids[again] + "-" + number[again].astype(str)
    return ids


def _safe(text: str) -> str:
    """The text without characters that some file system refuses, cut where it is too long for a name."""
    return UNSAFE.sub("_", text).encode("utf-8")[:LONGEST].decode("utf-8", "ignore").strip()
