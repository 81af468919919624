"""Upsampling and convolution at the low resolution against the plain order of operations."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from avsep_lib.models import upconv as module
from avsep_lib.models.upconv import folded_upconv, tap_matrix, upconv, upconv_low, upsample


def problem(shape: tuple[int, int, int, int], n_out: int, dtype: torch.dtype = torch.float64):
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=dtype, requires_grad=True)
    weight = torch.randn(n_out, shape[1], 3, 3, dtype=dtype, requires_grad=True)
    return x, weight


def plain(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return F.conv2d(upsample(x), weight, padding=1)


@pytest.mark.parametrize("shape", [(3, 5, 1, 1), (2, 5, 2, 2), (3, 4, 7, 20), (2, 3, 16, 5)])
def test_values_and_gradients_equal_the_plain_order(shape):
    x, weight = problem(shape, 7)
    ours, theirs = upconv_low(x, weight, x.shape[-2:]), plain(x, weight)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    grad = torch.randn_like(theirs)
    for one, other in zip(torch.autograd.grad(ours, (x, weight), grad), torch.autograd.grad(theirs, (x, weight), grad)):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("images", [1, 3, 16])
def test_pieces_and_rows_change_nothing(images, monkeypatch):
    """Few images go to the convolution row by row; a small limit takes them through `_Combine` in pieces."""
    x, weight = problem((images, 6, 4, 6), 3, torch.float32)
    whole = upconv_low(x, weight, x.shape[-2:])
    monkeypatch.setattr(module, "PIECE_BYTES", 1)
    torch.testing.assert_close(upconv_low(x, weight, x.shape[-2:]), whole)
    torch.testing.assert_close(whole, plain(x, weight), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [8, module.LEAST_CHANNELS])
def test_either_order_is_the_same_function(channels):
    x, weight = problem((2, channels, 4, 4), 5)
    torch.testing.assert_close(upconv(x, weight, x.shape[-2:]), plain(x, weight))


def test_a_constant_map_needs_one_position():
    x, weight = problem((3, 5, 1, 1), 4)
    ours, theirs = upconv_low(x, weight, (2, 3)), plain(x.expand(-1, -1, 2, 3), weight)
    torch.testing.assert_close(ours, theirs)
    grad = torch.randn_like(theirs)
    for one, other in zip(torch.autograd.grad(ours, (x, weight), grad), torch.autograd.grad(theirs, (x, weight), grad)):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("channels", [8, module.LEAST_CHANNELS])
def test_a_base_is_added_to_every_source(channels):
    x, weight = problem((6, channels, 4, 4), 5)
    base = torch.randn(2, 5, 8, 8, dtype=torch.float64, requires_grad=True)
    ours, theirs = upconv(x, weight, x.shape[-2:], base), plain(x, weight) + base.repeat(3, 1, 1, 1)
    torch.testing.assert_close(ours, theirs)
    grad, inputs = torch.randn_like(theirs), (x, weight, base)
    for one, other in zip(torch.autograd.grad(ours, inputs, grad), torch.autograd.grad(theirs, inputs, grad)):
        torch.testing.assert_close(one, other)


def test_tap_matrix_reads_only_the_neighbours():
    """Blocks of the product leave everything else out, so it must be zero."""
    matrix = tap_matrix(9, torch.float64).unflatten(1, (9, 3))
    for k in range(9):
        for row in (2 * k, 2 * k + 1):
            read = matrix[row].abs().sum(dim=1).nonzero().flatten().tolist()
            assert set(read) <= {k - 1, k, k + 1}


def test_a_cache_filled_in_inference_mode_serves_training():
    module._blocks.cache_clear()
    x, weight = problem((1, 2, 3, 3), 2)
    with torch.inference_mode():
        upconv_low(x.detach(), weight.detach(), (3, 3))
    upconv_low(x, weight, x.shape[-2:]).sum().backward()
    assert x.grad is not None


def test_other_devices_take_the_plain_order():
    """Run on the meta device: shapes only, but no tensor of this device may be mixed in."""
    x, weight = (t.detach().to("meta") for t in problem((4, 64, 1, 1), 5))
    base = torch.empty(2, 5, 8, 8, device="meta", dtype=x.dtype)
    assert upconv(x, weight, (4, 4), base).shape == (4, 5, 8, 8)
    x, kernels = torch.empty(2, 7, 5, 6, device="meta"), torch.empty(2, 3, 7, 3, 3, device="meta")
    assert folded_upconv(x, kernels).shape == (2, 3, 10, 12)


def test_taps_are_upsampled_shifted_and_added():
    taps = torch.randn(4, 6, 3, 3, 2, 5, dtype=torch.float64)
    torch.testing.assert_close(module.combine_taps(taps), module.combine_taps_plainly(taps))


def test_folded_upconv_is_upsample_then_convolution():
    x, kernels = torch.randn(2, 7, 5, 6, dtype=torch.float64), torch.randn(2, 3, 7, 3, 3, dtype=torch.float64)
    plain_maps = torch.stack([F.conv2d(upsample(x[i : i + 1]), kernels[i], padding=1)[0] for i in range(2)])
    torch.testing.assert_close(folded_upconv(x, kernels), plain_maps)
