"""What was listed, what could be used, and why the rest was left out: the audit of a dataset as tables for readers.

A dataset of recordings has an ``audit.csv`` with one line per item that any of its lists names; a rendered one has
none, because every clip that it plans is rendered, and is told as that.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from avsep_lib.config import Profile
from avsep_lib.inputs import dataset_of
from avsep_lib.manifest import SPLITS, is_solo, read_manifest
from avsep_lib.recorded.settings import PROBLEMS, RecordedSettings

MEANING = {
    "missing": "listed, but there is no such file",
    "unreadable": "cannot be decoded, or its line cannot be read",
    "no_audio": "no sound in it",
    "no_frames": "no pictures, or fewer than promised",
    "not_finite": "samples that are not numbers",
    "silent": "sound, but nothing to hear",
    "too_short": "shorter than a mixture",
    "duplicate": "the same recording as another item",
    "clipped": "samples at full scale",
    "still": "the picture never changes",
}
EVERYTHING, DUETS = "all classes", "(more than one label)"
TEXT = ("clip_id", "video_id", "labels", "split", "list", "source", "status", "reason", "findings", "detail")
MEASURES = ("sample_rate", "duration_s", "level_dbfs", "clipped_share")


def audit_file(manifest: Path) -> Path | None:
    """``audit.csv`` beside a manifest; None for a rendered dataset."""
    path = manifest.with_name("audit.csv")
    return path if path.exists() else None


def read_audit(manifest: Path) -> pd.DataFrame:
    """One row per item of a dataset.

    Parameters
    ----------
    manifest : Path
        Of the dataset; its audit lies beside it.

    Returns
    -------
    DataFrame
        At least the columns `TEXT` (text) and `MEASURES` (numbers, NaN for what was not measured). `status` is ``kept``
        or ``dropped``, `reason` one of `PROBLEMS` or empty, `findings` all problems of an item, separated by ``|``.
    """
    path = audit_file(manifest)
    if path is None:
        table = read_manifest(manifest).assign(status="kept")
    else:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)  # a class may be called NA
    for name in TEXT:
        table[name] = table.get(name, "")
    for name in MEASURES:
        table[name] = pd.to_numeric(table[name], errors="coerce") if name in table else float("nan")
    return table


def coverage_table(audit: pd.DataFrame) -> pd.DataFrame:
    """How much of each class could be used, and what became of the rest.

    Returns
    -------
    DataFrame
        Indexed by class: `listed`, `kept`, `kept (%)`, per split ``"12 of 14"``, and a column for each reason that
        occurs. The first line is all classes together; clips with several labels share the last line.
    """
    classes = audit["labels"].where(is_solo(audit), DUETS)
    lines = {EVERYTHING: _coverage_line(audit, audit)}
    order = sorted(classes.unique(), key=lambda name: (name == DUETS, name))
    lines |= {name: _coverage_line(audit[classes == name], audit) for name in order}
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("class")


def _coverage_line(items: pd.DataFrame, audit: pd.DataFrame) -> dict[str, object]:
    kept = items["status"] == "kept"
    line: dict[str, object] = {"listed": len(items), "kept": int(kept.sum())}
    line["kept (%)"] = 100 * line["kept"] / len(items) if len(items) else float("nan")
    for split in [name for name in (*SPLITS, "") if (audit["split"] == name).any()]:
        own = items["split"] == split
        line[split or "no split"] = f"{int((own & kept).sum())} of {int(own.sum())}"
    reasons = items["reason"].value_counts()
    return line | {reason: int(reasons.get(reason, 0)) for reason in reasons_of(audit)}


def reasons_of(audit: pd.DataFrame) -> list[str]:
    """Reasons for which items were dropped, in the order in which an item is asked for them."""
    found = set(audit.loc[audit["status"] != "kept", "reason"])
    return [*(p for p in PROBLEMS if p in found), *sorted(found - {*PROBLEMS, ""})]


def problems_table(audit: pd.DataFrame, profile: Profile, dataset: str) -> pd.DataFrame:
    """Every problem that is looked for: what it means, what the policy says, how often it was found.

    Returns
    -------
    DataFrame
        Indexed by problem: `meaning`, `policy` (keep, drop or refuse; a dash where the dataset is rendered), `found`
        (an item may have several), `dropped for it` (each item once, for its first problem), `kept all the same`.
    """
    settings = profile.datasets[dataset_of(profile, dataset)]
    policy = settings.policy if isinstance(settings, RecordedSettings) else None
    found = audit["findings"].str.split("|").explode()
    kept = audit["status"] == "kept"
    lines = {
        problem: {
            "meaning": MEANING[problem],
            "policy": getattr(policy, problem, "–"),
            "found": int((found == problem).sum()),
            "dropped for it": int((~kept & (audit["reason"] == problem)).sum()),
            "kept all the same": int(kept.reindex(found.index[found == problem]).sum()),
        }
        for problem in PROBLEMS
    }
    return (
        pd.DataFrame.from_dict(lines, orient="index").rename_axis("problem").rename(lambda name: name.replace("_", " "))
    )


def formats_table(audit: pd.DataFrame) -> pd.DataFrame:
    """Sample rates as the files have them: items, kept ones, and their shortest, median and longest durations."""
    measured = audit[audit["sample_rate"].notna() & audit["duration_s"].notna()]
    grouped = measured.assign(kept=measured["status"] == "kept").groupby("sample_rate")
    table = grouped.agg(
        items=("kept", "size"),
        kept=("kept", "sum"),
        shortest_s=("duration_s", "min"),
        median_s=("duration_s", "median"),
        longest_s=("duration_s", "max"),
    )
    table.index = table.index.astype(int)
    return table.rename_axis("sample rate (Hz)")


def dropped_items(audit: pd.DataFrame, per_reason: int = 5) -> pd.DataFrame:
    """The first items dropped for each reason: `reason`, `clip_id`, `labels`, `list`, `detail`."""
    dropped = audit[audit["status"] != "kept"]
    order = {reason: i for i, reason in enumerate(reasons_of(audit))}
    first = dropped.groupby("reason", sort=False).head(per_reason)
    first = first.sort_values("reason", key=lambda names: names.map(order), kind="stable")
    return first[["reason", "clip_id", "labels", "list", "detail"]].reset_index(drop=True)


def summary_text(audit: pd.DataFrame) -> str:
    """One sentence: how many items were listed, how many are used, and why the others are not."""
    kept = int((audit["status"] == "kept").sum())
    counts = audit.loc[audit["status"] != "kept", "reason"].value_counts()
    told = ", ".join(f"{counts[reason]} {reason.replace('_', ' ')}" for reason in reasons_of(audit) if reason)
    rest = f"{len(audit) - kept} were dropped: {told}." if len(audit) > kept else "nothing was dropped."
    return f"{len(audit)} items were listed or found, {kept} of them are used; {rest}"


def missing_from_splits(counts: pd.DataFrame) -> pd.DataFrame:
    """Classes without a solo in some split, and what follows from it.

    Parameters
    ----------
    counts : DataFrame
        From `avsep_lib.datacard.solo_counts`.

    Returns
    -------
    DataFrame
        Indexed by class: `no solos in`, `so`; empty where every class is in every split.
    """
    lines = {}
    for name, row in counts.iterrows():
        if empty := [split for split in counts if row[split] == 0]:
            lines[name] = {"no solos in": ", ".join(empty), "so": "; ".join(CONSEQUENCES[split] for split in empty)}
    table = pd.DataFrame.from_dict(lines, orient="index", columns=["no solos in", "so"])
    return table.rename_axis("class")


CONSEQUENCES = {
    "train": "not learned from",
    "val": "no part in the choice of checkpoints",
    "test": "not tested",
    "pretrain": "unknown to the small encoders",
}
