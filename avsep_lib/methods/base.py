"""The interface of every separation method, and what mask-based methods share.

A method is one file in this package. It answers ``separate(mixture, queries)`` at its own sample rate; a query says
what to look for, in whichever form the method understands.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch

from avsep_lib.audio import apply_mask, stft
from avsep_lib.errors import DataError
from avsep_lib.settings import AudioSettings

MASK_THRESHOLD = {"soft": None, "binary": 0.5}  # the lineage binarises at 0.5, after unwarping
MaskType = Literal["soft", "binary"]


@dataclass(frozen=True)
class Query:
    """What to separate.

    Attributes
    ----------
    kind : str
        ``image`` (an embedding (512,) or a frame (3, H, W)), ``text``, ``audio`` (a waveform (samples,)), ``label``,
        ``none`` (unconditional methods), or ``pair`` (a positive and a negative query).
    value : Any
        The query itself; for ``pair`` a tuple of two queries, either of which may be None.
    """

    kind: Literal["image", "text", "audio", "label", "none", "pair"]
    value: Any = None


class SeparationMethod(Protocol):
    """Anything that separates."""

    sample_rate: int

    def separate(self, mixture: np.ndarray, queries: list[Query]) -> np.ndarray:
        """Mixture ``(channels, samples)`` and n queries to estimates ``(n, channels, samples)``."""


def query_values(queries: list[Query], kind: str, method: str) -> list[Any]:
    """Values of queries that must all be of one kind; DataError names the odd one."""
    for i, query in enumerate(queries):
        if query.kind != kind:
            raise DataError(f"{method}: query {i} is of kind {query.kind!r}; this method understands {kind!r}")
    return [query.value for query in queries]


class MaskMethod(ABC):
    """Methods that predict masks on the warped grid and keep the mixture's phase.

    Parameters
    ----------
    audio : AudioSettings
    """

    def __init__(self, audio: AudioSettings) -> None:
        self.audio = audio
        self.sample_rate = audio.sample_rate

    @abstractmethod
    def masks(self, spectrum: torch.Tensor, queries: list[Query]) -> torch.Tensor:
        """Mixture spectrogram, complex ``(n_bins, n_frames)``, to masks ``(n, n_rows, n_frames)`` in [0, 1]."""

    @torch.no_grad()
    def estimate(self, waveform: np.ndarray, queries: list[Query]) -> dict[MaskType, np.ndarray]:
        """Estimates ``(n, n_output)`` of a mono mixture ``(n_samples,)`` for both mask types, masks computed once."""
        spectrum = self.spectrum(waveform)
        return self.applied(spectrum, self.masks(spectrum, queries))

    def spectrum(self, waveform: np.ndarray) -> torch.Tensor:
        """Spectrogram, complex ``(n_bins, n_frames)``, of a mono mixture ``(n_samples,)``."""
        return stft(torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32)), self.audio)

    def applied(self, spectrum: torch.Tensor, masks: torch.Tensor) -> dict[MaskType, np.ndarray]:
        """Estimates ``(n, n_output)`` for both mask types, of what `spectrum` and `masks` return."""
        return {
            kind: apply_mask(spectrum, masks, self.audio, threshold=threshold).numpy()
            for kind, threshold in MASK_THRESHOLD.items()
        }

    def separate(self, mixture: np.ndarray, queries: list[Query], *, mask: MaskType = "soft") -> np.ndarray:
        """Estimates ``(n, channels, n_output)``; channels are separated one by one.

        Raises
        ------
        DataError
            When the mixture is not ``(channels, audio.n_samples)`` or a query is of the wrong kind.
        """
        if mixture.ndim != 2:
            raise DataError(f"separate: expected a mixture (channels, samples), got shape {mixture.shape}")
        return np.stack([self.estimate(channel, queries)[mask] for channel in mixture], axis=1)
