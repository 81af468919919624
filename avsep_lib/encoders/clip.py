"""CLIP ViT-B/32 with OpenAI's weights: the paper's visual encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from avsep_lib.encoders import hub
from avsep_lib.encoders.frames import normalise, resize_crop
from avsep_lib.encoders.pretrained import clip_file, clip_in
from avsep_lib.encoders.settings import ImageEncoderSettings
from avsep_lib.encoders.sources import CLIP
from avsep_lib.encoders.towers import tokenize
from avsep_lib.encoders.weights import best_device, content_key, load_selected
from avsep_lib.errors import WeightsError

# Not "ViT-B-32": that one loads the same file without a word and computes another activation.
MODEL = "ViT-B-32-quickgelu"
IMAGE_SIZE = 224


class ClipImageEncoder:
    """open_clip's CLIP, frozen; features stay raw, as in HFRA."""

    def __init__(self, model: nn.Module, key: str, source: str) -> None:
        self.device = best_device()
        self.model = model.eval().requires_grad_(False).to(self.device)
        self.key = key
        self.source = source

    @torch.inference_mode()
    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Raw features, float32 (B, 512), of uint8 RGB frames (B, height, width, 3)."""
        images = normalise(resize_crop(frames, IMAGE_SIZE)).to(self.device)
        return self.model.encode_image(images).cpu().numpy()

    @torch.inference_mode()
    def encode_text(self, captions: list[str]) -> np.ndarray:
        """Unit vectors, float32 (B, 512), of captions."""
        return self.model.encode_text(tokenize(captions, 77).to(self.device), normalize=True).cpu().numpy()

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
    """Open CLIP from `settings.weights`, or from the hub when that is empty and hubs may be reached.

    `weights` is a safetensors file in open_clip's naming, or a folder as open_clip writes it, which a revision in the
    hub's cache also is. The profile's `hub` decides about the network; the workflow hands it on as HF_HUB_OFFLINE.

    Raises
    ------
    WeightsError
        The file is missing, truncated, changed or another model's, or nothing may be fetched.
    """
    import open_clip

    if settings.weights:
        found, source = clip_file(settings), ""
    elif hub.online():
        found, source = clip_in(hub.fetched(CLIP), CLIP.way_out(), settings.sha256), "openai"
    else:
        raise WeightsError(f"the image encoder is 'clip' and encoders.image.weights is empty. {CLIP.way_out()}")
    model = open_clip.CLIP(**open_clip.get_model_config(MODEL))
    load_selected(model, found.path, found.selection, CLIP.way_out(settings.weights))
    key = content_key(found.path, {"model": MODEL, "image_size": IMAGE_SIZE})
    return ClipImageEncoder(model, key, source or found.path.name)
