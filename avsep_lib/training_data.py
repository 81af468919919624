"""The mixtures of the pool as batches: stored spectrograms, or ones computed while the model trains.

Both serve the same tensors in the same order. Stored ones cost disk (0.8 MB per mixture at paper size), streamed ones
the time of the processes that compute them from the decoded clips.
"""

from __future__ import annotations

import itertools
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset

from avsep_lib.audio import LOG_FLOOR, mix, warped_magnitudes
from avsep_lib.errors import AvsepError, ConfigError, DataError
from avsep_lib.files import canonical_json, sha256_file
from avsep_lib.jobs import in_order
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


class Pool(ABC):
    """Training mixtures by number.

    Parameters
    ----------
    tensors : dict
        Of ``train.safetensors``.
    config : RunConfig
        Says which visual input the run needs (``images``, frozen embeddings, or ``frames``) and the order of items.
    """

    def __init__(self, tensors: dict[str, torch.Tensor], config: RunConfig) -> None:
        self.tensors, self.config = tensors, config
        self.visual = visual_input(config)
        self.processes, self.part = 1, slice(None)

    def __len__(self) -> int:
        return len(self.tensors["teacher"])

    @abstractmethod
    def batch(self, indices: np.ndarray) -> Batch:
        """Tensors of the given items on the CPU: mixture, sources, teacher and visual."""

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
    """Spectrograms from the file."""

    def batch(self, indices: np.ndarray) -> Batch:
        index = torch.from_numpy(indices)
        batch = {name: self.tensors[name][index] for name in ("mixture", "sources", "teacher")}
        return batch | {"visual": self.tensors[self.visual][index]}


class StreamedPool(Pool):
    """Spectrograms from the decoded clips, computed by processes that work ahead of the model.

    Parameters
    ----------
    tensors, config
        As in `Pool`; `tensors` has a crop table: ``clip`` (row of ``clips.csv``), ``start`` (sample), ``frame`` and
        ``gain``, all (N, n).
    store : ClipStore
    workers : int
        Processes; 0 computes in this one.
    """

    def __init__(self, tensors: dict[str, torch.Tensor], config: RunConfig, store: ClipStore, workers: int) -> None:
        super().__init__(tensors, config)
        self.store, self.workers = store, workers
        self.ids = store.table.clip_id.to_numpy()

    def _crops(self, item: int) -> Iterator[tuple[str, int, int, float]]:
        columns = (self.tensors[name][item].tolist() for name in ("clip", "start", "frame", "gain"))
        return ((self.ids[clip], start, frame, gain) for clip, start, frame, gain in zip(*columns))

    def _sources(self, item: int) -> np.ndarray:
        """Waveforms of one mixture's sources, as `avsep_lib.mixtures.load_sources` reads them from the list."""
        from avsep_lib.mixtures import scaled_crop

        n_samples = self.config.audio.n_samples
        crops = self._crops(item)
        return np.stack([scaled_crop(self.store, clip, start, n_samples, gain) for clip, start, _, gain in crops])

    def _frames(self, item: int) -> np.ndarray:
        from avsep_lib.pictures import load_frame

        size = self.config.model.frame_size
        return np.stack([load_frame(self.store, clip, frame, size) for clip, _, frame, _ in self._crops(item)])

    def batch(self, indices: np.ndarray) -> Batch:
        index, items = torch.from_numpy(indices), indices.tolist()
        mixture, sources = mix(torch.from_numpy(np.stack([self._sources(item) for item in items])))
        if self.visual == "frames":
            visual = torch.from_numpy(np.stack([self._frames(item) for item in items]))
        else:
            visual = self.tensors["images"][index]
        batch = spectrograms(mixture, sources, self.config.audio)
        return batch | {"teacher": self.tensors["teacher"][index], "visual": visual}

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
    """Name of the visual tensor that a run reads."""
    return "frames" if config.model.backbone == "resnet18" else "images"


@dataclass(frozen=True)
class Inputs:
    """What a run reads: its pool, the tensors of the validation pairs, and the SHA-256 of both files.

    Several runs that follow each other in one process can share them; see `avsep_lib.borrowed.resident`.
    """

    pool: Pool
    val: dict[str, torch.Tensor]
    hashes: tuple[str, str]


def open_inputs(config: RunConfig, features: Path, clips: Path | None = None, workers: int = 2) -> Inputs:
    """The inputs of a run; parameters and errors are those of `open_pool`."""
    paths = [features / f"{name}.safetensors" for name in ("train", "val")]
    pool, val = open_pool(config, features, clips, workers), load_features(paths[1])
    return Inputs(pool, val, tuple(map(sha256_file, paths)))


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
    pool = StoredPool(tensors, config) if "mixture" in tensors else _streamed(config, path, tensors, clips, workers)
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


def streamed_from(store: ClipStore, audio: AudioSettings) -> dict[str, str]:
    """Metadata of a crop table: what it describes, so that other clips are not taken for them."""
    return {"made_from": canonical_json({"audio": to_dict(audio), "clips": sha256_file(store.folder / "clips.csv")})}


def _streamed(
    config: RunConfig, path: Path, tensors: dict[str, torch.Tensor], clips: Path | None, workers: int
) -> StreamedPool:
    from avsep_lib.clips import ClipStore

    if clips is None:
        raise DataError(f"{path} holds no spectrograms (mixtures.features: streamed); name the clips with --clips")
    store = ClipStore.open(clips)
    with safe_open(path, framework="pt") as file:
        made_from = file.metadata()
    if made_from != streamed_from(store, config.audio):
        raise DataError(
            f"run {config.run_id}: {path} was made from other clips than {clips}, or with other audio settings; "
            "delete it and run `make figures`"
        )
    return StreamedPool(tensors, config, store, workers)
