"""What a trained SGN hears in every test solo: features for t-SNE and probes (SGN, section 3.3 and Figure 3).

``python -m avsep_lib.sgn_features --model model.safetensors --clips DIR --out file.safetensors`` runs the network over
the unmixed centre crops of the test solos, the same crops as in the test mixtures. The file holds, one row per clip,

- ``grouped`` (n, D): the grouped feature g_i of the clip's own class,
- ``bottleneck`` (n, K): the spatial mean of the U-Net's raw innermost convolution, which knows no class,
- ``presence`` (n, C): p_i of all classes,

and in its metadata the clips in row order, the classes, and the run.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from avsep_lib.audio import LOG_FLOOR, warped_magnitudes
from avsep_lib.cli import run_main
from avsep_lib.clips import ClipStore
from avsep_lib.errors import DataError, WeightsError
from avsep_lib.files import atomic_path
from avsep_lib.manifest import is_solo
from avsep_lib.methods.checkpoint import read_config
from avsep_lib.methods.learnt import Learnt
from avsep_lib.methods.sgn import SGN
from avsep_lib.mixtures import centre_start, load_sources
from avsep_lib.settings import AudioSettings

VECTORS = ("grouped", "bottleneck", "presence")
BATCH = 64


@dataclass(frozen=True)
class SGNFeatures:
    """A file written by this module; use `SGNFeatures.open`.

    Attributes
    ----------
    run_id : str
    classes : tuple of str
        What the columns of `presence` mean.
    items : DataFrame
        `item` (clip id), `label` and `video` of the rows.
    grouped, bottleneck, presence : ndarray, float32, shape (n, D), (n, K), (n, C)
    """

    run_id: str
    classes: tuple[str, ...]
    items: pd.DataFrame
    grouped: np.ndarray
    bottleneck: np.ndarray
    presence: np.ndarray

    @classmethod
    def open(cls, path: str | Path) -> SGNFeatures:
        """Open a file; DataError when it is missing, truncated, not finite or of another format."""
        path = Path(path)
        try:
            if not path.is_file():
                raise OSError("no such file")
            with safe_open(path, framework="numpy") as file:
                header = json.loads(file.metadata()["sgn_features"])
                vectors = {name: file.get_tensor(name) for name in VECTORS}
            items, classes = pd.DataFrame(header["items"])[["item", "label", "video"]], tuple(header["classes"])
            _check(header["run_id"], items, classes, vectors)
            return cls(header["run_id"], classes, items, **vectors)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise DataError(
                f"SGN features {path} cannot be read ({error}); delete the file and run "
                "`python -m avsep_lib.sgn_features`, which writes it"
            ) from None


def _check(run_id: object, items: pd.DataFrame, classes: tuple[str, ...], vectors: dict[str, np.ndarray]) -> None:
    """ValueError unless names are names, every row has its finite vectors and its class is one of the classes."""
    if odd := [name for name in (run_id, *classes, *items.to_numpy().flat) if not isinstance(name, str)]:
        raise ValueError(f"{odd[0]!r} stands where a name should")
    for name, values in vectors.items():
        if values.ndim != 2 or len(values) != len(items) or not np.isfinite(values).all():
            raise ValueError(f"{name} of shape {values.shape} is not finite, or not one row for each of {len(items)}")
    if vectors["presence"].shape[1] != len(classes) or not set(items.label) <= set(classes):
        raise ValueError("its clips, classes and vectors do not fit each other")


def load_sgn(path: str | Path) -> SGN:
    """The network of a run in evaluation mode; WeightsError when it is none, or of another method."""
    if (method := read_config(path).method) != "sgn":
        raise WeightsError(f"checkpoint {path} is of method {method}; name the model.safetensors of a run of sgn")
    return Learnt.load(path).network


def solo_rows(store: ClipStore, network: SGN) -> pd.DataFrame:
    """Test solos as rows of a mixture list of one source each, at the centre crop, with `label` and `video`.

    Raises
    ------
    DataError
        No test solo, or one of a class that the network does not know.
    """
    table = store.table[is_solo(store.table) & (store.table.split == "test")].reset_index(drop=True)
    if table.empty:
        raise DataError(f"{store.folder}: no solo in split 'test'")
    if len(unknown := table[~table.labels.isin(network.classes)]):
        clip = unknown.iloc[0]
        known = ", ".join(network.classes)
        raise DataError(f"clip {clip.clip_id!r}: class {clip.labels!r} was not in the training; known: {known}")
    clip_s = network.audio.n_samples / network.audio.sample_rate
    starts = [centre_start(duration_s, clip_s) for duration_s in table.duration_s]
    return table.rename(columns={"labels": "label", "video_id": "video"}).assign(start_s=starts, gain=1.0)


@torch.inference_mode()
def represent(network: SGN, waveforms: torch.Tensor, own: torch.Tensor) -> dict[str, np.ndarray]:
    """Vectors of waveforms (n, n_samples), whose classes are numbered `own` (n,)."""
    log_magnitude = warped_magnitudes(waveforms, network.audio, LOG_FLOOR).log()[:, None]
    return {
        "grouped": network.grouped(log_magnitude)[torch.arange(len(own)), own].numpy(),
        "bottleneck": network.unet.encode(log_magnitude)[-1].mean(dim=(-2, -1)).numpy(),
        "presence": network.presence(log_magnitude).numpy(),
    }


def write_features(model: Path, clips: Path, out: Path) -> Path:
    """Compute and write the features of a run.

    Raises
    ------
    WeightsError
        A checkpoint that is missing, damaged or of another method.
    DataError
        Clips that are missing, at another sample rate, too short, or of classes that were not trained.
    """
    network, store = load_sgn(model), ClipStore.open(clips)
    solos = solo_rows(store, network)
    own = torch.tensor([network.classes.index(label) for label in solos.label])
    parts = [
        represent(network, _crops(store, solos[i : i + BATCH], network.audio), own[i : i + BATCH])
        for i in range(0, len(solos), BATCH)
    ]
    vectors = {name: np.concatenate([part[name] for part in parts]) for name in VECTORS}
    items = solos.rename(columns={"clip_id": "item"})[["item", "label", "video"]].to_dict("list")
    header = {"run_id": network.config.run_id, "classes": network.classes, "items": items}
    with atomic_path(out) as path:
        save_file(vectors, path, {"sgn_features": json.dumps(header)})
    return out


def _crops(store: ClipStore, rows: pd.DataFrame, audio: AudioSettings) -> torch.Tensor:
    return torch.from_numpy(load_sources(store, rows, audio))


def main() -> None:
    """Command line: features of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.safetensors of a run of method sgn")
    parser.add_argument("--clips", type=Path, required=True, help="folder of the decoded clips")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    write_features(arguments.model, arguments.clips, arguments.out)


if __name__ == "__main__":
    run_main(main)
