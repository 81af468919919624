"""The mixtures of the pool as batches: stored spectrograms, or ones computed while the model trains.

Both serve the same tensors in the same order. Stored ones cost disk (0.8 MB per mixture at paper size), streamed ones
the time of the processes that compute them from the decoded clips.
"""

from __future__ import annotations

import functools
import itertools
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset

from avsep_lib.audio import LOG_FLOOR, mix, warped_magnitudes
from avsep_lib.errors import AvsepError, ConfigError, DataError
from avsep_lib.files import canonical_json, sha256_file
from avsep_lib.jobs import in_order
from avsep_lib.methods.registry import network_class
from avsep_lib.methods.settings import FAMILY
from avsep_lib.settings import AudioSettings, RunConfig, to_dict

if TYPE_CHECKING:
    from avsep_lib.clips import ClipStore

Batch = dict[str, torch.Tensor]

AHEAD = 2  # batches that each worker keeps ready
PIECE = 4  # mixtures per STFT: all of a batch at once leave the cache and take twice as long
SHARED_MEMORY = Path("/dev/shm")


def batch_indices(seed: int, step: int, batch_size: int, n_items: int) -> np.ndarray:
    """Items of batch `step`: consecutive slices of an endless sequence of seeded permutations.

    The order depends on (seed, step) alone, so a resumed job continues exactly where it stopped.
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = positions // n_items
    orders = {e: np.random.default_rng([seed, int(e)]).permutation(n_items) for e in np.unique(epochs)}
    return np.array([orders[e][p % n_items] for e, p in zip(epochs, positions)])


def load_features(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a features file, mapped: read when they are used. DataError names a missing or truncated file."""
    if not path.exists():
        raise DataError(f"features {path} are missing; `make figures` computes them")
    try:
        if not path.is_file():
            raise OSError("no regular file")
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"features {path} cannot be read ({error}); delete the file and run `make figures`") from None


def spectrograms(mixture: torch.Tensor, sources: torch.Tensor, audio: AudioSettings) -> Batch:
    """Warped magnitudes ``mixture`` (N, 1, R, T) and ``sources`` (N, n, R, T) of waveforms (N, samples), (N, n, samples).

    An item's values do not depend on the others.
    """
    mixed = [warped_magnitudes(part, audio, LOG_FLOOR)[:, None] for part in mixture.split(PIECE)]
    return {
        "mixture": torch.cat(mixed),
        "sources": torch.cat([warped_magnitudes(part, audio) for part in sources.split(PIECE)]),
    }


@dataclass(frozen=True)
class Crops:
    """Sources by mixture number, from the decoded clips.

    Attributes
    ----------
    store : ClipStore
    tensors : dict
        A crop table: ``clip`` (row of ``clips.csv``; -1: an empty slot), ``start`` (sample), ``frame`` and ``gain``, (N, n).
    config : RunConfig
    """

    store: ClipStore
    tensors: dict[str, torch.Tensor]
    config: RunConfig

    def waveforms(self, items: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Mixtures (B, n_samples) and their scaled sources (B, n, n_samples), as `avsep_lib.mixtures` reads them."""
        present = (self.tensors["clip"][list(items)] >= 0).sum(dim=1)
        return mix(torch.from_numpy(np.stack([self._sources(item) for item in items])), present)

    def _sources(self, item: int) -> np.ndarray:
        from avsep_lib.mixtures import scaled_crop

        columns = [self.tensors[name][item].tolist() for name in ("clip", "start", "gain")]
        sources = np.zeros((len(columns[0]), self.config.audio.n_samples), np.float32)
        for i, (clip, start, gain) in enumerate(zip(*columns)):
            if clip >= 0:
                sources[i] = scaled_crop(self.store, self._clip_id(clip), start, self.config.audio.n_samples, gain)
        return sources

    def frames(self, items: Sequence[int]) -> torch.Tensor:
        """The frame of each source, uint8 (B, n, 3, size, size)."""
        return self.films(items, 1, 1)[:, :, 0]

    def films(self, items: Sequence[int], n_frames: int, stride: int) -> torch.Tensor:
        """Frames around it, `stride` apart, held at the ends of the clip: uint8 (B, n, n_frames, 3, size, size)."""
        from avsep_lib.pictures import load_film

        size = self.config.model.frame_size
        clips, centres = (self.tensors[name][list(items)] for name in ("clip", "frame"))
        films = np.zeros((*clips.shape, n_frames, 3, size, size), np.uint8)
        for place in zip(*np.nonzero(clips.numpy() >= 0)):
            films[place] = load_film(
                self.store, self._clip_id(int(clips[place])), int(centres[place]), n_frames, stride, size
            )
        return torch.from_numpy(films)

    def _clip_id(self, row: int) -> str:
        return self.store.table.clip_id.iat[row]


class Pool(ABC):
    """Training mixtures by number.

    Parameters
    ----------
    tensors : dict
        Of ``train.safetensors``.
    config : RunConfig
        Says what the run reads (`read_by`) and the order of items.
    crops : Crops, optional
        Where what the run reads is not in `tensors`.
    """

    def __init__(self, tensors: dict[str, torch.Tensor], config: RunConfig, crops: Crops | None = None) -> None:
        self.tensors, self.config, self.crops = tensors, config, crops
        self.names = read_by(config)
        self.processes, self.part = 1, slice(None)

    def __len__(self) -> int:
        return len(self.tensors["teacher"])

    @abstractmethod
    def batch(self, indices: np.ndarray) -> Batch:
        """Tensors of the given items on the CPU: those that the run reads."""

    def share_out(self, rank: int, processes: int) -> None:
        """From now on serve part `rank` of every batch, of as many equal parts as there are processes."""
        size = self.config.training.batch_size // processes
        self.processes, self.part = processes, slice(rank * size, (rank + 1) * size)

    def step(self, step: int) -> Batch:
        """The batch of a training step, or this process's part of it."""
        return self.batch(batch_indices(self.config.seed, step, self.config.training.batch_size, len(self))[self.part])

    def batches(self, first_step: int) -> Iterator[Batch]:
        """The batches of all steps from `first_step` on."""
        return map(self.step, range(first_step, self.config.training.steps))


class StoredPool(Pool):
    """What is in the file from there, the rest from the decoded clips."""

    def batch(self, indices: np.ndarray) -> Batch:
        return read_batch(self, indices)


def read_batch(pool: Pool, indices: np.ndarray) -> Batch:
    """What the run of a pool reads of some items: from its tensors, else from the decoded clips."""
    index, items, batch = torch.from_numpy(indices), indices.tolist(), {}
    sound = functools.cache(lambda: pool.crops.waveforms(items))
    heard = functools.cache(lambda: spectrograms(*sound(), pool.config.audio))
    for name, source in pool.names.items():
        if source in pool.tensors:
            batch[name] = pool.tensors[source][index]
        elif source == "waveforms":
            batch[name] = sound()[1]
        elif source == "frames":
            batch[name] = pool.crops.frames(items)
        elif source == "films":
            options = pool.config.options
            batch[name] = pool.crops.films(items, options.n_frames, options.frame_stride)
        else:
            batch[name] = heard()[source]
    return batch


class StreamedPool(Pool):
    """Spectrograms and pictures from the decoded clips, computed by processes that work ahead of the model.

    Parameters
    ----------
    tensors, config, crops
        As in `Pool`; `tensors` has the table of crops.
    workers : int
        Processes; 0 computes in this one.
    """

    def __init__(self, tensors: dict[str, torch.Tensor], config: RunConfig, crops: Crops, workers: int) -> None:
        super().__init__(tensors, config, crops)
        self.workers = workers

    def batch(self, indices: np.ndarray) -> Batch:
        return read_batch(self, indices)

    def batches(self, first_step: int) -> Iterator[Batch]:
        if first_step >= self.config.training.steps:
            return
        workers = self._affordable_workers(first_step)
        loader = DataLoader(
            _Steps(self),
            batch_size=None,  # an item is a whole batch
            sampler=range(first_step, self.config.training.steps),
            num_workers=workers,
            prefetch_factor=AHEAD if workers else None,
            generator=torch.Generator(),  # its own: a loader draws from the generator that a resumed job restores
        )
        # A worker hands a batch over when it is asked: a thread asks ahead, so that the model does not wait for that.
        received = in_order(lambda batches: next(batches), itertools.repeat(iter(loader), len(loader)))
        try:
            for batch in received:
                if isinstance(batch, AvsepError):
                    raise batch
                yield batch
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise DataError(
                f"run {self.config.run_id}: a process that computes batches ended ({str(error).splitlines()[0]}); "
                "memory may be short: lower training.batch_size, or --workers"
            ) from None

    def _affordable_workers(self, step: int) -> int:
        """`workers`, or 0 where shared memory is too small for their batches (containers often have 64 MB)."""
        if not self.workers or not SHARED_MEMORY.exists():
            return self.workers
        needed = sum(tensor.nbytes for tensor in self.step(step).values()) * (AHEAD + 1) * self.workers * self.processes
        if shutil.disk_usage(SHARED_MEMORY).free >= needed:
            return self.workers
        print(f"{SHARED_MEMORY} has less than {needed / 1e6:.0f} MB: batches are computed without workers", flush=True)
        return 0


class _Steps(Dataset):
    """Batches by step, for a DataLoader; an expected error travels as a value, so that its one line stays one line."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def __getitem__(self, step: int) -> Batch | AvsepError:
        try:
            return self.pool.step(step)
        except AvsepError as error:
            return error


def visual_input(config: RunConfig) -> str:
    """Name of the visual tensor that a run of the family reads."""
    return "frames" if config.model.backbone == "resnet18" else "images"


def read_by(config: RunConfig) -> dict[str, str]:
    """What a run's batches hold, and the tensors they come from: names, which are the same but for ``visual``."""
    if config.method == FAMILY:
        return {"mixture": "mixture", "sources": "sources", "teacher": "teacher", "visual": visual_input(config)}
    return {name: name for name in network_class(config.method).reads}


@dataclass(frozen=True)
class Inputs:
    """What a run reads: its pool, the tensors of the validation pairs, the SHA-256 of both files, and the classes.

    Several runs that follow each other in one process can share them; see `avsep_lib.borrowed.resident`.
    """

    pool: Pool
    val: dict[str, torch.Tensor]
    hashes: tuple[str, str]
    classes: tuple[str, ...] = ()


def open_inputs(config: RunConfig, features: Path, clips: Path | None = None, workers: int = 2) -> Inputs:
    """The inputs of a run; parameters and errors are those of `open_pool`."""
    paths = [features / f"{name}.safetensors" for name in ("train", "val")]
    pool, val = open_pool(config, features, clips, workers), load_features(paths[1])
    if "films" in pool.names.values():
        options, val_crops = config.options, Crops(pool.crops.store, val, config)
        val["films"] = val_crops.films(range(len(val["clip"])), options.n_frames, options.frame_stride)
    classes = tuple(_about(paths[0]).get("classes", []))
    return Inputs(pool, val, tuple(map(sha256_file, paths)), classes)


def open_pool(config: RunConfig, features: Path, clips: Path | None = None, workers: int = 2) -> Pool:
    """The pool of a features folder, stored or streamed, checked against the configuration.

    Parameters
    ----------
    config : RunConfig
    features : Path
        Folder with ``train.safetensors``.
    clips : Path, optional
        Folder of the decoded clips, for a streamed pool.
    workers : int
        Processes that compute a streamed pool.

    Raises
    ------
    DataError
        Features missing or truncated; clips not given, or not those that the table of crops describes.
    ConfigError
        Features that do not fit the configuration.
    """
    path = features / "train.safetensors"
    tensors = load_features(path)
    stored = "mixture" in tensors
    from_clips = not stored or {"waveforms", "films"} & set(read_by(config).values())
    crops = _crops(config, path, tensors, clips) if from_clips else None
    pool = StoredPool(tensors, config, crops) if stored else StreamedPool(tensors, config, crops, workers)
    if isinstance(pool, StoredPool):
        _check_shape(config, tuple(tensors["mixture"].shape[-2:]))
    if len(pool) < config.training.batch_size:
        raise ConfigError(
            f"run {config.run_id}: batch_size {config.training.batch_size} exceeds the pool of {len(pool)}"
        )
    return pool


def _check_shape(config: RunConfig, found: tuple[int, ...]) -> None:
    expected = (config.audio.n_rows, config.audio.n_frames)
    if found != expected:
        raise ConfigError(
            f"run {config.run_id}: features are {found} (rows, frames), the configuration says {expected}"
        )


def features_metadata(store: ClipStore, audio: AudioSettings, classes: Sequence[str]) -> dict[str, str]:
    """Metadata of a features file: what its table of crops describes, and what the columns of its labels mean.

    One entry only: the format's writer puts several in an order that changes from run to run.
    """
    made_from = {"audio": to_dict(audio), "clips": sha256_file(store.folder / "clips.csv")}
    return {"features": canonical_json({"made_from": made_from, "classes": list(classes)})}


def _about(path: Path) -> dict[str, Any]:
    """What `features_metadata` wrote; empty where nothing was."""
    with safe_open(path, framework="pt") as file:
        return json.loads((file.metadata() or {}).get("features", "{}"))


def _crops(config: RunConfig, path: Path, tensors: dict[str, torch.Tensor], clips: Path | None) -> Crops:
    from avsep_lib.clips import ClipStore

    if clips is None:
        raise DataError(f"{path} does not hold all that run {config.run_id} reads; name the clips with --clips")
    store = ClipStore.open(clips)
    expected = json.loads(features_metadata(store, config.audio, ())["features"])
    if _about(path).get("made_from") != expected["made_from"]:
        raise DataError(
            f"run {config.run_id}: {path} was made from other clips than {clips}, or with other audio settings; "
            "delete it and run `make figures`"
        )
    return Crops(store, tensors, config)
