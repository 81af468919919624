"""What a user of the explorer can choose, as one value: two sources, a run, a mask, and the knobs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from avsep_lib.config import Profile, Run, load_profile, profile_runs
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.inputs import dataset_of, require_data
from avsep_lib.paths import results_root
from avsep_lib.workflow import audio_key

GAIN_LIMIT_DB = 12.0
FUSIONS = {"late": "late", "middle": "middle", "hierarchical": "hierarchical"}
ON_FRAMES, BY_TEACHER = ", trained ResNet-18", ", teacher as bottleneck"
EXPLORED_SWITCHES = {"bottleneck"}  # other switches belong to the table of switches, one seed and short trainings


@dataclass(frozen=True)
class Choice:
    """One state of the explorer.

    Attributes
    ----------
    first, second : str
        Keys of the two sources A and B: a clip_id, or the key of an upload.
    run_id : str
    mask : {"soft", "binary"}
    threshold : float
        Of binary masks, after unwarping; the tables have 0.5.
    swap : bool
        Each source is asked for with the picture of the other.
    blend : float
        From 0, own pictures, to 1, where both queries are the mean of the two embeddings.
    silenced : int or None
        The source that is left out of the mixture; its query is asked all the same.
    mid_condition : {"own", "last"}
        Which picture conditions the bottleneck: each source's own, or the last one's for all (the released code).
    gain_db : float
        Level of source `gain_of` in the mixture, in dB.
    gain_of : int
    """

    first: str
    second: str
    run_id: str
    mask: str = "soft"
    threshold: float = 0.5
    swap: bool = False
    blend: float = 0.0
    silenced: int | None = None
    mid_condition: str = "own"
    gain_db: float = 0.0
    gain_of: int = 0

    def __post_init__(self) -> None:
        known = {"mask": ("soft", "binary"), "mid_condition": ("own", "last"), "silenced": (None, 0, 1)}
        known |= {"gain_of": (0, 1)}
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise ConfigError(f"explorer: {name} is {getattr(self, name)!r}; choose one of {values}")
        limits = {"threshold": (0.0, 1.0), "blend": (0.0, 1.0), "gain_db": (-GAIN_LIMIT_DB, GAIN_LIMIT_DB)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"explorer: {name} is {getattr(self, name)}; it goes from {low:g} to {high:g}")

    @property
    def is_plain(self) -> bool:
        """Whether every knob is where training and scoring had it."""
        knobs = ("threshold", "swap", "blend", "silenced", "mid_condition", "gain_db")
        default = {field.name: field.default for field in fields(self)}
        used = [name for name in knobs if name != "threshold" or self.mask == "binary"]
        return all(getattr(self, name) == default[name] for name in used)


@dataclass(frozen=True)
class Runs:
    """The runs of a dataset that are finished, found by what was switched.

    Attributes
    ----------
    by_network : dict
        ``{fusion: {with alignment: {seed: run_id}}}``; fusion as a control shows it.
    """

    by_network: dict[str, dict[bool, dict[int, str]]]

    @classmethod
    def of(cls, profile: Profile, dataset: str) -> Runs:
        """The finished runs of a profile on a dataset.

        Raises
        ------
        DataError
            When there is none; names the command.
        """
        found: dict[str, dict[bool, dict[int, str]]] = {}
        for run in profile_runs(profile):
            if (
                not run.of_family
                or audio_key(run) != dataset
                or set(run.switches) - EXPLORED_SWITCHES
                or not _checkpoint(profile, run)
            ):
                continue
            found.setdefault(network_of(run), {}).setdefault(run.alignment, {})[run.seed] = run.run_id
        if not found:
            raise DataError(
                f"profile {profile.name!r} has no trained run on {dataset!r} yet in {results_root(profile.name)}; "
                f"run `make figures PROFILE={profile.name}` first"
            )
        return cls(found)

    def nearest(self, network: str, aligned: bool, seed: int) -> str:
        """The run of these switches, or the nearest there is: another seed before the other alignment."""
        seeds = self.by_network[network].get(aligned) or next(iter(self.by_network[network].values()))
        return seeds.get(seed, next(iter(seeds.values())))

    def place(self, run_id: str) -> tuple[str, bool, int]:
        """Fusion, alignment and seed of a run; ConfigError when it is not among these."""
        for network, by_alignment in self.by_network.items():
            for aligned, seeds in by_alignment.items():
                for seed, name in seeds.items():
                    if name == run_id:
                        return network, aligned, seed
        raise ConfigError(f"explorer: run {run_id!r} is not trained here; choose one of {', '.join(self.all())}")

    def all(self) -> list[str]:
        """Ids of all runs."""
        return [run for table in self.by_network.values() for seeds in table.values() for run in seeds.values()]


@dataclass(frozen=True)
class Results:
    """What a session needs, found but not loaded.

    Attributes
    ----------
    profile : Profile
    dataset : str
    runs : Runs
    clips : Path
        Folder of the decoded clips.
    images : Path
        Embeddings of their pictures.
    """

    profile: Profile
    dataset: str
    runs: Runs
    clips: Path
    images: Path


def find_results(profile: str, dataset: str = "") -> Results:
    """Look for the results of a profile; loads neither torch nor a model.

    Parameters
    ----------
    profile : str
    dataset : str
        One of the profile's, or a place of the paper's; by default its main dataset.

    Raises
    ------
    ConfigError, DataError
        Unknown profile or dataset; results that are not there yet, with the command that makes them.
    """
    suite = load_profile(profile)
    dataset = dataset_of(suite, dataset or suite.main_dataset)
    (clips,) = require_data(profile, dataset, "clips/clips.json")
    (images,) = require_data(profile, dataset, "embeddings/images.safetensors")
    return Results(suite, dataset, Runs.of(suite, dataset), clips.parent, images)


def network_of(run: Run) -> str:
    """How the explorer calls the network of a run, alignment and seed aside."""
    name = FUSIONS.get(run.fusion, run.fusion)
    name += ON_FRAMES if run.backbone != "clip" else ""
    return name + (BY_TEACHER if "bottleneck" in run.switches else "")


def _checkpoint(profile: Profile, run: Run) -> bool:
    return Path(results_root(profile.name) / "runs" / run.run_id / "model.safetensors").is_file()
