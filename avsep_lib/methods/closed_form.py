"""Methods that learn nothing: what they share."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch

from avsep_lib.audio import LOG_FLOOR, apply_mask, stft
from avsep_lib.methods.assignment import assigned
from avsep_lib.methods.base import MASK_THRESHOLD, MaskMethod, MaskType, Query, query_values
from avsep_lib.settings import RunConfig


class ClosedForm(MaskMethod):
    """A method without training: masks on the linear-frequency grid, from the mixture alone.

    Queries are ``audio``, the true sources, and serve only to say which output is which (an oracle, as the literature
    has it; `avsep_lib.methods.assignment`); or ``none``: as many outputs as queries, in no order that means anything.
    """

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config.audio)
        self.config = config

    @abstractmethod
    def linear_masks(self, magnitude: np.ndarray, n: int) -> np.ndarray:
        """|X| (n_bins, n_frames), float64, to soft masks (n, n_bins, n_frames) in [0, 1]; equal input, equal output.

        Raises
        ------
        DataError
            Where the method cannot find so many sources.
        """

    def masks(self, spectrum: torch.Tensor, queries: list[Query]) -> torch.Tensor:
        """Masks ``(n, n_bins, n_frames)``, on the linear grid, in the order of `linear_masks`."""
        masks = self.linear_masks(spectrum.abs().double().numpy(), len(queries))
        return torch.from_numpy(masks).to(spectrum.real.dtype)

    @torch.no_grad()
    def estimate(self, waveform: np.ndarray, queries: list[Query]) -> dict[MaskType, np.ndarray]:
        """Estimates ``(n, n_output)`` for both mask types, in the order of the queries; see `MaskMethod.estimate`.

        Raises
        ------
        DataError
            Queries of another kind or of two kinds; a true source that is silent; see `linear_masks` as well.
        """
        kind = "none" if queries[0].kind == "none" else "audio"
        sources = query_values(queries, kind, self.config.method)
        spectrum = stft(torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32)), self.audio)
        masks = self.masks(spectrum, queries)
        if kind == "audio":
            soft = apply_mask(spectrum, masks, self.audio, linear=True)
            masks = assigned(masks, soft.numpy(), np.stack(sources)[:, : self.audio.n_output])
        return {
            mask: apply_mask(spectrum, masks, self.audio, threshold=threshold, linear=True).numpy()
            for mask, threshold in MASK_THRESHOLD.items()
        }


SILENT = LOG_FLOOR  # magnitude below which a point is empty: no mask can be told there
