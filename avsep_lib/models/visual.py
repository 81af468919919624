"""Sound-of-Pixels' visual network: a dilated ResNet-18 trained together with the separator.

References
----------
Zhao et al., "The Sound of Pixels", ECCV 2018, section 3.1; He et al., 2016, doi:10.1109/CVPR.2016.90.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from avsep_lib.errors import WeightsError
from avsep_lib.models.small_maps import DilatedConv
from avsep_lib.paths import project_root

MEAN = (0.485, 0.456, 0.406)  # ImageNet statistics of the input normalisation
STD = (0.229, 0.224, 0.225)
IMAGENET = "imagenet"
WAY_OUT = "`avsep weights where` names the file to fetch and where to put it"


def _dilate(stage: nn.Sequential, dilation: int) -> None:
    """Trade the stage's stride for dilation, so that it keeps the resolution."""
    for module in stage.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
            if module.kernel_size == (3, 3):
                module.dilation = module.padding = (dilation, dilation)
                module.__class__ = DilatedConv  # the same layer and weights, another forward pass


class DilatedResNet18(nn.Module):
    """ResNet-18 without pooling and classifier, last stage dilated, 3x3 convolution, spatial maximum.

    Weights are random: no ImageNet weights are part of the embedded profiles, and tables say so. Where
    ``model.backbone_weights`` names some, training starts from them (`load_trunk`).
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


class Trunk(nn.Module):
    """The convolutional stages of a `DilatedResNet18` under torchvision's names; the tensors are the same ones."""

    def __init__(self, network: DilatedResNet18) -> None:
        super().__init__()
        names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
        for name, module in zip(names, network.features, strict=True):
            self.add_module(name, module)


def load_trunk(network: DilatedResNet18, weights: str) -> tuple[str, ...]:
    """Start a network from pretrained weights, strictly; its head keeps its random ones.

    Parameters
    ----------
    network : DilatedResNet18
    weights : str
        ``model.backbone_weights``: a safetensors file in torchvision's naming, or ``"imagenet"`` for torchvision's
        own (IMAGENET1K_V1), fetched where the profile says ``hub: online``.

    Returns
    -------
    tuple of str
        Tensors of the file that are left out: the classifier's.

    Raises
    ------
    WeightsError
        The file is missing, truncated or another model's, or nothing may be fetched.
    """
    state = _published() if weights == IMAGENET else _stored(project_root() / Path(weights).expanduser())
    left_out = tuple(sorted(name for name in state if name.startswith("fc.")))
    trunk = Trunk(network)
    # Older files have no counters of batches; batch norm does not need them.
    counters = {name: tensor for name, tensor in trunk.state_dict().items() if name.endswith("num_batches_tracked")}
    try:
        trunk.load_state_dict(counters | {name: state[name] for name in state if name not in left_out}, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"{weights} is no ResNet-18 of torchvision ({_second_line(error)}); {WAY_OUT}") from None
    return left_out


def _second_line(error: RuntimeError) -> str:
    """The first difference in the message of a strict loading; its first line names the class only."""
    return str(error).strip().split("\n")[1].strip()[:200]


def _stored(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix != ".safetensors" or not path.is_file():
        raise WeightsError(f"model.backbone_weights: {path} is missing or no .safetensors file; {WAY_OUT}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path} is truncated or not a safetensors file ({error}); {WAY_OUT}") from None


def _published() -> dict[str, torch.Tensor]:
    """torchvision's ImageNet weights, from its cache or the network: hash compared, no pickled code executed."""
    if os.environ.get("HF_HUB_OFFLINE", "1") != "0":  # the workflow hands on the profile's `hub` under this name
        raise WeightsError(f"model.backbone_weights is {IMAGENET!r}, and the profile is offline; {WAY_OUT}")
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # urllib's errors, a wrong hash, a broken file
        raise WeightsError(f"ResNet-18 of ImageNet could not be fetched ({error}); {WAY_OUT}") from None
