"""Bilinear x2 followed by a 3x3 convolution, computed at the low resolution.

Upsampling commutes with mixing channels. So the nine taps of the kernel are applied as 1x1 products to the small map,
a quarter of the multiplications, and no upsampled input exists or is kept for the backward pass. What remains per
output channel, "upsample the nine tap maps, shift them, add them", is a fixed linear map and separable: along one axis
a matrix of shape (2 n, 3 n), the same for all channels. Output row 2k or 2k + 1 reads no other low rows than k - 1, k
and k + 1, so the matrix is banded and applied block by block.

On other devices than CPUs, which run one large operation better than many small ones, the plain order is kept.

This is exact algebra: float64 agrees with the plain order of operations to rounding (tests/test_upconv.py).
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F

LEAST_CHANNELS = 64  # below, the products at low resolution save less than putting their maps together costs
PIECE_BYTES = 4 << 20  # what `_Combine` holds between its two steps: images whose maps stay in the cache


def in_blocks(x: torch.Tensor) -> bool:
    """Whether many small products, whose data stay in the cache, are the faster order."""
    return x.device.type == "cpu"


def upsample(x: torch.Tensor) -> torch.Tensor:
    """Bilinear x2 with aligned corners."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


@lru_cache(maxsize=64)
def tap_matrix(size: int, dtype: torch.dtype) -> torch.Tensor:
    """Upsampling of one axis and the shifts of three taps, shape (2 size, 3 size); column ``3 k + i`` is tap i of k."""
    with torch.inference_mode(False):  # the cache outlives the mode it is filled in
        identity = torch.eye(size, dtype=torch.float64)[None]
        up = F.interpolate(identity, scale_factor=2, mode="linear", align_corners=True)[0].T
        padded = F.pad(up, (0, 0, 1, 1))  # the zero padding of the convolution
        return torch.stack([padded[i : i + 2 * size] for i in range(3)], dim=-1).flatten(1).to(dtype)


@lru_cache(maxsize=256)
def _blocks(size: int, dtype: torch.dtype, transposed: bool) -> list[tuple[slice, slice, torch.Tensor]]:
    """`tap_matrix`, or its transpose, as blocks: (rows, columns that are not zero, block)."""
    matrix, step = tap_matrix(size, dtype), size if size <= 8 else max(16 // dtype.itemsize, 1)
    blocks = []
    for first in range(0, size, step):
        last = min(first + step, size)
        high = slice(max(2 * first - 2, 0), min(2 * last + 2, 2 * size)) if transposed else slice(2 * first, 2 * last)
        low = slice(3 * first, 3 * last) if transposed else slice(max(3 * first - 3, 0), min(3 * last + 3, 3 * size))
        block = matrix[high, low]
        blocks.append((low, high, block.T) if transposed else (high, low, block))
    return blocks


def _apply(x: torch.Tensor, out: torch.Tensor, size: int, *, transposed: bool = False) -> None:
    """`out` (N, rows, L) becomes `tap_matrix`, or its transpose, times every matrix of `x` (N, columns, L)."""
    for rows, columns, block in _blocks(size, x.dtype, transposed):
        out[:, rows].copy_(torch.bmm(block.expand(len(x), -1, -1), x[:, columns]))


class _Combine(torch.autograd.Function):
    """Tap maps to the high resolution: three of shape (B, H, W, 3, C), one per row of the kernel, to (B, 2H, 2W, C).

    The map is linear, so nothing is kept for the backward pass, which is its transpose.
    """

    @staticmethod
    def forward(ctx, *maps: torch.Tensor) -> torch.Tensor:
        batch, height, width, _, channels = ctx.shape = maps[0].shape
        out = maps[0].new_empty(batch, 2 * height, 2 * width, channels)
        high = out.view(batch, 2 * height, 2 * width * channels)
        for part in _pieces(ctx.shape, high):
            wide = high.new_empty(len(high[part]) * height, 3, 2 * width, channels)
            for i, taps in enumerate(maps):
                _apply(taps[part].reshape(len(wide), 3 * width, channels), wide[:, i], width)
            _apply(wide.view(-1, 3 * height, 2 * width * channels), high[part], height)
        return out

    @staticmethod
    def backward(ctx, grad: torch.Tensor) -> tuple[torch.Tensor, ...]:
        batch, height, width, _, channels = ctx.shape
        high = grad.reshape(batch, 2 * height, 2 * width * channels)
        grads = [grad.new_empty(ctx.shape) for _ in range(3)]
        for part in _pieces(ctx.shape, high):
            wide = high.new_empty(len(high[part]), 3 * height, 2 * width * channels)
            _apply(high[part], wide, height, transposed=True)
            wide = wide.view(-1, 3, 2 * width, channels)
            for i, taps in enumerate(grads):
                _apply(wide[:, i], taps[part].view(len(wide), 3 * width, channels), width, transposed=True)
        return tuple(grads)


def _pieces(shape: torch.Size, like: torch.Tensor) -> list[slice]:
    batch, height, width, _, channels = shape
    step = max(PIECE_BYTES // (6 * height * width * channels * like.element_size()), 1)
    return [slice(first, first + step) for first in range(0, batch, step)]


def upconv(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """``conv2d(upsample(x), weight, padding=1)``, in whichever order is faster.

    Parameters
    ----------
    x : Tensor, shape (B, C, H, W)
    weight : Tensor, shape (C_out, C, 3, 3)

    Returns
    -------
    Tensor, shape (B, C_out, 2 H, 2 W)
    """
    if not in_blocks(x) or x.shape[1] < LEAST_CHANNELS:
        return F.conv2d(upsample(x), weight, padding=1)
    return upconv_low(x, weight, x.shape[-2:])


def upconv_low(x: torch.Tensor, weight: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """`upconv` by products at the low resolution; the result is in channels_last format.

    `x` is of shape (B, C, 1, 1) where it is constant over the map, whose size is `size`.
    """
    n_out, batch = len(weight), len(x)
    if not in_blocks(x):
        return F.conv2d(upsample(x.expand(-1, -1, *size)), weight, padding=1)
    shape = (batch, *x.shape[-2:], 3, n_out)
    if x.dtype == torch.float32 and batch < 16:
        # One thread and fewer than 16 images: PyTorch takes a library for 1x1 convolutions that is half as fast.
        x = x.permute(0, 2, 3, 1).flatten(0, 1)[:, None].permute(0, 3, 1, 2)  # every row an image
    rows_of_taps = weight.permute(2, 3, 0, 1).reshape(3, 3 * n_out, -1, 1, 1).unbind()
    maps = [F.conv2d(x, taps).permute(0, 2, 3, 1).reshape(shape) for taps in rows_of_taps]
    return _Combine.apply(*(taps.expand(batch, *size, 3, n_out) for taps in maps)).permute(0, 3, 1, 2)


def folded_taps(x: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Tap maps of kernels that differ between items.

    Parameters
    ----------
    x : Tensor, shape (B, C, H, W)
    kernels : Tensor, shape (B, n, C, 3, 3)

    Returns
    -------
    Tensor, shape (H, W, 3, 3, B, n)
        At least in float32; sum them, then `combine_taps`.
    """
    batch, n, channels, *_ = kernels.shape
    products = kernels.permute(0, 2, 3, 4, 1).reshape(batch, channels, 9 * n)
    maps = torch.bmm(x.permute(0, 2, 3, 1).flatten(1, 2), products)
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    return maps.view(batch, *x.shape[-2:], 3, 3, n).permute(1, 2, 3, 4, 0, 5)


def combine_taps(taps: torch.Tensor) -> torch.Tensor:
    """Upsample the nine maps, shift them, add them: ``(H, W, 3, 3, B, n)`` to ``(B, n, 2H, 2W)``."""
    if not in_blocks(taps):
        return combine_by_upsampling(taps)
    high = _Combine.apply(*taps.flatten(-2)[None].unbind(dim=3))  # items and sources stand where channels do elsewhere
    return high[0].unflatten(-1, taps.shape[-2:]).permute(2, 3, 0, 1)


def combine_by_upsampling(taps: torch.Tensor) -> torch.Tensor:
    """`combine_taps` in the plain order: upsample the nine maps, then shift and add them."""
    height, width, _, _, batch, n = taps.shape
    maps = upsample(taps.permute(4, 5, 2, 3, 0, 1).reshape(batch, n * 9, height, width))
    padded = F.pad(maps, (1, 1, 1, 1)).unflatten(1, (n, 3, 3))
    shifted = (padded[:, :, i, j, i : i + 2 * height, j : j + 2 * width] for i in range(3) for j in range(3))
    return torch.stack(list(shifted)).sum(dim=0)


def folded_upconv(x: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """`upconv` with kernels (B, n, C, 3, 3) of every item: ``(B, C, H, W)`` to ``(B, n, 2H, 2W)``."""
    return combine_taps(folded_taps(x, kernels))
