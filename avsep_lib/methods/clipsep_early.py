"""CLIPSep's early fusion: the query is spread over the spectrogram and enters with it, one full pass per source.

References
----------
Dong et al., "CLIPSep: learning text-queried sound separation with noisy unlabeled videos", ICLR 2023. One frame stands
for a clip here, so the original's maximum over frames is of one.
"""

from __future__ import annotations

import torch
from torch import nn

from avsep_lib.losses import bce_binary
from avsep_lib.methods.network import MaskNetwork
from avsep_lib.models.unet import QueriedUNet, initialise
from avsep_lib.settings import RunConfig
from avsep_lib.training_data import Batch


class CLIPSepEarly(MaskNetwork):
    """U-Net with 1 + `early_dim` input maps and one output map; the mask is its sigmoid."""

    reads = ("mixture", "sources", "images")

    def __init__(self, config: RunConfig, classes: tuple[str, ...]) -> None:
        super().__init__(config, classes)
        self.projection = nn.Linear(config.model.embedding_dim, config.options.early_dim)
        self.net = QueriedUNet(config.model.channels, 1, n_inputs=1 + config.options.early_dim)
        initialise(self.projection)

    def logits(self, log_magnitude: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """(B, 1, R, T) and (B, n, 512) to mask logits (B, n, R, T)."""
        batch, n = images.shape[:2]
        query = torch.sigmoid(self.projection(images)).flatten(0, 1)[..., None, None]
        size = log_magnitude.shape[-2:]
        each = log_magnitude.repeat_interleave(n, dim=0)
        seen = torch.cat([each, query.expand(-1, -1, *size)], dim=1)
        return self.net(seen, seen.new_ones(batch * n, 1, 1))[:, 0].unflatten(0, (batch, n))

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """See `Network.forward`."""
        logits = self.logits(torch.log(batch["mixture"]), batch["images"])
        return {"separation": bce_binary(logits, batch["sources"], batch["mixture"])}

    def masks(self, log_magnitude: torch.Tensor, conditions: torch.Tensor | None) -> torch.Tensor:
        """See `MaskNetwork.masks`."""
        return torch.sigmoid(self.logits(log_magnitude, conditions))


NETWORK = CLIPSepEarly
