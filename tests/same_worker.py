"""One process of the tests of sameness: the toy project from nothing, and what the later commands make of it.

``python same_worker.py JSON``; the caller sets ``AVSEP_ROOT`` to an empty folder and the number of BLAS threads. Keys:
``threads`` of PyTorch, ``seed`` of the runs, ``dataset_seed``, ``bootstrap_seed``, ``steps``; ``brief``: one run, hardly
taught encoders; ``base``: results of another process, from which every command takes its inputs, so that differences do
not add up from command to command.
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
from conftest import TOY_PROFILE, Project, regenerate, write_features, write_project, write_scores

from avsep_lib import latents, mixtures, score, settings, stats, train, tsne
from avsep_lib.artifacts import save_figure, save_table
from avsep_lib.clips import ClipStore, build_clips
from avsep_lib.config import Profile, check_profile
from avsep_lib.descriptors.measure import describe_solos
from avsep_lib.embedded.build import build_dataset
from avsep_lib.encoders import embed, load_audio_encoder
from avsep_lib.encoders import train as encoders
from avsep_lib.encoders.sanity import unit
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.intervals import Resampling
from avsep_lib.methods.hfra import HFRA
from avsep_lib.probe.__main__ import all_predictions
from avsep_lib.settings import RunConfig

ROWS = {"late": "late", "hier_align": "hierarchical"}  # row and fusion: the plainest network and the fullest
DEFAULTS = {"threads": 1, "seed": 0, "dataset_seed": 1234, "bootstrap_seed": 1234, "steps": 6, "brief": 0, "base": ""}
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
    root, profile = Path(os.environ["AVSEP_ROOT"]), check_profile(TOY_PROFILE | changes, "toy", "toy")
    if given["base"]:
        base, project = Project(Path(given["base"])), write_project(root, **changes)
        again(base, project, profile, runs(profile, given))
    else:
        base = project = regenerate(root, lambda profile: runs(profile, given), **changes)
    analyse(base, project, profile)
    publish(base, project, Resampling(n=200, seed=given["bootstrap_seed"]))


def again(base: Project, project: Project, profile: Profile, configs: list[RunConfig]) -> None:
    """Every command of `regenerate` once more, each with the inputs it had there."""
    to_dict, store = settings.to_dict, ClipStore.open(base.data / "clips")
    build_dataset(profile.datasets["music11"], project.data / "dataset")
    build_clips(base.data / "dataset/manifest.csv", profile.audio.sample_rate, project.data / "clips")
    for modality, stored in (("image", "images"), ("audio", "audio")):
        values = to_dict(getattr(profile.encoders, modality))
        encoders.train(modality, values, store.folder, project.data / "encoders" / modality)
        target = project.data / f"embeddings/{stored}.safetensors"
        embed.embed(stored, values, base.data / "encoders" / modality, store.folder, target)
    mixtures.write_lists(mixtures.build_lists(store, profile.audio, profile.mixtures), project.data / "mixtures", store)
    images = EmbeddingStore.open(base.data / "embeddings/images.safetensors")
    write_features(store, base.data, profile, images, project.data / "features")
    for config in configs:
        train.train(config, base.data / "features", project.results / "runs" / config.run_id)
        scores = score.score_run(
            base.results / f"runs/{config.run_id}/model.safetensors", store, base.data / "mixtures", images
        )
        write_scores(scores, project, config.run_id)
    write_scores(score.score_references(profile.audio, store, base.data / "mixtures"), project, "references-music11")


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


def analyse(base: Project, project: Project, profile: Profile) -> None:
    """Latents, probes, maps and descriptors of `base`, written to `project`."""
    analysis = project.results / "analysis"
    teacher = load_audio_encoder(profile.encoders.audio, base.data / "encoders/audio")
    models = sorted(base.results.glob("runs/*/model.safetensors"))
    trained = {path.parent.name: (path.parent.name.rpartition("-s")[0], HFRA.load(path)) for path in models}
    path = latents.write_latents_of(trained, teacher, base.data, profile.audio, analysis / "latents.safetensors")
    opened = latents.Latents.open(path if base == project else base.results / "analysis/latents.safetensors")
    all_predictions(opened).to_csv(analysis / "probe.csv", index=False)
    solos, maps = opened.items("solos"), []
    for name in opened.runs.index:
        points = tsne.embed(unit(opened.vectors(name, "solos").astype(np.float64)), PERPLEXITY)
        maps.append(pd.DataFrame({"name": name, "item": solos["item"], "x": points[:, 0], "y": points[:, 1]}))
    pd.concat(maps).to_csv(analysis / "tsne.csv", index=False)
    describe_solos(base.data / "dataset/manifest.csv").to_csv(analysis / "descriptors.csv", index=False)


def publish(base: Project, project: Project, resampling: Resampling) -> None:
    """A table with intervals and a figure, each with its sidecar, of the scores of `base`."""
    from matplotlib import pyplot as plt

    paths = sorted((base.results / "scores").glob("*.csv"))
    scores = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
    table = stats.summarise(scores, ("sdr_db", "sir_db", "sar_db"), mask="soft", resampling=resampling)
    about = {"profile": "toy", "inputs": paths, "parameters": {"bootstrap_seed": resampling.seed}}
    save_table(table, "toy", caption="Means.", **about)
    figure, axes = plt.subplots()
    reach = [table.sdr_db - table.sdr_db_low, table.sdr_db_high - table.sdr_db]
    axes.errorbar(table["method"], table["sdr_db"], reach)
    save_figure(figure, "toy", caption="Means.", data=table, **about)


if __name__ == "__main__":
    main()
