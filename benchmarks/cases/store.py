"""Batches of training mixtures: from the store of spectrograms, and per item from sound files with a fresh STFT."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
import torch
from safetensors.torch import save_file
from torch.utils.data import default_collate

from avsep_lib.audio import mix
from avsep_lib.mixtures import scaled_crop
from avsep_lib.settings import AudioSettings, RunConfig, TrainingSettings
from avsep_lib.training_data import Batch, batch_indices, open_pool, spectrograms
from benchmarks import machine
from benchmarks.case import CORES, Case, Pair
from benchmarks.cases.bss_eval import RATE, notes
from benchmarks.references.store import Crop, Mixtures

CLIPS, CLIP_S = 24, 12.0
PAPER = AudioSettings()
DEMO = AudioSettings(n_samples=32_767, hop_length=512, n_rows=64)
TOLERANCE = 5e-5  # of the largest magnitude: grid_sample rounds positions to float32, 3e-5 bins at 513


class _Clips:
    """The crops of sound files in memory, in the way that `avsep_lib.clips.ClipStore` gives them."""

    def __init__(self, paths: list[Path]) -> None:
        self.samples = {path: soundfile.read(path, dtype="float32")[0] for path in paths}

    def crop(self, path: Path, start: int, n_samples: int) -> np.ndarray:
        return self.samples[path][start : start + n_samples]


def write_clips(folder: Path, rng: np.random.Generator) -> list[Path]:
    """Sixteen-bit sound files at the model's rate."""
    paths = [folder / f"{i:02d}.wav" for i in range(CLIPS)]
    for path in paths:
        soundfile.write(path, notes(rng, int(CLIP_S * RATE)), RATE, subtype="PCM_16")
    return paths


def write_store(path: Path, data: Mixtures, clips: _Clips) -> None:
    """The features file of the same mixtures, computed as `avsep_lib.features` does."""
    parts = []
    for crops in data.items:
        sources = [scaled_crop(clips, crop.path, crop.start, data.audio.n_samples, crop.gain) for crop in crops]
        mixture, scaled = mix(torch.from_numpy(np.stack(sources)[None]))
        parts.append(spectrograms(mixture, scaled, data.audio))
    tensors = {name: torch.cat([part[name] for part in parts]) for name in ("mixture", "sources")}
    save_file(tensors | {"teacher": data.teacher, "images": data.images}, path)


def forget(paths: list[Path]) -> None:
    """Drop files from the page cache (Linux; elsewhere they stay)."""
    for path in paths if hasattr(os, "posix_fadvise") else []:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)


class Scene:
    """Sound files and a store of the same mixtures in a folder that goes with this object."""

    def __init__(self, audio: AudioSettings, batch_size: int, pool_size: int) -> None:
        rng = np.random.default_rng(0)
        self._place = TemporaryDirectory(prefix="avsep-store-")
        self.folder = Path(self._place.name)
        self.paths = write_clips(self.folder, rng)
        latest = int(CLIP_S * RATE) - audio.n_samples
        items = [
            [
                Crop(self.paths[i], int(rng.integers(latest)), rng.uniform(0.5, 1.5))
                for i in rng.choice(CLIPS, 2, replace=False)
            ]
            for _ in range(pool_size)
        ]
        images, teacher = (torch.from_numpy(rng.standard_normal((pool_size, *shape))) for shape in ((2, 512), (512,)))
        self.data = Mixtures(items, images.float(), teacher.float(), audio)
        self.store = self.folder / "train.safetensors"
        write_store(self.store, self.data, _Clips(self.paths))
        training = TrainingSettings(steps=10**6, batch_size=batch_size)
        self.config = RunConfig("store", 0, True, audio=audio, training=training)

    def _indices(self, step: int) -> np.ndarray:
        return batch_indices(0, step, self.config.training.batch_size, len(self.data))

    def per_item(self) -> Callable[[int], Batch]:
        """Batch by step, from sound files."""
        return lambda step: default_collate([self.data[i] for i in self._indices(step)])

    def stored(self) -> Callable[[int], Batch]:
        """Batch by step, from the store, newly opened."""
        pool = open_pool(self.config, self.folder)
        return lambda step: pool.batch(self._indices(step))

    def check(self) -> str:
        """Both give the same batches."""
        one, other = self.per_item(), self.stored()
        worst = max(_difference(one(step), other(step)) for step in range(3))
        assert worst <= TOLERANCE, f"batches differ by {worst:.1e} of the largest magnitude, {TOLERANCE:g} is promised"
        return f"largest difference {worst:.1e} of the largest magnitude"


def _difference(one: Batch, other: Batch) -> float:
    """Largest difference of two batches, relative to the largest magnitude of each tensor."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max() / one[name].abs().max()) for name in one)


def turns(opened: Callable[[], Callable[[int], Batch]], per_call: int, forgotten: list[Path]) -> Callable[[], float]:
    """An action that takes the next batches and returns its seconds; it first forgets files and opens anew, untimed."""
    steps, batch = itertools.count(), opened()

    def act() -> float:
        nonlocal batch
        if forgotten:
            batch = None  # a file that is mapped is not forgotten
            forget(forgotten)
            batch = opened()
        start = time.perf_counter()
        for step in itertools.islice(steps, per_call):
            batch(step)
        return time.perf_counter() - start

    return act


def pair(audio: AudioSettings, batch_size: int, pool_size: int, cold: bool = False, threads: int = CORES) -> Pair:
    """The two ways to get the same batches; `cold` drops the files from the page cache before each call."""
    scene = Scene(audio, batch_size, pool_size)
    per_call = max(1, 32 // batch_size)
    n_bytes = sum(tensor.nbytes for tensor in scene.stored()(0).values())
    seconds = batch_size * audio.n_samples / audio.sample_rate
    return Pair(
        turns(scene.per_item, per_call, scene.paths if cold else []),
        turns(scene.stored, per_call, [scene.store] if cold else []),
        scene.check,
        work=per_call * seconds,
        floor=seconds / machine.rates(threads).copy_s(2 * n_bytes),
        floor_note=f"{n_bytes / 1e6:.1f} MB per batch, read and written once at the rate of a copy",
    )


def _case(name: str, goal: float | None, *arguments: object) -> Case:
    return Case(name, "per-item load + STFT", goal, "at least", "s/s", partial(pair, *arguments))


CASES = [
    _case("Training mixtures from the store, paper size", 10.0, PAPER, 32, 128),
    _case("Training mixtures from the store, demo size", 10.0, DEMO, 16, 640),
    _case("Training mixtures from the store, paper size, not in memory", None, PAPER, 32, 128, True),
]
