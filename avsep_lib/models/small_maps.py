"""Convolutions of maps so small that plain matrix products are quicker than a library's convolutions, on CPUs.

The U-Net's innermost level makes 2x2 maps of 4x4: its four windows are copied out, and one product does the rest.

ResNet-18's last stage is dilated. With dilation 2 the even and the odd rows and columns of a map never meet: a 4x4 map
is four maps of 2x2, on which the convolution is an ordinary one. On 2x2, 20 of the 36 products of a channel are with the
zeros around the map. So each tap of the kernel is one product over the positions where it meets the map.

This is exact algebra: float64 agrees with ``conv2d`` to rounding (tests/test_separator.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

LARGEST = 4  # rows or columns of a map; ordinary convolutions catch up on larger ones


def _taps(rows: int, columns: int) -> Iterator[tuple[tuple[int, int], tuple[slice, slice], tuple[slice, slice]]]:
    """For every tap of a 3x3 kernel with padding 1: the tap, the positions it writes to, the positions it reads."""
    for i in range(3):
        for j in range(3):
            pairs = [_along(i, rows), _along(j, columns)]
            yield (i, j), tuple(out for out, _ in pairs), tuple(read for _, read in pairs)


def _along(tap: int, size: int) -> tuple[slice, slice]:
    before, after = max(1 - tap, 0), max(tap - 1, 0)
    return slice(before, size - after), slice(after, size - before)


class _TapProducts(torch.autograd.Function):
    """3x3 convolution with padding 1: x (rows, columns, N, C) and weight (3, 3, C_out, C) to (rows, columns, N, C_out)."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        out = x.new_zeros(*x.shape[:3], weight.shape[2])
        for tap, written, read in _taps(*x.shape[:2]):
            out[written] += x[read] @ weight[tap].T
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, weight = ctx.saved_tensors
        of_x, of_weight = torch.zeros_like(x), torch.empty_like(weight)
        for tap, written, read in _taps(*x.shape[:2]):
            of_x[read] += grad[written] @ weight[tap]
            of_weight[tap] = grad[written].flatten(0, 2).T @ x[read].flatten(0, 2)
        return of_x, of_weight


def is_small(conv: nn.Conv2d, x: torch.Tensor) -> bool:
    """Whether `small_conv` is the quicker way, and can be taken."""
    fits = max(x.shape[-2:]) <= LARGEST and not any(n % d for n, d in zip(x.shape[-2:], conv.dilation))
    return fits and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def small_conv(x: torch.Tensor, weight: torch.Tensor, dilation: tuple[int, int]) -> torch.Tensor:
    """``conv2d(x, weight, dilation=dilation, padding=dilation)`` for kernels of 3x3 and whole numbers of dilations.

    Parameters
    ----------
    x : Tensor, shape (B, C, H, W)
    weight : Tensor, shape (C_out, C, 3, 3)
    dilation : tuple of int

    Returns
    -------
    Tensor, shape (B, C_out, H, W)
        In channels_last format.
    """
    (down, right), (rows, columns) = dilation, x.shape[-2:]
    parts = x.permute(2, 3, 0, 1).unflatten(0, (-1, down)).unflatten(2, (-1, right)).transpose(1, 2)
    out = _TapProducts.apply(parts.flatten(2, 4), weight.permute(2, 3, 0, 1).contiguous())
    out = out.unflatten(2, (down, right, -1)).transpose(1, 2).reshape(rows, columns, len(x), -1)
    return out.permute(2, 3, 0, 1).contiguous(memory_format=torch.channels_last)


def innermost_conv(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """``conv2d(x, weight, stride=2, padding=1)`` of 4x4 maps with 4x4 kernels.

    Parameters
    ----------
    x : Tensor, shape (B, C, 4, 4)
    weight : Tensor, shape (C_out, C, 4, 4)

    Returns
    -------
    Tensor, shape (B, C_out, 2, 2)
        In channels_last format.
    """
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    windows = torch.stack([padded[:, i : i + 4, j : j + 4] for i in (0, 2) for j in (0, 2)], dim=1)
    out = F.linear(windows.flatten(2), weight.permute(0, 2, 3, 1).flatten(1))
    return out.unflatten(1, (2, 2)).permute(0, 3, 1, 2)


class DilatedConv(nn.Conv2d):
    """A 3x3 convolution without bias that pads by its dilation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to ``(B, C_out, H, W)``."""
        return small_conv(x, self.weight, self.dilation) if is_small(self, x) else super().forward(x)
