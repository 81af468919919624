"""Recordings become a dataset: read, open, judge, write; the manifest last."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from avsep_lib.errors import ConfigError, DataError
from avsep_lib.files import atomic_path, write_json
from avsep_lib.manifest import COLUMNS, check_manifest, is_solo
from avsep_lib.recorded.inspection import inspect_items
from avsep_lib.recorded.items import read_items
from avsep_lib.recorded.judge import RefusedError, judge
from avsep_lib.recorded.settings import RecordedSettings
from avsep_lib.recorded.summary import in_words, summarise

OUTPUTS = ("manifest.csv", "provenance.csv", "audit.json", "audit.csv")  # in the order in which old ones are removed
NEEDED = ("train", "val", "test")


def build_recorded(
    settings: RecordedSettings, name: str, min_seconds: float, media: str | Path, out: str | Path, workers: int = 1
) -> Path:
    """Write the manifest of a recorded dataset, and the audit that has a line for each of its items.

    Sound and picture files stay where they are; those decoded from videos lie in `media`. Once the items are judged,
    ``audit.csv`` and ``audit.json`` are written whatever follows; the manifest only when all is well.

    Parameters
    ----------
    settings : RecordedSettings
        Where the recordings are and what to do with bad ones.
    name : str
        Of the dataset in the profile.
    min_seconds : float
        Length of a mixture; shorter clips are too short.
    media : path
        Folder for decoded videos, kept from run to run.
    out : path
        Folder of the outputs.
    workers : int
        Processes that decode and measure.

    Returns
    -------
    Path
        ``out/manifest.csv``.

    Raises
    ------
    DataError
        Lists that cannot be read; items that the policy refuses; a split without a clip.
    LeakageError, ConfigError
        As `items.read_items`.
    """
    if workers < 1:
        raise ConfigError(f"workers is {workers}; use at least 1")
    out, media = Path(out).resolve(), Path(media).resolve()
    out.mkdir(parents=True, exist_ok=True)
    for output in OUTPUTS:
        (out / output).unlink(missing_ok=True)
    items = read_items(settings)
    notes = items.attrs["notes"]
    measured = inspect_items(items, settings, media, workers)
    try:
        kept, audit = judge(measured, settings, min_seconds)
    except RefusedError as error:
        _write_audit(error.audit, settings, name, notes, out)
        raise DataError(f"{error}; {out / 'audit.csv'} has a line for every item") from None
    summary = _write_audit(audit, settings, name, notes, out)
    _check_splits(kept, audit, summary, settings, out)
    return _write_manifest(kept, out)


def _write_audit(audit: pd.DataFrame, settings: RecordedSettings, name: str, notes: dict, out: Path) -> dict:
    summary = summarise(audit, settings, name, notes)
    _write_csv(out / "audit.csv", audit)
    write_json(out / "audit.json", summary)
    return summary


def _check_splits(
    kept: pd.DataFrame, audit: pd.DataFrame, summary: dict, settings: RecordedSettings, out: Path
) -> None:
    """DataError when nothing is left to train, validate or test with."""
    splits = set(kept.split[is_solo(kept)])
    empty = [split for split in NEEDED if split not in splits]
    if not empty:
        return
    dropped = audit[audit.status == "dropped"].head(1)
    example = "".join(f"; the first of them ({row.list}): {row.detail}" for row in dropped.itertuples())
    given = sorted(set(settings.lists) - {"all"})
    way_out = f"lists give {', '.join(given)}; a file named `all` is split by `shares`" if given else "add videos"
    raise DataError(
        f"no solo clip is left for {', '.join(empty)} ({in_words(summary)}{example}); {way_out}; "
        f"{out / 'audit.csv'} has a line for every item"
    )


def _write_manifest(kept: pd.DataFrame, out: Path) -> Path:
    """Provenance and manifest of the clips that are kept, with paths relative to `out`."""
    manifest = kept[COLUMNS].copy()
    for column in ("audio", "frames"):
        manifest[column] = [os.path.relpath(path, out) for path in manifest[column]]
    check_manifest(manifest, str(out / "manifest.csv"))
    provenance = kept[["clip_id", "split", "labels"]].assign(stand_in="", source=kept.source, list=kept.list)
    _write_csv(out / "provenance.csv", provenance)
    _write_csv(out / "manifest.csv", manifest)
    return out / "manifest.csv"


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
