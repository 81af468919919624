"""Profiles and runs: what a whole regeneration depends on, checked before the first job starts.

A profile is ``config/<name>.yaml``; ``config/runs.csv`` has one row per trained model. Both are read here only, and
strictly: an unknown key, a wrong type or a duplicate run id is a `ConfigError` that names the place.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from avsep_lib.embedded.settings import EmbeddedSettings
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.errors import ConfigError
from avsep_lib.paths import project_root
from avsep_lib.settings import (
    AudioSettings,
    EvaluationSettings,
    MixtureSettings,
    ModelSettings,
    RunConfig,
    TrainingSettings,
    from_dict,
)

# Decided by a row's own columns, or for all runs of a profile at once (they share one set of features).
NO_SWITCH = ("fusion", "backbone", "frame_size", "embedding_dim")
RUN_COLUMNS = ["run_id", "method", "fusion", "alignment", "backbone", "dataset", "seed", "switches"]


class EncoderSection(BaseModel):
    """Frozen encoders of a profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    image: ImageEncoderSettings
    audio: AudioEncoderSettings


class Profile(BaseModel):
    """One regeneration of everything; see ``config/README.md`` for every key."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    name: str
    hub: Literal["offline", "online"] = "offline"
    seeds: list[int] = Field(min_length=1)  # rows of runs.csv with other seeds are left out
    datasets: dict[str, EmbeddedSettings]
    audio: AudioSettings
    encoders: EncoderSection
    mixtures: MixtureSettings
    model: ModelSettings
    training: TrainingSettings
    evaluation: EvaluationSettings
    notebook_minutes: Annotated[float, Field(gt=0)] = 10.0  # time budget of one notebook


@dataclasses.dataclass(frozen=True)
class Run:
    """One row of ``config/runs.csv``."""

    run_id: str
    method: str
    fusion: str
    alignment: bool
    backbone: str
    dataset: str
    seed: int
    switches: dict[str, str]

    @property
    def row(self) -> str:
        """The table row this run is a seed of: the run id without its ``-s<seed>``."""
        return self.run_id.removesuffix(f"-s{self.seed}")


def known_profiles() -> list[str]:
    """Names of the profiles in ``config``."""
    return sorted(path.stem for path in (project_root() / "config").glob("*.yaml"))


def known_methods() -> list[str]:
    """Names of the trained methods: the files of `avsep_lib.methods` beside the interface and the references."""
    stems = {path.stem for path in (Path(__file__).parent / "methods").glob("*.py")}
    return sorted(stems - {"__init__", "base", "references"})


def load_profile(name: str) -> Profile:
    """Read ``config/<name>.yaml``.

    Raises
    ------
    ConfigError
        No such profile (the known ones are listed), not YAML, unknown key or wrong type (all of them are listed).
    """
    path = project_root() / "config" / f"{name}.yaml"
    if not path.exists():
        raise ConfigError(f"profile {name!r}: no {path.name} in config; known profiles: {', '.join(known_profiles())}")
    try:
        data = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected a mapping of keys, got {type(data).__name__}")
    return check_profile(data, str(path), name)


def check_profile(data: dict, place: str, name: str) -> Profile:
    """Build a `Profile` from parsed YAML; `place` begins each message."""
    data = _typed_sections(data, place)
    try:
        profile = Profile(**data)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{place}: {problems}; see config/README.md for the keys") from None
    if profile.name != name:
        raise ConfigError(f"{place}: name is {profile.name!r}; it must equal the file name, {name!r}")
    _check_shapes(profile, place)
    return profile


def _typed_sections(data: dict, place: str) -> dict:
    """Turn the plain mappings of the numerical sections into their dataclasses, strictly."""
    sections = {
        "audio": AudioSettings,
        "mixtures": MixtureSettings,
        "model": ModelSettings,
        "training": TrainingSettings,
        "evaluation": EvaluationSettings,
    }
    typed = {k: from_dict(sections[k], v, f"{place}: {k}") if k in sections else v for k, v in data.items()}
    if isinstance(data.get("encoders"), dict):
        kinds = {"image": ImageEncoderSettings, "audio": AudioEncoderSettings}
        typed["encoders"] = {
            k: from_dict(kinds[k], v, f"{place}: encoders.{k}") if k in kinds else v
            for k, v in data["encoders"].items()
        }
    if isinstance(data.get("datasets"), dict):
        typed["datasets"] = {
            k: from_dict(EmbeddedSettings, v, f"{place}: datasets.{k}") for k, v in data["datasets"].items()
        }
    return typed


def _check_sizes(audio: AudioSettings, model: ModelSettings, training: TrainingSettings, pool: int, place: str) -> None:
    """Sizes that a profile or a run's switches may set against each other."""
    factor = 2 ** len(model.channels)
    for what, size in (("audio.n_rows", audio.n_rows), ("STFT frames", audio.n_frames)):
        if size % factor:
            raise ConfigError(
                f"{place}: {what} = {size} is not divisible by {factor} (model.channels has "
                f"{len(model.channels)} levels); frames = 1 + floor(audio.n_samples / audio.hop_length)"
            )
    if model.channels[-1] != model.embedding_dim:
        raise ConfigError(
            f"{place}: the innermost width model.channels[-1] = {model.channels[-1]} must equal "
            f"model.embedding_dim = {model.embedding_dim}, or alignment would need a projection head"
        )
    if training.batch_size > pool:
        raise ConfigError(
            f"{place}: training.batch_size = {training.batch_size} exceeds mixtures.pool_size = {pool}; enlarge the pool"
        )


def _check_shapes(profile: Profile, place: str) -> None:
    """Numbers that must fit together, checked before anything is computed."""
    _check_sizes(profile.audio, profile.model, profile.training, profile.mixtures.pool_size, place)
    if profile.encoders.audio.n_samples != profile.audio.n_samples:
        raise ConfigError(
            f"{place}: encoders.audio.n_samples = {profile.encoders.audio.n_samples} must equal audio.n_samples = "
            f"{profile.audio.n_samples}, because the teacher hears whole mixtures"
        )
    for name, dataset in profile.datasets.items():
        if dataset.seconds * profile.audio.sample_rate < profile.audio.n_samples:
            raise ConfigError(
                f"{place}: datasets.{name}.seconds = {dataset.seconds} is shorter than audio.n_samples = "
                f"{profile.audio.n_samples} at {profile.audio.sample_rate} Hz; lengthen the videos"
            )


def _parse_switches(text: str, place: str) -> dict[str, str]:
    switches = {}
    for item in filter(None, (part.strip() for part in text.split(";"))):
        key, separator, value = item.partition("=")
        if not separator or not value:
            raise ConfigError(f"{place}: switch {item!r} is not of the form key=value")
        switches[key.strip()] = value.strip()
    return switches


def _parse_run(row: dict[str, str], place: str) -> Run:
    if row["alignment"] not in ("yes", "no"):
        raise ConfigError(f"{place}: alignment is {row['alignment']!r}; write yes or no")
    if not row["seed"].isdigit():
        raise ConfigError(f"{place}: seed is {row['seed']!r}; write a non-negative integer")
    if not row["run_id"].endswith(f"-s{row['seed']}"):
        raise ConfigError(f"{place}: run_id {row['run_id']!r} must end in -s{row['seed']}, the row's seed")
    fields = {**row, "alignment": row["alignment"] == "yes", "seed": int(row["seed"])}
    return Run(**{**fields, "switches": _parse_switches(row["switches"], place)})


def load_runs(path: Path | None = None) -> list[Run]:
    """All rows of ``config/runs.csv``.

    Raises
    ------
    ConfigError
        Wrong columns, a duplicate run id or a malformed value, with the line number.
    """
    path = path or project_root() / "config" / "runs.csv"
    if not path.exists():
        raise ConfigError(f"{path} is missing; it has one row per trained model, with columns {', '.join(RUN_COLUMNS)}")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, comment="#")
    except ValueError as error:
        raise ConfigError(f"{path}: {str(error).strip()}; separate switches by semicolons") from None
    if list(table.columns) != RUN_COLUMNS:
        raise ConfigError(f"{path}: columns are {list(table.columns)}; expected {RUN_COLUMNS}")
    runs = [_parse_run(row, f"{path} row {i + 1}") for i, row in enumerate(table.to_dict("records"))]
    seen: set[str] = set()
    for run in runs:
        if run.run_id in seen:
            raise ConfigError(f"{path}: run_id {run.run_id!r} occurs twice")
        seen.add(run.run_id)
    return runs


def profile_runs(profile: Profile) -> list[Run]:
    """The rows of ``runs.csv`` that a profile trains: its datasets and its seeds."""
    return [run for run in load_runs() if run.dataset in profile.datasets and run.seed in profile.seeds]


def find_run(profile: Profile, run_id: str) -> Run:
    """One run of a profile by id; ConfigError lists the known ids."""
    runs = {run.run_id: run for run in profile_runs(profile)}
    if run_id not in runs:
        raise ConfigError(f"run {run_id!r} is not in profile {profile.name!r}; known: {', '.join(runs)}")
    return runs[run_id]


def resolve(profile: Profile, run: Run) -> RunConfig:
    """The training configuration of a run: the profile's sections with the run's row and switches applied.

    Raises
    ------
    ConfigError
        For an unknown method, a switch that names no field of the audio, model or training section, or values that
        are impossible alone or together.
    """
    if run.method not in known_methods():
        raise ConfigError(
            f"run {run.run_id!r}: method {run.method!r} is no trained method; known: {', '.join(known_methods())}"
        )
    sections = {"audio": profile.audio, "model": profile.model, "training": profile.training}
    changes: dict[str, dict] = {name: {} for name in sections}
    changes["model"] = {"fusion": run.fusion, "backbone": run.backbone}
    for key, text in run.switches.items():
        owners = [name for name, section in sections.items() if key in {f.name for f in dataclasses.fields(section)}]
        if not owners:
            raise ConfigError(f"run {run.run_id!r}: switch {key!r} is no field of audio, model or training")
        if key in NO_SWITCH:
            raise ConfigError(
                f"run {run.run_id!r}: {key!r} cannot be switched; fusion and backbone are columns of runs.csv, "
                "frame_size and embedding_dim belong to the profile"
            )
        changes[owners[0]][key] = yaml.safe_load(text)
    built = {
        name: from_dict(type(section), dataclasses.asdict(section) | changes[name], f"run {run.run_id!r}: {name}")
        for name, section in sections.items()
    }
    config = RunConfig(run_id=run.run_id, seed=run.seed, alignment=run.alignment, **built)
    _check_sizes(config.audio, config.model, config.training, profile.mixtures.pool_size, f"run {run.run_id!r}")
    return config
