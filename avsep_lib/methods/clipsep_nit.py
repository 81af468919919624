"""CLIPSep-NIT: late fusion that may lay what fits no query into two noise masks (noise-invariant training).

Two further heads read the mean of the queries before their sigmoid. In training each query mask gets one noise mask added
and cut at 1, in the assignment that fits better; a regulariser keeps the noise small. When it separates, the query masks
stand alone, as in the original's evaluation.

References
----------
Dong et al., "CLIPSep: learning text-queried sound separation with noisy unlabeled videos", ICLR 2023, section 4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from avsep_lib.audio import binary_target, loss_weight
from avsep_lib.errors import DataError
from avsep_lib.methods.network import MaskNetwork
from avsep_lib.models.unet import QueriedUNet, initialise
from avsep_lib.settings import RunConfig
from avsep_lib.training_data import Batch

N_NOISE = 2  # heads; the assignment of noise masks to queries is defined for two sources only
NEARLY_ONE = 1 - 1e-6  # a sum of masks at which the cross-entropy is still finite; float32 has 6e-8 below 1


class CLIPSepNIT(MaskNetwork):
    """Late U-Net with noise heads; trained on two sources, separates any number."""

    reads = ("mixture", "sources", "images")

    def __init__(self, config: RunConfig, classes: tuple[str, ...]) -> None:
        super().__init__(config, classes)
        n_maps = config.model.n_maps
        self.net = QueriedUNet(config.model.channels, n_maps)
        self.projection = nn.Linear(config.model.embedding_dim, n_maps)
        self.noise = nn.ModuleList(nn.Linear(n_maps, n_maps) for _ in range(N_NOISE))
        self.scale = nn.Parameter(torch.ones(n_maps))
        self.bias = nn.Parameter(torch.zeros(1))
        for layer in (self.projection, *self.noise):
            initialise(layer)

    def logits(self, log_magnitude: torch.Tensor, images: torch.Tensor, *, noise: bool) -> torch.Tensor:
        """Mask logits of the n queries (B, n, R, T); with `noise`, of the two noise masks after them (B, n + 2, R, T)."""
        query = self.projection(images)
        weights = torch.sigmoid(query)
        if noise:
            heads = torch.stack([torch.sigmoid(head(query.mean(dim=1))) for head in self.noise], dim=1)
            weights = torch.cat([weights, heads], dim=1)
        return self.net(log_magnitude, weights * self.scale, self.bias)

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """See `Network.forward`; DataError for other than two sources."""
        if batch["sources"].shape[1] != N_NOISE:
            raise DataError(f"clipsep_nit is trained on two sources, not {batch['sources'].shape[1]}")
        logits = self.logits(torch.log(batch["mixture"]), batch["images"], noise=True)
        masks, noise = torch.sigmoid(logits).split([N_NOISE, N_NOISE], dim=1)
        losses = torch.stack([self._loss(masks + order, batch) for order in (noise, noise.flip(1))])
        options = self.config.options
        excess = F.relu(noise.sum(dim=1).mean() - options.noise_level)
        return {"separation": losses.amin(dim=0).mean(), "noise": options.noise_weight * excess}

    def _loss(self, masks: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Weighted cross-entropy of summed masks, cut at 1, for each mixture (B,)."""
        target = binary_target(batch["sources"], batch["mixture"])
        weight = loss_weight(batch["mixture"]).expand_as(target)
        cut = masks.clamp(max=NEARLY_ONE)
        return F.binary_cross_entropy(cut, target, weight=weight, reduction="none").mean(dim=(1, 2, 3))

    def masks(self, log_magnitude: torch.Tensor, conditions: torch.Tensor | None) -> torch.Tensor:
        """See `MaskNetwork.masks`; noise heads off."""
        return torch.sigmoid(self.logits(log_magnitude, conditions, noise=False))


NETWORK = CLIPSepNIT
