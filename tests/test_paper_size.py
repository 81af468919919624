"""The paper profile at its full size: both encoders, one training step of 32 mixtures, one evaluation pass.

The weights are random and the items few; every size is the profile's own. Minutes of one core and 6 GB of memory.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from avsep_lib import features
from avsep_lib.audio import stft
from avsep_lib.clips import ClipStore, build_clips
from avsep_lib.config import Profile, find_run, load_profile, resolve
from avsep_lib.embedded.build import build_dataset
from avsep_lib.encoders import embed
from avsep_lib.encoders.clap import ClapAudioEncoder
from avsep_lib.encoders.clip import MODEL, ClipImageEncoder
from avsep_lib.encoders.frames import read_frames
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.encoders.towers import clap_tower
from avsep_lib.methods.hfra import HFRA
from avsep_lib.mixtures import build_lists, write_lists
from avsep_lib.models.separator import Separator, count_parameters
from avsep_lib.score import image_queries, list_items, score_run
from avsep_lib.settings import RunConfig, to_dict
from avsep_lib.train import train
from avsep_lib.training_data import load_features, open_pool

pytestmark = pytest.mark.slow

RUN = "hier_align-s0"
FRAMES = 6  # per clip; the profile has 8 a second


@dataclass(frozen=True)
class Paper:
    """The profile's way from clips to features, on a few items."""

    profile: Profile
    config: RunConfig
    folder: Path
    image: ClipImageEncoder

    @property
    def clips(self) -> ClipStore:
        return ClipStore.open(self.folder / "clips")


@pytest.fixture(scope="module")
def encoders() -> tuple[ClipImageEncoder, ClapAudioEncoder]:
    """The real networks of both encoders; what they say means nothing, because their weights are random."""
    import open_clip

    torch.manual_seed(0)
    settings = load_profile("paper").encoders
    image = ClipImageEncoder(open_clip.CLIP(**open_clip.get_model_config(MODEL)), "image key", "random")
    return image, ClapAudioEncoder(clap_tower(settings.audio.model), settings.audio, "audio key")


@pytest.fixture(scope="module", autouse=True)
def two_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory, encoders) -> Paper:
    """Clips, embeddings, lists and features, written by the commands' own functions."""
    folder, profile = tmp_path_factory.mktemp("paper"), load_profile("paper")
    config = resolve(profile, find_run(profile, RUN))
    few = {"train": 2, "val": 2, "test": 2, "pretrain": 1}
    dataset = profile.datasets["music11"]
    dataset = replace(dataset, classes=("flute", "tuba"), videos_per_class=few, duets=dict.fromkeys(dataset.duets, 0))
    manifest = build_dataset(replace(dataset, seconds=float(FRAMES), fps=1, n_mp4=0), folder / "dataset")
    build_clips(manifest, profile.audio.sample_rate, folder / "clips")
    store = ClipStore.open(folder / "clips")
    mixtures = replace(profile.mixtures, pool_size=config.training.batch_size)
    write_lists(build_lists(store, config.audio, mixtures), folder / "mixtures", store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "load_image_encoder", lambda *_: encoders[0])
        patch.setattr(features, "load_audio_encoder", lambda *_: encoders[1])
        images, settings = folder / "images.safetensors", profile.encoders
        embed.embed("images", to_dict(settings.image), folder, store.folder, images)
        argv = ["--audio", json.dumps(to_dict(config.audio)), "--clips", store.folder, "--images", images]
        argv += ["--audio-encoder-settings", json.dumps(to_dict(settings.audio)), "--audio-encoder", folder]
        argv += ["--mixtures", folder / "mixtures", "--frame-size", config.model.frame_size, "--out", folder]
        patch.setattr(sys, "argv", ["features", *map(str, argv)])
        features.main()
    return Paper(profile, config, folder, encoders[0])


@pytest.fixture(scope="module")
def trained(paper: Paper) -> Path:
    """One step of the paper's training."""
    config = replace(paper.config, training=replace(paper.config.training, steps=1))
    return train(config, paper.folder, paper.folder / "run")


def test_the_profile_has_the_papers_numbers() -> None:
    profile = load_profile("paper")
    audio, config = profile.audio, resolve(profile, find_run(profile, RUN))
    assert (audio.sample_rate, audio.n_samples, audio.n_fft, audio.hop_length) == (11_625, 65_535, 1024, 256)
    assert (audio.n_rows, audio.n_frames, audio.n_output) == (256, 256, 65_280)
    assert (config.training.batch_size, config.training.steps) == (32, 200_000)
    assert (profile.encoders.image.kind, profile.encoders.audio.kind) == ("clip", "clap")
    assert profile.encoders.audio.n_samples == audio.n_samples
    assert count_parameters(config.model) == 32_912_611  # the published 32,913,763 count 1,152 unused ones
    assert config.alignment
    assert config.model.fusion == "hierarchical"


def test_the_encoders_have_their_published_sizes(encoders) -> None:
    image, audio = (encoder.describe() for encoder in encoders)
    assert image["tower_parameters"] == 87_849_216
    assert 31e6 < audio["parameters"] < 32.5e6


def test_every_frame_is_embedded_by_vit_b_32(paper: Paper) -> None:
    store = EmbeddingStore.open(paper.folder / "images.safetensors")
    table = paper.clips.table
    assert set(store.clip_ids) == set(table.clip_id[table.split != "pretrain"])
    clip_id = store.clip_ids[-1]
    frames = read_frames(paper.clips.root / table.frames[clip_id], FRAMES)
    assert frames.shape == (FRAMES, 224, 224, 3)
    np.testing.assert_allclose(store.frames(clip_id), paper.image.encode(frames), atol=1e-4)


def test_the_features_are_256_by_256(paper: Paper) -> None:
    tensors = load_features(paper.folder / "train.safetensors")
    assert tensors["mixture"].shape == (32, 1, 256, 256)
    assert tensors["sources"].shape == (32, 2, 256, 256)
    assert tensors["images"].shape == (32, 2, 512)
    assert tensors["frames"].shape == (32, 2, 3, 224, 224)
    norms = tensors["teacher"].norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    assert load_features(paper.folder / "val.safetensors")["references"].shape == (2, 2, 65_280)
    assert {name: tensor.shape for name, tensor in open_pool(paper.config, paper.folder).step(0).items()} == {
        "mixture": (32, 1, 256, 256), "sources": (32, 2, 256, 256), "teacher": (32, 512), "visual": (32, 2, 512),
    }  # fmt: skip


def test_one_step_of_32_mixtures_moves_every_weight(paper: Paper, trained: Path) -> None:
    history = pd.read_csv(trained.parent / "history.csv")
    assert list(history.step) == [1]
    assert np.isfinite(history.to_numpy(float)).all()
    assert history.loss_separation[0] > 0
    assert 0 < history.loss_alignment[0] < 2
    torch.manual_seed(paper.config.seed)
    before, after = Separator(paper.config.model).state_dict(), load_file(trained)
    learned = [name for name, _ in Separator(paper.config.model).named_parameters()]
    assert sum(after[name].numel() for name in learned) == 32_912_611
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    moved = [name for name in learned if not torch.equal(before[name], after[name])]
    assert moved == learned


def test_the_test_pairs_are_separated_and_scored(paper: Paper, trained: Path) -> None:
    method, images = HFRA.load(trained), EmbeddingStore.open(paper.folder / "images.safetensors")
    item = next(iter(list_items(paper.clips, paper.folder / "mixtures", paper.config.audio, "test")))
    queries = image_queries(images)(item)
    masks = method.masks(stft(torch.from_numpy(item.waveform), paper.config.audio), queries)
    assert masks.shape == (2, 256, 256)
    assert ((masks > 0) & (masks < 1)).all()
    shapes = {kind: estimate.shape for kind, estimate in method.estimate(item.waveform, queries).items()}
    assert shapes == {"soft": (2, 65_280), "binary": (2, 65_280)}
    scores = score_run(trained, paper.clips, paper.folder / "mixtures", images)
    assert len(scores) == 2 * 2 * 2  # pairs, sources, kinds of mask
    assert scores.mixture_sdr_db.notna().all()
    soft = scores[scores["mask"] == "soft"]
    assert (soft.status == "ok").all()
    assert np.isfinite(soft[["sdr_db", "sir_db", "sar_db", "si_sdr_db"]].to_numpy(float)).all()
