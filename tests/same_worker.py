"""One process of the tests of sameness: the toy project from nothing, and what the later commands make of it.

``python same_worker.py JSON``; the caller sets ``AVSEP_ROOT`` to an empty folder and the number of BLAS threads. Keys:
``threads`` of PyTorch, ``seed`` of the runs, ``dataset_seed``, ``bootstrap_seed``, ``steps``; ``brief``: one run, hardly
taught encoders.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import torch
from conftest import TOY_PROFILE, Project, regenerate

from avsep_lib import latents, stats, tsne
from avsep_lib.artifacts import save_figure, save_table
from avsep_lib.config import Profile, check_profile
from avsep_lib.descriptors.measure import describe_solos
from avsep_lib.encoders import load_audio_encoder
from avsep_lib.encoders.sanity import unit
from avsep_lib.intervals import Resampling
from avsep_lib.methods.hfra import HFRA
from avsep_lib.probe.__main__ import all_predictions
from avsep_lib.settings import RunConfig

ROWS = {"late": "late", "hier_align": "hierarchical"}  # row and fusion: the plainest network and the fullest
DEFAULTS = {"threads": 1, "seed": 0, "dataset_seed": 1234, "bootstrap_seed": 1234, "steps": 6, "brief": 0}
STEPS_WHEN_BRIEF = {"image": 8, "audio": 4}
PERPLEXITY = 5


def main() -> None:
    """Make everything below ``results/toy``."""
    given = DEFAULTS | json.loads(sys.argv[1])
    torch.set_num_threads(given["threads"])
    dataset, encoders = TOY_PROFILE["datasets"]["music11"], TOY_PROFILE["encoders"]
    if given["brief"]:
        encoders = {name: encoders[name] | {"steps": steps} for name, steps in STEPS_WHEN_BRIEF.items()}
    changes = {"datasets": {"music11": dataset | {"seed": given["dataset_seed"]}}, "encoders": encoders}
    project = regenerate(Path(os.environ["AVSEP_ROOT"]), lambda profile: runs(profile, given), **changes)
    analyse(project, check_profile(TOY_PROFILE | changes, "toy", "toy"))
    publish(project, Resampling(n=200, seed=given["bootstrap_seed"]))


def runs(profile: Profile, given: dict[str, int]) -> list[RunConfig]:
    """What to train."""
    training, seed = replace(profile.training, steps=given["steps"]), given["seed"]
    rows = {name: fusion for name, fusion in ROWS.items() if name == "hier_align" or not given["brief"]}
    return [
        RunConfig(
            f"{name}-s{seed}",
            seed,
            name == "hier_align",
            profile.audio,
            replace(profile.model, fusion=fusion),
            training,
        )
        for name, fusion in rows.items()
    ]


def analyse(project: Project, profile: Profile) -> None:
    """Latents, probes, maps and descriptors."""
    analysis = project.results / "analysis"
    teacher = load_audio_encoder(profile.encoders.audio, project.data / "encoders/audio")
    models = sorted(project.results.glob("runs/*/model.safetensors"))
    trained = {path.parent.name: (path.parent.name.rpartition("-s")[0], HFRA.load(path)) for path in models}
    path = latents.write_latents_of(trained, teacher, project.data, profile.audio, analysis / "latents.safetensors")
    opened = latents.Latents.open(path)
    all_predictions(opened).to_csv(analysis / "probe.csv", index=False)
    solos, maps = opened.items("solos"), []
    for name in opened.runs.index:
        points = tsne.embed(unit(opened.vectors(name, "solos").astype(np.float64)), PERPLEXITY)
        maps.append(pd.DataFrame({"name": name, "item": solos["item"], "x": points[:, 0], "y": points[:, 1]}))
    pd.concat(maps).to_csv(analysis / "tsne.csv", index=False)
    describe_solos(project.data / "dataset/manifest.csv").to_csv(analysis / "descriptors.csv", index=False)


def publish(project: Project, resampling: Resampling) -> None:
    """A table with intervals and a figure, each with its sidecar."""
    from matplotlib import pyplot as plt

    paths = sorted((project.results / "scores").glob("*.csv"))
    scores = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
    table = stats.summarise(scores, ("sdr_db", "sir_db", "sar_db"), mask="binary", resampling=resampling)
    about = {"profile": "toy", "inputs": paths, "parameters": {"bootstrap_seed": resampling.seed}}
    save_table(table, "toy", caption="Means.", **about)
    figure, axes = plt.subplots()
    axes.errorbar(table["method"], table["sdr_db"], [table.sdr_db - table.sdr_db_low, table.sdr_db_high - table.sdr_db])
    save_figure(figure, "toy", caption="Means.", data=table, **about)


if __name__ == "__main__":
    main()
