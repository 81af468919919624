"""What the Snakefile needs to know: which data a run uses, what each job depends on, which notebook reads what.

Every ``*_json`` value is the resolved settings of exactly the sections a job depends on. Snakemake compares them with
those of the last run, so an edit of the profile or of ``runs.csv`` reruns the jobs it touches and no others.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_lib.config import Profile, Run, load_profile, profile_runs, resolve
from avsep_lib.errors import ConfigError
from avsep_lib.files import canonical_json
from avsep_lib.library import Artifact, artifacts_of_notebook
from avsep_lib.parameters import NOTEBOOKS, notebook_parameters
from avsep_lib.paths import project_root
from avsep_lib.settings import AudioSettings, RunConfig, to_dict

# What each notebook reads, as groups of files that workflow/rules/notebooks.smk spells out.
READS = {
    "01_dataset": ("dataset", "clips", "mixtures"),
    "02_encoders": ("dataset", "clips", "encoders", "embeddings"),
    "03_training": ("runs", "features", "mixtures"),
    "04_separation_tables": ("scores", "references", "published"),
    "06_ablation": ("scores", "references", "runs", "published"),
    "09_qualitative": ("scores", "runs", "clips", "mixtures", "embeddings"),
    "10_pipeline": ("paper_profile",),
}
# Relative cost of a training job; the longest start first, so that no core idles at the end.
FUSION_COST = {"late": 1, "middle": 2, "hierarchical": 3}
BACKBONE_COST = {"clip": 0, "resnet18": 5}


def data_key(run: Run) -> str:
    """Name of the data a run trains on: its dataset, and the audio settings it switches.

    For example ``music11``, or ``music11@sample_rate=16000`` for a run whose switches name another rate.
    """
    audio = {field.name for field in dataclasses.fields(AudioSettings)}
    switched = (f"@{name}={value}" for name, value in sorted(run.switches.items()) if name in audio)
    return run.dataset + "".join(switched)


@dataclass(frozen=True)
class Plan:
    """A profile, its runs, and the settings of every job."""

    profile: Profile
    runs: dict[str, Run]

    def config(self, run_id: str) -> RunConfig:
        """Resolved configuration of a run."""
        return resolve(self.profile, self.runs[run_id])

    def data_key(self, run_id: str) -> str:
        """Data key of a run, by id."""
        return data_key(self.runs[run_id])

    @functools.cached_property
    def audio(self) -> dict[str, AudioSettings]:
        """Audio settings of every data key; a dataset's own key comes with it even when all its runs switch."""
        own = dict.fromkeys(self.profile.datasets, self.profile.audio)
        return own | {self.data_key(run_id): self.config(run_id).audio for run_id in self.runs}

    def dataset_json(self, dataset: str) -> str:
        """Settings of an embedded dataset."""
        return _json(self.profile.datasets[dataset])

    def audio_json(self, key: str) -> str:
        """Settings of the signal front end of a data key."""
        return _json(self.audio[key])

    def encoder_json(self, modality: str) -> str:
        """Settings of the ``image`` or ``audio`` encoder."""
        return _json(getattr(self.profile.encoders, modality))

    def mixtures_json(self) -> str:
        """Settings of the mixture lists."""
        return _json(self.profile.mixtures)

    def run_json(self, run_id: str) -> str:
        """Settings of a training job."""
        return _json(self.config(run_id))

    def cost(self, run_id: str) -> int:
        """Relative duration of a training job."""
        model = self.config(run_id).model
        return 1 + FUSION_COST[model.fusion] + BACKBONE_COST[model.backbone]

    def everything_json(self) -> str:
        """The whole profile and its runs: what code that is given only the profile's name depends on."""
        runs = [dataclasses.asdict(run) for run in self.runs.values()]
        return canonical_json({"profile": self.profile.model_dump(mode="json"), "runs": runs})

    def seen_by_notebook_json(self, stem: str) -> str:
        """What a notebook can look up by its profile's name; the runs only when it deals with any."""
        deals_with_runs = {"runs", "scores"} & set(READS[stem]) or "run_id" in NOTEBOOKS[stem].model_fields
        return self.everything_json() if deals_with_runs else canonical_json(self.profile.model_dump(mode="json"))

    def notebook_json(self, stem: str) -> str:
        """Parameters that the workflow gives to a notebook."""
        values: dict[str, Any] = {"profile": self.profile.name}
        if "n_bootstrap" in NOTEBOOKS[stem].model_fields:
            values["n_bootstrap"] = self.profile.evaluation.n_bootstrap
        return canonical_json(notebook_parameters(stem, **values).model_dump())


def load_plan(name: str) -> Plan:
    """Read and check a profile and its rows of ``runs.csv``.

    Raises
    ------
    ConfigError
        Anything unknown, mistyped or contradictory; a profile without runs.
    """
    profile = load_profile(name)
    runs = {run.run_id: run for run in profile_runs(profile)}
    if not runs:
        raise ConfigError(
            f"profile {name!r} trains nothing: config/runs.csv has no row with a dataset among "
            f"{list(profile.datasets)} and a seed among {profile.seeds}"
        )
    plan = Plan(profile, runs)
    for run_id in runs:
        plan.config(run_id)
    return plan


def notebook_path(stem: str) -> Path:
    """``notebooks/<stem>.ipynb``, relative to the checkout."""
    return Path("notebooks") / f"{stem}.ipynb"


def notebook_artifacts(stem: str) -> list[Artifact]:
    """Figures and tables of a notebook; none while it does not exist."""
    path = project_root() / notebook_path(stem)
    return artifacts_of_notebook(path) if path.exists() else []


def artifact_files(stems: tuple[str, ...] = tuple(NOTEBOOKS)) -> list[str]:
    """File names below ``artifacts`` that the given notebooks write.

    Raises
    ------
    ConfigError
        Two notebooks save the same name.
    """
    owner: dict[str, str] = {}
    for stem in stems:
        for artifact in notebook_artifacts(stem):
            if artifact.stem in owner:
                raise ConfigError(f"{artifact.stem} is saved by {owner[artifact.stem]} and by {stem}; rename one")
            owner[artifact.stem] = stem
    return [name for stem in stems for artifact in notebook_artifacts(stem) for name in artifact.files]


def _json(settings: Any) -> str:
    return canonical_json(to_dict(settings))
