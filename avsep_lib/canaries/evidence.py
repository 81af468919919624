"""Where the checks find what they look at: the finished results of one data key, opened when first asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from avsep_lib import score
from avsep_lib.clips import ClipStore
from avsep_lib.config import EncoderSection, Profile, Run, resolve
from avsep_lib.encoders.base import AudioEncoder, load_audio_encoder
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.encoders.train import LEARNED_FROM
from avsep_lib.errors import DataError
from avsep_lib.files import read_json
from avsep_lib.methods.base import Query
from avsep_lib.methods.hfra import HFRA
from avsep_lib.mixtures import LISTS, read_list
from avsep_lib.settings import AudioSettings, MixtureSettings, RunConfig
from avsep_lib.training_data import load_features, open_pool
from avsep_lib.workflow import Plan

N_LOOKED_AT = 4  # mixtures, clips: checks that recompute something do so for a few, spread over the list
TRAINED_STEPS = 400  # with fewer steps little is learned, and what only learning can show is noted, not judged
TRAINED_ENCODER_STEPS = 200
TEXT = (  # whatever they look like
    *("clip_id", "video_id", "mixture_id", "labels", "instrument", "partner"),
    *("item", "truth", "predicted", "name", "representation"),
)


def spread(items: list, n: int = N_LOOKED_AT) -> list:
    """`n` items evenly spread over a list, or all of a shorter one."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, n).astype(int))] if items else []


@dataclass(frozen=True)
class Evidence:
    """Results of one data key.

    Attributes
    ----------
    key, dataset : str
        Data key (``music11``, or ``music11@sample_rate=16000``) and the dataset it was made from.
    results : Path
        ``results/<profile>``.
    profile : Profile
    audio : AudioSettings
        Front end of this key.
    runs : dict
        Runs trained on this key, by id.
    mixtures : MixtureSettings
        Settings of this key's mixture lists.
    tested_as : str
        Audio key: where clips are, and whose floor and ceilings were scored on the same test mixtures.
    others : dict
        Runs on it of methods outside the family: their score rows are looked at, their models are not.
    """

    key: str
    dataset: str
    results: Path
    profile: Profile
    audio: AudioSettings
    runs: dict[str, Run]
    mixtures: MixtureSettings
    tested_as: str
    others: dict[str, Run] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Mixture lists and features."""
        return self.results / "data" / self.key

    @property
    def source(self) -> Path:
        """Dataset, encoders and embeddings, which all keys of a dataset share."""
        return self.results / "data" / self.dataset

    @cached_property
    def store(self) -> ClipStore:
        """Decoded clips."""
        return ClipStore.open(self.results / "data" / self.tested_as / "clips")

    @cached_property
    def labels(self) -> dict[str, str]:
        """Labels of each clip, as decoded."""
        return dict(self.store.table.labels)

    @cached_property
    def lists(self) -> dict[str, pd.DataFrame]:
        """The three mixture lists."""
        return {name: read_list(self.folder / "mixtures", name) for name in LISTS}

    def table(self, name: str) -> pd.DataFrame:
        """``manifest``, ``provenance`` or ``audit`` of the dataset, indexed by clip_id."""
        return _read_csv(self.source / "dataset" / f"{name}.csv").set_index("clip_id", drop=False)

    def embeddings(self, modality: str) -> EmbeddingStore:
        """Stored embeddings, ``images`` or ``audio``."""
        return EmbeddingStore.open(self.source / "embeddings" / f"{modality}.safetensors")

    @cached_property
    def scores(self) -> dict[str, pd.DataFrame]:
        """Score rows of each run, those of other methods included."""
        return {run_id: _read_csv(self.results / "scores" / f"{run_id}.csv") for run_id in self.every_run}

    @property
    def every_run(self) -> dict[str, Run]:
        """Runs of the family and of other methods."""
        return {**self.runs, **self.others}

    @cached_property
    def references(self) -> pd.DataFrame:
        """Score rows of floor and ceilings."""
        return _read_csv(self.results / "scores" / f"references-{self.tested_as}.csv")

    @cached_property
    def training_tensors(self) -> dict[str, torch.Tensor]:
        """What ``train.safetensors`` holds, mapped."""
        return load_features(self.folder / "features" / "train.safetensors")

    @property
    def streamed(self) -> bool:
        """Whether spectrograms of the pool are computed while a model trains."""
        return "mixture" not in self.training_tensors

    def training_item(self, name: str, index: int) -> torch.Tensor:
        """``mixture``, ``sources``, ``teacher``, ``images`` or ``frames`` of one training mixture, as training reads it.

        Raises
        ------
        DataError
            For a streamed pool that no run reads.
        """
        if name in self.training_tensors:
            return self.training_tensors[name][index : index + 1]
        if not self.runs:
            raise DataError(f"no run is trained on {self.key}, whose pool is streamed; nothing reads it")
        config = resolve(self.profile, next(iter(self.runs.values())))
        pool = open_pool(config, self.folder / "features", self.store.folder, workers=0)
        return pool.batch(np.array([index]))[name]

    @cached_property
    def validation(self) -> dict[str, torch.Tensor]:
        """What ``val.safetensors`` holds, mapped."""
        return load_features(self.folder / "features" / "val.safetensors")

    def config(self, run_id: str) -> RunConfig:
        """What the plan says about a run."""
        return resolve(self.profile, self.every_run[run_id])

    @cached_property
    def costs(self) -> dict[str, dict]:
        """``cost.json`` of each run: which checkpoint was kept, and its validation score."""
        return {run_id: read_json(self.results / "runs" / run_id / "cost.json") for run_id in self.runs}

    @cached_property
    def histories(self) -> dict[str, pd.DataFrame]:
        """Validations of each run."""
        return {run_id: _read_csv(self.results / "runs" / run_id / "history.csv") for run_id in self.runs}

    def learned_from(self, modality: str) -> list[str] | None:
        """Clips that the dataset's ``image`` or ``audio`` encoder says it learned from; None where it does not say."""
        path = self.source / "encoders" / modality / LEARNED_FROM
        return read_json(path)["clips"] if path.exists() else None

    @property
    def latents_path(self) -> Path:
        """What the probes are fitted on."""
        return self.results / "analysis" / f"latents-{self.dataset}.safetensors"

    @cached_property
    def predictions(self) -> pd.DataFrame | None:
        """What the probes predict; None where none are fitted on this key."""
        if self.key != self.profile.main_dataset:
            return None
        return _read_csv(self.results / "analysis" / f"probe-{self.dataset}.csv")

    def model_path(self, run_id: str) -> Path:
        """Checkpoint of a run."""
        return self.results / "runs" / run_id / "model.safetensors"

    @property
    def encoders(self) -> EncoderSection:
        """Settings of the dataset's encoders."""
        return self.profile.encoders_for(self.dataset)

    @cached_property
    def teacher(self) -> AudioEncoder:
        """The frozen audio encoder."""
        return load_audio_encoder(self.encoders.audio, self.source / "encoders" / "audio")

    def method(self, run_id: str) -> HFRA:
        """A trained run, ready to separate."""
        hears = resolve(self.profile, self.runs[run_id]).model.bottleneck == "teacher"
        return HFRA.load(self.model_path(run_id), self.teacher if hears else None)

    def items(self, n: int = N_LOOKED_AT) -> list[score.MixtureItem]:
        """A few test mixtures."""
        chosen = spread(list(self.lists["test"].mixture_id.unique()), n)
        everything = score.list_items(self.store, self.folder / "mixtures", self.audio, "test")
        return [item for item in everything if item.mixture_id in chosen]

    def queries(self, method: HFRA, item: score.MixtureItem) -> list[Query]:
        """What a trained run is asked for a mixture."""
        if method.config.model.backbone == "resnet18":
            return score.frame_queries(self.store, method.config.model.frame_size)(item)
        return score.image_queries(self.embeddings("images"))(item)

    @property
    def best_run(self) -> str:
        """Id of the run with the best validation score."""
        return max(self.costs, key=lambda run_id: self.costs[run_id]["best_val_si_sdr_db"])

    @property
    def recorded(self) -> bool:
        """Whether the dataset is recordings: no seeds drew them, and nothing promises that they can be learned."""
        return self.profile.is_recorded(self.dataset)

    def is_trained(self, run_id: str) -> bool:
        """Whether a run had enough steps, at a rate at which they teach, to be judged by what it learned.

        Never on recordings: that little can be learned from some of them is a result and no fault.
        """
        if self.recorded:
            return False
        training = resolve(self.profile, self.runs[run_id]).training
        return training.steps >= TRAINED_STEPS and training.schedule == "code"  # the paper's rate is a tenth of it

    def encoder_is_trained(self, modality: str) -> bool:
        """Whether the ``image`` or ``audio`` encoder is pretrained, or had enough steps; never judged on recordings."""
        if self.recorded:
            return False
        settings = getattr(self.encoders, modality)
        return settings.kind != "mini" or settings.steps >= TRAINED_ENCODER_STEPS


def _read_csv(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise DataError(f"{path} is missing; `make figures` writes it")
    return pd.read_csv(path, dtype=dict.fromkeys(TEXT, str))


def gather(plan: Plan, results: Path) -> list[Evidence]:
    """Evidence of every data key of a plan whose mixtures are pairs; `results` is ``results/<profile>``."""
    found = []
    for key in plan.trained_keys:
        if not plan.mixtures[key].of_pairs:
            continue  # most checks speak of the two sources of a pair
        runs = {run_id: run for run_id, run in plan.runs.items() if plan.data_key(run_id) == key}
        family = {run_id: run for run_id, run in runs.items() if run.of_family}
        others = {run_id: run for run_id, run in runs.items() if not run.of_family}
        common = (results, plan.profile, plan.audio[key], family, plan.mixtures[key], plan.tested_as[key])
        found.append(Evidence(key, key.split("@")[0], *common, others))
    return found
