"""ResUNetDecouple+: a deep residual U-Net that finds magnitude and phase of each source apart.

After the original paper, details unverified. Its idea: the network reads the mixture's linear magnitude and gives four
maps per source: a mask of the magnitude M (sigmoid), a rotation of the phase (two tanh, made a unit vector) and a
magnitude to add Q. The estimate is ReLU(M |X| + Q) with the mixture's phase, rotated; loss: L1 on the waveform.
The encoder's and the decoder's levels are stacks of residual blocks (twice batch norm, LeakyReLU, 3x3 convolution; 1x1
convolution around them where widths differ), with average pooling and transposed convolutions between them.

Depth. The original counts 143 layers, which we read as convolutions without those around residual blocks: 6 levels of 4
blocks down (48), 4 such stacks at the bottom (32), 6 transposed convolutions and stacks up (54), one stack (8) and one
1x1 convolution (1) behind them. The defaults have exactly these (`n_layers`).

Ours, for mixtures of n sources of any kind: one network with 4 n_outputs maps and permutation-invariant training (the
original has one network per instrument, for stereo at 44.1 kHz); pooling halves time and frequency on all levels; maps
are padded with zeros to what the levels need and cut back. The rotation starts near none (its bias), so that training
starts in the mixture's phase.

References
----------
Kong, Cao, Liu, Choi, Wang, "Decoupling magnitude and phase estimation with deep ResUNet for music source separation",
ISMIR 2021, doi:10.48550/arXiv.2109.05418.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from avsep_lib.audio import LOG_FLOOR, istft, stft
from avsep_lib.methods.waves import Unconditional, l1
from avsep_lib.settings import RunConfig

SLOPE = 0.01  # LeakyReLU
MAPS = 4  # per source: mask, real and imaginary part of the rotation, added magnitude


class Residual(nn.Module):
    """Twice batch norm, LeakyReLU and 3x3 convolution, and around them the input."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(n_in), nn.BatchNorm2d(n_out)])
        self.convs = nn.ModuleList(nn.Conv2d(n, n_out, 3, padding=1, bias=False) for n in (n_in, n_out))
        self.around = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, n_in, F, T) to (B, n_out, F, T)."""
        y = x
        for norm, conv in zip(self.norms, self.convs):
            y = conv(F.leaky_relu(norm(y), SLOPE))
        return self.around(x) + y


def stack(n_in: int, n_out: int, n_blocks: int) -> nn.Sequential:
    """Residual blocks, the first of which changes the width."""
    return nn.Sequential(*(Residual(n_out if i else n_in, n_out) for i in range(n_blocks)))


class Up(nn.Module):
    """Batch norm, LeakyReLU and transposed convolution to twice the size; then blocks that read the skip too."""

    def __init__(self, n_below: int, n_out: int, n_blocks: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(n_below)
        self.conv = nn.ConvTranspose2d(n_below, n_out, 2, stride=2, bias=False)
        self.blocks = stack(2 * n_out, n_out, n_blocks)

    def forward(self, skip: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        """(B, n_out, F, T) and (B, n_below, F / 2, T / 2) to (B, n_out, F, T)."""
        above = self.conv(F.leaky_relu(self.norm(below), SLOPE))
        return self.blocks(torch.cat([above, skip], dim=1))


class ResUNetDecouple(Unconditional):
    """ResUNetDecouple+ with ``options.n_outputs`` sounds; see the module."""

    distance = staticmethod(l1)

    def __init__(self, config: RunConfig, classes: tuple[str, ...]) -> None:
        super().__init__(config, classes)
        options = config.options
        channels, blocks = options.resunet_channels, options.resunet_blocks
        self.n_outputs = options.n_outputs
        self.input_norm = nn.BatchNorm1d(config.audio.n_bins)  # each bin for itself
        self.down = nn.ModuleList(stack(n_in, n_out, blocks) for n_in, n_out in zip((1, *channels), channels))
        bottom = channels[-1]
        self.centre = nn.Sequential(*(stack(bottom, bottom, blocks) for _ in range(options.resunet_centre)))
        self.up = nn.ModuleList(Up(n_below, n_out, blocks) for n_out, n_below in zip(channels, (*channels[1:], bottom)))
        self.after = stack(channels[0], channels[0], blocks)
        self.out = nn.Conv2d(channels[0], MAPS * self.n_outputs, 1)
        with torch.no_grad():
            self.out.bias.view(self.n_outputs, MAPS)[:, 1] += 1  # the real part of the rotation

    def maps(self, magnitude: torch.Tensor) -> torch.Tensor:
        """|X| (B, n_bins, n_frames) to (B, n_outputs, 4, n_bins, n_frames): mask, rotation, added magnitude, all raw."""
        (n_bins, n_frames), step = magnitude.shape[-2:], 2 ** len(self.down)
        x = F.pad(self.input_norm(magnitude)[:, None], (0, -n_frames % step, 0, -n_bins % step))
        skips = []
        for down in self.down:
            skips.append(down(x))
            x = F.avg_pool2d(skips[-1], 2)
        x = self.centre(x)
        for up, skip in zip(reversed(self.up), reversed(skips)):
            x = up(skip, x)
        return self.out(self.after(x))[..., :n_bins, :n_frames].unflatten(1, (self.n_outputs, MAPS))

    def estimates(self, mixture: torch.Tensor) -> torch.Tensor:
        """Mixtures (B, n_samples) to sounds (B, n_outputs, n_output)."""
        spectrum = stft(mixture, self.audio)
        magnitude = spectrum.abs()
        mask, real, imaginary, added = self.maps(magnitude).to(magnitude).unbind(dim=2)
        louder = F.relu(torch.sigmoid(mask) * magnitude[:, None] + added)
        turned = rotation(real, imaginary) * (spectrum / magnitude.clamp_min(LOG_FLOOR))[:, None]
        return istft(louder * turned, self.audio)

    def n_layers(self) -> int:
        """Convolutions in a row, as the original counts its 143."""
        around = {id(m.around) for m in self.modules() if isinstance(m, Residual)}
        convolutions = (nn.Conv2d, nn.ConvTranspose2d)
        return sum(isinstance(m, convolutions) and id(m) not in around for m in self.modules())


def rotation(real: torch.Tensor, imaginary: torch.Tensor) -> torch.Tensor:
    """Unit vectors in the direction of two tanh; LOG_FLOOR keeps the gradient of the zero vector finite."""
    real, imaginary = torch.tanh(real), torch.tanh(imaginary)
    return torch.complex(real, imaginary) * torch.rsqrt(real.square() + imaginary.square() + LOG_FLOOR)


NETWORK = ResUNetDecouple
