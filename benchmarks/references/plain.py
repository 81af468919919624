"""The textbook separator: the full U-Net once per source, each with its own condition, concatenations and all maps.

It shares no line with `avsep_lib.models`, but the names of its parameters, so that weights can be copied.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from avsep_lib.settings import ModelSettings


class PlainDown(nn.Module):
    """Encoder level: LeakyReLU, 4x4 convolution of stride 2, batch norm."""

    def __init__(self, n_in: int, n_out: int, first: bool, last: bool) -> None:
        super().__init__()
        self.first = first
        self.conv = nn.Conv2d(n_in, n_out, 4, stride=2, padding=1, bias=False)
        self.norm = nn.Identity() if first or last else nn.BatchNorm2d(n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Half the size."""
        return self.norm(self.conv(x if self.first else F.leaky_relu(x, 0.2)))


class PlainUp(nn.Module):
    """Decoder level: ReLU, bilinear upsampling, 3x3 convolution, batch norm."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Twice the size."""
        return self.norm(self.conv(_twice(F.relu(x))))


def _twice(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


class PlainUNet(nn.Module):
    """Seven levels at paper size; `mid_dim` channels of the condition join the bottleneck."""

    def __init__(self, channels: tuple[int, ...], n_maps: int, mid_dim: int) -> None:
        super().__init__()
        depth = len(channels)
        self.input_norm = nn.BatchNorm2d(1)
        self.down = nn.ModuleList(
            PlainDown(n_in, n_out, i == 0, i == depth - 1)
            for i, (n_in, n_out) in enumerate(zip((1, *channels[:-1]), channels))
        )
        self.up = nn.ModuleList(
            PlainUp(channels[i] + (mid_dim if i == depth - 1 else channels[i]), channels[i - 1])
            for i in range(1, depth)
        )
        self.out = nn.Conv2d(2 * channels[0], n_maps, 3, padding=1)

    def forward(self, x: torch.Tensor, condition: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """All maps of one pass, and the pooled bottleneck."""
        skips, x = [], self.input_norm(x)
        for down in self.down:
            x = down(x)
            skips.append(x)
        if condition is not None:
            x = torch.cat([x, condition[:, :, None, None].expand(-1, -1, *x.shape[-2:])], dim=1)
        for up, skip in zip(reversed(self.up), reversed(skips[:-1])):
            x = torch.cat([skip, up(x)], dim=1)
        return self.out(_twice(F.relu(x))), skips[-1].mean(dim=(-2, -1))


class PlainSeparator(nn.Module):
    """Late, middle or hierarchical fusion on frozen embeddings.

    Parameters
    ----------
    settings : ModelSettings
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.late, mid_dim = settings.fusion != "middle", settings.mid_dim()
        n_maps = settings.n_maps if self.late else 1
        self.unet = PlainUNet(settings.channels, n_maps, mid_dim)
        if mid_dim:
            self.mid_projection = nn.Linear(settings.embedding_dim, mid_dim)
        if self.late:
            self.late_projection = nn.Linear(settings.embedding_dim, n_maps)
            self.scale = nn.Parameter(torch.ones(n_maps))
            self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, log_magnitude: torch.Tensor, visual: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask logits (B, n, R, T) of the n sources, one pass each, and the bottleneck (B, 512) of the last pass."""
        passes = [self._one(log_magnitude, embedding) for embedding in visual.unbind(dim=1)]
        return torch.stack([logits for logits, _ in passes], dim=1), passes[-1][1]

    def _one(self, log_magnitude: torch.Tensor, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        condition = torch.sigmoid(self.mid_projection(embedding)) if hasattr(self, "mid_projection") else None
        maps, bottleneck = self.unet(log_magnitude, condition)
        if not self.late:
            return maps[:, 0], bottleneck
        query = torch.sigmoid(self.late_projection(embedding)) * self.scale
        return torch.einsum("bk,bkft->bft", query, maps) + self.bias, bottleneck
