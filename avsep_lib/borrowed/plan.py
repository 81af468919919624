"""What is to be run on a borrowed machine, as JSON that needs none of the workflow's libraries to be read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from avsep_lib.embedded.settings import EmbeddedSettings
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.errors import ConfigError
from avsep_lib.files import canonical_json, read_json, sha256_text
from avsep_lib.settings import AudioSettings, RunConfig, from_dict, to_dict

FORMAT = 1  # of plans and of the files that come back


@dataclass(frozen=True)
class PlannedRun:
    """One training, scored as row `row` of the tables."""

    row: str
    config: RunConfig

    @property
    def run_id(self) -> str:
        """Its id in ``config/runs.csv``."""
        return self.config.run_id


@dataclass(frozen=True)
class Plan:
    """A profile on a borrowed machine.

    Attributes
    ----------
    format : int
    profile : str
        Whose figures the results are for.
    sections : str
        JSON of the profile's sections that are replaced there.
    commit : str
        Of the code in the bundle.
    dataset : str
        The one dataset, rendered there as `clips` says.
    lists : dict
        SHA-256 of the pool, validation and test lists, which travel along.
    runs : tuple of PlannedRun
        Seed by seed; `config.training.steps` is the most that makes sense.
    grid : tuple of str
        Runs whose latents come back.
    minutes : float
        The whole time there, over all commands.
    least_steps : int
        Below this, seeds are given up for longer training.
    """

    format: int
    profile: str
    sections: str
    commit: str
    dataset: str
    clips: EmbeddedSettings
    audio: AudioSettings
    image_encoder: ImageEncoderSettings
    audio_encoder: AudioEncoderSettings
    frame_size: int
    lists: dict[str, str]
    runs: tuple[PlannedRun, ...]
    grid: tuple[str, ...]
    minutes: float
    least_steps: int

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ConfigError(f"format {self.format}; this code reads {FORMAT}: make the bundle again")

    @property
    def key(self) -> str:
        """Names this plan: states and results of another one are not mixed with its own."""
        return sha256_text(canonical_json(to_dict(self)))

    @property
    def seeds(self) -> list[int]:
        """Training seeds, in the order in which they are trained."""
        return list(dict.fromkeys(run.config.seed for run in self.runs))

    def of_seeds(self, seeds: list[int]) -> list[PlannedRun]:
        """Runs of the given seeds."""
        return [run for run in self.runs if run.config.seed in seeds]


def read_plan(path: Path) -> Plan:
    """A plan from its file; ConfigError or DataError when it is none."""
    return from_dict(Plan, read_json(path), str(path))


def plan_json(plan: Plan) -> str:
    """Text of a plan's file."""
    return json.dumps(to_dict(plan), indent=1) + "\n"
