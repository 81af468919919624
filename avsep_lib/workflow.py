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

from avsep_lib.config import Profile, Run, load_profile, profile_runs, resolve, switched_sections
from avsep_lib.errors import ConfigError
from avsep_lib.files import canonical_json
from avsep_lib.library import Artifact, artifacts_of_notebook
from avsep_lib.methods.settings import FAMILY, FIXED_OUTPUTS, METHOD_SETTINGS, NEEDS_CLIPS, UNTRAINED
from avsep_lib.parameters import NOTEBOOKS, notebook_parameters
from avsep_lib.paths import project_root
from avsep_lib.settings import AudioSettings, MixtureSettings, RunConfig, to_dict

# What each notebook reads, as groups of files that workflow/rules/notebooks.smk spells out.
READS = {
    "00_start_here": ("scores", "references", "runs", "clips", "mixtures", "embeddings", "published"),
    "01_dataset": ("dataset", "clips", "mixtures"),
    "02_encoders": ("dataset", "clips", "encoders", "embeddings"),
    "03_training": ("runs", "features", "mixtures"),
    "04_separation_tables": ("scores", "references", "published", "embeddings"),
    "05_fusion_stages": ("dataset", "scores", "references", "descriptors", "published"),
    "06_ablation": ("scores", "references", "runs", "published"),
    "07_linear_probe": ("probe", "scores", "references", "runs", "published"),
    "08_modality_gap": ("latents", "embeddings", "scores", "references", "runs", "published"),
    "09_qualitative": ("scores", "runs", "clips", "mixtures", "embeddings"),
    "10_pipeline": ("paper_profile",),
    "11_audit": (
        *("scores", "references", "runs", "descriptors", "probe", "latents", "embeddings", "published", "audit"),
        "canaries",
    ),
    "12_explorer": ("dataset", "scores", "references", "runs", "clips", "mixtures", "embeddings"),
    "13_baselines": (
        *("scores", "references", "runs", "clips", "mixtures", "embeddings", "published"),
        *("larger", "method_costs", "naming"),
    ),
    "14_sgn": ("scores", "references", "runs", "published_sgn", "larger", "sgn_features"),
}
# Rows of the fusion-by-alignment grid (Table 6); on every dataset they have the same names.
GRID = ("late", "late_align", "middle", "middle_align", "hier", "hier_align")
SHOWN_OF_FAMILY = ("resnet18_late", "late", "middle", "hier_align")  # beside other methods, as in the paper's Table 1
# Relative cost of a training job; the longest start first, so that no core idles at the end.
FUSION_COST = {"late": 1, "middle": 2, "hierarchical": 3}
BACKBONE_COST = {"clip": 0, "resnet18": 12}
METHOD_COST = {
    "sound_of_pixels": 20,
    "av_mix_separate": 10,
    "wave_u_net": 5,
    "resunet_decouple": 10,
    "sgn": 4,
    "mp_net": 6,
}
OTHER_COST = 3  # of methods that are not listed and learn


AUDIO_FIELDS = frozenset(field.name for field in dataclasses.fields(AudioSettings))
MIXTURE_FIELDS = frozenset(field.name for field in dataclasses.fields(MixtureSettings))
TESTED_FIELDS = frozenset(
    {"fewest_sources", "most_sources"}
)  # of the mixtures, those that change test mixtures as well


def _key(run: Run, names: frozenset[str]) -> str:
    switched = (f"@{name}={value}" for name, value in sorted(run.switches.items()) if name in names)
    return run.dataset + "".join(switched)


def data_key(run: Run) -> str:
    """Name of the data a run trains on: its dataset, and the audio and mixture settings it switches.

    For example ``music11``, or ``music11@sample_rate=16000`` for a run whose switches name another rate.
    """
    return _key(run, AUDIO_FIELDS | MIXTURE_FIELDS)


def audio_key(run: Run) -> str:
    """Name of what a run is tested on: as `data_key`, without the switches that only change its training mixtures."""
    return _key(run, AUDIO_FIELDS | TESTED_FIELDS)


@dataclass(frozen=True)
class Plan:
    """A profile, its runs, and the settings of every job."""

    profile: Profile
    runs: dict[str, Run]

    def config(self, run_id: str) -> RunConfig:
        """Resolved configuration of a run."""
        if run_id not in self._configs:  # Snakemake asks for each of them a dozen times
            self._configs[run_id] = resolve(self.profile, self.runs[run_id])
        return self._configs[run_id]

    @functools.cached_property
    def _configs(self) -> dict[str, RunConfig]:
        return {}

    def data_key(self, run_id: str) -> str:
        """Data key of a run, by id."""
        return data_key(self.runs[run_id])

    def audio_key(self, run_id: str) -> str:
        """Audio key of a run, by id."""
        return audio_key(self.runs[run_id])

    @functools.cached_property
    def audio(self) -> dict[str, AudioSettings]:
        """Audio settings of every data key and audio key; a dataset's own comes even when all its runs switch."""
        own = dict.fromkeys(self.profile.datasets, self.profile.audio)
        runs = {run_id: self.config(run_id).audio for run_id in self.runs}
        return own | {key(run_id): audio for run_id, audio in runs.items() for key in (self.audio_key, self.data_key)}

    @functools.cached_property
    def mixtures(self) -> dict[str, MixtureSettings]:
        """Mixture settings of every key of `audio`."""
        own = dict.fromkeys(self.audio, self.profile.mixtures)
        switched = {run_id: switched_sections(self.profile, run)["mixtures"] for run_id, run in self.runs.items()}
        tested = {
            self.audio_key(run_id): dataclasses.replace(
                self.profile.mixtures, fewest_sources=mixtures.fewest_sources, most_sources=mixtures.most_sources
            )
            for run_id, mixtures in switched.items()
        }
        return own | tested | {self.data_key(run_id): mixtures for run_id, mixtures in switched.items()}

    @functools.cached_property
    def tested_as(self) -> dict[str, str]:
        """Audio key of every data key: clips, floor and ceilings exist once for each audio key."""
        own = {dataset: dataset for dataset in self.profile.datasets}
        tested = {self.audio_key(run_id): self.audio_key(run_id) for run_id in self.runs}
        return own | tested | {self.data_key(run_id): self.audio_key(run_id) for run_id in self.runs}

    @property
    def tested_keys(self) -> list[str]:
        """All audio keys."""
        return list(dict.fromkeys(self.tested_as.values()))

    @property
    def trained_keys(self) -> list[str]:
        """Data keys of the datasets and of all runs."""
        return list(dict.fromkeys([*self.profile.datasets, *map(self.data_key, self.runs)]))

    def dataset_json(self, dataset: str) -> str:
        """Settings of a dataset."""
        return _json(self.profile.datasets[dataset])

    @property
    def recorded(self) -> list[str]:
        """Datasets that are recordings; the others are rendered."""
        return [name for name in self.profile.datasets if self.profile.is_recorded(name)]

    def min_seconds(self, dataset: str) -> float:
        """Longest mixture that any run on a dataset needs, in seconds: a shorter clip is of no use there."""
        audio = [settings for key, settings in self.audio.items() if key.split("@")[0] == dataset]
        return max(settings.n_samples / settings.sample_rate for settings in audio)

    def audio_json(self, key: str) -> str:
        """Settings of the signal front end of a data key."""
        return _json(self.audio[key])

    def encoder_json(self, dataset: str, modality: str) -> str:
        """Settings of the ``image`` or ``audio`` encoder of a dataset (or data key)."""
        return _json(getattr(self.profile.encoders_for(dataset), modality))

    @property
    def encoders_are_small(self) -> bool:
        """Whether all encoders are taught here: then nothing gains from more than one thread."""
        encoders = map(self.profile.encoders_for, self.profile.datasets)
        return all(encoder.kind == "mini" for section in encoders for encoder in (section.image, section.audio))

    def mixtures_json(self, key: str) -> str:
        """Settings of the mixture lists of a data key."""
        return _json(self.mixtures[key])

    def needs_teacher(self, run_id: str) -> bool:
        """Whether a run hears its mixture through the audio encoder when it separates."""
        return self.config(run_id).model.bottleneck == "teacher"

    def run_json(self, run_id: str) -> str:
        """Settings of a training job."""
        return _json(self.config(run_id))

    def grid_runs(self, dataset: str) -> list[str]:
        """Ids of the runs of the fusion-by-alignment grid on a dataset, without switches."""
        return [r for r, run in self.runs.items() if run.row in GRID and self.data_key(r) == dataset]

    def carried_over(self) -> list[str]:
        """Ids of the runs that separate mixtures of three and four sources, too: one of each row that can, on pairs."""
        own = self.profile.main_dataset
        seeds = {run.row: min(r.seed for r in self.runs.values() if r.row == run.row) for run in self.runs.values()}
        return [
            run_id
            for run_id, run in self.runs.items()
            if self.data_key(run_id) == own and run.seed == seeds[run.row] and self._is_shown(run)
            if run.method not in FIXED_OUTPUTS
        ]

    def _is_shown(self, run: Run) -> bool:
        """Whether a run stands beside other methods: not the family's other rows, not a method's ablations."""
        if run.of_family:
            return run.row in SHOWN_OF_FAMILY
        own = self.profile.methods.get(run.method) or METHOD_SETTINGS[run.method]()
        return self.config(run.run_id).options == own

    def costed(self) -> list[str]:
        """Ids of the runs whose separation is timed: the first of each shown row on the main dataset, on pairs."""
        shown = {r: run for r, run in self.runs.items() if self._is_shown(run) and self._on_pairs(r)}
        firsts = {run.row: run_id for run_id, run in reversed(shown.items())}
        return [run_id for run_id, run in shown.items() if firsts[run.row] == run_id]

    def _on_pairs(self, run_id: str) -> bool:
        return self.data_key(run_id) == self.profile.main_dataset

    def sgn_runs(self) -> list[str]:
        """Ids of the runs whose features notebook 14 looks at: the first of SGN itself, on pairs."""
        return [run_id for run_id in self.costed() if self.runs[run_id].row == "sgn"]

    def reads_clips(self, run_id: str) -> bool:
        """Whether a training job reads decoded clips besides the features."""
        return self.profile.mixtures.features == "streamed" or self.runs[run_id].method in NEEDS_CLIPS

    def cost(self, run_id: str) -> int:
        """Relative duration of a training job."""
        config = self.config(run_id)
        if config.method in UNTRAINED:
            return 0
        one_step = 1 + METHOD_COST.get(config.method, OTHER_COST)
        if config.method == FAMILY:
            one_step = 1 + FUSION_COST[config.model.fusion] + BACKBONE_COST[config.model.backbone]
        return round(100 * one_step * config.training.steps / self.profile.training.steps)

    def everything_json(self) -> str:
        """The whole profile and its runs: what code that is given only the profile's name depends on."""
        runs = [dataclasses.asdict(run) for run in self.runs.values()]
        return canonical_json({"profile": self.profile.model_dump(mode="json"), "runs": runs})

    def seen_by_notebook_json(self, stem: str) -> str:
        """What a notebook can look up by its profile's name; the runs only when it deals with any."""
        deals_with_runs = {"runs", "scores", "latents", "probe"} & set(READS[stem]) or "run_id" in NOTEBOOKS[
            stem
        ].model_fields
        return self.everything_json() if deals_with_runs else canonical_json(self.profile.model_dump(mode="json"))

    def notebook_json(self, stem: str) -> str:
        """Parameters that the workflow gives to a notebook."""
        values: dict[str, Any] = {"profile": self.profile.name}
        if "n_bootstrap" in NOTEBOOKS[stem].model_fields:
            values["n_bootstrap"] = self.profile.evaluation.n_bootstrap
        if "dataset" in NOTEBOOKS[stem].model_fields:
            values["dataset"] = self.profile.main_dataset
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
