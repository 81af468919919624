"""The clouds themselves: unit vectors of the sounds and pictures of the same test solos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsep_lib.encoders.sanity import unit
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.errors import DataError
from avsep_lib.inputs import require_analysis, require_data
from avsep_lib.latents import TEACHER, UNTRAINED, Latents
from avsep_lib.workflow import GRID


@dataclass(frozen=True)
class Clouds:
    """Unit vectors of the same clips.

    Attributes
    ----------
    audio : dict
        By table row, shape (seeds, clips, dimensions).
    images : ndarray, shape (clips, dimensions)
    labels : ndarray of str, shape (clips,)
    seeds : dict
        Training seeds by table row.
    names : dict
        Run ids by table row.
    """

    audio: Mapping[str, np.ndarray]
    images: np.ndarray
    labels: np.ndarray
    seeds: Mapping[str, list[int]]
    names: Mapping[str, list[str]]

    def of(self, row: str) -> np.ndarray:
        """Audio vectors of a table row; DataError when there are none."""
        if row not in self.audio:
            raise DataError(f"no latents of row {row!r}; there are: {', '.join(self.audio)}")
        return self.audio[row]


def cloud_files(profile: str, dataset: str = "music11") -> tuple[Path, Path]:
    """Latents and image embeddings; DataError says which command makes a missing one."""
    latents = require_analysis(profile, "latents-{dataset}.safetensors", dataset)
    (images,) = require_data(profile, dataset, "embeddings/images.safetensors")
    return latents, images


def load_clouds(profile: str, dataset: str = "music11", split: str = "test") -> Clouds:
    """Clouds of a split's solos; DataError says which command makes a missing file."""
    path, images = cloud_files(profile, dataset)
    latents, store = Latents.open(path), EmbeddingStore.open(images)
    solos = latents.items("solos")
    solos = solos[solos["split"] == split]
    frames = [store.frames(clip_id) for clip_id in solos["item"]]
    audio, seeds, names = {}, {}, {}
    for row in (*GRID, UNTRAINED, TEACHER):
        runs = latents.runs[latents.runs["row"] == row]
        if len(runs):
            audio[row] = np.stack([_unit(latents.vectors(name, "solos")[solos.index]) for name in runs.index])
            seeds[row], names[row] = list(runs["seed"]), list(runs.index)
    return Clouds(audio, _unit(np.stack([f[len(f) // 2] for f in frames])), solos["labels"].to_numpy(), seeds, names)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Unit vectors in double precision: pseudo-values are small differences of large numbers."""
    return unit(rows.astype(np.float64))
