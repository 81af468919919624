"""What networks share that put out sound and are asked for nothing: permutation-invariant training on waveforms.

References
----------
Yu et al., "Permutation invariant training of deep models for speaker-independent multi-talker speech separation", 2017,
doi:10.1109/ICASSP.2017.7952154.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F

from avsep_lib.errors import DataError
from avsep_lib.losses import permutation_invariant
from avsep_lib.methods.network import Conditions, WaveNetwork
from avsep_lib.training_data import Batch

Distance = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # two sounds (B, samples) to (B,)


def l1(estimate: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference, (B, samples) to (B,)."""
    return (estimate - source).abs().mean(dim=-1)


def mse(estimate: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Mean squared difference, (B, samples) to (B,)."""
    return (estimate - source).square().mean(dim=-1)


def best_assignment(estimates: torch.Tensor, sources: torch.Tensor, distance: Distance) -> torch.Tensor:
    """Mean distance under the best assignment of outputs to sources, which each mixture has for itself.

    Parameters
    ----------
    estimates : Tensor, shape (B, m, samples)
    sources : Tensor, shape (B, n, samples)
        Where n < m, silence is added: outputs that are not needed learn to be silent.
    distance : callable

    Raises
    ------
    DataError
        More sources than outputs.
    """
    spare = estimates.shape[1] - sources.shape[1]
    if spare < 0:
        raise DataError(
            f"mixtures of {sources.shape[1]} sources for n_outputs = {estimates.shape[1]}; set n_outputs to at least "
            f"{sources.shape[1]}"
        )
    sources = F.pad(sources, (0, 0, 0, spare))
    pairs = [
        torch.stack([distance(estimate, source) for source in sources.unbind(1)], dim=-1)
        for estimate in estimates.to(sources).unbind(1)
    ]
    return permutation_invariant(torch.stack(pairs, dim=1)).mean()


class Unconditional(WaveNetwork):
    """A network with a fixed number of sounds as outputs, in no order that means anything."""

    reads: ClassVar[tuple[str, ...]] = ("waveforms",)
    conditions: ClassVar[Conditions] = "none"
    distance: ClassVar[Distance]

    @abstractmethod
    def estimates(self, mixture: torch.Tensor) -> torch.Tensor:
        """Mixtures (B, n_samples) to sounds (B, m, samples), with as many samples or `n_output`; not clipped."""

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """``separation``: permutation-invariant distance of the outputs to the sources."""
        sources = batch["waveforms"]
        estimates = self.estimates(sources.sum(dim=1))
        targets = sources[..., : estimates.shape[-1]]
        return {"separation": best_assignment(estimates, targets, type(self).distance)}

    def separate(self, waveform: torch.Tensor, conditions: torch.Tensor | None = None) -> torch.Tensor:
        """Mixtures (B, n_samples) to estimates (B, m, n_output) in [-1, 1]; `conditions` are not read."""
        return self.estimates(waveform)[..., : self.audio.n_output].clamp(-1, 1)
