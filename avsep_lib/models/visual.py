"""Sound-of-Pixels' visual network: a dilated ResNet-18 trained together with the separator.

References
----------
Zhao et al., "The Sound of Pixels", ECCV 2018, section 3.1; He et al., 2016, doi:10.1109/CVPR.2016.90.
"""

from __future__ import annotations

import torch
import torchvision
from torch import nn

MEAN = (0.485, 0.456, 0.406)  # ImageNet statistics of the input normalisation
STD = (0.229, 0.224, 0.225)


def _dilate(stage: nn.Sequential, dilation: int) -> None:
    """Trade the stage's stride for dilation, so that it keeps the resolution."""
    for module in stage.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
            if module.kernel_size == (3, 3):
                module.dilation = module.padding = (dilation, dilation)


class DilatedResNet18(nn.Module):
    """ResNet-18 without pooling and classifier, last stage dilated, 3x3 convolution, spatial maximum.

    Weights are random: no ImageNet weights are part of the embedded profiles, and tables say so.
    """

    def __init__(self, n_out: int) -> None:
        super().__init__()
        resnet = torchvision.models.resnet18(weights=None)
        _dilate(resnet.layer4, dilation=2)
        self.features = nn.Sequential(*list(resnet.children())[:-2])
        self.head = nn.Conv2d(512, n_out, 3, padding=1)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames ``(B, 3, H, W)`` in [0, 1] to pre-activation queries ``(B, n_out)``."""
        return self.head(self.features((frames - self.mean) / self.std)).amax(dim=(-2, -1))
