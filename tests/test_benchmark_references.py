"""The plain references of the benchmarks compute what ours computes, so that a ratio compares equal work."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from avsep_lib.models.separator import Separator, count_parameters
from avsep_lib.settings import ModelSettings
from benchmarks.cases import separation, training
from benchmarks.references.plain import PlainSeparator

# Widths on both sides of the 64 channels from which on ours works at the low resolution.
SMALL = ModelSettings(channels=(8, 64, 72, 16), n_maps=5, embedding_dim=16, mid_dim_hierarchical=16, mid_dim_middle=3)
FUSIONS = ["late", "middle", "hierarchical"]


def both(fusion: str, n: int = 2) -> tuple[PlainSeparator, Separator, dict[str, torch.Tensor]]:
    """Plain and ours with the same weights, far from the tiny initial ones, and a batch; float64."""
    plain, ours = (model.double() for model in training.models(dataclasses.replace(SMALL, fusion=fusion)))
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    plain.load_state_dict(ours.state_dict())
    batch = {name: value.double() for name, value in training.random_batch(3, 32, 16).items()}
    return plain, ours, batch | {"visual": torch.randn(3, n, 16, dtype=torch.float64)}


@pytest.mark.parametrize("fusion", FUSIONS)
def test_plain_equals_ours_with_equal_gradients(fusion):
    plain, ours, batch = both(fusion)
    one = training.gradients(plain, training.plain_loss, batch)
    other = training.gradients(ours, training.our_loss, batch)
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(other[name], one[name], rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("n", [1, 3])
def test_plain_equals_ours_when_it_separates(fusion, n):
    plain, ours, batch = both(fusion, n)
    with torch.no_grad():
        ours.train()(batch["mixture"], batch["visual"])
        plain.load_state_dict(ours.state_dict())
        logits, bottleneck = plain.eval()(batch["mixture"], batch["visual"])
        output = ours.eval()(batch["mixture"], batch["visual"])
    torch.testing.assert_close(output.logits, logits, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(output.bottleneck, bottleneck, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_plain_has_the_published_parameters(fusion):
    with torch.device("meta"):
        model = PlainSeparator(ModelSettings(fusion=fusion))
    assert sum(p.numel() for p in model.parameters()) == count_parameters(ModelSettings(fusion=fusion))


def test_the_check_before_timing_finds_a_difference(monkeypatch):
    assert training.equal_in_float64() < training.TOLERANCE
    plain = training.plain_loss
    monkeypatch.setattr(training, "plain_loss", lambda model, batch: plain(model, batch) * (1 + 1e-6))
    assert training.equal_in_float64() > training.TOLERANCE


def test_masks_that_differ_are_found():
    masks = torch.rand(1, 2, 4, 4)
    assert "differ by 0" in separation.check(lambda: masks, lambda: masks)
    with pytest.raises(AssertionError, match="is promised"):
        separation.check(lambda: masks, lambda: masks + 1e-4)


def test_operations_are_those_of_the_plain_convolutions_less_what_is_saved():
    """Counted by PyTorch: at the high resolution a decoder convolution costs four times as much, once per source."""
    from torch.utils.flop_counter import FlopCounterMode

    settings = dataclasses.replace(SMALL, fusion="hierarchical", channels=(8, 16, 16, 16), n_maps=1)
    plain, _ = training.models(settings)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        plain(torch.rand(1, 1, 32, 32), torch.rand(1, 1, 16))
    widths, products = settings.channels, 0
    for i, (n_in, n_out) in enumerate(zip((1, *widths[:-1]), widths)):
        here = (32 >> (i + 1)) ** 2
        products += 16 * n_in * n_out * here + (4 * 9 * 2 * n_in * n_out * here if i else 0)
    convolutions = counter.get_flop_counts()["Global"][torch.ops.aten.convolution]
    assert convolutions == 2 * (products + 4 * 9 * 2 * widths[0] * 16**2)
    ours = training.forward_operations(settings, 32, 1)
    encoder = 2 * sum(16 * a * b * (32 >> (i + 1)) ** 2 for i, (a, b) in enumerate(zip((1, *widths), widths)))
    assert 4 * (ours - encoder) == convolutions - encoder
