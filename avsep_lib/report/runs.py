"""The page of runs: settings, training curve, cost and scores of every trained model."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from avsep_lib.config import Profile, Run, profile_runs, resolve
from avsep_lib.files import read_json, write_json
from avsep_lib.inputs import require
from avsep_lib.plots.style import label_of
from avsep_lib.report.site import Site
from avsep_lib.settings import to_dict

PAGE = "runs.html"
WIDTH, HEIGHT, EDGE = 120, 32, 3  # of a small curve, in pixels


def run_address(run: Run, group: bool = False) -> str:
    """Where a run stands on the page, or (`group`) all seeds of its row."""
    return f"{PAGE}#row-{run.dataset}-{run.row}" if group else f"{PAGE}#run-{run.run_id}"


def run_groups(profile: Profile, site: Site) -> list[dict[str, Any]]:
    """All runs of a profile by dataset; their small files are copied to ``runs/<run_id>/``.

    Raises
    ------
    DataError
        When a run is not trained or not scored.
    """
    runs = sorted(profile_runs(profile), key=lambda run: list(profile.datasets).index(run.dataset))
    groups = []
    seen: set[tuple[str, str]] = set()
    for dataset, of_dataset in groupby(runs, key=lambda run: run.dataset):
        entries = []
        for run in of_dataset:
            first = (run.dataset, run.row) not in seen
            seen.add((run.dataset, run.row))
            entries.append(run_entry(profile, run, site) | {"row_anchor": f"row-{dataset}-{run.row}" if first else ""})
        groups.append({"dataset": dataset, "title": profile.title_of(dataset), "runs": entries})
    return groups


def run_entry(profile: Profile, run: Run, site: Site) -> dict[str, Any]:
    """One run for the template."""
    names = [f"runs/{run.run_id}/history.csv", f"runs/{run.run_id}/cost.json", f"scores/{run.run_id}.csv"]
    history, cost_file, scores = require(profile.name, *names)
    files = (("curve", history, "history.csv"), ("cost", cost_file, "cost.json"), ("scores", scores, "scores.csv"))
    folder = f"runs/{run.run_id}"
    links = [(word, site.copy(source, f"{folder}/{name}")) for word, source, name in files]
    write_json(site.out / folder / "config.json", to_dict(resolve(profile, run)))
    cost = read_json(cost_file)
    return {
        "id": run.run_id,
        "label": label_of(run.row),
        "seed": run.seed,
        "settings": settings_text(run),
        "steps": cost["steps"],
        "seconds": f"{cost['seconds']:.0f}",
        "device": cost.get("device", ""),
        "best_step": cost["best_step"],
        "score": f"{cost['best_val_si_sdr_db']:.2f}" if cost["steps"] else "none",
        "curve": curve(history),
        "files": [("settings", f"{folder}/config.json"), *links],
    }


def settings_text(run: Run) -> str:
    """A run in words: fusion, alignment, visual backbone, or its method; and what it switches."""
    switched = [f"{key} = {value}" for key, value in run.switches.items()]
    aligned = "aligned" if run.alignment else "not aligned"
    if not run.of_family:
        return ", ".join([f"method {run.method}", *switched])
    return ", ".join([f"{run.fusion} fusion", aligned, run.backbone, *switched])


def curve(history: Path) -> dict[str, Any]:
    """Validation SI-SDR over the steps as points of a small drawing, and the same in words."""
    table = pd.read_csv(history)[["step", "val_si_sdr_db"]].dropna()
    if table.empty:
        return {"points": "", "words": "no validation"}
    step, score = table["step"].to_numpy(float), table["val_si_sdr_db"].to_numpy(float)
    x = EDGE + (WIDTH - 2 * EDGE) * step / max(step.max(), 1)
    span = score.max() - score.min()
    y = HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * ((score - score.min()) / span if span else 0 * score)
    return {
        "points": " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y)),
        "words": f"validation SI-SDR from {score[0]:.2f} dB at step {step[0]:.0f} to {score[-1]:.2f} dB at step "
        f"{step[-1]:.0f}",
    }
