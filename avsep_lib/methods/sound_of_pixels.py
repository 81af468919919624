"""Sound-of-Pixels: a dilated ResNet-18, trained with the separator, asks for sound by what a clip looks like.

Its maps are pooled over time and space together. Every pixel can ask as well: the same product before the pooling says how
much of the mixture comes from where (`localisation`). In the frozen reading (CLIPSep's "sop" mode), ResNet-18 starts from
named weights and stays as it is; its pooled features go through one linear layer.

References
----------
Zhao et al., "The Sound of Pixels", ECCV 2018, section 3.
"""

from __future__ import annotations

import torch
from torch import nn

from avsep_lib.errors import ConfigError
from avsep_lib.losses import bce_binary
from avsep_lib.methods.network import MaskNetwork
from avsep_lib.models.unet import QueriedUNet
from avsep_lib.models.visual import DilatedResNet18, load_trunk
from avsep_lib.settings import RunConfig
from avsep_lib.training_data import Batch

BACKBONE_SHARE = 0.1  # of the learning rate: 1e-4 for the ResNet, 1e-3 for everything else (released recipe)
POOLED = 512  # features of the frozen reading


class SoundOfPixels(MaskNetwork):
    """Late U-Net asked by films."""

    reads = ("mixture", "sources", "films")
    conditions = "films"

    def __init__(self, config: RunConfig, classes: tuple[str, ...]) -> None:
        super().__init__(config, classes)
        self.net = QueriedUNet(config.model.channels, config.model.n_maps)
        self.scale = nn.Parameter(torch.ones(config.model.n_maps))
        self.bias = nn.Parameter(torch.zeros(1))
        self.visual = DilatedResNet18(config.model.n_maps)
        self.frozen = config.options.frozen_backbone
        if self.frozen:
            if not config.model.backbone_weights:
                raise ConfigError(
                    f"run {config.run_id}: a frozen ResNet-18 with random weights sees nothing; name backbone_weights"
                )
            self.visual.head = nn.Linear(POOLED, config.model.n_maps)
            self.visual.features.requires_grad_(False)
        if config.model.backbone_weights:
            load_trunk(self.visual, config.model.backbone_weights)

    def train(self, mode: bool = True) -> SoundOfPixels:
        """As of any module; a frozen backbone keeps its running statistics."""
        super().train(mode)
        if self.frozen:
            self.visual.features.eval()
        return self

    def parameter_groups(self) -> list[dict]:
        """The ResNet learns at a tenth of the rate."""
        backbone = [p for p in self.visual.features.parameters() if p.requires_grad]
        own = {id(p) for p in self.visual.features.parameters()}
        groups = [{"params": [p for p in self.parameters() if id(p) not in own], "share": 1.0}]
        return [*groups, {"params": backbone, "share": BACKBONE_SHARE}] if backbone else groups

    def _features(self, films: torch.Tensor) -> torch.Tensor:
        """Films (B, n, F, 3, H, W) in [0, 1] to ResNet maps (B n F, 512, h, w)."""
        flat = films.flatten(0, 2)
        return self.visual.features((flat - self.visual.mean.to(flat)) / self.visual.std.to(flat))

    def pixels(self, films: torch.Tensor) -> torch.Tensor:
        """Films (B, n, F, 3, H, W) in [0, 1] to queries before their sigmoid, (B, n, F, K, h, w)."""
        maps = self._features(films)
        maps = self.visual.head(maps.movedim(1, -1)).movedim(-1, 1) if self.frozen else self.visual.head(maps)
        return maps.unflatten(0, films.shape[:3])

    def query(self, films: torch.Tensor) -> torch.Tensor:
        """Films (B, n, F, 3, H, W) to queries in (0, 1), (B, n, K)."""
        if not self.frozen:
            return torch.sigmoid(self.pixels(films).amax(dim=(2, 4, 5)))
        with torch.no_grad():
            pooled = self._features(films).amax(dim=(-2, -1)).unflatten(0, films.shape[:3]).mean(dim=2)
        return torch.sigmoid(self.visual.head(pooled))

    def logits(self, log_magnitude: torch.Tensor, films: torch.Tensor) -> torch.Tensor:
        """(B, 1, R, T) and films (B, n, F, 3, H, W) to mask logits (B, n, R, T)."""
        return self.net(log_magnitude, self.query(films) * self.scale, self.bias)

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """See `Network.forward`."""
        logits = self.logits(torch.log(batch["mixture"]), batch["films"])
        return {"separation": bce_binary(logits, batch["sources"], batch["mixture"])}

    def masks(self, log_magnitude: torch.Tensor, conditions: torch.Tensor | None) -> torch.Tensor:
        """See `MaskNetwork.masks`."""
        return torch.sigmoid(self.logits(log_magnitude, conditions))

    @torch.no_grad()
    def localisation(self, magnitude: torch.Tensor, film: torch.Tensor) -> torch.Tensor:
        """How much of a mixture each pixel asks for: the energy of the mixture under its mask (section 3, pixel-wise).

        Parameters
        ----------
        magnitude : Tensor, shape (R, T)
            Warped magnitude of the mixture, with `LOG_FLOOR` added.
        film : Tensor, shape (F, 3, H, W)
            In [0, 1].

        Returns
        -------
        Tensor, shape (h, w)
            Mean over the frames, as a share of the mixture's energy: in [0, 1].
        """
        maps = self.pixels(film[None, None])[0, 0].amax(dim=0)  # (K, h, w)
        weights = torch.sigmoid(maps).flatten(1).T[None] * self.scale
        masks = torch.sigmoid(self.net(torch.log(magnitude)[None, None], weights, self.bias))[0]
        energy = (masks * magnitude).square().sum(dim=(-2, -1)) / magnitude.square().sum()
        return energy.unflatten(0, maps.shape[1:])


NETWORK = SoundOfPixels
