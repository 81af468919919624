"""Whether received results are what today's settings would have given: runs, configurations, test pairs, numbers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from avsep_lib.borrowed.lists import CLIP_COLUMNS, expected_clips, write_expected_lists
from avsep_lib.borrowed.plan import Plan
from avsep_lib.config import Profile, profile_runs, resolve
from avsep_lib.errors import DataError
from avsep_lib.files import canonical_json, read_json
from avsep_lib.latents import Latents
from avsep_lib.manifest import read_manifest
from avsep_lib.mixtures import read_list
from avsep_lib.paths import is_inside
from avsep_lib.score import COLUMNS
from avsep_lib.settings import to_dict
from avsep_lib.train import HISTORY

MASKS = {"binary", "soft"}
NUMBERS = ["sdr_db", "sir_db", "sar_db", "si_sdr_db", "mixture_sdr_db", "mixture_si_sdr_db"]


def check_plan(plan: Plan, told: dict[str, Any], suite: Profile, sections: dict[str, Any]) -> None:
    """The plan against today's settings; `suite` is the profile with the sections that the results were made with.

    Raises
    ------
    DataError
        Other runs than ``config/runs.csv`` has today, a run of another configuration, other sections in
        ``config/borrowed``, other lists of mixtures.
    """
    again = "; make a bundle of today's commit and run it again"
    if canonical_json(sections) != plan.sections:
        raise DataError(f"config/borrowed/{plan.profile}.yaml has changed since the bundle was made{again}")
    today = {run.run_id: run for run in profile_runs(suite)}
    if set(today) != set(told["runs"]):
        differing = sorted(set(today) ^ set(told["runs"]))
        raise DataError(f"run {differing[0]!r} is in config/runs.csv or in the results, not in both{again}")
    planned = {run.run_id: run for run in plan.runs}
    for run_id, run in today.items():
        expected = to_dict(resolve(suite, run))
        found = to_dict(planned[run_id].config)
        found["training"]["steps"] = told["steps"]
        if canonical_json(expected) != canonical_json(found) or planned[run_id].row != run.row:
            raise DataError(f"run {run_id!r} has another configuration today than the one it was trained with{again}")
    with tempfile.TemporaryDirectory() as temporary:
        write_expected_lists(suite.datasets[plan.dataset], suite.audio, suite.mixtures, Path(temporary))
        expected = read_json(Path(temporary) / "mixtures.json")["sha256"]
    if differing := [name for name in expected if expected[name] != plan.lists.get(name)]:
        raise DataError(f"the {differing[0]} list of the results is not today's: other mixtures{again}")


def check_content(plan: Plan, told: dict[str, Any], suite: Profile, folder: Path) -> None:
    """The files, laid out as below ``results/<profile>`` in `folder`.

    Raises
    ------
    DataError
        Another dataset, list, column, test pair, number of steps or latent than the plan asks for.
    """
    data = folder / "data" / plan.dataset
    manifest = read_manifest(data / "dataset" / "manifest.csv")
    for name in (*manifest.audio.astype(str), *manifest.frames.astype(str)):
        if not is_inside(name):
            raise DataError(f"the manifest that came back names {name!r}, which lies outside of its own folder")
    found = manifest[CLIP_COLUMNS].astype(str)
    if not found.equals(expected_clips(plan.clips).astype(str)):
        raise DataError("the manifest that came back does not describe the dataset of the plan")
    if read_json(data / "mixtures" / "mixtures.json")["sha256"] != plan.lists:
        raise DataError("the lists of mixtures that came back are not those of the plan")
    for name in plan.lists:
        read_list(data / "mixtures", name)
    pairs = read_list(data / "mixtures", "test")
    for run_id in told["runs"]:
        check_scores(folder / "scores" / f"{run_id}.csv", pairs, MASKS)
        check_training(folder / "runs" / run_id, told["steps"])
    check_scores(folder / "scores" / f"references-{plan.dataset}.csv", pairs, None)
    latents = folder / "analysis" / f"latents-{plan.dataset}.safetensors"
    if latents.exists():
        expected = {run_id for run_id in plan.grid if run_id in told["runs"]}
        if lacking := expected - set(Latents.open(latents).runs.index):
            raise DataError(f"the latents that came back lack run {sorted(lacking)[0]!r}")


def check_scores(path: Path, pairs: pd.DataFrame, masks: set[str] | None) -> None:
    """A score file against the test pairs: every source of every pair once per mask; numbers wherever it is not silent."""
    if not path.exists():
        raise DataError(f"scores of {path.stem} did not come back")
    scores = pd.read_csv(path, dtype={"mixture_id": str, "clip_id": str})
    if list(scores.columns) != COLUMNS:
        raise DataError(f"scores of {path.stem}: columns {list(scores.columns)}; expected {COLUMNS}")
    expected = sorted(zip(pairs.mixture_id, pairs.source, pairs.clip_id))
    for (name, mask), rows in scores.groupby(["run_id", "mask"]):
        if sorted(zip(rows.mixture_id, rows.source, rows.clip_id)) != expected:
            raise DataError(f"scores of {name}, {mask} mask: other test pairs than today's, or not all of them")
    if masks and set(scores["mask"]) != masks:
        raise DataError(f"scores of {path.stem}: masks {sorted(set(scores['mask']))}; expected {sorted(masks)}")
    if scores.loc[scores["status"] == "ok", NUMBERS].isna().any(axis=None):
        raise DataError(f"scores of {path.stem}: a row that is not silent has no number")


def check_training(folder: Path, steps: int) -> None:
    """History and cost of a run that was trained for `steps` steps."""
    history, cost = folder / "history.csv", folder / "cost.json"
    if not history.exists() or not cost.exists():
        raise DataError(f"history or cost of run {folder.name!r} did not come back")
    table = pd.read_csv(history)
    if list(table.columns) != HISTORY or not len(table) or table["step"].iloc[-1] != steps:
        raise DataError(f"history of run {folder.name!r} does not end at step {steps}")
    if read_json(cost)["steps"] != steps:
        raise DataError(f"run {folder.name!r} was trained for {read_json(cost)['steps']} steps, the others for {steps}")
