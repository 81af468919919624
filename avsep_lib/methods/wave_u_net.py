"""Wave-U-Net: a one-dimensional U-Net from the mixture's samples to those of its sources.

After the original paper, details unverified. Its idea: convolve and halve the rate, twelve times; interpolate, join
what was there at this rate, convolve; at last the mixture itself is joined and read by a convolution of one sample.
All outputs but the last are a tanh, the last is what they leave of the mixture, so that estimates sum to it.

Ours, for mixtures of n sources of any kind: outputs stand for no instrument, hence training is permutation-invariant
(mean squared error); whole clips go in and come out (the original predicts the middle of a longer excerpt; here zeros
surround the clip). Halving keeps every second sample from the first on. Interpolation puts the mean of two neighbours
between them and is cut to the length that the skip connection has, so that clips of any length lose nothing.
Initial weights are the library's.

References
----------
Stoller, Ewert, Dixon, "Wave-U-Net: a multi-scale neural network for end-to-end audio source separation", ISMIR 2018,
doi:10.48550/arXiv.1806.03185.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from avsep_lib.methods.waves import Unconditional, mse
from avsep_lib.settings import RunConfig

SLOPE = 0.2  # LeakyReLU


def interpolate(x: torch.Tensor, length: int) -> torch.Tensor:
    """Twice the rate: (B, C, L) to (B, C, length), length at most 2 L; where nothing follows, the last value stays."""
    after = torch.cat([x[..., 1:], x[..., -1:]], dim=-1)
    return torch.stack([x, (x + after) / 2], dim=-1).flatten(-2)[..., :length]


class WaveUNet(Unconditional):
    """Wave-U-Net with ``options.n_outputs`` sounds; see the module."""

    distance = staticmethod(mse)

    def __init__(self, config: RunConfig, classes: tuple[str, ...]) -> None:
        super().__init__(config, classes)
        options = config.options
        widths = [options.wave_filters * (i + 1) for i in range(options.wave_levels + 1)]  # the last: the bottom's
        self.down = nn.ModuleList(
            _convolution(n_in, n_out, options.down_kernel) for n_in, n_out in zip([1, *widths], widths)
        )
        self.up = nn.ModuleList(
            _convolution(n_below + n_skip, n_skip, options.up_kernel) for n_skip, n_below in itertools.pairwise(widths)
        )
        self.out = nn.Conv1d(widths[0] + 1, options.n_outputs - 1, 1)

    def estimates(self, mixture: torch.Tensor) -> torch.Tensor:
        """Mixtures (B, samples) to sounds (B, n_outputs, samples) that sum to the mixture."""
        x, skips = mixture[:, None], []
        for down in self.down[:-1]:
            skips.append(F.leaky_relu(down(x), SLOPE))
            x = skips[-1][..., ::2]
        x = F.leaky_relu(self.down[-1](x), SLOPE)
        for up, skip in zip(reversed(self.up), reversed(skips)):
            x = F.leaky_relu(up(torch.cat([skip, interpolate(x, skip.shape[-1])], dim=1)), SLOPE)
        sounds = torch.tanh(self.out(torch.cat([mixture[:, None], x], dim=1)))
        return torch.cat([sounds, mixture[:, None] - sounds.sum(dim=1, keepdim=True)], dim=1)


def _convolution(n_in: int, n_out: int, kernel: int) -> nn.Conv1d:
    return nn.Conv1d(n_in, n_out, kernel, padding=kernel // 2)


NETWORK = WaveUNet
