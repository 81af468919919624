"""The table of claims for the first page: every number with the cell that shows it and the runs behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from avsep_lib.comparisons import CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE, SUPPORTED
from avsep_lib.tables.text import MISSING

CLAIMS_TABLE = "tab_claims"
MARKS = {SUPPORTED: "●", CONTRADICTED: "✕", INCONCLUSIVE: "○", NOT_TESTABLE: "–"}


def claim_entries(table: Path, place: Callable[[str, str], str] | None = None) -> list[dict[str, Any]]:
    """Lines of the table of claims for the template.

    Parameters
    ----------
    table : Path
        Its CSV, as `avsep_lib.claims.text.claims_text` made it.
    place : callable, optional
        ``place(stem, number)``: address of the cell of a notebook that shows a number; by default the notebook's page.

    Returns
    -------
    list of dict
        The columns with underscores for spaces; `id`; `mark`, a sign of the verdict; `page`, where the number is shown,
        empty for a sentence that cannot be tested; `rows`, per table row its label and its runs; `soft`, verdict and
        estimate with soft masks.
    """
    lines = pd.read_csv(table, dtype=str, keep_default_na=False).to_dict("records")
    place = place or (lambda stem, number: f"notebooks/{stem}.html")
    named = ({key.replace(" ", "_"): value for key, value in line.items()} for line in lines)
    return [_entry(i, line, place) for i, line in enumerate(named, start=1)]


def _entry(i: int, line: dict[str, str], place: Callable[[str, str], str]) -> dict[str, Any]:
    page = "" if line["evidence"] == MISSING else place(line["evidence"], line["estimate"])
    run_ids = [] if line["runs"] == MISSING else line["runs"].split()
    verdict, _, estimate = line["with_soft_masks"].partition(", ")
    return line | {
        "id": f"claim-{i}",
        "mark": MARKS[line["verdict"]],
        "page": page,
        "rows": runs_by_row(run_ids),
        "soft": {"verdict": verdict, "estimate": estimate},
    }


def runs_by_row(run_ids: list[str]) -> list[dict[str, Any]]:
    """Run ids grouped by what they are seeds of: `row` (id without seed) and `runs` (id and ``s<seed>``)."""
    rows: dict[str, list[dict[str, str]]] = {}
    for run_id in run_ids:
        row, _, seed = run_id.rpartition("-")
        rows.setdefault(row or run_id, []).append({"id": run_id, "seed": seed})
    return [{"row": row, "runs": runs} for row, runs in rows.items()]


def verdict_counts(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per verdict, in a fixed order: `verdict`, `mark`, `n`."""
    counts = Counter(line["verdict"] for line in claims)
    return [{"verdict": verdict, "mark": mark, "n": counts[verdict]} for verdict, mark in MARKS.items()]
