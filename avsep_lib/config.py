"""Profiles and runs: what a whole regeneration depends on, checked before the first job starts.

A profile is ``config/<name>.yaml``; ``config/runs.csv`` has one row per trained model. Both are read here only, and
strictly: an unknown key, a wrong type or a duplicate run id is a `ConfigError` that names the place.
"""

from __future__ import annotations

import csv
import dataclasses
import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from avsep_lib.embedded.settings import EmbeddedSettings
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.errors import ConfigError
from avsep_lib.files import read_json
from avsep_lib.methods.settings import FAMILY, METHOD_SETTINGS
from avsep_lib.paths import checked_name, project_root, received_root
from avsep_lib.recorded.description import read_dataset
from avsep_lib.recorded.settings import ROLES, RecordedSettings
from avsep_lib.settings import (
    AudioSettings,
    EvaluationSettings,
    MixtureSettings,
    ModelSettings,
    RunConfig,
    TrainingSettings,
    from_dict,
)
from avsep_lib.text_files import parse_yaml, read_text, read_yaml

# Decided by a row's own columns, or for all runs of a profile at once: frames and embeddings are computed once, and
# test pairs and the size of the pool are what makes two runs comparable.
NO_SWITCH = ("fusion", "backbone", "frame_size", "embedding_dim", "seed", "pool_size", "features")
SWITCHABLE = ("audio", "mixtures", "model", "training")  # sections whose fields a run may switch; and its method's own
SWITCH_VALUE = re.compile(r"[\w.+-]+|\[[\w.+, -]*\]", re.ASCII)  # it becomes part of the name of a folder
NOT_OF_FAMILY = "-"  # in the columns fusion and backbone of methods that have none
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
    seeds: list[Annotated[int, Field(ge=0, lt=10**9)]] = Field(
        min_length=1
    )  # rows of runs.csv with other seeds are left out
    leave_out: list[str] = []  # run ids of runs.csv not trained here; * stands for anything
    steps_of: dict[str, int] = {}  # run ids (with *) that are trained for fewer steps than training.steps
    datasets: dict[str, EmbeddedSettings | RecordedSettings] = Field(min_length=1)
    audio: AudioSettings
    encoders: EncoderSection
    encoders_of: dict[str, EncoderSection] = {}  # datasets whose encoders differ from `encoders`
    mixtures: MixtureSettings
    model: ModelSettings
    training: TrainingSettings
    methods: dict[str, Any] = {}  # of methods by name, their own settings (avsep_lib.methods.settings)
    evaluation: EvaluationSettings
    notebook_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0  # time budget of one notebook

    def encoders_for(self, dataset: str) -> EncoderSection:
        """Encoder settings of a dataset (a data key such as ``music11@sample_rate=16000`` counts as its dataset)."""
        return self.encoders_of.get(dataset.split("@")[0], self.encoders)

    def is_recorded(self, dataset: str) -> bool:
        """Whether a dataset consists of recordings; the others are rendered."""
        return isinstance(self.datasets[dataset], RecordedSettings)

    def role_of(self, dataset: str) -> str:
        """Whose rows of runs.csv are trained on a dataset: a rendered one has its own name, a recorded one says so."""
        settings = self.datasets[dataset]
        return settings.in_place_of if isinstance(settings, RecordedSettings) else dataset

    def dataset_in(self, role: str) -> str | None:
        """The dataset that has a role, or is called so; None when the profile has none."""
        names = (name for name in self.datasets if self.role_of(name) == role)
        return next(names, role if role in self.datasets else None)

    @property
    def main_dataset(self) -> str:
        """The dataset in the place of MUSIC, which the paper analyses; where there is none, the first."""
        return self.dataset_in(ROLES[0]) or next(iter(self.datasets))

    def title_of(self, dataset: str) -> str:
        """How tables call a dataset."""
        return getattr(self.datasets[dataset], "title", "") or dataset


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
    listed_as: str = ""  # run id in runs.csv, where another dataset has its role in a profile; empty: the same

    @property
    def row(self) -> str:
        """The table row this run is a seed of: the run id without ``-s<seed>`` and without ``-<dataset>``."""
        return self.run_id.removesuffix(f"-s{self.seed}").removesuffix(f"-{self.dataset}")

    @property
    def of_family(self) -> bool:
        """Whether this is a run of the fusion-by-alignment family, which has fusions, a bottleneck and a teacher."""
        return self.method == FAMILY


def known_profiles() -> list[str]:
    """Names of the profiles in ``config`` and of one's own in ``config/own``."""
    return sorted(path.stem for folder in _profile_folders() for path in folder.glob("*.yaml"))


def _profile_folders() -> tuple[Path, Path]:
    return project_root() / "config", project_root() / "config" / "own"


def known_methods() -> list[str]:
    """Names of the methods that ``runs.csv`` may name; each is a file of `avsep_lib.methods`."""
    return sorted(METHOD_SETTINGS)


def load_profile(name: str) -> Profile:
    """Read ``config/<name>.yaml``, or ``config/own/<name>.yaml``, which git ignores.

    Where results of another machine were received (`avsep_lib.borrowed.receive`), the sections that they were made with
    are in place of the file's.

    Raises
    ------
    ConfigError
        No such profile (the known ones are listed), not YAML, unknown key or wrong type (all of them are listed).
    """
    return check_profile(profile_data(name) | received_sections(name), str(_profile_path(name)), name)


def received_sections(name: str) -> dict:
    """Sections of a profile as another machine had them, whose results were received; none where none were."""
    path = received_root(name) / "sections.json"
    return read_json(path) if path.exists() else {}


def _profile_path(name: str) -> Path:
    checked_name(name, "profile")
    paths = [folder / f"{name}.yaml" for folder in _profile_folders()]
    return next((path for path in paths if path.exists()), paths[0])


def profile_data(name: str, heirs: tuple[str, ...] = ()) -> dict:
    """The YAML of a profile, on top of that of the profile it is `based_on`: whole sections replace whole sections."""
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise ConfigError(f"profile {name!r}: the name of a file in config, without folder and suffix, is needed")
    path = _profile_path(name)
    if not path.exists():
        raise ConfigError(f"profile {name!r}: no {path.name} in config; known profiles: {', '.join(known_profiles())}")
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected a mapping of keys, got {type(data).__name__}")
    if odd := [key for key in data if not isinstance(key, str)]:
        raise ConfigError(f"{path}: key {odd[0]!r} is no text; see config/README.md for the keys")
    if "based_on" not in data:
        return data
    base = data.pop("based_on")
    if not isinstance(base, str) or base in (*heirs, name):
        raise ConfigError(f"{path}: based_on is {base!r}; name another profile, which is not based on this one")
    return profile_data(base, (*heirs, name)) | data


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
    if len(set(profile.seeds)) < len(profile.seeds):
        raise ConfigError(f"{place}: seeds are {profile.seeds}; name each once")
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
    if isinstance(data.get("methods"), dict):
        typed["methods"] = {k: _typed_method(k, v, f"{place}: methods") for k, v in data["methods"].items()}
    if isinstance(data.get("encoders"), dict):
        typed["encoders"] = _typed_encoders(data["encoders"], f"{place}: encoders")
    if isinstance(data.get("encoders_of"), dict) and isinstance(data.get("encoders"), dict):
        typed["encoders_of"] = {
            dataset: _typed_encoders(_merged(data["encoders"], changes), f"{place}: encoders_of.{dataset}")
            for dataset, changes in data["encoders_of"].items()
        }
    if isinstance(data.get("datasets"), dict):
        typed["datasets"] = {k: _typed_dataset(v, f"{place}: datasets.{k}") for k, v in data["datasets"].items()}
    return typed


def _typed_method(name: Any, data: Any, place: str) -> Any:
    """The settings of one method."""
    if name not in METHOD_SETTINGS:
        raise ConfigError(f"{place}: no method {name!r}; known: {', '.join(known_methods())}")
    return from_dict(METHOD_SETTINGS[name], data, f"{place}.{name}")


def _typed_dataset(data: Any, place: str) -> EmbeddedSettings | RecordedSettings:
    """A dataset to render, or one that is recorded: its settings, or the path of a file that holds them."""
    if isinstance(data, str) or (isinstance(data, dict) and "format" in data):
        return read_dataset(data, project_root(), place)
    return from_dict(EmbeddedSettings, data, place)


def _merged(encoders: dict, changes: dict) -> dict:
    """The common encoder settings with the keys that a dataset changes; from_dict is told what is no mapping."""
    if not isinstance(changes, dict) or not all(isinstance(keys, dict) for keys in changes.values()):
        return changes
    if not all(isinstance(encoders.get(modality, {}), dict) for modality in changes):
        return encoders
    return encoders | {modality: encoders.get(modality, {}) | keys for modality, keys in changes.items()}


def _typed_encoders(data: Any, place: str) -> dict:
    if not isinstance(data, dict):
        raise ConfigError(f"{place}: expected a mapping with the keys image and audio, got {data!r}")
    kinds = {"image": ImageEncoderSettings, "audio": AudioEncoderSettings}
    return {k: from_dict(kinds[k], v, f"{place}.{k}") if k in kinds else v for k, v in data.items()}


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
    if unknown := sorted(set(profile.encoders_of) - set(profile.datasets)):
        raise ConfigError(f"{place}: encoders_of.{unknown[0]}: no such dataset; known: {', '.join(profile.datasets)}")
    for encoders in (profile.encoders, *profile.encoders_of.values()):
        if encoders.audio.n_samples != profile.audio.n_samples:
            raise ConfigError(
                f"{place}: encoders.audio.n_samples = {encoders.audio.n_samples} must equal audio.n_samples = "
                f"{profile.audio.n_samples}, because the teacher hears whole mixtures"
            )
    for pattern, steps in profile.steps_of.items():
        if not 1 <= steps <= profile.training.steps:
            raise ConfigError(
                f"{place}: steps_of.{pattern} = {steps}; it shortens a training, "
                f"so choose 1 to {profile.training.steps} (training.steps)"
            )
    _check_datasets(profile, place)


def _check_datasets(profile: Profile, place: str) -> None:
    roles = [profile.role_of(name) for name in profile.datasets]
    for name, dataset in profile.datasets.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ConfigError(f"{place}: datasets.{name}: use lower-case letters, digits and underscores for its name")
        if roles.count(role := profile.role_of(name)) > 1:
            raise ConfigError(
                f"{place}: datasets.{name}: another dataset is in place of {role} too; set in_place_of to another "
                f"one of {', '.join(ROLES)}"
            )
        if isinstance(dataset, RecordedSettings):
            if name in ROLES and name != role:
                raise ConfigError(f"{place}: datasets.{name} is in place of {role}; give it another name")
            continue
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
        if key.strip() in switches:
            raise ConfigError(f"{place}: switch {key.strip()!r} is given twice")
        if not SWITCH_VALUE.fullmatch(value.strip()):
            raise ConfigError(f"{place}: switch {item!r}: write a number, a word, or a list such as [8, 16]")
        switches[key.strip()] = value.strip()
    return switches


def _parse_run(row: dict[str, str], place: str) -> Run:
    if row["alignment"] not in ("yes", "no"):
        raise ConfigError(f"{place}: alignment is {row['alignment']!r}; write yes or no")
    if not re.fullmatch("[0-9]{1,9}", row["seed"]):
        raise ConfigError(f"{place}: seed is {row['seed']!r}; write a non-negative integer")
    checked_name(row["run_id"], f"{place}: run_id")
    if not row["run_id"].endswith(f"-s{row['seed']}"):
        raise ConfigError(f"{place}: run_id {row['run_id']!r} must end in -s{row['seed']}, the row's seed")
    fields = {**row, "alignment": row["alignment"] == "yes", "seed": int(row["seed"])}
    return Run(**{**fields, "switches": _parse_switches(row["switches"], place)})


def _read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of ``runs.csv`` as text; what follows a # is a comment. (pandas would make every planning half as slow again.)"""
    lines = (line.partition("#")[0] for line in read_text(path, ConfigError).splitlines())
    try:
        header, *rows = [*csv.reader((line for line in lines if line.strip()), strict=True)] or [[]]
    except csv.Error as error:
        raise ConfigError(f"{path}: not a CSV table ({error})") from None
    if header != RUN_COLUMNS:
        raise ConfigError(f"{path}: columns are {header}; expected {RUN_COLUMNS}")
    for i, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise ConfigError(
                f"{path} row {i}: {len(row)} values, expected {len(header)}; separate switches by semicolons"
            )
        yield dict(zip(header, row))


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
    runs = [_parse_run(row, f"{path} row {i}") for i, row in enumerate(_read_rows(path), start=1)]
    seen: dict[tuple, str] = {}
    for run in runs:
        if not re.fullmatch(r"\w[\w.-]*-s[0-9]+", run.run_id, re.ASCII):
            raise ConfigError(f"{path}: run_id {run.run_id!r}: use letters, digits, '_', '-' and '.', and -s<seed>")
        for key in ((run.run_id,), (run.row, run.dataset, run.seed)):
            if key in seen:
                same = "occurs twice" if seen[key] == run.run_id else f"is the same row and seed as {seen[key]!r}"
                raise ConfigError(f"{path}: run_id {run.run_id!r} {same}")
            seen[key] = run.run_id
    return runs


def profile_runs(profile: Profile) -> list[Run]:
    """The runs that a profile trains: rows of ``runs.csv`` whose dataset, or role of a dataset, and seed it has.

    Raises
    ------
    ConfigError
        When a pattern of `leave_out` or `steps_of` fits no row of ``runs.csv``: it would silently do nothing.
    """
    rows = load_runs()
    for key in ("leave_out", "steps_of"):
        for pattern in getattr(profile, key):
            if not any(fnmatch.fnmatchcase(run.run_id, pattern) for run in rows):
                raise ConfigError(
                    f"profile {profile.name!r}: {key} names {pattern!r}, which fits no run of config/runs.csv"
                )
    wanted = [run for run in rows if run.seed in profile.seeds and profile.dataset_in(run.dataset)]
    kept = [run for run in wanted if not any(fnmatch.fnmatchcase(run.run_id, p) for p in profile.leave_out)]
    return [_on_own_dataset(profile, run) for run in kept]


def _on_own_dataset(profile: Profile, run: Run) -> Run:
    """A row of ``runs.csv`` with the dataset that has its dataset's role in the profile."""
    name = profile.dataset_in(run.dataset)
    if name == run.dataset:
        return run
    run_id = run.run_id if run.dataset == ROLES[0] else f"{run.row}-{name}-s{run.seed}"
    return dataclasses.replace(run, run_id=run_id, dataset=name, listed_as=run.run_id)


def steps_of(profile: Profile, run: Run) -> int:
    """Training steps of a run: the first pattern of `steps_of` that fits its id in runs.csv, else ``training.steps``."""
    listed_as = run.listed_as or run.run_id
    fitting = (steps for pattern, steps in profile.steps_of.items() if fnmatch.fnmatchcase(listed_as, pattern))
    return next(fitting, profile.training.steps)


def find_run(profile: Profile, run_id: str) -> Run:
    """One run of a profile by id; ConfigError lists the known ids."""
    runs = {run.run_id: run for run in profile_runs(profile)}
    if run_id not in runs:
        raise ConfigError(f"run {run_id!r} is not in profile {profile.name!r}; known: {', '.join(runs)}")
    return runs[run_id]


def switched_sections(profile: Profile, run: Run) -> dict:
    """Sections `SWITCHABLE` of a profile as a run sees them: its row, its number of steps and its switches applied.

    Raises
    ------
    ConfigError
        For a switch that names no field of these sections, or one that is shared by all runs (`NO_SWITCH`).
    """
    sections = {name: getattr(profile, name) for name in SWITCHABLE}
    sections["options"] = profile.methods.get(run.method) or METHOD_SETTINGS[run.method]()
    changes: dict[str, dict] = {name: {} for name in sections}
    changes["model"] = _family_columns(run)
    changes["training"] = {"steps": steps_of(profile, run)}
    for key, text in run.switches.items():
        owners = [name for name, section in sections.items() if key in {f.name for f in dataclasses.fields(section)}]
        if not owners:
            raise ConfigError(
                f"run {run.run_id!r}: switch {key!r} is no field of {', '.join(SWITCHABLE)} or of method {run.method}"
            )
        if key in NO_SWITCH:
            raise ConfigError(
                f"run {run.run_id!r}: {key!r} cannot be switched; fusion, backbone and seed are columns of runs.csv, "
                "frame_size, embedding_dim, pool_size and features belong to the profile"
            )
        changes[owners[0]][key] = parse_yaml(text, f"run {run.run_id!r}: switch {key!r}")
    return {
        name: from_dict(type(section), dataclasses.asdict(section) | changes[name], f"run {run.run_id!r}: {name}")
        for name, section in sections.items()
    }


def _family_columns(run: Run) -> dict[str, str]:
    """Fusion and backbone of a run, which only one family of methods has."""
    columns = {"fusion": run.fusion, "backbone": run.backbone}
    if run.of_family:
        return columns
    if odd := {name: value for name, value in columns.items() if value != NOT_OF_FAMILY} or run.alignment:
        raise ConfigError(
            f"run {run.run_id!r}: method {run.method} has no fusion, backbone or alignment ({odd}); write "
            f"{NOT_OF_FAMILY}, {NOT_OF_FAMILY} and no"
        )
    return {}


def resolve(profile: Profile, run: Run) -> RunConfig:
    """The training configuration of a run: the profile's sections with the run's row and switches applied.

    Raises
    ------
    ConfigError
        For an unknown method, a switch that `switched_sections` refuses, or values that are impossible alone or
        together.
    """
    if run.method not in known_methods():
        raise ConfigError(f"run {run.run_id!r}: method {run.method!r} is not one of: {', '.join(known_methods())}")
    built = switched_sections(profile, run)
    mixtures = built.pop("mixtures")
    config = RunConfig(run_id=run.run_id, seed=run.seed, alignment=run.alignment, method=run.method, **built)
    _check_sizes(config.audio, config.model, config.training, mixtures.pool_size, f"run {run.run_id!r}")
    dataset = profile.datasets[run.dataset]
    if isinstance(dataset, EmbeddedSettings) and dataset.seconds * config.audio.sample_rate < config.audio.n_samples:
        raise ConfigError(
            f"run {run.run_id!r}: {config.audio.n_samples} samples at {config.audio.sample_rate} Hz last longer than "
            f"datasets.{run.dataset}.seconds = {dataset.seconds}; lengthen the videos"
        )
    return config
