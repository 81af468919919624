"""One trained run, told as tables: its settings, its cost, and whether it learned anything."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avsep_lib.config import Profile, find_run, profile_runs, resolve
from avsep_lib.files import read_json
from avsep_lib.inputs import require
from avsep_lib.intervals import interval_over_mixtures
from avsep_lib.methods.base import Query
from avsep_lib.methods.hfra import HFRA
from avsep_lib.metrics import si_sdr
from avsep_lib.models.separator import count_parameters
from avsep_lib.paths import data_root, results_root
from avsep_lib.settings import RunConfig, to_dict
from avsep_lib.workflow import audio_key, data_key

SILENT_DB = -30.0  # a silent estimate has no SI-SDR; training counts it so


def configuration(config: RunConfig) -> pd.DataFrame:
    """Every setting of a run beside the default, which is the paper's size and the released code's recipe.

    Returns
    -------
    DataFrame
        Indexed by (section, setting), columns *here* and *full size*; text, so that nothing is rounded.
    """
    sections = {name: getattr(config, name) for name in ("audio", "model", "training")}
    rows = {
        (name, field.name): (_text(getattr(values, field.name)), _text(getattr(type(values)(), field.name)))
        for name, values in sections.items()
        for field in dataclasses.fields(values)
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["here", "full size"])
    table.index = pd.MultiIndex.from_tuples(table.index, names=["section", "setting"])
    return table


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def validation_gains(method: HFRA, validation: dict[str, Any]) -> pd.DataFrame:
    """SI-SDR of every validation pair by a finished run, through the interface that scoring uses.

    Parameters
    ----------
    method : HFRA
    validation : dict of Tensor
        ``val.safetensors``: ``waveform`` (N, samples), ``references`` (N, n, n_output), ``images`` or ``frames``.

    Returns
    -------
    DataFrame
        One row per pair: `si_sdr_db` with soft masks, `mixture_si_sdr_db`, `gain_db`; means over the sources.
    """
    visual = validation["frames" if method.config.model.backbone == "resnet18" else "images"].numpy()
    rows = []
    for waveform, references, seen in zip(validation["waveform"].numpy(), validation["references"].numpy(), visual):
        estimates = method.estimate(waveform, [Query("image", value) for value in seen])["soft"]
        mixture = np.repeat(waveform[None, : references.shape[-1]], len(references), axis=0)
        scores = [np.nan_to_num(si_sdr(references, e), nan=SILENT_DB).mean() for e in (estimates, mixture)]
        rows.append((*scores, scores[0] - scores[1]))
    return pd.DataFrame(rows, columns=["si_sdr_db", "mixture_si_sdr_db", "gain_db"])


def learned(gain_db: np.ndarray) -> str:
    """A sentence on whether gains over the mixture (dB, one per mixture) amount to anything."""
    found = interval_over_mixtures(gain_db)
    if not np.isfinite([found.low, found.high]).all():
        return f"mean gain {found.mean:+.2f} dB, no interval ({found.reason}): nothing can be said"
    said = f"mean gain {found.mean:+.2f} dB, {found.level:.0%} interval {found.low:+.2f} to {found.high:+.2f} dB"
    meaning = "this run separates" if found.low > 0.1 else "this run is not trained to mean anything"
    return f"{said}, n = {found.n} pairs: {meaning}"


def run_card(config: RunConfig, cost: dict[str, Any], gains: pd.DataFrame, n_pool: int) -> pd.DataFrame:
    """What a run is, cost and reached: one row per quantity.

    Parameters
    ----------
    config : RunConfig
    cost : dict
        ``cost.json`` of the run.
    gains : DataFrame
        From `validation_gains`.
    n_pool : int
        Mixtures of the training pool.
    """
    mixtures = config.training.steps * config.training.batch_size
    rows = {
        "run": config.run_id,
        "fusion": config.model.fusion,
        "alignment": f"yes, weight {config.training.alignment_weight:g}" if config.alignment else "no",
        "visual encoder": {"clip": "frozen", "resnet18": "ResNet-18, trained"}[config.model.backbone],
        "parameters": f"{count_parameters(config.model):,}",
        "steps x batch": f"{config.training.steps} x {config.training.batch_size}",
        "epochs of the pool": f"{mixtures / n_pool:.1f} of {n_pool} mixtures",
        "checkpoint": f"step {cost['best_step']}",
        "validation SI-SDR (dB)": f"{gains.si_sdr_db.mean():.2f}",
        "of the mixture (dB)": f"{gains.mixture_si_sdr_db.mean():.2f}",
        "time": f"{cost['seconds'] / 60:.1f} minutes on {cost['device']}, {cost['threads']} thread(s)",
        "speed": f"{mixtures / cost['seconds']:.0f} mixtures per second",
    }
    return pd.DataFrame({"quantity": list(rows), "value": list(rows.values())})


def other_runs(profile: Profile) -> pd.DataFrame:
    """The family's runs of a profile with their validation score and time; NaN for one that is not finished."""
    rows = []
    for run in (run for run in profile_runs(profile) if run.of_family):
        path = results_root(profile.name) / "runs" / run.run_id / "cost.json"
        cost = read_json(path) if path.exists() else {}
        rows.append((run.run_id, run.fusion, run.alignment, cost.get("best_val_si_sdr_db"), cost.get("seconds")))
    columns = ["run_id", "fusion", "alignment", "val_si_sdr_db", "seconds"]
    return pd.DataFrame(rows, columns=columns).set_index("run_id")


def paths_of_run(profile: Profile, run_id: str) -> dict[str, Path]:
    """Files of a finished run: model, history, cost, the validation features it was chosen by, the index of mixtures.

    Raises
    ------
    ConfigError, DataError
        Unknown run; a run that is not finished.
    """
    run = find_run(profile, run_id)
    data = data_root(profile.name, data_key(run)).relative_to(results_root(profile.name))
    names = [f"runs/{run_id}/{name}" for name in ("model.safetensors", "history.csv", "cost.json")]
    found = require(profile.name, *names, f"{data}/features/val.safetensors", f"{data}/mixtures/mixtures.json")
    return dict(zip(("model", "history", "cost", "validation", "mixtures"), found))


def commands(profile: Profile, run_id: str) -> str:
    """How to train this run, or another, from a shell in the checkout."""
    run = find_run(profile, run_id)
    config = json.dumps(to_dict(resolve(profile, run)))
    folder = Path("results") / profile.name
    model, features = folder / "runs" / run_id / "model.safetensors", folder / "data" / data_key(run) / "features"
    data = features.parent.parent / audio_key(run)
    clips = f"--clips {data / 'clips'} " if profile.mixtures.features == "streamed" else ""
    return (
        f"# everything that is stale, after adding a row to config/runs.csv\nmake figures PROFILE={profile.name}\n\n"
        f"# this run and what it needs, nothing else\n"
        f".venv/bin/snakemake --snakefile workflow/Snakefile --cores 1 --config profile={profile.name} -- {model}\n\n"
        f"# the same by hand: only the training loop, which needs neither Snakemake nor notebooks\n"
        f".venv/bin/python -m avsep_lib.train --features {features} {clips}--out {model.parent} --config \\\n'{config}'"
    )
