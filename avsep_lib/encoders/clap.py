"""LAION CLAP's audio tower (HTS-AT): the paper's alignment teacher.

What a checkpoint hears is fixed by its training, and is neither the band nor the length of the mixtures here:

- 480,000 samples (10 s) at 48,000 Hz. From them the network itself computes 1,001 frames of 64 mel bands between 50 and
  14,000 Hz: windows of 1,024 samples (Hann) every 480, power, Slaney's mel scale and area normalisation, decibels.
- Audio at 11,625 Hz holds nothing above 5,812 Hz, so that the centres of 15 of the 64 bands lie in silence (16 at
  11,025 Hz, 10 at 16,000 Hz): the paper uses this teacher outside what it was trained on.
- laion_clap rounds a waveform to 16 bits before it is heard, which moves the embedding by about 1e-6. Not done here.
- Shorter clips are filled to 10 s (`padding`). laion_clap's own way is ``repeatpad``, as many whole copies as fit and
  then zeros, so that the share of silence jumps with the length: a clip of 3.0 s ends in 48,000 zeros (1 s), 4.99 s in
  960, 5.00 s in none, 5.01 s in 239,520 (5 s), and 65,535 samples at 11,625 Hz in 209,404 (4.4 s of 10 s). With
  ``repeat``, the default here, the last copy is cut instead and nothing is silent. The paper does not say.
- Of a longer clip laion_clap takes a random part, from numpy's global generator; here it is the middle.

`padding`, `rate` and `band` are settings, and part of the content key; the last two are only compared with what the
checkpoints need.

References
----------
Wu et al., "Large-scale contrastive language-audio pretraining", ICASSP 2023, doi:10.1109/ICASSP49357.2023.10095969;
Chen et al., "HTS-AT", ICASSP 2022, doi:10.1109/ICASSP43922.2022.9746312.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from avsep_lib.encoders.pretrained import clap_file
from avsep_lib.encoders.settings import AudioEncoderSettings
from avsep_lib.encoders.sources import CLAP
from avsep_lib.encoders.towers import AudioTower, clap_tower
from avsep_lib.encoders.waveforms import prepare
from avsep_lib.encoders.weights import best_device, content_key, load_selected

N_SAMPLES = 480_000
PADDING_WORDS = {
    "repeat": "shorter clips repeated",
    "repeatpad": "shorter clips repeated as a whole, then silence",
    "pad": "shorter clips followed by silence",
}


class ClapAudioEncoder:
    """CLAP's HTS-AT and projection, frozen. It has no text tower; see `avsep_lib.encoders.clap_text` for one."""

    def __init__(self, tower: AudioTower, settings: AudioEncoderSettings, key: str) -> None:
        self.device = best_device()
        self.model = tower.eval().requires_grad_(False).to(self.device)
        self.settings = settings
        self.key = key

    @torch.inference_mode()
    def encode(self, waveforms: np.ndarray, sample_rate: int) -> np.ndarray:
        """Unit vectors, float32 (B, 512), of mono waveforms (B, samples) at `sample_rate` Hz."""
        prepared = prepare(waveforms, sample_rate, self.settings.rate, N_SAMPLES, self.settings.padding)
        return self.model(torch.tensor(prepared).to(self.device)).cpu().numpy()

    def describe(self) -> dict[str, Any]:
        """Name, input, size and content key."""
        parameters = sum(p.numel() for p in self.model.parameters())
        return {
            "name": f"CLAP {self.settings.model}, audio tower",
            "input": f"{N_SAMPLES} samples at {self.settings.rate} Hz, {PADDING_WORDS[self.settings.padding]}",
            "parameters": parameters,
            "tower_parameters": parameters,
            "key": self.key,
        }


def clap_key(path: Path, settings: AudioEncoderSettings) -> str:
    """Content key: the file, and every setting that an embedding depends on."""
    config = {name: getattr(settings, name) for name in ("model", "padding", "rate", "band")}
    return content_key(path, config | {"n_samples": N_SAMPLES})


def load_clap(settings: AudioEncoderSettings) -> ClapAudioEncoder:
    """Open CLAP from `settings.weights`: the audio tower, and the text tower where a tokenizer is named.

    `weights` is a safetensors file with ``audio_branch.*`` and ``audio_projection.*``, alone or among the rest of a
    CLAP checkpoint (also with ``module.`` before every name), or a folder with such a ``clap.safetensors``. Nothing is
    fetched by tag, even with an open hub: LAION publishes pickles only, and those are converted once, by hand.

    Raises
    ------
    WeightsError
        No file is named, or it is missing, truncated, changed or another model's, or the tokenizer is not RoBERTa's.
    """
    found = clap_file(settings)
    tower = clap_tower(settings.model)
    load_selected(tower, found.path, found.selection, CLAP.way_out(settings.weights))
    if not settings.tokenizer:
        return ClapAudioEncoder(tower, settings, clap_key(found.path, settings))
    from avsep_lib.encoders.clap_text import ClapWithText, load_text_tower

    return ClapWithText(tower, settings, clap_key(found.path, settings), *load_text_tower(settings))
