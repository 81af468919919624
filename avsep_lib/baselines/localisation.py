"""Where in a picture a trained Sound-of-Pixels network hears from: one mask per pixel, and the energy under it.

References
----------
Zhao et al., "The Sound of Pixels", ECCV 2018, section 3 (the pixel-wise reading of the network).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from avsep_lib.audio import LOG_FLOOR, stft, warp
from avsep_lib.clips import ClipStore
from avsep_lib.config import Profile
from avsep_lib.files import read_json
from avsep_lib.inputs import require, require_data
from avsep_lib.methods.hfra import HFRA
from avsep_lib.methods.registry import load_method
from avsep_lib.methods.sound_of_pixels import SoundOfPixels
from avsep_lib.models.separator import prepare_visual
from avsep_lib.models.unet import folded_logits, inner_product
from avsep_lib.pictures import load_film, load_frame
from avsep_lib.plots.style import label_of
from avsep_lib.score import list_items
from avsep_lib.tables.inputs import rows_here, runs_of
from avsep_lib.tables.names import BACKBONE_ROW

ROWS = ("sop", BACKBONE_ROW)  # both see pixels; the one that separates validation mixtures better is shown
SHOWN_PIXELS = 192  # of the frame under a map


def energy_map(method: HFRA, magnitude: torch.Tensor, frame: torch.Tensor) -> torch.Tensor:
    """`SoundOfPixels.localisation` for the family's row with a trained ResNet-18: frame (3, H, W) in [0, 1] to (h, w)."""
    model = method.model
    maps = model.visual.head(model.visual.features((frame[None] - model.visual.mean) / model.visual.std))[0]
    weights = torch.sigmoid(maps).flatten(1).T[None] * model.scale
    levels = model.unet.encode(torch.log(magnitude)[None, None])
    kernels, offsets = inner_product(model.unet.out, weights, model.bias)
    masks = torch.sigmoid(folded_logits(levels[0], model.unet.decode(levels, None), kernels, offsets))[0]
    energy = (masks * magnitude).square().sum(dim=(-2, -1)) / magnitude.square().sum()
    return energy.unflatten(0, maps.shape[1:])


def chosen_run(profile: Profile) -> str | None:
    """The run of `ROWS` with the best validation score; None where the profile trains neither."""
    rows = rows_here(profile, ROWS, profile.main_dataset)
    runs = [run.run_id for run in runs_of(profile, rows, profile.main_dataset)]
    if not runs:
        return None
    costs = {run: read_json(require(profile.name, f"runs/{run}/cost.json")[0]) for run in runs}
    return max(runs, key=lambda run: costs[run]["best_val_si_sdr_db"])


def files_of(profile: Profile, run_id: str) -> list[Path]:
    """What the maps are made from."""
    data = require_data(profile.name, profile.main_dataset, "clips/clips.json", "mixtures/mixtures.json")
    return [*require(profile.name, f"runs/{run_id}/model.safetensors"), *data]


@torch.no_grad()
def maps_of(profile: Profile, run_id: str, n_mixtures: int = 2) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Title, frame uint8 (H, W, 3) and energy (h, w) of both sources of some test mixtures: every k-th of the list."""
    model, clips, mixtures = files_of(profile, run_id)
    method, store = load_method(model), ClipStore.open(clips.parent)
    items = list(list_items(store, mixtures.parent, method.audio, "test"))
    chosen = items[:: max(len(items) // n_mixtures, 1)][:n_mixtures]
    found = []
    for item in chosen:
        magnitude = warp(stft(torch.from_numpy(item.waveform), method.audio).abs() + LOG_FLOOR, method.audio)
        for row in item.rows.itertuples():
            energy = _energy(method, store, row, magnitude)
            frame = load_frame(store, row.clip_id, row.frame, SHOWN_PIXELS).transpose(1, 2, 0)
            found.append((f"{item.mixture_id}: {label_of(store.row(row.clip_id).labels)}", frame, energy.numpy()))
    return found


def _energy(method: HFRA, store: ClipStore, row: object, magnitude: torch.Tensor) -> torch.Tensor:
    size = method.config.model.frame_size
    if isinstance(network := getattr(method, "network", None), SoundOfPixels):
        options = method.config.options
        film = load_film(store, row.clip_id, row.frame, options.n_frames, options.frame_stride, size)
        return network.localisation(magnitude, prepare_visual(torch.from_numpy(film)))
    return energy_map(
        method, magnitude, prepare_visual(torch.from_numpy(load_frame(store, row.clip_id, row.frame, size)))
    )


def spread(maps: list[tuple[str, np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """How much the pixels of each map differ: `title`, lowest, median and highest share of the mixture's energy."""
    rows = [(title, energy.min(), np.median(energy), energy.max()) for title, _, energy in maps]
    return pd.DataFrame(rows, columns=["source", "lowest", "median", "highest"])
