"""Small shared fixtures: a toy project made by the commands' own functions, and random features for training."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import yaml

CLASSES = ("flute", "trumpet", "tuba", "xylophone")
IMAGE = {"image_size": 32, "width": 8, "steps": 40, "warmup": 5, "groups": 4, "learning_rate": 3e-3}
AUDIO_ENCODER = {"n_samples": 16383, "steps": 12, "warmup": 3, "groups": 1, "mixtures": 2}
TOY_PROFILE = {
    "name": "toy",
    "seeds": [0, 1],
    "datasets": {
        "music11": {
            "classes": list(CLASSES),
            "videos_per_class": {"train": 3, "val": 2, "test": 2, "pretrain": 2},
            "duets": {"train": 2, "val": 0, "test": 1},
            "seconds": 2.0, "fps": 4, "frame_size": 64, "sample_rate": 22050, "n_mp4": 0,
        }
    },
    "audio": {"sample_rate": 11625, "n_samples": 16383, "n_fft": 1024, "hop_length": 512, "n_rows": 32},
    "encoders": {"image": {"kind": "mini", **IMAGE}, "audio": {"kind": "mini", **AUDIO_ENCODER}},
    "mixtures": {"pool_size": 12},
    "model": {"channels": [4, 8, 16, 512], "n_maps": 4, "frame_size": 32},
    "training": {"steps": 6, "batch_size": 4, "validations": 2},
    "evaluation": {"n_bootstrap": 50},
}  # fmt: skip
TOY_RUNS = """run_id,method,fusion,alignment,backbone,dataset,seed,switches
late-s0,hfra,late,no,clip,music11,0,
late-s1,hfra,late,no,clip,music11,1,
"""


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """One thread, as the commands use by default: quick beside other jobs, and the same numbers everywhere."""
    import torch

    torch.set_num_threads(1)


@dataclass(frozen=True)
class Project:
    """A toy checkout's configuration and its finished results."""

    root: Path

    @property
    def results(self) -> Path:
        return self.root / "results" / "toy"

    @property
    def data(self) -> Path:
        return self.results / "data" / "music11"


def write_project(root: Path, **changes) -> Project:
    """Configuration of the toy project, with whole sections replaced."""
    (root / "config").mkdir(parents=True, exist_ok=True)
    (root / "config" / "toy.yaml").write_text(yaml.safe_dump(TOY_PROFILE | changes))
    (root / "config" / "runs.csv").write_text(TOY_RUNS)
    return Project(root)


def toy_runs(profile) -> list:
    """Late fusion, twice: the runs of `TOY_RUNS`."""
    from avsep_lib.settings import RunConfig

    model = replace(profile.model, fusion="late")
    return [RunConfig(f"late-s{seed}", seed, False, profile.audio, model, profile.training) for seed in (0, 1)]


def regenerate(root: Path, runs: Callable[..., list] = toy_runs, **changes) -> Project:
    """Everything of the toy project: dataset, clips, encoders, embeddings, lists, features, runs, scores.

    Parameters
    ----------
    root : Path
        Empty, or not there.
    runs : callable
        Gives the configurations to train, from the profile.
    **changes
        Sections of the profile to replace.
    """
    from avsep_lib import clips, mixtures, score, train
    from avsep_lib.config import check_profile
    from avsep_lib.embedded.build import build_dataset
    from avsep_lib.encoders import embed
    from avsep_lib.encoders import train as encoders
    from avsep_lib.encoders.store import EmbeddingStore

    made = write_project(root, **changes)
    values = TOY_PROFILE | changes
    profile, data = check_profile(values, "toy", "toy"), made.data
    manifest = build_dataset(profile.datasets["music11"], data / "dataset")
    clips.build_clips(manifest, profile.audio.sample_rate, data / "clips")
    store = clips.ClipStore.open(data / "clips")
    for modality, stored in (("image", "images"), ("audio", "audio")):
        settings, folder = values["encoders"][modality], data / "encoders" / modality
        encoders.train(modality, settings, store.folder, folder)
        embed.embed(stored, settings, folder, store.folder, data / "embeddings" / f"{stored}.safetensors")
    images = EmbeddingStore.open(data / "embeddings" / "images.safetensors")
    mixtures.write_lists(mixtures.build_lists(store, profile.audio, profile.mixtures), data / "mixtures", store)
    write_features(store, data, profile, images, data / "features")
    for config in runs(profile):
        path = train.train(config, data / "features", made.results / "runs" / config.run_id)
        write_scores(score.score_run(path, store, data / "mixtures", images), made, config.run_id)
    write_scores(score.score_references(profile.audio, store, data / "mixtures"), made, "references-music11")
    return made


def write_features(store, data: Path, profile, images, out: Path) -> None:
    """Features of the lists in `data`, with the audio encoder there."""
    from safetensors.torch import save_file

    from avsep_lib import features, mixtures
    from avsep_lib.encoders import load_audio_encoder
    from avsep_lib.training_data import features_metadata

    teacher = load_audio_encoder(profile.encoders.audio, data / "encoders" / "audio")
    maker = features.Maker(store, profile.audio, teacher, images, 32)
    metadata = features_metadata(store, profile.audio, features.class_names(store))
    pool, val = (mixtures.read_list(data / "mixtures", name) for name in ("pool", "val"))
    out.mkdir()
    save_file(maker.stored(pool), out / "train.safetensors", metadata)
    save_file(maker.validation(val), out / "val.safetensors", metadata)


def write_scores(scores, made: Project, name: str) -> None:
    """As ``python -m avsep_lib.score`` writes them."""
    (made.results / "scores").mkdir(exist_ok=True)
    scores.to_csv(made.results / "scores" / f"{name}.csv", index=False, float_format="%.6f")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The toy project, regenerated.

    Read only: a test that breaks something works on `project_copy`.
    """
    return regenerate(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project_copy(project: Project, tmp_path: Path) -> Project:
    """A copy of the toy project that a test may spoil."""
    return Project(Path(shutil.copytree(project.root, tmp_path / "copy")))


@pytest.fixture(scope="session")
def random_features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of random signals for a very small separator (`tiny_config`): training needs nothing else."""
    import numpy as np
    import torch
    from safetensors.torch import save_file

    from avsep_lib.audio import mix, warped_magnitudes

    folder = tmp_path_factory.mktemp("features")
    audio = tiny_config().audio
    rng = np.random.default_rng(0)
    mixture, sources = mix(torch.from_numpy(rng.uniform(-0.5, 0.5, (11, 2, audio.n_samples)).astype(np.float32)))
    visual = {"images": torch.from_numpy(rng.standard_normal((11, 2, 16)).astype(np.float32))}
    visual["frames"] = torch.from_numpy(rng.integers(0, 256, (11, 2, 3, 32, 32), dtype=np.uint8))
    train = {
        "mixture": warped_magnitudes(mixture, audio, 1e-10)[:, None],
        "sources": warped_magnitudes(sources, audio),
        "teacher": torch.from_numpy(rng.standard_normal((11, 16)).astype(np.float32)),
    }
    save_file({k: v.contiguous() for k, v in (train | visual).items()}, folder / "train.safetensors")
    val = {"waveform": mixture[:5].contiguous(), "references": sources[:5, :, : audio.n_output].contiguous()}
    val["teacher"] = train["teacher"][:5]
    save_file({k: v[:5].contiguous() for k, v in (val | visual).items()}, folder / "val.safetensors")
    return folder


def tiny_config(**training):
    """A run that trains in a second on `random_features`."""
    from avsep_lib.settings import AudioSettings, ModelSettings, RunConfig, TrainingSettings

    values = {"steps": 12, "batch_size": 4, "validations": 4} | training
    return RunConfig(
        "tiny-s0", 0, True,
        AudioSettings(sample_rate=8000, n_samples=2047, n_fft=256, hop_length=128, n_rows=16),
        ModelSettings(channels=(4, 8, 16), n_maps=4, embedding_dim=16, mid_dim_hierarchical=16, frame_size=32),
        TrainingSettings(**values),
    )  # fmt: skip


@pytest.fixture(scope="session")
def fault_jobs(project: Project, random_features: Path):
    """The jobs of tests/kill_tools.py, for tests in this folder and in tests/long."""
    from kill_tools import jobs

    return jobs(project, TOY_PROFILE, random_features, tiny_config())


@pytest.fixture(scope="session")
def tiny_run():
    """`tiny_config`, for tests in folders with a conftest of their own."""
    return tiny_config
