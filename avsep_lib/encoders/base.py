"""What every frozen encoder offers, and the one place that chooses among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings

EMBEDDING_DIM = 512


class ImageEncoder(Protocol):
    """Frames to embeddings."""

    key: str

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Embed uint8 RGB frames (B, height, width, 3) as float32 (B, 512), *not* normalised (paper section 3)."""

    def encode_text(self, captions: list[str]) -> np.ndarray:
        """Embed captions as unit float32 vectors (B, 512) of the same space."""

    def describe(self) -> dict[str, Any]:
        """Return name, size and content key as plain values, for tables and sidecars."""


class AudioEncoder(Protocol):
    """Waveforms to embeddings."""

    key: str

    def encode(self, waveforms: np.ndarray, sample_rate: int) -> np.ndarray:
        """Embed float32 mono waveforms (B, samples) as float32 (B, 512) of unit norm."""

    def describe(self) -> dict[str, Any]:
        """Return name, size and content key as plain values, for tables and sidecars."""


def load_image_encoder(settings: ImageEncoderSettings, folder: str | Path) -> ImageEncoder:
    """Open the image encoder that `settings.kind` names.

    Parameters
    ----------
    settings
        Settings of the profile.
    folder
        Where `avsep_lib.encoders.train` left the mini encoder; not read for `clip`.

    Raises
    ------
    WeightsError
        If the weights are missing, truncated or made for another model.
    """
    if settings.kind == "clip":
        from avsep_lib.encoders.clip import load_clip

        return load_clip(settings)
    from avsep_lib.encoders.mini_image import MiniImageEncoder

    return MiniImageEncoder.load(folder)


def load_audio_encoder(settings: AudioEncoderSettings, folder: str | Path) -> AudioEncoder:
    """Open the audio encoder that `settings.kind` names; see `load_image_encoder`."""
    if settings.kind == "clap":
        from avsep_lib.encoders.clap import load_clap

        return load_clap(settings)
    from avsep_lib.encoders.mini_audio import MiniAudioEncoder

    return MiniAudioEncoder.load(folder)
