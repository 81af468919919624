"""What a run has changed: artefact by artefact, made again or cached and why, and which verdicts are other ones."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from typing import Any

from avsep_lib.changes.causes import Job, chains, why_in_words
from avsep_lib.changes.records import read_records, rerun_jobs
from avsep_lib.changes.snapshot import state
from avsep_lib.changes.values import compare_tables
from avsep_lib.paths import figures_root

CLAIMS = "tab_claims.csv"
CAUSES = 3  # told of one artefact


def changes(profile: str, before: dict[str, Any]) -> dict[str, Any]:
    """Compare the published figures and tables with a snapshot.

    Parameters
    ----------
    profile : str
        A profile whose run has ended and is published.
    before : dict
        `avsep_lib.changes.snapshot.read_snapshot`.

    Returns
    -------
    dict
        ``artefacts``: one dict each with ``artefact``, ``status`` (rerun, cached, new, removed), ``why``, ``changed``
        (values, picture, sidecar only, no), ``verdict_before`` and ``verdict_after`` (how often each verdict occurs in
        it; empty without any); ``verdicts``: claims whose verdict is another one; ``counts`` of the statuses;
        ``profile``, ``since``, ``until``.
    """
    after = state(figures_root(profile))
    jobs = rerun_jobs(before["records"], read_records(profile))
    stems = sorted({name.rpartition(".")[0] for name in before["hashes"] | after["hashes"]})
    entries = [_entry(stem, before, after, jobs.get(f"results/{profile}/artifacts/{stem}.json")) for stem in stems]
    return {
        "profile": profile,
        "since": _moment(before["taken"]),
        "until": _moment(time.time()),
        "counts": dict(Counter(entry["status"] for entry in entries)),
        "artefacts": entries,
        "verdicts": _verdict_changes(before["tables"].get(CLAIMS, ""), after["tables"].get(CLAIMS, "")),
    }


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _entry(stem: str, before: dict[str, Any], after: dict[str, Any], job: Job | None) -> dict[str, str]:
    old, new = ({n: h for n, h in at["hashes"].items() if n.rpartition(".")[0] == stem} for at in (before, after))
    if not new:
        status, why = "removed", "no notebook of today saves it"
    else:
        status = "new" if not old else "rerun" if job else "cached"
        why = _why(job) if job else ""
    tables = [at["tables"].get(f"{stem}.csv", "") for at in (before, after)]
    return {
        "artefact": stem,
        "status": status,
        "why": why,
        "changed": "values" if not (old and new) else _changed(stem, old, new, *tables),
        "verdict_before": _verdict_counts(tables[0]),
        "verdict_after": _verdict_counts(tables[1]),
    }


def _why(job: Job) -> str:
    found = chains(job)
    if not found:
        return "not recorded"
    more = f"; and {len(found) - CAUSES} more causes" if len(found) > CAUSES else ""
    return "; ".join(map(why_in_words, found[:CAUSES])) + more


def _changed(stem: str, old: dict[str, str], new: dict[str, str], table_before: str, table_after: str) -> str:
    if table_before != table_after and compare_tables(f"{stem}.csv", table_before, table_after):
        return "values"
    differing = {name for name in old | new if old.get(name) != new.get(name)}
    if any(name.endswith((".png", ".svg")) for name in differing):
        return "picture"
    return "sidecar only" if differing else "no"


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _verdict_counts(table: str) -> str:
    """``12 inconclusive, 5 supported``; empty for a table without verdicts."""
    counts = Counter(row["verdict"] for row in _rows(table) if row.get("verdict"))
    return ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))


def _verdict_changes(before: str, after: str) -> list[dict[str, str]]:
    """Claims whose verdict is another one; none after a first run, whose verdicts are all new."""
    if not before:
        return []
    old, new = ({row["claim"]: row["verdict"] for row in _rows(text)} for text in (before, after))
    claims = [claim for claim in dict.fromkeys([*old, *new]) if old.get(claim) != new.get(claim)]
    return [{"claim": c, "before": old.get(c, "not tested"), "after": new.get(c, "not tested")} for c in claims]
