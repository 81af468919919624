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

- The whole computation is in shares of the mixture's magnitude. A turn leaves the share c, the product of (1 - mask) of
  all turns before; a source's mask is c m + (1 - c) p with m from the Minus and p from the Plus network.
- In training, the turns follow the true energies, so that each turn's target is known; at test they follow the
  predicted ones. What was removed are the network's own predictions also in training, made with the running statistics
  of batch norm, as at test. One pass then takes the states of all turns together, which therefore share their
  statistics. No gradient flows through a removal.
- The loss of the final masks (`separation`) and that of the masks of sources still waiting, which compete for the turn
  and would otherwise never be trained (`waiting`), both the suite's weighted binary cross-entropy on binary masks; for
  `waiting`, a point counts as much as is left of it.
- The suite's warped spectrograms; n turns for n pictures, not until the rest is quiet.

References
----------
Xu, Dai, Lin, "Recursive visual sound separation using Minus-Plus net", ICCV 2019, doi:10.48550/arXiv.1908.11602.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from avsep_lib.audio import LOG_FLOOR, binary_target, loss_weight
from avsep_lib.losses import bce_binary
from avsep_lib.methods.network import Conditions, MaskNetwork
from avsep_lib.models.unet import UNet, initialise
from avsep_lib.models.upconv import folded_upconv
from avsep_lib.settings import RunConfig
from avsep_lib.training_data import Batch

EMPTY = math.log(LOG_FLOOR)  # log magnitude of a point without sound
SURE = 1e-6  # masks nearer to 0 or 1 are not told apart


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
        """``separation``: cross-entropy of the masks after both networks; ``waiting``: of the Minus network's masks of
        sources before their turn.
        """
        sources, mixture = batch["sources"], batch["mixture"]
        order = sources.square().mean(dim=(-2, -1)).argsort(dim=1, descending=True, stable=True)
        sources, images = _take(sources, order), _take(batch["images"], order)
        log_magnitude = torch.log(mixture[:, 0])
        left = self._removals(log_magnitude, images)
        minus = self._minus_of_all(log_magnitude, left, images)
        own = minus.diagonal(dim1=1, dim2=2).movedim(-1, 1)
        logits = self._joined(log_magnitude, left, own)
        terms = {"separation": bce_binary(logits.to(sources), sources, mixture)}
        return terms | {"waiting": waiting_loss(minus.to(sources), left, sources, mixture)}

    def masks(self, log_magnitude: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """Masks (B, n, R, T) for embeddings (B, n, embedding_dim), in their order."""
        log_magnitude = log_magnitude[:, 0]
        order, left, minus = self._turns(log_magnitude, conditions)
        return torch.sigmoid(_take(self._joined(log_magnitude, left, minus), order.argsort(dim=1)))

    def _minus_of_all(self, log_magnitude: torch.Tensor, left: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Minus logits (B, turn, source, R, T) from what is left at each turn, log shares (B, turn, R, T)."""
        n, states = left.shape[1], _share(log_magnitude[:, None], left)
        return self.minus(states.flatten(0, 1), images.repeat_interleave(n, dim=0)).unflatten(0, (-1, n))

    def _joined(self, log_magnitude: torch.Tensor, left: torch.Tensor, minus: torch.Tensor) -> torch.Tensor:
        """Logits of the masks of both networks; all are (B, turn, R, T), `left` log shares."""
        if left.shape[1] == 1:
            return minus
        later, of_later = left[:, 1:], minus[:, 1:]  # the first turn finds nothing removed
        own = _share(log_magnitude[:, None], later + F.logsigmoid(of_later.detach()))
        gone = 1 - later.exp()
        removed = _share(log_magnitude[:, None], gone.clamp_min(LOG_FLOOR).log())
        plus = self.plus(own.flatten(0, 1), removed.flatten(0, 1)).view_as(own)
        masks = later.exp() * torch.sigmoid(of_later) + gone * torch.sigmoid(plus)
        return torch.cat([minus[:, :1], torch.logit(masks, eps=SURE)], dim=1)

    @torch.no_grad()
    def _removals(self, log_magnitude: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Log of the shares that are left (B, n, R, T) at each turn, the turns being in the order of the pictures."""
        turns = [torch.zeros_like(log_magnitude)]
        training = self.minus.training
        self.minus.eval()
        for image in images[:, :-1].unbind(dim=1):
            logits = self.minus(_share(log_magnitude, turns[-1]), image[:, None])[:, 0]
            turns.append(turns[-1] + F.logsigmoid(-logits))
        self.minus.train(training)
        return torch.stack(turns, dim=1)

    def _turns(
        self, log_magnitude: torch.Tensor, images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """By predicted energy: whose turn it is (B, n), log shares left then and the Minus logits, (B, n, R, T)."""
        left, waiting = torch.zeros_like(log_magnitude), torch.ones_like(images[..., 0])
        order, turns, minus = [], [], []
        for _ in range(images.shape[1]):
            state = _share(log_magnitude, left)
            logits = self.minus(state, images)
            energy = (torch.sigmoid(logits) * state.exp()[:, None]).square().mean(dim=(-2, -1))
            order.append(energy.masked_fill(waiting == 0, -1).argmax(dim=1, keepdim=True))
            turns.append(left)
            minus.append(_take(logits, order[-1])[:, 0])
            waiting = waiting.scatter(1, order[-1], 0)
            left = left + F.logsigmoid(-minus[-1])
        return torch.cat(order, dim=1), torch.stack(turns, dim=1), torch.stack(minus, dim=1)


def waiting_loss(
    logits: torch.Tensor, left: torch.Tensor, sources: torch.Tensor, mixture: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy of logits (B, turn, source, R, T) of sources after their turn's own, all in the order of turns.

    Mean over pairs of a turn and a source that waits, 0 without any; `left` (B, turn, R, T) are log shares.
    """
    turn, source = torch.triu_indices(logits.shape[1], logits.shape[1], 1, device=logits.device)
    if len(turn) == 0:
        return logits.new_zeros(())
    weight = loss_weight(mixture) * left[:, turn].exp()
    target = binary_target(sources, mixture)[:, source]
    return F.binary_cross_entropy_with_logits(logits[:, turn, source], target, weight=weight)


def _share(log_magnitude: torch.Tensor, log_share: torch.Tensor) -> torch.Tensor:
    """The log magnitude of a share of each point, not below that of silence."""
    return (log_magnitude + log_share).clamp_min(EMPTY)


def _take(values: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Values (B, n, ...) of sources in another order (B, m), of each mixture its own."""
    return values[torch.arange(len(order), device=order.device)[:, None], order]


NETWORK = MPNet
