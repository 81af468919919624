"""LAION CLAP's audio tower: the paper's alignment teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from avsep_lib.encoders.settings import AudioEncoderSettings
from avsep_lib.encoders.towers import AudioTower, clap_tower
from avsep_lib.encoders.waveforms import prepare
from avsep_lib.encoders.weights import content_key, load_strict, read_weights
from avsep_lib.errors import WeightsError

SAMPLE_RATE = 48_000  # Hz
N_SAMPLES = 480_000
FETCH = (
    "Fetch 630k-audioset-best.pt from lukewys/laion_clap on the Hugging Face hub, keep its audio_branch.* and "
    "audio_projection.* tensors (without the prefix 'module.') in a .safetensors file, put it anywhere, and name it in "
    "the profile: encoders.audio.weights (music checkpoints also need encoders.audio.model: HTSAT-base)."
)


class ClapAudioEncoder:
    """CLAP's HTS-AT and projection, frozen. It has no text tower."""

    def __init__(self, tower: AudioTower, name: str, key: str) -> None:
        self.model = tower.eval().requires_grad_(False)
        self.name = name
        self.key = key

    @torch.inference_mode()
    def encode(self, waveforms: np.ndarray, sample_rate: int) -> np.ndarray:
        """Unit vectors, float32 (B, 512), of mono waveforms (B, samples) at `sample_rate` Hz."""
        return self.model(torch.tensor(prepare(waveforms, sample_rate, SAMPLE_RATE, N_SAMPLES))).numpy()

    def describe(self) -> dict[str, Any]:
        """Name, input, size and content key."""
        return {
            "name": f"CLAP {self.name}, audio tower",
            "input": f"{N_SAMPLES} samples at {SAMPLE_RATE} Hz, shorter clips repeated",
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "tower_parameters": sum(p.numel() for p in self.model.parameters()),
            "key": self.key,
        }


def load_clap(settings: AudioEncoderSettings) -> ClapAudioEncoder:
    """Open CLAP's audio tower from the file `settings.weights`.

    Raises
    ------
    WeightsError
        No file is named, or it is missing, truncated or another model's.
    """
    if not settings.weights:
        raise WeightsError(f"the audio encoder is 'clap' and encoders.audio.weights is empty. {FETCH}")
    path = Path(settings.weights)
    state = read_weights(path, FETCH)
    tower = clap_tower(settings.model)
    load_strict(tower, state, path, FETCH)
    config = {"model": settings.model, "sample_rate": SAMPLE_RATE, "n_samples": N_SAMPLES, "fill": "repeat"}
    return ClapAudioEncoder(tower, settings.model, content_key(path, config))
