"""Counts of an audit: what the footnote of every table, and the first notebook, say of a recorded dataset."""

from __future__ import annotations

import dataclasses

import pandas as pd

from avsep_lib.recorded.settings import PROBLEMS, RecordedSettings


def summarise(audit: pd.DataFrame, settings: RecordedSettings, name: str, notes: dict[str, int]) -> dict:
    """Contents of ``audit.json``.

    Parameters
    ----------
    audit : DataFrame
        From `judge.judge`; one row per item.
    settings : RecordedSettings
        Title and policy.
    name : str
        Of the dataset in the profile.
    notes : dict
        ``attrs["notes"]`` of `items.read_items`: counts of what is no item.

    Returns
    -------
    dict
        n_items, n_kept, n_found (items whose files are there), coverage (their share); `dropped` and `kept_with`:
        problem to number of items; `per_split` and `per_class`: items and kept ones, the latter by split as well.
    """
    kept = audit.status == "kept"
    missing = int(audit.findings.map(lambda found: "missing" in found.split("|")).sum())
    return {
        "name": name,
        "title": settings.title or name,
        "format": settings.format,
        "n_items": len(audit),
        "n_kept": int(kept.sum()),
        "n_found": len(audit) - missing,
        "coverage": round(1 - missing / max(len(audit), 1), 6),
        "dropped": _counts(audit.reason[~kept]),
        "kept_with": _counts(audit.findings[kept].str.split("|").explode()),
        "per_split": {split: _kept_of(kept[rows.index]) for split, rows in audit.groupby("split")},
        "per_class": {
            label: _kept_of(kept[rows.index])
            | {"splits": {split: _kept_of(kept[part.index]) for split, part in rows.groupby("split")}}
            for label, rows in audit.groupby("labels")
        },
        "has_pretrain": bool((audit.split[kept] == "pretrain").any()),
        "policy": dataclasses.asdict(settings.policy),
        "not_items": notes,
    }


def in_words(summary: dict) -> str:
    """For example ``230 items, 211 kept; dropped: 12 missing, 7 silent``."""
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in summary["dropped"].items())
    text = f"{summary['n_items']:,} items, {summary['n_kept']:,} kept"
    return f"{text}; dropped: {dropped}" if dropped else text


def _counts(problems: pd.Series) -> dict[str, int]:
    """Numbers of the problems that occur, in the order of `PROBLEMS`."""
    counts = problems.value_counts()
    return {problem: int(counts[problem]) for problem in PROBLEMS if problem in counts}


def _kept_of(kept: pd.Series) -> dict[str, int]:
    return {"items": len(kept), "kept": int(kept.sum())}
