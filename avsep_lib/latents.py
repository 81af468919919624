"""What every trained separator hears: pooled bottlenecks of the same waveforms, in one file per dataset.

``python -m avsep_lib.latents`` runs the audio encoder of each U-Net of the grid over three groups of waveforms:

- ``solos``: unmixed centre crops of all train, val and test solos, as recorded;
- ``harsh``: those of val and test, recorded once more (`avsep_lib.probe.protocol`);
- ``mixtures``: solo pairs of the training pool, and all val and test mixtures.

Beside them lie three references on the same waveforms: the frozen audio encoder (the teacher), a separator that was
never trained, and the network's input averaged over time. The bottleneck is the aligned vector itself: the spatial
mean of the raw innermost convolution with batch norm in evaluation mode, before any visual condition.

A tensor is named ``<representation>/<group>``; the metadata hold the items of each group in row order.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from avsep_lib.audio import LOG_FLOOR, mix, warped_magnitudes
from avsep_lib.cli import run_main
from avsep_lib.clips import ClipStore
from avsep_lib.encoders.base import AudioEncoder
from avsep_lib.encoders.embed import centre_crop
from avsep_lib.errors import DataError
from avsep_lib.files import atomic_path
from avsep_lib.manifest import is_solo, label_list, spread_evenly
from avsep_lib.methods.hfra import HFRA
from avsep_lib.mixtures import load_sources, read_list
from avsep_lib.models.separator import Separator
from avsep_lib.probe.protocol import preset_role, recorded_again
from avsep_lib.settings import AudioSettings

if TYPE_CHECKING:
    from avsep_lib.config import Profile, Run

GROUPS = ("solos", "harsh", "mixtures")
TEACHER, UNTRAINED, SPECTRUM = "audio_encoder", "untrained", "spectrum"
PER_CLASS = 60  # solos of a class in a split; the embedded datasets have fewer
N_POOL = 400  # mixtures of the pool that train the probe of two labels
BATCH = 64


@dataclass(frozen=True)
class Latents:
    """Read access to a file written by this module; use `Latents.open`.

    Attributes
    ----------
    runs : DataFrame
        Indexed by representation: `row` of a table and `seed` (-1 where nothing is trained by a seed).
    """

    path: Path
    runs: pd.DataFrame
    _items: dict[str, dict[str, list]]

    @classmethod
    def open(cls, path: str | Path) -> Latents:
        """Open a file; DataError when it is missing, truncated or of another format."""
        path = Path(path)
        try:
            if not path.is_file():
                raise OSError("no such file")
            with safe_open(path, framework="numpy") as file:
                header, names = json.loads(file.metadata()["latents"]), list(file.keys())
                shapes = {name: file.get_slice(name).get_shape() for name in names}
            return cls(path, *_from_header(header, shapes))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise DataError(f"latents {path} cannot be read ({error}); run `make figures`, which writes them") from None

    def items(self, group: str) -> pd.DataFrame:
        """Items of a group in row order: `item`, `split`, `labels`, `videos`, and `preset_role` for solos."""
        return pd.DataFrame(self._items[group])

    def vectors(self, name: str, group: str) -> np.ndarray:
        """Vectors of one representation, float32 (n_items, dimensions)."""
        with safe_open(self.path, framework="numpy") as file:
            vectors = file.get_tensor(f"{name}/{group}")
        if not np.isfinite(vectors).all():
            raise DataError(f"latents {self.path}: {name}/{group} holds NaN or infinity; run `make figures`")
        return vectors


def _from_header(header: dict, shapes: dict[str, list[int]]) -> tuple[pd.DataFrame, dict[str, dict[str, list]]]:
    """Runs and items of a file; ValueError unless every tensor has a row for each item of its group."""
    runs = pd.DataFrame(header["runs"], columns=["name", "row", "seed"]).set_index("name")
    sizes = {group: len(pd.DataFrame(columns)) for group, columns in header["items"].items()}
    for name, shape in shapes.items():
        run, _, group = name.rpartition("/")
        if run not in runs.index or len(shape) != 2 or shape[0] != sizes.get(group):
            raise ValueError(f"{name} of shape {shape} is not what its index says")
    if not all(any(name.startswith(f"{run}/") for name in shapes) for run in runs.index) or not runs.index.is_unique:
        raise ValueError("its index lists other representations than it holds")
    return runs, header["items"]


def solo_items(store: ClipStore, provenance: Path) -> pd.DataFrame:
    """The solos that are not pretraining data, with the preset's role for the probe where presets are known.

    Of a class with more than `PER_CLASS` solos in a split, that many, spread evenly over the list.
    """
    table = store.table[is_solo(store.table) & (store.table.split != "pretrain")].reset_index(drop=True)
    table = table[spread_evenly(table, PER_CLASS)].reset_index(drop=True)
    items = table.rename(columns={"clip_id": "item", "video_id": "videos"})[["item", "split", "labels", "videos"]]
    items["preset"] = ""
    if provenance.exists():
        known = pd.read_csv(provenance, dtype=str).set_index("clip_id")
        if "programs" in known:  # recordings have no presets
            items["preset"] = items["item"].map(known["programs"]).fillna("")
    return items.assign(preset_role=preset_role(items))


def mixture_items(store: ClipStore, mixtures: Path, n_pool: int = N_POOL) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Two-label mixtures (pool pairs of solos first, then val and test) and their rows of the lists."""
    items, rows = [], []
    for name, split in (("pool", "train"), ("val", "val"), ("test", "test")):
        kept = 0
        for mixture_id, group in read_list(mixtures, name).groupby("mixture_id", sort=False):
            clips = store.table.loc[group.clip_id]
            labels = sorted({label for text in clips.labels for label in label_list(text)})
            if len(labels) != len(group) or (name == "pool" and kept == n_pool):
                continue
            kept += 1
            items.append((mixture_id, split, "|".join(labels), "|".join(clips.video_id)))
            rows.append(group)
    return pd.DataFrame(items, columns=["item", "split", "labels", "videos"]), rows


def groups_of(
    store: ClipStore, provenance: Path, mixtures: Path, audio: AudioSettings
) -> Iterator[tuple[str, pd.DataFrame, Iterator[np.ndarray]]]:
    """Name, items and waveforms of each group; these come `BATCH` at a time, float32 (n, n_samples)."""
    solos = solo_items(store, provenance)
    again = solos[solos["split"] != "train"]
    items, rows = mixture_items(store, mixtures)

    def crop(clip_id: str) -> np.ndarray:
        return centre_crop(store.waveform(clip_id), audio.n_samples)

    def harsh(clip_id: str) -> np.ndarray:
        return recorded_again(crop(clip_id), clip_id, audio.sample_rate)

    def mixture(group: pd.DataFrame) -> np.ndarray:
        return mix(torch.from_numpy(load_sources(store, group, audio)))[0].numpy()

    yield "solos", solos, _batches(crop, list(solos["item"]))
    yield "harsh", again, _batches(harsh, list(again["item"]))
    yield "mixtures", items, _batches(mixture, rows)


def _batches(load: Callable[..., np.ndarray], items: list) -> Iterator[np.ndarray]:
    return (np.stack([load(item) for item in items[i : i + BATCH]]) for i in range(0, len(items), BATCH))


@torch.inference_mode()
def bottlenecks(model: Separator, log_magnitude: torch.Tensor) -> np.ndarray:
    """`SeparatorOutput.bottleneck` without the decoder, which it does not depend on; float32 (n, 512)."""
    device = next(model.eval().parameters()).device
    parts = [model.unet.encode(batch.to(device))[-1].mean(dim=(-2, -1)) for batch in log_magnitude.split(BATCH)]
    return torch.cat(parts).cpu().numpy()


def untrained(settings: HFRA, seed: int) -> Separator:
    """The same network with the initial weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Separator(settings.config.model).to(next(settings.model.parameters()).device)


def represent(
    waveforms: np.ndarray, models: dict[str, Separator], teacher: AudioEncoder, audio: AudioSettings
) -> dict[str, np.ndarray]:
    """Vectors of every representation of a batch of waveforms (n, n_samples)."""
    batch = torch.from_numpy(waveforms)
    log_magnitude = warped_magnitudes(batch, audio, LOG_FLOOR).log()[:, None]
    log_magnitude = log_magnitude.contiguous(memory_format=torch.channels_last)
    heard = {name: bottlenecks(model, log_magnitude) for name, model in models.items()}
    heard[TEACHER] = teacher.encode(waveforms, audio.sample_rate)
    heard[SPECTRUM] = log_magnitude[:, 0].mean(dim=-1).numpy()
    return heard


def grid_runs(profile: Profile, dataset: str) -> list[Run]:
    """Runs of the grid's rows on a dataset, its data not switched; DataError when there is none."""
    from avsep_lib.config import profile_runs
    from avsep_lib.workflow import GRID, data_key

    runs = [run for run in profile_runs(profile) if data_key(run) == dataset and run.row in GRID]
    if not runs:
        raise DataError(
            f"profile {profile.name!r} trains no row of {', '.join(GRID)} on {dataset}; see config/runs.csv"
        )
    return runs


def write_latents(profile: Profile, dataset: str, out: Path) -> Path:
    """Compute and write the latents of a dataset.

    Raises
    ------
    DataError
        For a run or an input that is missing; says which command makes it.
    """
    from avsep_lib.paths import data_root
    from avsep_lib.trained import load_teacher, load_trained

    trained = {run.run_id: (run.row, load_trained(profile, run.run_id)) for run in grid_runs(profile, dataset)}
    teacher = load_teacher(profile, dataset)
    return write_latents_of(trained, teacher, data_root(profile.name, dataset), profile.audio, out)


def write_latents_of(
    trained: dict[str, tuple[str, HFRA]], teacher: AudioEncoder, data: Path, audio: AudioSettings, out: Path
) -> Path:
    """`write_latents` from what it reads; needs no profile.

    Parameters
    ----------
    trained : dict
        Table row and method by run id. A model may lie on a GPU; then the untrained ones are put there, too.
    teacher : AudioEncoder
    data : Path
        Folder of the dataset, with ``clips``, ``mixtures`` and ``dataset/provenance.csv``.
    audio : AudioSettings
    out : Path
    """
    names = [(name, row, method.config.seed) for name, (row, method) in trained.items()]
    models = {name: method.model for name, (_, method) in trained.items()}
    first = next(iter(trained.values()))[1]
    for seed in sorted({seed for _, _, seed in names}):
        models[f"{UNTRAINED}-s{seed}"] = untrained(first, seed)
        names.append((f"{UNTRAINED}-s{seed}", UNTRAINED, seed))
    names += [(TEACHER, TEACHER, -1), (SPECTRUM, SPECTRUM, -1)]
    store = ClipStore.open(data / "clips")
    tensors, items = {}, {}
    provenance = data / "dataset" / "provenance.csv"
    for group, table, batches in groups_of(store, provenance, data / "mixtures", audio):
        items[group] = table.to_dict("list")
        heard = [represent(waveforms, models, teacher, audio) for waveforms in batches]
        tensors |= {f"{name}/{group}": np.concatenate([part[name] for part in heard]) for name in heard[0]}
    with atomic_path(out) as path:
        save_file(tensors, path, {"latents": json.dumps({"runs": names, "items": items})})
    return out


def main() -> None:
    """Command line: latents of all runs of the grid on one dataset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    from avsep_lib.config import load_profile

    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    write_latents(load_profile(arguments.profile), arguments.dataset, arguments.out)


if __name__ == "__main__":
    run_main(main)
