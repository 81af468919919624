"""The small CLIP that stands in for CLIP ViT-B/32 where no weights can be fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from avsep_lib.encoders.frames import normalise, resize_crop
from avsep_lib.encoders.settings import ImageEncoderSettings
from avsep_lib.encoders.towers import MiniClip, tokenize
from avsep_lib.encoders.weights import best_device, content_key, load_strict, read_config, read_weights
from avsep_lib.settings import from_dict

RETRAIN = "Train it again: `python -m avsep_lib.encoders.train image`, or delete the folder and run `make figures`."


class MiniImageEncoder:
    """A trained `MiniClip`, frozen.

    Parameters
    ----------
    model
        The network; put into evaluation mode here.
    settings
        What it was built from.
    key
        Content key of weights and configuration.
    """

    def __init__(self, model: MiniClip, settings: ImageEncoderSettings, key: str) -> None:
        self.device = best_device()
        self.model = model.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)
        self.settings = settings
        self.key = key

    @classmethod
    def load(cls, folder: str | Path) -> MiniImageEncoder:
        """Open a folder written by `avsep_lib.encoders.train`; WeightsError when it is not complete."""
        folder = Path(folder)
        config = read_config(folder, "image", RETRAIN)
        settings = from_dict(ImageEncoderSettings, config["settings"], str(folder / "config.json"))
        model = MiniClip(settings)
        weights = folder / "model.safetensors"
        load_strict(model, read_weights(weights, RETRAIN), weights, RETRAIN)
        return cls(model, settings, content_key(weights, config))

    @torch.inference_mode()
    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Raw features, float32 (B, 512), of uint8 RGB frames (B, height, width, 3)."""
        images = normalise(resize_crop(frames, self.settings.image_size))
        return self.model.encode(images.to(self.device)).cpu().numpy()

    @torch.inference_mode()
    def encode_text(self, captions: list[str]) -> np.ndarray:
        """Unit vectors, float32 (B, 512), of captions."""
        return self.model.encode_text(tokenize(captions).to(self.device)).cpu().numpy()

    def describe(self) -> dict[str, Any]:
        """Name, input, size and content key."""
        return {
            "name": "mini CLIP (trained here)",
            "input": f"{self.settings.image_size} x {self.settings.image_size} pixels",
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "tower_parameters": sum(p.numel() for p in self.model.clip.visual.parameters()),
            "key": self.key,
        }
