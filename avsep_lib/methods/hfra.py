"""Trained separators of the HFRA family: late, middle and hierarchical fusion, with or without alignment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from avsep_lib.audio import LOG_FLOOR, istft, warp
from avsep_lib.encoders.base import AudioEncoder
from avsep_lib.errors import DataError, WeightsError
from avsep_lib.methods.base import MaskMethod, Query, query_values
from avsep_lib.methods.checkpoint import built, read_checkpoint
from avsep_lib.methods.settings import FAMILY
from avsep_lib.models.separator import Separator, SeparatorOutput, prepare_visual
from avsep_lib.settings import RunConfig


class HFRA(MaskMethod):
    """A trained run.

    Queries are ``image``: a frozen embedding (512,), or a frame (3, H, W) uint8 where the visual backbone is trained.
    A run whose bottleneck is the teacher's embedding needs the teacher, and lets it hear the mixture itself.
    """

    def __init__(self, config: RunConfig, model: Separator, teacher: AudioEncoder | None = None) -> None:
        super().__init__(config.audio)
        self.config = config
        self.model = model.eval().to(memory_format=torch.channels_last)
        self.teacher = teacher

    @classmethod
    def load(cls, path: str | Path, teacher: AudioEncoder | None = None) -> HFRA:
        """Load ``model.safetensors``; its metadata hold the configuration.

        Parameters
        ----------
        path : path
        teacher : AudioEncoder, optional
            The frozen audio encoder; needed by runs with ``bottleneck=teacher``, ignored by others.

        Raises
        ------
        WeightsError
            Missing, truncated, or not a checkpoint of this suite; a run that needs the teacher, without it.
        """
        checkpoint = read_checkpoint(path)
        config = checkpoint.config
        if config.model.bottleneck == "teacher" and teacher is None:
            raise WeightsError(f"checkpoint {path} hears through the audio encoder; load it with that encoder")
        if config.method != FAMILY:
            raise WeightsError(f"checkpoint {path} is of method {config.method}; `registry.load_method` loads any")
        return cls(config, built(checkpoint, path, lambda: Separator(config.model)), teacher)

    @torch.no_grad()
    def forward(self, spectrum: torch.Tensor, queries: list[Query]) -> SeparatorOutput:
        """Run the network on one mixture spectrogram, complex ``(n_bins, n_frames)``."""
        values = query_values(queries, "image", "HFRA")
        self._check_shapes(values)
        visual = prepare_visual(torch.from_numpy(np.stack(values)))
        log_magnitude = torch.log(warp(spectrum.abs() + LOG_FLOOR, self.audio))
        return self.model(log_magnitude[None, None], visual[None], self._heard(spectrum))

    def _heard(self, spectrum: torch.Tensor) -> torch.Tensor | None:
        """The teacher's embedding (1, 512) of the mixture, where the network reads it."""
        if self.config.model.bottleneck != "teacher":
            return None
        waveform = istft(spectrum[None], self.audio).numpy()
        return torch.from_numpy(self.teacher.encode(waveform, self.sample_rate))

    def _check_shapes(self, values: list[np.ndarray]) -> None:
        """DataError for embeddings of another encoder, or for frames where embeddings belong and vice versa."""
        size = self.config.model.frame_size
        frames = self.config.model.backbone == "resnet18"
        expected = (3, size, size) if frames else (self.config.model.embedding_dim,)
        if wrong := [value.shape for value in values if value.shape != expected]:
            raise DataError(f"HFRA: query of shape {wrong[0]}; this run was trained on {expected}")

    def masks(self, spectrum: torch.Tensor, queries: list[Query]) -> torch.Tensor:
        """Masks ``(n, n_rows, n_frames)``."""
        return self.forward(spectrum, queries).masks[0]
