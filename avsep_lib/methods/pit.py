"""A U-Net that is asked nothing: fixed outputs, trained in whichever order fits best (permutation-invariant training).

This is also "Sound-of-Pixels without visual" of SGN's tables, which SGN does not describe: the U-Net alone.

References
----------
Yu et al., 2017, doi:10.1109/ICASSP.2017.7952154; Dong et al., "CLIPSep", ICLR 2023 (the PIT baseline of its repository).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from avsep_lib.audio import binary_target, loss_weight
from avsep_lib.errors import DataError
from avsep_lib.losses import permutation_invariant
from avsep_lib.methods.network import MaskNetwork
from avsep_lib.models.unet import QueriedUNet
from avsep_lib.settings import RunConfig
from avsep_lib.training_data import Batch


class OutputsUNet(MaskNetwork):
    """U-Net, then a 1x1 convolution to `n_outputs` mask logits; what is trained is up to the methods that share it."""

    conditions = "none"

    def __init__(self, config: RunConfig, classes: tuple[str, ...]) -> None:
        super().__init__(config, classes)
        self.net = QueriedUNet(config.model.channels, config.model.n_maps)
        head = nn.Conv2d(config.model.n_maps, config.options.n_outputs, 1)
        self.weights = nn.Parameter(head.weight.detach()[:, :, 0, 0])  # PyTorch's own initialisation, as the original's
        self.offsets = nn.Parameter(head.bias.detach())

    def logits(self, log_magnitude: torch.Tensor) -> torch.Tensor:
        """(B, 1, R, T) to (B, m, R, T)."""
        return self.net(log_magnitude, self.weights.expand(len(log_magnitude), -1, -1), self.offsets)

    def masks(self, log_magnitude: torch.Tensor, conditions: torch.Tensor | None) -> torch.Tensor:
        """See `MaskNetwork.masks`."""
        return torch.sigmoid(self.logits(log_magnitude))


class PIT(OutputsUNet):
    """Weighted cross-entropy on binary masks, least over the orders of the outputs, for each mixture by itself."""

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """See `Network.forward`; DataError unless there are as many sources as outputs."""
        n = batch["sources"].shape[1]
        if n != self.config.options.n_outputs:
            raise DataError(f"pit has {self.config.options.n_outputs} outputs for {n} sources; set n_outputs = {n}")
        logits = self.logits(torch.log(batch["mixture"]))
        target = binary_target(batch["sources"], batch["mixture"])
        weight = loss_weight(batch["mixture"])[:, :, None]
        pairs = (len(logits), n, n, *logits.shape[-2:])
        loss = F.binary_cross_entropy_with_logits(
            logits[:, :, None].expand(pairs), target[:, None].expand(pairs), reduction="none"
        )
        return {"separation": permutation_invariant((weight * loss).mean(dim=(-2, -1))).mean()}


NETWORK = PIT
