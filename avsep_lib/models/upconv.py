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

from collections.abc import Iterable, Iterator
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


def tap_matrix(size: int, dtype: torch.dtype) -> torch.Tensor:
    """Upsampling of one axis and the shifts of three taps, shape (2 size, 3 size); column ``3 k + i`` is tap i of k."""
    identity = torch.eye(size, dtype=torch.float64)[None]
    up = F.interpolate(identity, scale_factor=2, mode="linear", align_corners=True)[0].T
    padded = F.pad(up, (0, 0, 1, 1))  # the zero padding of the convolution
    return torch.stack([padded[i : i + 2 * size] for i in range(3)], dim=-1).flatten(1).to(dtype)


@lru_cache(maxsize=256)
@torch.inference_mode(False)  # a cache outlives the mode in which it is filled
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


def _apply(x: torch.Tensor, out: torch.Tensor, size: int, *, transposed: bool = False, add: bool = False) -> None:
    """`out` (N, rows, L) becomes, or grows by, `tap_matrix` or its transpose times every matrix of `x` (N, columns, L).

    Products go through a small block of their own: into a part of `out` they are three times as slow.
    """
    for rows, columns, block in _blocks(size, x.dtype, transposed):
        product = torch.bmm(block.expand(len(x), -1, -1), x[:, columns])
        out[:, rows].add_(product) if add else out[:, rows].copy_(product)


def _raise(maps: Iterable[torch.Tensor], out: torch.Tensor, *, add: bool = False) -> None:
    """Tap maps to the high resolution: three (B, H, W, 3, C), one per row of the kernel, make `out` (B, 2H, 2W, C)."""
    batch, height, width, channels = out.shape[0], out.shape[1] // 2, out.shape[2] // 2, out.shape[3]
    wide = out.new_empty(batch * height, 3, 2 * width, channels)
    for i, taps in enumerate(maps):
        _apply(taps.reshape(batch * height, 3 * width, channels), wide[:, i], width)
    _apply(wide.view(batch, 3 * height, -1), out.view(batch, 2 * height, -1), height, add=add)


def _lower(high: torch.Tensor) -> Iterator[torch.Tensor]:
    """The transpose of `_raise`, one row of the kernel after the other: (B, 2H, 2W, C) to (B, H, W, 3 C)."""
    batch, height, width, channels = high.shape[0], high.shape[1] // 2, high.shape[2] // 2, high.shape[3]
    wide = high.new_empty(batch, 3 * height, 2 * width * channels)
    _apply(high.view(batch, 2 * height, -1), wide, height, transposed=True)
    for i in range(3):
        low = high.new_empty(batch * height, 3 * width, channels)
        _apply(wide.view(batch * height, 3, 2 * width, channels)[:, i], low, width, transposed=True)
        yield low.view(batch, height, width, 3 * channels)


class _Combine(torch.autograd.Function):
    """`_raise` with a gradient: three maps to (B, 2H, 2W, C)."""

    @staticmethod
    def forward(ctx, *maps: torch.Tensor) -> torch.Tensor:
        batch, height, width, _, channels = ctx.shape = maps[0].shape
        out = maps[0].new_empty(batch, 2 * height, 2 * width, channels)
        _raise(maps, out)
        return out

    @staticmethod
    def backward(ctx, grad: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(low.view(ctx.shape) for low in _lower(grad.contiguous()))


def _images(x: torch.Tensor) -> torch.Tensor:
    """Rows of a channels-last map as images (B * H, C, 1, W).

    On one thread PyTorch hands 1x1 convolutions of fewer than 16 images to a library that is half as fast.
    """
    if x.dtype != torch.float32:
        return x.permute(0, 3, 1, 2)
    return x.flatten(0, 1)[:, None].permute(0, 3, 1, 2)


class _UpConv(torch.autograd.Function):
    """Products, then `_raise`, for a few images at a time; only input and weight are kept for the backward pass.

    All maps are channels-last: x (n * B, H, W, C), base (B, 2H, 2W, C_out), result (n * B, 2H, 2W, C_out).
    """

    @staticmethod
    def forward(
        ctx, x: torch.Tensor, weight: torch.Tensor, size: tuple[int, int], base: torch.Tensor | None
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.size, ctx.n_base = size, 0 if base is None else len(base)
        (height, width), n_out = size, len(weight)
        out = x.new_empty(len(x), 2 * height, 2 * width, n_out)
        if base is not None:
            out.unflatten(0, (-1, len(base))).copy_(base)
        rows = _rows_of_taps(weight)
        for part in _pieces(len(x), size, n_out * x.element_size()):
            own = x[part]
            maps = (F.conv2d(_images(own), taps).permute(0, 2, 3, 1) for taps in rows)
            shape = (*own.shape[:3], 3, n_out)
            maps = (taps.reshape(shape).expand(-1, height, width, -1, -1) for taps in maps)
            _raise(maps, out[part], add=base is not None)
        return out

    @staticmethod
    def backward(ctx, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad, rows, n_out = grad.contiguous(), _rows_of_taps(weight), len(weight)
        into_x, into_rows = torch.zeros_like(x), torch.zeros_like(rows)
        for part in _pieces(len(x), ctx.size, n_out * x.element_size()):
            own = _images(x[part])
            for i, low in enumerate(_lower(grad[part])):
                low = low.sum(dim=(1, 2), keepdim=True) if x.shape[1:3] != ctx.size else low
                into = torch.ops.aten.convolution_backward(
                    _images(low), own, rows[i], None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, True, False]
                )
                into_x[part].add_(into[0].permute(0, 2, 3, 1).reshape(x[part].shape))
                into_rows[i].add_(into[1])
        into_weight = into_rows.view(3, 3, n_out, -1).permute(2, 3, 0, 1)
        into_base = grad.unflatten(0, (-1, ctx.n_base)).sum(dim=0) if ctx.n_base else None
        return into_x, into_weight, None, into_base


def _rows_of_taps(weight: torch.Tensor) -> torch.Tensor:
    """(C_out, C, 3, 3) to three kernels of 1x1 products: (3, 3 * C_out, C, 1, 1)."""
    return weight.permute(2, 3, 0, 1).reshape(3, 3 * len(weight), -1, 1, 1)


def _pieces(batch: int, size: tuple[int, int], n_bytes: int) -> list[slice]:
    """Parts of the batch whose maps stay in the cache; `n_bytes` per position of the result."""
    step = max(PIECE_BYTES // (6 * size[0] * size[1] * n_bytes), 1)
    return [slice(first, first + step) for first in range(0, batch, step)]


def upconv(
    x: torch.Tensor, weight: torch.Tensor, size: tuple[int, int], base: torch.Tensor | None = None
) -> torch.Tensor:
    """``conv2d(upsample(x), weight, padding=1) + base``, in whichever order is faster.

    Parameters
    ----------
    x : Tensor, shape (n * B, C, H, W), or (n * B, C, 1, 1) where it is constant over the map
    weight : Tensor, shape (C_out, C, 3, 3)
    size : tuple of int
        (H, W).
    base : Tensor, shape (B, C_out, 2 H, 2 W), optional
        Added to each of the n.

    Returns
    -------
    Tensor, shape (n * B, C_out, 2 H, 2 W)
    """
    if in_blocks(x) and (x.shape[1] >= LEAST_CHANNELS or x.shape[-2:] != size):
        return upconv_low(x, weight, size, base)
    high = F.conv2d(upsample(x.expand(-1, -1, *size)), weight, padding=1)
    return high if base is None else (high.unflatten(0, (-1, len(base))) + base).flatten(0, 1)


def upconv_low(
    x: torch.Tensor, weight: torch.Tensor, size: tuple[int, int], base: torch.Tensor | None = None
) -> torch.Tensor:
    """`upconv` by products at the low resolution; the result is in channels_last format."""
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        x, weight, base = x.to(dtype), weight.to(dtype), None if base is None else base.to(dtype)
    base = None if base is None else base.permute(0, 2, 3, 1)
    x = x.permute(0, 2, 3, 1).contiguous()
    return _UpConv.apply(x, weight, tuple(size), base).permute(0, 3, 1, 2)


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
    if in_blocks(taps):
        high = _Combine.apply(*taps.flatten(-2)[None].unbind(dim=3))  # items and sources in the place of channels
        return high[0].unflatten(-1, taps.shape[-2:]).permute(2, 3, 0, 1)
    return combine_taps_plainly(taps)


def combine_taps_plainly(taps: torch.Tensor) -> torch.Tensor:
    """`combine_taps` in so many words, and with nine maps at the high resolution."""
    height, width, *_, batch, n = taps.shape
    high = upsample(taps.permute(4, 5, 2, 3, 0, 1).reshape(batch, n * 9, height, width))
    high = F.pad(high, (1, 1, 1, 1)).unflatten(1, (n, 3, 3))
    parts = [high[:, :, i, j, i : i + 2 * height, j : j + 2 * width] for i in range(3) for j in range(3)]
    return torch.stack(parts).sum(dim=0)


def folded_upconv(x: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """`upconv` with kernels (B, n, C, 3, 3) of every item: ``(B, C, H, W)`` to ``(B, n, 2H, 2W)``."""
    return combine_taps(folded_taps(x, kernels))
