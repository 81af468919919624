"""The audio U-Net of the Sound-of-Pixels lineage, arranged so that nothing is computed twice.

The encoder runs once per mixture. The decoder runs once per source that conditions it, and in each of its
convolutions the half that reads the skip connection is the same for all sources (ReLU, bilinear upsampling and
convolution act on the two concatenated halves separately), so that half is computed once per mixture too.
The outermost convolution is linear in front of a linear head, so head and convolution fold into one kernel.

References
----------
Zhao et al., "The Sound of Pixels", ECCV 2018 (network); Ronneberger et al., 2015, doi:10.1007/978-3-319-24574-4_28.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from avsep_lib.models.small_maps import innermost_conv
from avsep_lib.models.upconv import combine_taps, folded_taps, in_blocks, upconv

SLOPE = 0.2  # LeakyReLU of the encoder


class DownLevel(nn.Module):
    """LeakyReLU -> 4x4 convolution, stride 2 -> batch norm; the outermost has no activation, the ends no norm."""

    def __init__(self, n_in: int, n_out: int, *, activation: bool, norm: bool) -> None:
        super().__init__()
        self.activation = activation
        self.conv = nn.Conv2d(n_in, n_out, 4, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(n_out) if norm else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, n_in, H, W)`` to ``(B, n_out, H/2, W/2)``."""
        x = F.leaky_relu(x, SLOPE) if self.activation else x
        if x.shape[-2:] == (4, 4) and in_blocks(x):
            return self.norm(innermost_conv(x, self.conv.weight))
        return self.norm(self.conv(x))


class UpLevel(nn.Module):
    """Bilinear x2 -> 3x3 convolution -> batch norm -> ReLU on the concatenation [skip, below], both after a ReLU."""

    def __init__(self, n_skip: int, n_below: int, n_out: int) -> None:
        super().__init__()
        self.n_skip = n_skip
        self.conv = nn.Conv2d(n_skip + n_below, n_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, skip: torch.Tensor, below: torch.Tensor | None) -> torch.Tensor:
        """The level for all sources; each is normalised by its own statistics in training.

        Parameters
        ----------
        skip : Tensor, shape (B, n_skip, H, W)
            Before its ReLU. Its part of the convolution is the same for every source.
        below : Tensor, shape (n * B, n_below, H, W), or None
            Source after source, after the ReLU; (n * B, n_below, 1, 1) where it is constant over the map. None: nothing
            below, the innermost level without a condition.

        Returns
        -------
        Tensor, shape (n * B, n_out, 2 H, 2 W)
            After the ReLU; n = 1 where nothing is below.
        """
        of_skip, of_below = self.conv.weight.split([self.n_skip, self.conv.in_channels - self.n_skip], dim=1)
        skip_term = upconv(F.relu(skip), of_skip, skip.shape[-2:])
        if below is None:
            return F.relu_(self.norm(skip_term))
        x = upconv(below, of_below, skip.shape[-2:], base=skip_term)
        n = len(x) // len(skip)
        if self.training and n > 1:
            return F.relu_(torch.cat([self.norm(source) for source in x.chunk(n)]))
        return F.relu_(self.norm(x))


class UNet(nn.Module):
    """Encoder and decoder; `Separator` decides what conditions them and what reads the outermost level.

    Parameters
    ----------
    channels : tuple of int
        Encoder widths, outermost first; seven levels of (64, 128, 256, 512, 512, 512, 512) at paper size.
    n_maps : int
        Output maps of the outermost convolution (32 for late heads, 1 for middle fusion).
    mid_dim : int
        Channels of the condition at the bottleneck, 0 for none.
    n_inputs : int
        Channels of the input: 1, the log magnitude, unless a query enters with it.
    """

    def __init__(self, channels: tuple[int, ...], n_maps: int, mid_dim: int, n_inputs: int = 1) -> None:
        super().__init__()
        depth = len(channels)
        self.mid_dim = mid_dim
        self.input_norm = nn.BatchNorm2d(n_inputs)
        self.down = nn.ModuleList(
            DownLevel(n_in, n_out, activation=i > 0, norm=0 < i < depth - 1)
            for i, (n_in, n_out) in enumerate(zip((n_inputs, *channels[:-1]), channels))
        )
        # Level i takes [skip of width channels[i], output of level i + 1, equally wide] to channels[i - 1].
        self.up = nn.ModuleList(
            UpLevel(channels[i], mid_dim if i == depth - 1 else channels[i], channels[i - 1]) for i in range(1, depth)
        )
        self.out = nn.Conv2d(2 * channels[0], n_maps, 3, padding=1)
        self.apply(initialise)

    def encode(self, log_magnitude: torch.Tensor) -> list[torch.Tensor]:
        """Outputs of all encoder levels, outermost first; the last is the raw bottleneck.

        Parameters
        ----------
        log_magnitude : Tensor, shape (B, 1, n_rows, n_frames)
        """
        levels, x = [], self.input_norm(log_magnitude)
        for down in self.down:
            x = down(x)
            levels.append(x)
        return levels

    def decode(self, levels: list[torch.Tensor], conditions: torch.Tensor | None) -> torch.Tensor:
        """The decoder up to the input of the outermost convolution, for all sources at once.

        In training every source has its own batch statistics, and the running statistics follow in the order of the
        sources, exactly as separate full passes would do.

        Parameters
        ----------
        conditions : Tensor, shape (B, n, mid_dim), or None
            Tiled over the bottleneck.

        Returns
        -------
        Tensor, shape (n * B, channels[0], n_rows / 2, n_frames / 2)
            Source after source (n = 1 without conditions), after the ReLU, not yet upsampled.
        """
        below = None
        if conditions is not None:
            below = conditions.transpose(0, 1).flatten(0, 1)[:, :, None, None]  # upsampled, a constant is constant
        for up, skip in zip(reversed(self.up), reversed(levels[1:])):
            below = up(skip, below)
        return below


def inner_product(
    out: nn.Conv2d, weights: torch.Tensor, offset: torch.Tensor | float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """The outermost convolution folded with a linear head: z = offset + sum_k weights_k A_k, A its output maps.

    Parameters
    ----------
    out : Conv2d
        `UNet.out`, K maps.
    weights : Tensor, shape (B, n, K)
    offset : Tensor that broadcasts to (B, n), or float

    Returns
    -------
    kernels : Tensor, shape (B, n, C, 3, 3)
    offsets : Tensor, shape (B, n)
    """
    kernels = (weights @ out.weight.flatten(1)).unflatten(-1, out.weight.shape[1:])
    return kernels, weights @ out.bias + offset


def folded_logits(
    level: torch.Tensor, below: torch.Tensor, kernels: torch.Tensor, offsets: torch.Tensor
) -> torch.Tensor:
    """The outermost level for all sources, with a kernel of its own for each: the K maps never exist.

    Parameters
    ----------
    level : Tensor, shape (B, C, H, W)
        The outermost encoder level, before its ReLU.
    below : Tensor, shape (m * B, C, H, W)
        From `UNet.decode`; m = 1 where all sources share it, else n.
    kernels, offsets : Tensor, shapes (B, n, 2 C, 3, 3) and (B, n)

    Returns
    -------
    Tensor, shape (B, n, 2 H, 2 W)
    """
    skip = F.relu(level)
    of_skip, of_below = kernels.split([skip.shape[1], below.shape[1]], dim=2)
    taps = folded_taps(skip, of_skip)
    if len(below) == len(skip):
        taps = taps + folded_taps(below, of_below)
    else:
        own = folded_taps(below, of_below.transpose(0, 1).flatten(0, 1)[:, None])
        taps = taps + own[..., 0].unflatten(-1, (-1, len(skip))).transpose(-2, -1)
    return combine_taps(taps) + offsets[..., None, None]


class QueriedUNet(nn.Module):
    """A U-Net without a condition at its bottleneck, read out by weights from anywhere: CLIPSep's late model and its kin.

    Parameters
    ----------
    channels : tuple of int
        As in `UNet`.
    n_maps : int
        K.
    n_inputs : int
        As in `UNet`.
    """

    def __init__(self, channels: tuple[int, ...], n_maps: int, n_inputs: int = 1) -> None:
        super().__init__()
        self.unet = UNet(channels, n_maps, 0, n_inputs)

    def forward(
        self, log_magnitude: torch.Tensor, weights: torch.Tensor, offset: torch.Tensor | float = 0.0
    ) -> torch.Tensor:
        """(B, 1, R, T) and weights (B, n, K) to logits (B, n, R, T); see `inner_product`."""
        levels = self.unet.encode(log_magnitude)
        kernels, offsets = inner_product(self.unet.out, weights, offset)
        return folded_logits(levels[0], self.unet.decode(levels, None), kernels, offsets)


def initialise(module: nn.Module) -> None:
    """The lineage's initialisation: convolutions N(0, 0.001), linear layers N(0, 1e-4), batch norm N(1, 0.02)."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.001)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.0001)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
