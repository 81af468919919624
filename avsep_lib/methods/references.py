"""Floors and ceilings as ordinary methods: what any method must beat, and what masks of this size cannot exceed."""

from __future__ import annotations

import numpy as np
import torch

from avsep_lib.audio import LOG_FLOOR, binary_target, ratio_target, warp, warped_magnitudes
from avsep_lib.methods.base import MaskMethod, Query, query_values


class Mixture(MaskMethod):
    """Floor: the mixture itself as the estimate of every source (a mask of ones)."""

    def masks(self, spectrum: torch.Tensor, queries: list[Query]) -> torch.Tensor:
        """Ones, ``(n, n_rows, n_frames)``; the queries only tell how many."""
        return torch.ones(len(queries), self.audio.n_rows, spectrum.shape[-1])


class IdealMask(MaskMethod):
    """Ceilings: masks computed from the true sources on the same warped grid as the trained methods.

    Queries are ``audio``: the true source as it is in the mixture.
    """

    def _magnitudes(self, spectrum: torch.Tensor, queries: list[Query]) -> tuple[torch.Tensor, torch.Tensor]:
        sources = torch.from_numpy(np.stack(query_values(queries, "audio", type(self).__name__)))
        return warped_magnitudes(sources, self.audio), warp(spectrum.abs() + LOG_FLOOR, self.audio)


class IdealBinaryMask(IdealMask):
    """The training target itself: 1 where a source exceeds half of the mixture."""

    def masks(self, spectrum: torch.Tensor, queries: list[Query]) -> torch.Tensor:
        """Binary masks ``(n, n_rows, n_frames)``."""
        return binary_target(*self._magnitudes(spectrum, queries))


class IdealRatioMask(IdealMask):
    """|S| / |X| clamped to [0, 1]."""

    def masks(self, spectrum: torch.Tensor, queries: list[Query]) -> torch.Tensor:
        """Ratio masks ``(n, n_rows, n_frames)``."""
        return ratio_target(*self._magnitudes(spectrum, queries))


REFERENCES = {"mixture": Mixture, "ideal_binary": IdealBinaryMask, "ideal_ratio": IdealRatioMask}
