"""AV-Mix-and-Separate: the mix-and-separate baseline of the co-separation line of work (HFRA, Table 2).

After the original paper, details unverified: it is named there as a baseline, and how the co-separation network is
built is taken for how the baseline is. Its idea: one pass of the audio U-Net per source, with a picture of the source
at the bottleneck, and a ratio mask under an L1 loss; the pictures' ResNet-18 is trained together with it.

The picture's way: ResNet-18 to a 32nd of the size, 1x1 convolution, batch norm and ReLU, all positions in a row, one
linear layer to the condition, which is tiled over the bottleneck (so in the released co-separation network, whose
condition is as wide as its bottleneck, 512). Without the linear layer, pictures of 224 pixels would condition by 6,272
numbers.

Ours: whole frames in place of detected objects, no consistency loss (which makes the difference to co-separation);
the suite's warped spectrograms and U-Net (log magnitudes, interpolation and convolution in place of transposed
convolution), ratios clamped to [0, 1]; the suite's weight of time-frequency points (the released command asks for a
weighted loss on log-frequency spectrograms); random weights of the trunk. The mixture is encoded once, whatever the
number of sources.

References
----------
Gao and Grauman, "Co-separating sounds of visual objects", ICCV 2019, doi:10.1109/ICCV.2019.00398.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from avsep_lib.audio import loss_weight, ratio_target
from avsep_lib.methods.network import Conditions, MaskNetwork
from avsep_lib.models.unet import UNet
from avsep_lib.models.upconv import folded_upconv
from avsep_lib.models.visual import MEAN, STD
from avsep_lib.settings import RunConfig
from avsep_lib.training_data import Batch

STRIDE = 32  # pixels of a frame per position of the trunk's map


class PictureNetwork(nn.Module):
    """ResNet-18, 1x1 convolution, one linear layer over all positions.

    Parameters
    ----------
    frame_size : int
        Pixels of a side.
    n_channels : int
        Of the 1x1 convolution.
    n_out : int
    """

    def __init__(self, frame_size: int, n_channels: int, n_out: int) -> None:
        super().__init__()
        resnet = torchvision.models.resnet18(weights=None)
        self.features = nn.Sequential(*list(resnet.children())[:-2])
        self.reduce = nn.Sequential(nn.Conv2d(512, n_channels, 1, bias=False), nn.BatchNorm2d(n_channels), nn.ReLU())
        side = -(-frame_size // STRIDE)  # convolutions round up
        self.head = nn.Linear(n_channels * side**2, n_out)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames (B, 3, frame_size, frame_size) in [0, 1] to conditions (B, n_out)."""
        features = self.reduce(self.features((frames - self.mean) / self.std))
        return self.head(features.flatten(1))


class AVMixSeparate(MaskNetwork):
    """AV-Mix-and-Separate; see the module. The condition is as wide as the bottleneck, the last of `model.channels`."""

    reads: ClassVar[tuple[str, ...]] = ("mixture", "sources", "frames")
    conditions: ClassVar[Conditions] = "frames"

    def __init__(self, config: RunConfig, classes: tuple[str, ...]) -> None:
        super().__init__(config, classes)
        width = config.model.channels[-1]
        self.unet = UNet(config.model.channels, 1, width)
        self.visual = PictureNetwork(config.model.frame_size, config.options.picture_dim, width)

    def masks(self, log_magnitude: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """Masks (B, n, R, T) for frames (B, n, 3, H, W)."""
        n = conditions.shape[1]
        levels = self.unet.encode(log_magnitude)
        pictures = self.visual(conditions.flatten(0, 1)).unflatten(0, conditions.shape[:2])
        below = self.unet.decode(levels, pictures)
        joined = torch.cat([F.relu(levels[0]).repeat(n, 1, 1, 1), below], dim=1)
        logits = folded_upconv(joined, self.unet.out.weight[None].expand(len(joined), -1, -1, -1, -1))
        logits = logits.unflatten(0, (n, -1)).squeeze(2).transpose(0, 1) + self.unet.out.bias
        return torch.sigmoid(logits)

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """``separation``: weighted mean absolute difference from the ratio masks."""
        target = ratio_target(batch["sources"], batch["mixture"])
        masks = self.masks(torch.log(batch["mixture"]), batch["frames"]).to(target)
        return {"separation": (loss_weight(batch["mixture"]) * (masks - target).abs()).mean()}


NETWORK = AVMixSeparate
