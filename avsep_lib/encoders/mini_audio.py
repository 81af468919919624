"""The small CLAP (HTS-AT audio tower) that stands in for LAION's where no weights can be fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from avsep_lib.encoders.settings import AudioEncoderSettings
from avsep_lib.encoders.towers import MiniClap, tokenize
from avsep_lib.encoders.waveforms import prepare
from avsep_lib.encoders.weights import best_device, content_key, load_strict, read_config, read_weights
from avsep_lib.settings import from_dict

RETRAIN = "Train it again: `python -m avsep_lib.encoders.train audio`, or delete the folder and run `make figures`."


class MiniAudioEncoder:
    """A trained `MiniClap`, frozen.

    Parameters
    ----------
    model
        The network; put into evaluation mode here (training mode would mask the spectrogram at random).
    settings
        What it was built from.
    sample_rate
        The rate it was trained on, in Hz.
    key
        Content key of weights and configuration.
    """

    def __init__(self, model: MiniClap, settings: AudioEncoderSettings, sample_rate: int, key: str) -> None:
        self.device = best_device()
        self.model = model.eval().requires_grad_(False).to(self.device)
        self.settings = settings
        self.sample_rate = sample_rate
        self.key = key

    @classmethod
    def load(cls, folder: str | Path) -> MiniAudioEncoder:
        """Open a folder written by `avsep_lib.encoders.train`; WeightsError when it is not complete."""
        folder = Path(folder)
        config = read_config(folder, "audio", RETRAIN)
        settings = from_dict(AudioEncoderSettings, config["settings"], str(folder / "config.json"))
        model = MiniClap(settings, config["sample_rate"])
        weights = folder / "model.safetensors"
        load_strict(model, read_weights(weights, RETRAIN), weights, RETRAIN)
        return cls(model, settings, config["sample_rate"], content_key(weights, config))

    @torch.inference_mode()
    def encode(self, waveforms: np.ndarray, sample_rate: int) -> np.ndarray:
        """Unit vectors, float32 (B, 512), of mono waveforms (B, samples).

        Another rate is resampled and another length cropped or repeated to what the encoder was trained on, because
        HTS-AT would stretch the spectrogram without a word; mixtures of the profile's own rate pass untouched.

        Raises
        ------
        DataError
            A value that is not finite.
        """
        prepared = prepare(waveforms, sample_rate, self.sample_rate, self.settings.n_samples)
        return self.model.encode(torch.tensor(prepared).to(self.device)).cpu().numpy()

    @torch.inference_mode()
    def encode_text(self, captions: list[str]) -> np.ndarray:
        """Unit vectors, float32 (B, 512), of captions."""
        return self.model.encode_text(tokenize(captions).to(self.device)).cpu().numpy()

    def describe(self) -> dict[str, Any]:
        """Name, input, size and content key."""
        return {
            "name": "mini CLAP (trained here)",
            "input": f"{self.settings.n_samples} samples at {self.sample_rate} Hz",
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "tower_parameters": sum(p.numel() for p in self.model.audio.parameters()),
            "key": self.key,
        }
