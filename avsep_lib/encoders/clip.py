"""CLIP ViT-B/32 with OpenAI's weights: the paper's visual encoder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from avsep_lib.encoders.frames import normalise, resize_crop
from avsep_lib.encoders.settings import ImageEncoderSettings
from avsep_lib.encoders.towers import tokenize
from avsep_lib.encoders.weights import content_key, load_strict, read_weights, state_key
from avsep_lib.errors import WeightsError

# Not "ViT-B-32": that one loads the same file without a word and computes another activation.
MODEL = "ViT-B-32-quickgelu"
IMAGE_SIZE = 224
FETCH = (
    "Fetch open_clip_model.safetensors (605 MB) of timm/vit_base_patch32_clip_224.openai from the Hugging Face hub, put "
    "it anywhere, and name it in the profile: encoders.image.weights. With a network, `hub: online` fetches it."
)


class ClipImageEncoder:
    """open_clip's CLIP, frozen; features stay raw, as in HFRA."""

    def __init__(self, model: nn.Module, key: str, source: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.key = key
        self.source = source

    @torch.inference_mode()
    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Raw features, float32 (B, 512), of uint8 RGB frames (B, height, width, 3)."""
        return self.model.encode_image(normalise(resize_crop(frames, IMAGE_SIZE))).numpy()

    @torch.inference_mode()
    def encode_text(self, captions: list[str]) -> np.ndarray:
        """Unit vectors, float32 (B, 512), of captions."""
        return self.model.encode_text(tokenize(captions, 77), normalize=True).numpy()

    def describe(self) -> dict[str, Any]:
        """Name, input, size and content key."""
        return {
            "name": f"CLIP {MODEL}, OpenAI weights ({self.source})",
            "input": f"{IMAGE_SIZE} x {IMAGE_SIZE} pixels",
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "tower_parameters": sum(p.numel() for p in self.model.visual.parameters()),
            "key": self.key,
        }


def load_clip(settings: ImageEncoderSettings) -> ClipImageEncoder:
    """Open CLIP from the file `settings.weights`, or by tag when that is empty and hubs may be reached.

    The profile's `hub` decides; the workflow hands it on as HF_HUB_OFFLINE.

    Raises
    ------
    WeightsError
        The file is missing, truncated or another model's, or nothing may be fetched.
    """
    import open_clip

    config = {"model": MODEL, "image_size": IMAGE_SIZE}
    if settings.weights:
        path = Path(settings.weights)
        state = read_weights(path, FETCH)
        model = open_clip.CLIP(**open_clip.get_model_config(MODEL))
        load_strict(model, state, path, FETCH)
        return ClipImageEncoder(model, content_key(path, config), path.name)
    if os.environ.get("HF_HUB_OFFLINE", "1") != "0":
        raise WeightsError(f"the image encoder is 'clip' and encoders.image.weights is empty. {FETCH}")
    try:
        model = open_clip.create_model(MODEL, pretrained="openai", require_pretrained=True)
    except (RuntimeError, OSError) as error:
        raise WeightsError(f"CLIP could not be fetched ({error}). {FETCH}") from None
    return ClipImageEncoder(model, state_key(model, config), "openai")
