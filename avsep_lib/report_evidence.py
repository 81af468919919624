"""What the report links its claims to: the notebook page behind every number, and every run with its files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from avsep_lib.config import Profile, Run, profile_runs, resolve
from avsep_lib.files import read_json, write_json
from avsep_lib.inputs import require
from avsep_lib.plots.style import label_of
from avsep_lib.settings import to_dict
from avsep_lib.tables.text import MISSING

CLAIMS_TABLE = "tab_claims"
MARKS = {"supported": "●", "contradicted": "✕", "inconclusive": "○", "not testable here": "–"}


def claim_entries(table: Path) -> list[dict[str, Any]]:
    """Lines of the table of claims for the template.

    Parameters
    ----------
    table : Path
        Its CSV, as `avsep_lib.claims.text.claims_text` made it.

    Returns
    -------
    list of dict
        The columns with underscores for spaces; `mark`, a sign of the verdict; `page`, the notebook page behind the
        number, empty for a sentence that cannot be tested; `rows`, per table row its label and its runs; `soft`, verdict
        and estimate with soft masks.
    """
    lines = pd.read_csv(table, dtype=str, keep_default_na=False).to_dict("records")
    return [_entry({key.replace(" ", "_"): value for key, value in line.items()}) for line in lines]


def _entry(line: dict[str, str]) -> dict[str, Any]:
    page = "" if line["evidence"] == MISSING else f"notebooks/{line['evidence']}.html"
    run_ids = [] if line["runs"] == MISSING else line["runs"].split()
    verdict, _, estimate = line["with_soft_masks"].partition(", ")
    soft = {"verdict": verdict, "estimate": estimate}
    return line | {"mark": MARKS[line["verdict"]], "page": page, "rows": runs_by_row(run_ids), "soft": soft}


def runs_by_row(run_ids: list[str]) -> list[dict[str, Any]]:
    """Run ids grouped by what they are seeds of: `row` (id without seed) and `runs` (id and ``s<seed>``)."""
    rows: dict[str, list[dict[str, str]]] = {}
    for run_id in run_ids:
        row, _, seed = run_id.rpartition("-")
        rows.setdefault(row, []).append({"id": run_id, "seed": seed})
    return [{"row": row, "runs": runs} for row, runs in rows.items()]


def run_entries(profile: Profile, out: Path) -> list[dict[str, Any]]:
    """All runs of a profile for the template; copies their small files beside the page.

    Parameters
    ----------
    profile : Profile
    out : Path
        Folder of the page; files land in ``runs/<run_id>/``.

    Raises
    ------
    DataError
        When a run is not trained or not scored.
    """
    return [_run_entry(profile, run, out / "runs" / run.run_id) for run in profile_runs(profile)]


def _run_entry(profile: Profile, run: Run, folder: Path) -> dict[str, Any]:
    names = [f"runs/{run.run_id}/history.csv", f"runs/{run.run_id}/cost.json", f"scores/{run.run_id}.csv"]
    history, cost_file, scores = require(profile.name, *names)
    folder.mkdir(parents=True, exist_ok=True)
    for source, name in ((history, "history.csv"), (cost_file, "cost.json"), (scores, "scores.csv")):
        shutil.copyfile(source, folder / name)
    write_json(folder / "config.json", to_dict(resolve(profile, run)))
    cost = read_json(cost_file)
    return {
        "id": run.run_id,
        "label": label_of(run.row),
        "dataset": run.dataset,
        "settings": _settings(run),
        "steps": cost["steps"],
        "seconds": f"{cost['seconds']:.0f}",
        "best_step": cost["best_step"],
        "score": f"{cost['best_val_si_sdr_db']:.2f}",
        "files": ["config.json", "history.csv", "cost.json", "scores.csv"],
    }


def _settings(run: Run) -> str:
    """A run in words: fusion, alignment, visual backbone, and what it switches."""
    switched = [f"{key} = {value}" for key, value in run.switches.items()]
    aligned = "aligned" if run.alignment else "not aligned"
    return ", ".join([f"{run.fusion} fusion", aligned, run.backbone, *switched])
