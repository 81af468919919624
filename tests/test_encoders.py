"""Frozen encoders on a toy dataset: three classes told apart by a stripe pattern and by a spectrum."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from open_clip.modified_resnet import AttentionPool2d
from PIL import Image
from torchlibrosa.augmentation import SpecAugmentation
from torchlibrosa.stft import Spectrogram

from avsep_lib.clips import ClipStore
from avsep_lib.encoders import EMBEDDING_DIM, load_audio_encoder, load_image_encoder, sampling
from avsep_lib.encoders.captions import spoken
from avsep_lib.encoders.embed import centre_crop, embed, embed_frames
from avsep_lib.encoders.frames import read_frames, resize_crop
from avsep_lib.encoders.mini_image import MiniImageEncoder
from avsep_lib.encoders.sampling import FrameSampler, WaveformSampler, pretraining_clips
from avsep_lib.encoders.sanity import cross_modal_row, disjoint_pairs, sanity_table, wilson_interval
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.encoders.store import EmbeddingStore, Entry, write_store
from avsep_lib.encoders.towers import MiniClap, MiniClip, PowerSpectrogram, Stripes, clap_tower, pooled
from avsep_lib.encoders.train import contrastive_loss, learning_rate_factor, torch_seed, train
from avsep_lib.encoders.waveforms import fill, resample
from avsep_lib.encoders.weights import save_weights
from avsep_lib.errors import ConfigError, DataError, WeightsError
from avsep_lib.settings import from_dict

RATE, N_SAMPLES, SECONDS, FPS = 8000, 8192, 2.0, 4
CLASSES = ("acoustic_guitar", "flute", "tuba")
IMAGE = {"image_size": 32, "width": 8, "steps": 60, "warmup": 5, "groups": 4, "learning_rate": 3e-3}
AUDIO = {"n_samples": N_SAMPLES, "n_fft": 512, "steps": 30, "warmup": 5, "groups": 3, "mixtures": 2}


def toy_frame(label: str, rng: np.random.Generator) -> np.ndarray:
    """Stripes along x, along y or both, on a random colour: the mean colour says nothing."""
    y, x = np.mgrid[:96, :96] + rng.integers(24)
    pattern = {"acoustic_guitar": x // 12 % 2, "flute": y // 12 % 2, "tuba": (x // 12 + y // 12) % 2}[label]
    back, front = rng.integers(0, 256, (2, 3))
    return np.where(pattern[..., None] > 0, front, back).astype(np.uint8)


def toy_waveform(label: str, rng: np.random.Generator) -> np.ndarray:
    """Harmonic tones in three registers of timbre: all, odd or only the lowest partial."""
    time = np.arange(int(RATE * SECONDS)) / RATE
    partials = {"acoustic_guitar": range(1, 13), "flute": [1], "tuba": range(1, 16, 2)}[label]
    pitch = rng.uniform(150, 300)
    wave = sum(np.sin(2 * np.pi * pitch * k * time + rng.uniform(0, 6)) for k in partials)
    return (0.1 * wave / np.sqrt(np.mean(wave**2)) + 1e-3 * rng.standard_normal(len(time))).astype(np.float32)


def write_clips(folder: Path, per_class: dict[str, int], duets: int = 0, seed: int = 0) -> ClipStore:
    """Write frames and a clip store as `avsep_lib.clips` would."""
    rng = np.random.default_rng(seed)
    wanted = [(split, (label,)) for split, n in per_class.items() for label in CLASSES for _ in range(n)]
    wanted += [("train", ("flute", "tuba"))] * duets
    rows, waveforms = [], []
    for number, (split, labels) in enumerate(wanted):
        clip_id = f"{split}-{number:03d}"
        frames = folder / "dataset" / "frames" / clip_id
        frames.mkdir(parents=True)
        n_frames = int(SECONDS * FPS)
        for index in range(n_frames):
            frame = toy_frame(labels[index % len(labels)], rng)
            Image.fromarray(frame).save(frames / f"{index + 1:06d}.jpg", quality=90)
        waveforms.append(sum(toy_waveform(label, rng) for label in labels))
        rows.append(
            {
                "clip_id": clip_id, "video_id": clip_id, "labels": "|".join(labels), "split": split,
                "audio": f"audio/{clip_id}.wav", "frames": f"frames/{clip_id}", "n_frames": n_frames, "fps": FPS,
                "sample_rate": RATE, "duration_s": SECONDS, "sha256": f"{number:064x}",
                "start": number * len(waveforms[0]), "n_samples": len(waveforms[0]),
            }
        )  # fmt: skip
    clips = folder / "clips"
    clips.mkdir()
    np.save(clips / "waveforms.npy", np.concatenate(waveforms))
    pd.DataFrame(rows).to_csv(clips / "clips.csv", index=False)
    (clips / "clips.json").write_text(json.dumps({"sample_rate": RATE, "root": "../dataset", "n_clips": len(rows)}))
    return ClipStore.open(clips)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The command lines compute on one thread; so do these tests, which keeps them quick beside other jobs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    """Clips, two trained encoders and both embedding stores, written by the command lines' own functions."""
    folder = tmp_path_factory.mktemp("toy")
    clips = write_clips(folder, {"pretrain": 6, "train": 2, "test": 8}, duets=2)
    train("image", IMAGE, clips.folder, folder / "encoders" / "image")
    train("audio", AUDIO, clips.folder, folder / "encoders" / "audio")
    for modality, settings in (("images", IMAGE), ("audio", AUDIO)):
        encoder = folder / "encoders" / modality.removesuffix("s")
        embed(modality, settings, encoder, clips.folder, folder / f"{modality}.safetensors")
    return clips


def opened(clips: ClipStore) -> tuple:
    """Image encoder, audio encoder, image store and audio store of the toy folder."""
    folder = clips.folder.parent
    return (
        load_image_encoder(from_dict(ImageEncoderSettings, IMAGE), folder / "encoders" / "image"),
        load_audio_encoder(from_dict(AudioEncoderSettings, AUDIO), folder / "encoders" / "audio"),
        EmbeddingStore.open(folder / "images.safetensors"),
        EmbeddingStore.open(folder / "audio.safetensors"),
    )


# --- what the encoders compute ---------------------------------------------------------------------------------------


def test_shapes_norms_and_batch_independence(toy: ClipStore) -> None:
    image, audio, _, _ = opened(toy)
    frames = read_frames(toy.root / toy.table.frames.iloc[0], 8)
    features = image.encode(frames)
    assert features.shape == (8, EMBEDDING_DIM)
    assert features.dtype == np.float32
    assert np.abs(np.linalg.norm(features, axis=1) - 1).min() > 0.01, "image features must stay raw"
    np.testing.assert_allclose(image.encode(frames[2:3])[0], features[2], atol=1e-5)
    waves = np.stack([centre_crop(toy.waveform(c), N_SAMPLES) for c in toy.table.clip_id[:4]])
    vectors = audio.encode(waves, RATE)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(audio.encode(waves[1:2], RATE)[0], vectors[1], atol=1e-5)
    np.testing.assert_allclose(audio.encode(0.05 * waves, RATE), vectors, atol=1e-4)  # level says nothing


def test_frames_are_cropped_at_the_centre_and_resized_like_pillow(toy: ClipStore) -> None:
    square = read_frames(toy.root / toy.table.frames.iloc[0], 1)
    side = np.zeros_like(square[:, :, :20])
    wide = np.concatenate([side, square, side], axis=2)
    np.testing.assert_array_equal(resize_crop(wide, 96), resize_crop(square, 96))
    by_pillow = np.asarray(Image.fromarray(square[0]).resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(resize_crop(square, 32)[0].permute(1, 2, 0).numpy() - by_pillow).max() <= 1
    with pytest.raises(DataError, match="uint8"):
        resize_crop(square / 255, 32)


@pytest.mark.parametrize(
    ("waves", "rate", "words"),
    [
        (np.zeros((1, N_SAMPLES)), RATE, "float64"),
        (np.full((1, N_SAMPLES), np.nan, np.float32), RATE, "NaN"),
    ],
)
def test_audio_encoder_refuses_malformed_waveforms(toy, waves, rate, words) -> None:
    _, audio, _, _ = opened(toy)
    with pytest.raises(DataError, match=words):
        audio.encode(waves, rate)


def test_audio_encoder_hears_the_same_sound_at_another_rate_and_length(toy) -> None:
    _, audio, _, _ = opened(toy)
    rng = np.random.default_rng(0)
    smooth = np.convolve(rng.standard_normal(N_SAMPLES), np.hanning(64), "same").astype(np.float32)
    own = audio.encode(smooth[None], RATE)
    doubled = resample(smooth, RATE, 2 * RATE)[None]
    assert (own @ audio.encode(doubled, 2 * RATE).T).item() > 0.999
    half = smooth[: N_SAMPLES // 2]
    assert (audio.encode(np.resize(half, N_SAMPLES)[None], RATE) @ audio.encode(half[None], RATE).T).item() > 0.999


# --- training ----------------------------------------------------------------------------------------------------------


def test_learns_the_toy_classes_and_never_meets_across_modalities(toy: ClipStore) -> None:
    table = sanity_table(*opened(toy)[:2], toy, *opened(toy)[2:], N_SAMPLES).set_index(["encoder", "task"])
    assert table.loc[("image", "zero-shot class"), "low"] > 1 / 3
    assert table.loc[("audio", "zero-shot class"), "low"] > 1 / 3
    assert table.loc[("audio", "zero-shot class"), "n"] == 24
    crossed = table.loc[("audio and image", "audio to image (must be chance)")]
    assert crossed.low <= crossed.chance <= crossed.high
    assert crossed.n == 3


def test_only_the_pretraining_split_is_read(toy: ClipStore, tmp_path: Path) -> None:
    seen = []
    watched = ClipStore(toy.folder, toy.table, toy.sample_rate, toy.root)
    object.__setattr__(watched, "waveform", lambda clip_id: seen.append(clip_id) or toy.waveform(clip_id))
    WaveformSampler(watched, N_SAMPLES)
    assert set(toy.table.split[seen]) == {"pretrain"}
    only = toy.table[toy.table.split == "pretrain"]
    without = ClipStore(toy.folder, only, toy.sample_rate, toy.root)
    assert sum(map(len, FrameSampler(without, 32).frames.values())) == only.n_frames.sum()
    with pytest.raises(DataError, match="train split has solos of 0"):
        pretraining_clips(ClipStore(toy.folder, toy.table[toy.table.split == "val"], RATE, toy.root), 100)


def test_without_a_pretraining_split_the_training_split_teaches(toy: ClipStore) -> None:
    own = toy.table.assign(split=toy.table.split.replace({"pretrain": "train", "train": "val"}))
    store = ClipStore(toy.folder, own, toy.sample_rate, toy.root)
    assert pretraining_clips(store, 1000) == pretraining_clips(toy, 1000)


def test_what_is_held_in_memory_is_bounded(toy: ClipStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [len(ids) for ids in pretraining_clips(toy, 3).values()] == [1, 1, 1]
    monkeypatch.setattr(sampling, "HELD_FRAMES", 12)
    assert sum(map(len, FrameSampler(toy, 32).frames.values())) <= 12
    monkeypatch.setattr(sampling, "HELD_SAMPLES", 10 * 2 * N_SAMPLES)
    held = WaveformSampler(toy, N_SAMPLES).waveforms.values()
    assert {len(versions) for versions in held} <= {len(sampling.SEMITONES)}, "one clip of each class, at its pitches"


def test_every_caption_of_a_group_means_something_else(toy: ClipStore) -> None:
    rng = np.random.default_rng(0)
    waves, captions = WaveformSampler(toy, N_SAMPLES).draw(rng, groups=2, mixtures=2)
    assert waves.shape == (2 * (3 + 2), N_SAMPLES)
    for group in (captions[:5], captions[5:]):
        meanings = [frozenset(name for name in CLASSES if spoken([name]) in text) for text in group]
        assert len(set(meanings)) == 5
        assert sorted(map(len, meanings)) == [1, 1, 1, 2, 2]
    assert len({text for _ in range(20) for text in FrameSampler(toy, 32).draw(rng, 1)[1]}) > 3, "captions must vary"


def test_transpositions_that_are_too_short_are_left_out(toy: ClipStore) -> None:
    """Two semitones up, a 3 s clip no longer holds a mixture of 2.8 s; that used to stop the workflow."""
    length = len(toy.waveform(toy.table.clip_id.iloc[0]))
    counts = {
        n: len(next(iter(WaveformSampler(toy, n).waveforms.values()))) for n in (N_SAMPLES, length - 900, length - 1)
    }
    assert counts == {N_SAMPLES: 6 * 5, length - 900: 6 * 4, length - 1: 6 * 3}
    with pytest.raises(DataError, match=f"has {length} samples, more than {length} are needed"):
        WaveformSampler(toy, length)


def test_groups_of_a_few_classes_are_drawn_anew(toy: ClipStore) -> None:
    rng = np.random.default_rng(0)
    waves, captions = WaveformSampler(toy, N_SAMPLES).draw(rng, groups=2, mixtures=1, group_size=2)
    assert waves.shape == (2 * (2 + 1), N_SAMPLES)
    frames = FrameSampler(toy, 32)
    seen = []
    for _ in range(20):
        images, captions = frames.draw(rng, 1, group_size=2)
        assert images.shape == (2, 3, 32, 32)
        seen.append(frozenset(name for name in CLASSES if any(spoken([name]) in text for text in captions)))
    assert {len(group) for group in seen} == {2}
    assert len(set(seen)) == 3  # every pair of the three classes comes up
    # the pairs of a group are pairs of its classes, or a mixture's caption could have no matching solo
    _, captions = WaveformSampler(toy, N_SAMPLES).draw(rng, groups=1, mixtures=9, group_size=2)
    meanings = [frozenset(name for name in CLASSES if spoken([name]) in text) for text in captions]
    assert meanings[2] == meanings[0] | meanings[1]


@pytest.mark.parametrize("group_size", [0, 3, 50])
def test_a_group_of_every_class_is_the_same_draw(toy: ClipStore, group_size: int) -> None:
    sampler, frames = WaveformSampler(toy, N_SAMPLES), FrameSampler(toy, 32)
    for draw in (lambda rng, *size: sampler.draw(rng, 2, 2, *size), lambda rng, *size: frames.draw(rng, 2, *size)):
        inputs, captions = draw(np.random.default_rng(3))
        same, others = draw(np.random.default_rng(3), group_size)
        assert captions == others
        assert torch.equal(inputs, same)


def test_same_seed_same_bytes_and_another_seed_another_key(toy: ClipStore, tmp_path: Path) -> None:
    short = AUDIO | {"steps": 2, "warmup": 1}
    for name, settings in (("a", short), ("b", short), ("c", short | {"seed": 1})):
        train("audio", settings, toy.folder, tmp_path / name)
    content = {name: (tmp_path / name / "model.safetensors").read_bytes() for name in "abc"}
    assert content["a"] == content["b"]
    keys = {n: load_audio_encoder(AudioEncoderSettings(), tmp_path / n).key for n in "abc"}
    assert keys["a"] == keys["b"] != keys["c"]


def test_quicker_parts_compute_what_the_usual_ones_do() -> None:
    """Spectrogram, stripes and pooling of the small towers against those of torchlibrosa and open_clip."""
    waves = torch.randn(3, 5000)
    usual, ours = Spectrogram(n_fft=256, hop_length=200)(waves), PowerSpectrogram(256, 200)(waves)
    torch.testing.assert_close(ours, usual, rtol=0, atol=1e-5 * usual.max().item())

    features, gradients = torch.randn(4, 1, 64, 48), []
    for augmenter in (SpecAugmentation(8, 2, 6, 2), Stripes(8, 2, 6, 2)):
        torch.manual_seed(5)
        leaf = features.clone().requires_grad_()
        augmenter(leaf * 2).square().sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)
    assert (gradients[0] == 0).any()

    pool, maps = AttentionPool2d(3, 64, 2, 32).double(), torch.randn(5, 64, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(pooled(pool, maps), pool(maps), rtol=1e-12, atol=1e-12)


def test_the_two_encoders_start_from_different_text_towers() -> None:
    torch_seed("image", 0)
    image = MiniClip(from_dict(ImageEncoderSettings, IMAGE)).clip.token_embedding.weight
    torch_seed("audio", 0)
    audio = MiniClap(from_dict(AudioEncoderSettings, AUDIO | {"text_width": 64}), RATE).text.token_embedding.weight
    assert abs(np.corrcoef(image.flatten().numpy(), audio.flatten().numpy())[0, 1]) < 0.01


def test_contrastive_loss_closed_form() -> None:
    """Orthonormal matched pairs at scale s: -log(e^s / (e^s + B - 1)); groups are not compared."""
    eye = torch.eye(4, EMBEDDING_DIM)
    loss, accuracy = contrastive_loss(torch.cat([eye, eye]), torch.cat([eye, eye]), torch.tensor(2.0).log(), groups=2)
    assert loss.item() == pytest.approx(-math.log(math.e**2 / (math.e**2 + 3)), abs=1e-6)
    assert accuracy.item() == 1
    swapped, accuracy = contrastive_loss(eye, eye.flip(0), torch.tensor(2.0).log(), groups=1)
    assert swapped.item() == pytest.approx(math.log(math.e**2 + 3), abs=1e-6)
    assert accuracy.item() == 0


def test_learning_rate_rises_then_falls_to_zero() -> None:
    factors = [learning_rate_factor(step, 10, 100) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[10] == pytest.approx(1.0)
    assert np.all(np.diff(factors[10:]) < 0)
    assert factors[-1] < 0.01


# --- the store ---------------------------------------------------------------------------------------------------------


def test_store_covers_every_clip_but_the_pretraining_ones(toy: ClipStore) -> None:
    image, audio, images, sounds = opened(toy)
    wanted = set(toy.table.clip_id[toy.table.split != "pretrain"])
    assert set(images.clip_ids) == set(sounds.clip_ids) == wanted
    clip_id = images.clip_ids[-1]
    frames = read_frames(toy.root / toy.row(clip_id).frames, 8)
    np.testing.assert_allclose(images.frames(clip_id), image.encode(frames), atol=1e-5)
    crop = centre_crop(toy.waveform(clip_id), N_SAMPLES)[None]
    np.testing.assert_allclose(sounds.vector(clip_id), audio.encode(crop, RATE)[0], atol=1e-5)
    images.check(image.key)
    with pytest.raises(WeightsError, match="embedded with encoder"):
        images.check(audio.key)
    with pytest.raises(DataError, match="'pretrain-000' has no embedding"):
        images.frames("pretrain-000")
    with pytest.raises(DataError, match="has 8 embeddings"):
        images.vector(clip_id)


def test_embedding_keys_follow_the_frames_and_the_encoder(toy: ClipStore, tmp_path: Path) -> None:
    image = opened(toy)[0]
    clip_id = toy.table.clip_id[toy.table.split == "test"].iloc[0]
    before = embed_frames(image, toy, clip_id)
    other = MiniImageEncoder(image.model, image.settings, "another key")
    assert embed_frames(other, toy, clip_id).key != before.key
    shutil.copytree(toy.root, tmp_path / "dataset")
    moved = ClipStore(toy.folder, toy.table, RATE, tmp_path / "dataset")
    assert embed_frames(image, moved, clip_id).key == before.key
    Image.fromarray(np.zeros((96, 96, 3), np.uint8)).save(moved.frame_path(clip_id, 3))
    assert embed_frames(image, moved, clip_id).key != before.key
    moved.frame_path(clip_id, 5).write_bytes(moved.frame_path(clip_id, 5).read_bytes()[:200])
    with pytest.raises(DataError, match=r"000006\.jpg is truncated"):
        embed_frames(image, moved, clip_id)
    moved.frame_path(clip_id, 5).unlink()
    with pytest.raises(DataError, match=r"000006\.jpg is missing"):
        embed_frames(image, moved, clip_id)


def test_store_refuses_bad_rows_and_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    good = Entry("a", np.ones((2, EMBEDDING_DIM), np.float32), "k")
    with pytest.raises(DataError, match="'a' was embedded twice"):
        write_store(path, "images", "key", [good, good])
    with pytest.raises(DataError, match="clip 'b' is float64"):
        write_store(path, "images", "key", [good, Entry("b", np.ones((1, EMBEDDING_DIM)), "k")])
    with pytest.raises(DataError, match="clip 'b'"):
        write_store(path, "images", "key", [Entry("b", np.full((1, EMBEDDING_DIM), np.inf, np.float32), "k")])
    assert not path.exists()
    with pytest.raises(DataError, match="are missing"):
        EmbeddingStore.open(path)
    write_store(path, "images", "key", [good])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="truncated"):
        EmbeddingStore.open(path)


# --- weights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["missing", "truncated", "other", "unfinished", "modality"])
def test_damaged_mini_encoder_is_a_weights_error(toy: ClipStore, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "audio"
    shutil.copytree(toy.folder.parent / "encoders" / "audio", folder)
    weights = folder / "model.safetensors"
    if damage == "missing":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif damage == "other":
        save_weights(weights, torch.nn.Linear(2, 2))
    elif damage == "unfinished":
        (folder / "config.json").unlink()
    else:
        shutil.copy(toy.folder.parent / "encoders" / "image" / "config.json", folder)
    with pytest.raises(WeightsError, match="Train it again"):
        load_audio_encoder(AudioEncoderSettings(), folder)


def test_pretrained_encoders_say_what_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"Fetch open_clip_model\.safetensors .* encoders\.image\.weights"):
        load_image_encoder(ImageEncoderSettings(kind="clip"), tmp_path)
    with pytest.raises(WeightsError, match=r"Fetch 630k-audioset-best\.pt .* encoders\.audio\.weights"):
        load_audio_encoder(AudioEncoderSettings(kind="clap"), tmp_path)
    (tmp_path / "ViT-B-32.pt").write_bytes(b"\x80\x04")
    with pytest.raises(WeightsError, match="pickles are not opened"):
        load_image_encoder(ImageEncoderSettings(kind="clip", weights=str(tmp_path / "ViT-B-32.pt")), tmp_path)
    with pytest.raises(WeightsError, match=r"none\.safetensors is missing"):
        load_audio_encoder(AudioEncoderSettings(kind="clap", weights=str(tmp_path / "none.safetensors")), tmp_path)


def test_clap_tower_from_a_full_size_file(toy: ClipStore, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tower = clap_tower("HTSAT-tiny").eval()
    path = tmp_path / "clap.safetensors"
    save_weights(path, tower)
    encoder = load_audio_encoder(AudioEncoderSettings(kind="clap", weights=str(path)), tmp_path)
    assert 31e6 < encoder.describe()["parameters"] < 32.5e6
    waves = np.random.default_rng(0).standard_normal((1, 20_000)).astype(np.float32) * 0.1
    filled = fill(resample(waves[0], 11_625, 48_000), 480_000)
    with torch.inference_mode():
        expected = tower(torch.from_numpy(filled[None])).numpy()
    np.testing.assert_allclose(encoder.encode(waves, 11_625), expected, atol=1e-6)
    train("audio", {"kind": "clap", "weights": str(path)}, toy.folder, tmp_path / "encoder")
    assert (tmp_path / "encoder" / "model.safetensors").read_bytes() == path.read_bytes(), "pretrained stays frozen"
    other = AudioEncoderSettings(kind="clap", weights=str(path), model="HTSAT-base")
    with pytest.raises(WeightsError, match="another model"):
        load_audio_encoder(other, tmp_path)


def test_clap_clips_are_repeated_never_padded() -> None:
    ramp = np.arange(1, 100_001, dtype=np.float32)
    filled = fill(ramp, 480_000)
    assert len(filled) == 480_000
    assert (filled > 0).all()
    np.testing.assert_array_equal(filled[100_000:200_000], ramp)
    np.testing.assert_array_equal(fill(np.arange(480_010, dtype=np.float32), 480_000)[:2], [5, 6])


def test_clip_from_a_full_size_file(tmp_path: Path) -> None:
    import open_clip

    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32-quickgelu").eval()
    path = tmp_path / "clip.safetensors"
    save_weights(path, model)
    encoder = load_image_encoder(ImageEncoderSettings(kind="clip", weights=str(path)), tmp_path)
    frames = np.random.default_rng(0).integers(0, 256, (2, 250, 300, 3), dtype=np.uint8)
    preprocess = open_clip.image_transform(224, is_train=False)
    with torch.inference_mode():
        images = torch.stack([preprocess(Image.fromarray(frame)) for frame in frames])
        expected = model.encode_image(images).numpy()
    cosine = (encoder.encode(frames) * expected).sum(1) / np.linalg.norm(expected, axis=1) ** 2
    np.testing.assert_allclose(cosine, 1, atol=1e-3)
    assert encoder.encode_text(["a photo of a tuba"]).shape == (1, EMBEDDING_DIM)


def test_nothing_imports_laion_clap_or_reaches_for_a_hub() -> None:
    code = (
        "import sys; from avsep_lib.encoders.towers import clap_tower; clap_tower('HTSAT-tiny'); "
        "sys.exit(','.join(m for m in ('laion_clap', 'transformers', 'wandb', 'clap_module') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_encoders_package_is_torch_free() -> None:
    code = "import sys, avsep_lib.encoders; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- settings and statistics -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "values", "words"),
    [
        (ImageEncoderSettings, {"width_": 3}, "width_"),
        (ImageEncoderSettings, {"steps": "many"}, "steps"),
        (ImageEncoderSettings, {"kind": "clap"}, "clap"),
        (ImageEncoderSettings, {"image_size": 60}, "multiple of 32"),
        (AudioEncoderSettings, {"spec_size": 100}, "multiple of n_mels"),
        (AudioEncoderSettings, {"depths": [1, 1]}, "differ in length"),
        (AudioEncoderSettings, {"steps": 0}, "at least 1"),
        (AudioEncoderSettings, {"group_size": 1}, "at least 2 classes"),
        (ImageEncoderSettings, {"group_size": -3}, "at least 2 classes"),
    ],
)
def test_settings_are_strict(cls: type, values: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        from_dict(cls, values)


def test_wilson_interval_known_values() -> None:
    """Newcombe 1998 (doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E), table I, method 3."""
    np.testing.assert_allclose(wilson_interval(81, 263), (0.2553, 0.3662), atol=5e-5)
    np.testing.assert_allclose(wilson_interval(15, 148), (0.0624, 0.1605), atol=5e-5)
    np.testing.assert_allclose(wilson_interval(0, 20), (0.0, 0.1611), atol=5e-5)


def test_cross_modal_row_sees_a_shared_space_and_not_a_clustered_accident() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(11), 16)
    centres, others = rng.standard_normal((2, 11, EMBEDDING_DIM))
    noise = 0.1 * rng.standard_normal((2, len(labels), EMBEDDING_DIM))
    shared = cross_modal_row(centres[labels] + noise[0], centres[labels] + noise[1], labels)
    assert shared["value"] == 1
    assert shared["low"] > shared["chance"]
    assert shared["p_chance"] < 0.001
    apart = cross_modal_row(centres[labels] + noise[0], others[labels] + noise[1], labels)
    assert apart["low"] <= apart["chance"] <= apart["high"]
    assert apart["n"] == 11


def test_mixture_pairs_are_disjoint_and_of_two_classes() -> None:
    labels = np.repeat(np.arange(11), 16)
    pairs = disjoint_pairs(labels)
    assert len(pairs) == 88
    assert len(np.unique(pairs)) == 176
    assert (labels[pairs[:, 0]] != labels[pairs[:, 1]]).all()
