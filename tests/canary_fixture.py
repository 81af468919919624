"""The toy project with latents and probes, which some canaries look at, and its evidence."""

from __future__ import annotations

import shutil
from pathlib import Path

from avsep_lib.canaries.evidence import Evidence, gather
from avsep_lib.config import load_profile
from avsep_lib.latents import Latents, write_latents
from avsep_lib.probe.__main__ import all_predictions
from avsep_lib.workflow import load_plan


def with_analysis(project, folder: Path, monkeypatch):
    """A copy of the toy project, analysed."""
    made = type(project)(Path(shutil.copytree(project.root, folder)))
    monkeypatch.setenv("AVSEP_ROOT", str(made.root))
    path = made.results / "analysis" / "latents-music11.safetensors"
    path.parent.mkdir()
    write_latents(load_profile("toy"), "music11", path)
    all_predictions(Latents.open(path)).to_csv(path.parent / "probe-music11.csv", index=False)
    return made


def open_evidence(project, monkeypatch) -> Evidence:
    """Evidence of the toy project's only key."""
    monkeypatch.setenv("AVSEP_ROOT", str(project.root))
    plan = load_plan("toy")
    return gather(plan, project.results)[0]
