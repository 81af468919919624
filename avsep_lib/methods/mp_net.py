"""MP-Net (MinusPlus): the loudest source first, then what is left; what was taken too much is given back.

After the original paper, details unverified. Its idea: the Minus network finds the mask of the source that is loudest
by average energy, that source is subtracted from the mixture's magnitude, and the same network goes on with what is
left. A sound that two sources share has then gone with the louder one; so for every later source the Plus network
reads what was removed and adds what belongs to the source.

Minus network: U-Net with `minus_maps` output maps, weighted by the sigmoid of a linear layer of the picture's frozen
embedding. Every picture that has not had its turn makes a mask; the one whose masked magnitude has the highest mean
square is next. Plus network: a second, shallower U-Net (its first `plus_levels` widths); a 1x1 convolution makes its
one input map of two, the log magnitude of what the Minus network gives to the source and of what was removed before.

Ours:

- A removal is binary (mask > 0.5, as at test): each time-frequency point is left or was removed. The Minus network
  answers for points that are left, the Plus network for those that were removed, and one loss, the suite's weighted
  binary cross-entropy on binary masks, trains both.
- In training, the turns follow the true energies, so that each turn's target is known; at test they follow the
  predicted ones. What was removed are the network's own predictions also in training, made with the running statistics
  of batch norm, as at test. One pass then takes the states of all turns together, which therefore share their
  statistics. No gradient flows through a removal.
- The suite's warped spectrograms; n turns for n pictures, not until the rest is quiet.

References
----------
Xu, Dai, Lin, "Recursive visual sound separation using Minus-Plus net", ICCV 2019, doi:10.1109/ICCV.2019.00097.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from avsep_lib.audio import LOG_FLOOR
from avsep_lib.losses import bce_binary
from avsep_lib.methods.network import Conditions, MaskNetwork
from avsep_lib.models.unet import UNet, initialise
from avsep_lib.models.upconv import folded_upconv
from avsep_lib.settings import RunConfig
from avsep_lib.training_data import Batch

EMPTY = math.log(LOG_FLOOR)  # log magnitude of a point without sound


def unet_logits(unet: UNet, log_magnitude: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """A U-Net's output maps, weighted and added up: (B, 1, R, T) and weights (B, q, maps) to (B, q, R, T).

    Outermost convolution and weights make one kernel.
    """
    levels = unet.encode(log_magnitude)
    joined = torch.cat([F.relu(levels[0]), unet.decode(levels, None)], dim=1)
    kernels = (weights @ unet.out.weight.flatten(1)).unflatten(-1, unet.out.weight.shape[1:])
    return folded_upconv(joined, kernels) + (weights @ unet.out.bias)[..., None, None]


class Minus(nn.Module):
    """Mask logits of sources in what is left of a mixture."""

    def __init__(self, channels: tuple[int, ...], n_maps: int, embedding_dim: int) -> None:
        super().__init__()
        self.unet = UNet(channels, n_maps, 0)
        self.weights = nn.Linear(embedding_dim, n_maps)
        self.weights.apply(initialise)

    def forward(self, left: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Log magnitudes (B, R, T) and embeddings (B, q, embedding_dim) to logits (B, q, R, T)."""
        return unet_logits(self.unet, left[:, None], torch.sigmoid(self.weights(images)))


class Plus(nn.Module):
    """Mask logits of sources in what was removed before."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.join = nn.Conv2d(2, 1, 1, bias=False)  # batch norm follows
        self.unet = UNet(channels, 1, 0)

    def forward(self, own: torch.Tensor, removed: torch.Tensor) -> torch.Tensor:
        """Log magnitudes of the source so far and of what was removed, (B, R, T) each, to logits (B, R, T)."""
        joined = self.join(torch.stack([own, removed], dim=1))
        return unet_logits(self.unet, joined, joined.new_ones(len(joined), 1, 1))[:, 0]


class MPNet(MaskNetwork):
    """MP-Net; see the module."""

    reads: ClassVar[tuple[str, ...]] = ("mixture", "sources", "images")
    conditions: ClassVar[Conditions] = "images"

    def __init__(self, config: RunConfig, classes: tuple[str, ...]) -> None:
        super().__init__(config, classes)
        model, options = config.model, config.options
        self.minus = Minus(model.channels, options.minus_maps, model.embedding_dim)
        self.plus = Plus(model.channels[: options.plus_levels])

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """``separation``: weighted binary cross-entropy of the masks after both networks, in the order of true energies."""
        sources, mixture = batch["sources"], batch["mixture"]
        order = sources.square().mean(dim=(-2, -1)).argsort(dim=1, descending=True, stable=True)
        sources, images = _take(sources, order), _take(batch["images"], order)
        log_magnitude = torch.log(mixture[:, 0])
        logits = self._logits(log_magnitude, self._removals(log_magnitude, images), images)
        return {"separation": bce_binary(logits.to(sources), sources, mixture)}

    def masks(self, log_magnitude: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """Masks (B, n, R, T) for embeddings (B, n, embedding_dim), in their order."""
        log_magnitude = log_magnitude[:, 0]
        order, left = self._turns(log_magnitude, conditions)
        logits = self._logits(log_magnitude, left, _take(conditions, order))
        return torch.sigmoid(_take(logits, order.argsort(dim=1)))

    def _logits(self, log_magnitude: torch.Tensor, left: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, n, R, T) of sources in the order of their turns: Minus where sound is left, Plus elsewhere."""
        n, mixtures = left.shape[1], log_magnitude[:, None]
        states = _only(mixtures, left)
        minus = self.minus(states.flatten(0, 1), images.flatten(0, 1)[:, None]).view_as(states)
        if n == 1:
            return minus
        own = _only(mixtures, left & (minus > 0))[:, 1:]  # the first turn finds nothing removed
        plus = self.plus(own.flatten(0, 1), _only(mixtures, ~left)[:, 1:].flatten(0, 1)).view_as(own)
        return torch.cat([minus[:, :1], torch.where(left[:, 1:], minus[:, 1:], plus)], dim=1)

    @torch.no_grad()
    def _removals(self, log_magnitude: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Which points are left (B, n, R, T) at each turn, the turns being in the order of the pictures."""
        left, turns = torch.ones_like(log_magnitude, dtype=torch.bool), []
        training = self.minus.training
        self.minus.eval()
        for image in images.unbind(dim=1):
            turns.append(left)
            if len(turns) < images.shape[1]:
                left = left & (self.minus(_only(log_magnitude, left), image[:, None])[:, 0] <= 0)
        self.minus.train(training)
        return torch.stack(turns, dim=1)

    def _turns(self, log_magnitude: torch.Tensor, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Whose turn it is (B, n), by predicted energy, and which points are left then (B, n, R, T)."""
        left, waiting = torch.ones_like(log_magnitude, dtype=torch.bool), torch.ones_like(images[..., 0])
        order, turns = [], []
        for _ in range(images.shape[1]):
            logits = self.minus(_only(log_magnitude, left), images)
            heard = torch.sigmoid(logits) * (torch.exp(log_magnitude) * left)[:, None]
            energy = heard.square().mean(dim=(-2, -1)).masked_fill(waiting == 0, -1)
            chosen = energy.argmax(dim=1, keepdim=True)
            order.append(chosen)
            turns.append(left)
            waiting = waiting.scatter(1, chosen, 0)
            left = left & (_take(logits, chosen)[:, 0] <= 0)
        return torch.cat(order, dim=1), torch.stack(turns, dim=1)


def _only(log_magnitude: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """The log magnitude where `points`, elsewhere silence."""
    return torch.where(points, log_magnitude, EMPTY)


def _take(values: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Values (B, n, ...) of sources in another order (B, m), of each mixture its own."""
    return values[torch.arange(len(order), device=order.device)[:, None], order]


NETWORK = MPNet
