"""What becomes of each item: the policy applied to the measures, and the table that says so."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from avsep_lib.errors import DataError
from avsep_lib.manifest import COLUMNS
from avsep_lib.recorded.fingerprint import find_duplicates
from avsep_lib.recorded.settings import PROBLEMS, RecordedSettings

AUDIT_COLUMNS = [
    "clip_id", "video_id", "labels", "split", "list", "source", "status", "reason", "findings", "detail",
    "sample_rate", "channels", "duration_s", "level_dbfs", "peak", "clipped_share", "silent", "not_finite",
    "n_frames", "fps", "width", "height", "still", "duplicate_of", "audio", "frames", "sha256",
]  # fmt: skip
STAYS_FIRST = ("test", "val", "train", "pretrain")  # of two copies in different splits the one further left stays
UNEVEN_S = 1.0
SHOWN = 3  # refused items that the message names


class RefusedError(DataError):
    """The policy refuses some of the items. `audit` is the table of all items, for whoever wants to write it."""

    audit: pd.DataFrame


def judge(measured: pd.DataFrame, settings: RecordedSettings, min_seconds: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Apply the policy to measured items.

    The reason of a dropped item is the first of its problems, in the order of `PROBLEMS`, whose policy is `drop` or
    `refuse`; a kept one tells what was found in `findings` and `detail`. Duplicates are looked for among the items that
    nothing else drops: within a split the first one stays, across splits the one in test, then val, then train.

    Parameters
    ----------
    measured : DataFrame
        From `inspection.inspect_items`.
    settings : RecordedSettings
        Its policy and its limit of clipping are used.
    min_seconds : float
        A shorter sound (by more than one sample) is too short.

    Returns
    -------
    kept : DataFrame
        Rows of a manifest (audio and frames absolute), with the columns list and source besides.
    audit : DataFrame
        One row per item, in the order given: `AUDIT_COLUMNS`; status is ``kept`` or ``dropped``.

    Raises
    ------
    RefusedError
        If the policy of a problem that occurs is `refuse`; its `audit` holds the whole table.
    """
    table = measured.reset_index(drop=True)
    findings = [_findings(row, settings, min_seconds) for row in table.to_dict("records")]
    copies = _duplicates(table, [_reason(f, settings) == "" for f in findings])
    for i, first in copies.items():
        findings[i]["duplicate"] = _copy_detail(table.iloc[i], table.iloc[first])
    audit = _audit(table, findings, [_reason(f, settings) for f in findings])
    audit["duplicate_of"] = [table.clip_id[copies[i]] if i in copies else "" for i in range(len(table))]
    audit = audit.reindex(columns=AUDIT_COLUMNS)
    _refuse(audit, settings)
    columns = [*COLUMNS, "list", "source"]
    return audit.loc[audit.status == "kept", columns].reset_index(drop=True), audit


def _findings(row: dict, settings: RecordedSettings, min_seconds: float) -> dict[str, str]:
    """All problems of one item but duplication, in the order of `PROBLEMS`."""
    found = json.loads(row["findings"])
    duration, rate = row["duration_s"], row["sample_rate"]
    if duration > 0 and duration < min_seconds - 1 / rate:
        found.setdefault("too_short", f"{duration:.2f} s of the {min_seconds:.2f} s that are needed")
    if row["clipped_share"] >= settings.clipped_share:
        found.setdefault("clipped", f"{100 * row['clipped_share']:.2f} % of the samples at full scale")
    if row["still"] is True:
        found.setdefault("still", f"{row['n_frames']} equal pictures")
    return {problem: found[problem] for problem in PROBLEMS if problem in found}


def _reason(findings: dict[str, str], settings: RecordedSettings) -> str:
    """The first problem that drops the item; empty when none does."""
    return next((p for p in PROBLEMS if p in findings and getattr(settings.policy, p) != "keep"), "")


def _duplicates(table: pd.DataFrame, usable: list[bool]) -> dict[int, int]:
    """Row of a copy to the row of the item that stays."""
    rank = {split: i for i, split in enumerate(STAYS_FIRST)}
    rows = [i for i in range(len(table)) if usable[i]]
    rows.sort(key=lambda i: (rank.get(table.split[i], len(rank)), i))
    copies, first_of = {}, {}
    for i in rows:
        if (first := first_of.setdefault(table.sha256[i], i)) != i:
            copies[i] = first
    left = [i for i in rows if i not in copies]
    prints = [np.frombuffer(bytes.fromhex(table.fingerprint[i]), "<u4") for i in left]
    heard = {left[i]: left[first] for i, first in find_duplicates(prints).items()}
    return {i: heard.get(first, first) for i, first in (copies | heard).items()}


def _copy_detail(copy: pd.Series, first: pd.Series) -> str:
    """Says what the original is, and warns where the two disagree."""
    same = "the same file" if copy.sha256 == first.sha256 else "the same sound"
    text = f"{same} as {first.clip_id} ({first['list']})"
    if copy.split != first.split:
        text += f", which is in {first.split}"
    if copy.labels != first.labels:
        text += f"; the labels differ: {copy.labels} and {first.labels}"
    return text


def _audit(table: pd.DataFrame, findings: list[dict[str, str]], reasons: list[str]) -> pd.DataFrame:
    audit = table.drop(columns=["problem", "detail", "findings", "fingerprint"], errors="ignore")
    audit["status"] = ["dropped" if reason else "kept" for reason in reasons]
    audit["reason"] = reasons
    audit["findings"] = ["|".join(f) for f in findings]
    told = ["; ".join(f"{p}: {text}" for p, text in f.items()) for f in findings]
    audit["detail"] = ["; ".join(filter(None, pair)) for pair in zip(told, _uneven(audit))]
    return audit


def _uneven(audit: pd.DataFrame) -> list[str]:
    """A remark where pictures and sound differ in length: the frame rate of the settings may be wrong."""
    shown = audit.n_frames / audit.fps
    odd = (audit.n_frames > 0) & (audit.duration_s > 0) & ((shown - audit.duration_s).abs() > UNEVEN_S)
    texts = (
        "pictures for " + shown.map("{:.1f}".format) + " s, sound for " + audit.duration_s.map("{:.1f}".format) + " s"
    )
    return list(texts.where(odd, ""))


def _refuse(audit: pd.DataFrame, settings: RecordedSettings) -> None:
    refused = [p for p in PROBLEMS if getattr(settings.policy, p) == "refuse"]
    bad = audit[audit.reason.isin(refused)]
    if bad.empty:
        return
    lines = [f"{row.clip_id} ({row.list}; {row.detail})" for row in bad.head(SHOWN).itertuples()]
    more = f" and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else ""
    counts = ", ".join(f"{n:,} {problem}" for problem, n in bad.reason.value_counts().items())
    error = RefusedError(
        f"{len(bad):,} of {len(audit):,} items are refused by the policy ({counts}): {'; '.join(lines)}{more}; mend the "
        f"files, or set policy.{bad.reason.iloc[0]} to drop"
    )
    error.audit = audit
    raise error
