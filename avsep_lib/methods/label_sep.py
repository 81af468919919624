"""LabelSep: CLIPSep's late model, asked by learnt class embeddings instead of pictures.

It knows what pictures only show, which class is meant, and stands for what a perfect picture could tell a late model. A
clip of several classes (a duet) is asked for by the mean of their embeddings.

References
----------
Dong et al., "CLIPSep", ICLR 2023 (baseline of its repository).
"""

from __future__ import annotations

import torch
from torch import nn

from avsep_lib.errors import DataError
from avsep_lib.losses import bce_binary
from avsep_lib.methods.network import MaskNetwork
from avsep_lib.models.unet import QueriedUNet, initialise
from avsep_lib.settings import RunConfig
from avsep_lib.training_data import Batch


class LabelSep(MaskNetwork):
    """Late U-Net with an embedding per class."""

    reads = ("mixture", "sources", "labels")
    conditions = "labels"

    def __init__(self, config: RunConfig, classes: tuple[str, ...]) -> None:
        super().__init__(config, classes)
        if not classes:
            raise DataError(f"run {config.run_id}: no classes are known; label_sep asks by class")
        self.net = QueriedUNet(config.model.channels, config.model.n_maps)
        self.embedding = nn.Parameter(torch.randn(len(classes), config.options.label_dim))
        self.projection = nn.Linear(config.options.label_dim, config.model.n_maps)
        self.scale = nn.Parameter(torch.ones(config.model.n_maps))
        self.bias = nn.Parameter(torch.zeros(1))
        initialise(self.projection)

    def logits(self, log_magnitude: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """(B, 1, R, T) and multi-hot labels (B, n, C) to mask logits (B, n, R, T)."""
        share = labels / labels.sum(dim=-1, keepdim=True).clamp_min(1)
        weights = torch.sigmoid(self.projection(share.to(self.embedding.dtype) @ self.embedding))
        return self.net(log_magnitude, weights * self.scale, self.bias)

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """See `Network.forward`."""
        logits = self.logits(torch.log(batch["mixture"]), batch["labels"])
        return {"separation": bce_binary(logits, batch["sources"], batch["mixture"])}

    def masks(self, log_magnitude: torch.Tensor, conditions: torch.Tensor | None) -> torch.Tensor:
        """See `MaskNetwork.masks`."""
        return torch.sigmoid(self.logits(log_magnitude, conditions))


NETWORK = LabelSep
