"""The separator against a plain, textbook forward; parameter counts against the published models."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from avsep_lib.models.separator import Separator, count_parameters, released_extra_parameters
from avsep_lib.models.small_maps import DilatedConv, innermost_conv, is_small
from avsep_lib.models.upconv import upsample
from avsep_lib.settings import ModelSettings

SMALL = ModelSettings(channels=(4, 6, 8, 16), n_maps=5, embedding_dim=16, mid_dim_hierarchical=16, mid_dim_middle=3)
FUSIONS = ["late", "middle", "hierarchical"]


def plain_forward(model: Separator, log_magnitude: torch.Tensor, visual: torch.Tensor) -> torch.Tensor:
    """One full U-Net pass per source, concatenations and all maps written out; statistics of the batch."""
    unet, settings = model.unet, model.settings

    def norm(x, layer):
        if isinstance(layer, torch.nn.Identity):
            return x
        return F.batch_norm(x, None, None, layer.weight, layer.bias, training=True)

    logits = []
    for i in range(visual.shape[1]):
        skips, x = [], norm(log_magnitude, unet.input_norm)
        for down in unet.down:
            x = norm(down.conv(F.leaky_relu(x, 0.2) if down.activation else x), down.norm)
            skips.append(x)
        below = skips[-1]
        if settings.mid_dim():
            query = torch.sigmoid(model.mid_projection(visual[:, i]))
            below = torch.cat([below, query[:, :, None, None].expand(-1, -1, *below.shape[-2:])], dim=1)
        for level in range(len(unet.up) - 1, -1, -1):
            up = unet.up[level]
            below = norm(up.conv(upsample(F.relu(below))), up.norm)
            below = torch.cat([skips[level], below], dim=1)
        maps = unet.out(upsample(F.relu(below)))
        if settings.fusion == "middle":
            logits.append(maps[:, 0])
        else:
            query = torch.sigmoid(model.late_projection(visual[:, i])) * model.scale
            logits.append(torch.einsum("bk,bkft->bft", query, maps) + model.bias)
    return torch.stack(logits, dim=1)


def build(fusion: str, dtype: torch.dtype = torch.float64, **changes) -> tuple[Separator, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    model = Separator(dataclasses.replace(SMALL, fusion=fusion, **changes)).to(dtype)
    for parameter in model.parameters():  # the lineage's tiny initial weights would hide differences
        torch.nn.init.normal_(parameter, std=0.3)
    return model, torch.randn(3, 1, 32, 32, dtype=dtype), torch.randn(3, 2, 16, dtype=dtype)


def gradients(model: Separator, logits: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    logits.square().mean().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("fusion", FUSIONS)
def test_encode_once_equals_the_plain_per_source_forward(fusion):
    model, x, visual = build(fusion)
    ours, plain = model(x, visual).logits, plain_forward(model, x, visual)
    torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)
    ours, plain = gradients(model, ours), gradients(model, plain)
    assert ours.keys() == plain.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], plain[name], rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_encode_once_in_float32_keeps_the_global_gradient(fusion):
    model, x, visual = build(fusion, torch.float32)
    ours = gradients(model, model(x, visual).logits)
    plain = gradients(model, plain_forward(model, x, visual))
    difference = sum((ours[n] - plain[n]).square().sum() for n in ours).sqrt()
    assert difference < 1e-4 * sum(plain[n].square().sum() for n in plain).sqrt()


def test_decoder_running_statistics_follow_the_sources_in_order():
    model, x, visual = build("hierarchical")
    twin, *_ = build("hierarchical")
    model.train()(x, visual)
    for i in range(2):  # two separate passes
        twin.train()(x, visual[:, i : i + 1])
    torch.testing.assert_close(model.unet.up[0].norm.running_var, twin.unet.up[0].norm.running_var)
    torch.testing.assert_close(model.unet.up[0].norm.running_mean, twin.unet.up[0].norm.running_mean)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_swapping_the_sources_swaps_the_masks(fusion):
    model, x, visual = build(fusion)
    masks, swapped = model.eval()(x, visual).masks, model(x, visual.flip(1)).masks
    torch.testing.assert_close(masks.flip(1), swapped)
    assert not torch.allclose(masks[:, 0], masks[:, 1])


def test_mid_condition_last_is_the_released_forward():
    model, x, visual = build("hierarchical", mid_condition="last")
    own, *_ = build("hierarchical")
    model.eval(), own.eval()
    both_last = torch.stack([visual[:, 1], visual[:, 1]], dim=1)
    masks = model(x, visual).masks
    torch.testing.assert_close(masks[:, 1], own(x, both_last).masks[:, 1])  # the last source is decoded as its own
    assert not torch.allclose(masks[:, 0], own(x, visual).masks[:, 0])  # the first one with its competitor's features
    assert not torch.allclose(masks.flip(1), model(x, visual.flip(1)).masks)  # hence order matters


def test_bottleneck_is_signed_and_blind_to_the_video():
    model, x, visual = build("hierarchical")
    bottleneck = model(x, visual).bottleneck
    torch.testing.assert_close(bottleneck, model(x, torch.zeros_like(visual)).bottleneck)
    assert (bottleneck < 0).any()
    assert bottleneck.shape == (3, 16)


def test_a_teacher_bottleneck_replaces_the_innermost_convolution():
    model, x, visual = build("hierarchical", bottleneck="teacher")
    teacher = torch.randn(3, 16).to(x)
    model.eval()
    output = model(x, visual, teacher)
    torch.testing.assert_close(output.bottleneck, teacher)
    assert not torch.allclose(output.masks, model(x, visual, torch.randn(3, 16).to(x)).masks)
    model.unet.down[-1].conv.weight.data.zero_()  # what the teacher replaces is not read
    torch.testing.assert_close(output.masks, model(x, visual, teacher).masks)


def test_a_teacher_bottleneck_counts_only_the_parameters_it_uses():
    settings = ModelSettings(fusion="hierarchical", bottleneck="teacher")
    assert count_parameters(settings) == 32_912_611 - 512 * 512 * 16


def test_paper_size_parameter_counts():
    """The arithmetic of the published models (late and middle: CLIPSep; hierarchical: HFRA)."""
    unet = 30_274_210  # seven levels, 32 output maps, no condition
    head = 32 + 1  # scale and bias of the inner product
    late_fc, mid_fc_32, mid_fc_512 = 512 * 32 + 32, 512 * 32 + 32, 512 * 512 + 512
    widen = lambda mid: 512 * mid * 9  # noqa: E731 - innermost convolution reads `mid` more channels
    one_map = (128 * 9 + 1) - (128 * 9 * 32 + 32)  # one output map instead of 32

    late = ModelSettings(fusion="late")
    assert count_parameters(late) == unet + head + late_fc == 30_290_659

    middle = ModelSettings(fusion="middle")
    assert count_parameters(middle) == unet + one_map + widen(32) + mid_fc_32
    assert count_parameters(middle) + released_extra_parameters(middle) == 30_403_524

    hierarchical = ModelSettings(fusion="hierarchical")
    assert count_parameters(hierarchical) == unet + head + late_fc + widen(512) + mid_fc_512 == 32_912_611
    assert released_extra_parameters(hierarchical) == 1_152
    assert count_parameters(hierarchical) + 1_152 == 32_913_763


def test_paper_size_forward_shapes():
    model = Separator(ModelSettings(fusion="hierarchical")).eval()
    with torch.no_grad():
        output = model(torch.randn(1, 1, 256, 256), torch.randn(1, 2, 512))
    assert output.logits.shape == (1, 2, 256, 256)
    assert output.bottleneck.shape == (1, 512)


def test_trained_backbone_turns_frames_into_queries():
    settings = dataclasses.replace(SMALL, fusion="late", backbone="resnet18")
    model = Separator(settings)
    output = model(torch.randn(2, 1, 32, 32), torch.rand(2, 2, 3, 64, 64))
    output.logits.sum().backward()
    assert output.logits.shape == (2, 2, 32, 32)
    assert next(model.visual.parameters()).grad is not None


def released_forward(model: Separator, x: torch.Tensor, visual: torch.Tensor) -> torch.Tensor:
    """The released loop: one full pass per source, and every pass rebuilds the masks of all sources."""
    for i in range(visual.shape[1]):
        conditioned = torch.stack([visual[:, i]] * visual.shape[1], dim=1)
        levels = model.unet.encode(x)
        below = model.unet.decode(levels, model.mid_query(conditioned)[:, :1])
        maps = model.unet.out(upsample(torch.cat([F.relu(levels[0]), below], dim=1)))
        query = model.late_query(visual) * model.scale
        logits = torch.einsum("bnk,bkft->bnft", query, maps) + model.bias
    return logits


def test_mid_condition_last_trains_like_the_released_loop():
    model, x, visual = build("hierarchical", mid_condition="last")
    twin, *_ = build("hierarchical", mid_condition="last")
    ours, theirs = model.train()(x, visual).logits, released_forward(twin.train(), x, visual)
    torch.testing.assert_close(ours, theirs)
    for (name, a), b in zip(gradients(model, ours).items(), gradients(twin, theirs).values()):
        torch.testing.assert_close(a, b, msg=name)
    torch.testing.assert_close(model.unet.up[0].norm.running_mean, twin.unet.up[0].norm.running_mean)


@pytest.mark.parametrize(("size", "dilation"), [((4, 4), (2, 2)), ((2, 4), (1, 2)), ((3, 4), (1, 1)), ((1, 2), (1, 2))])
def test_dilated_convolution_of_a_small_map_by_taps(size: tuple[int, int], dilation: tuple[int, int]) -> None:
    """Values and gradients of the ResNet-18's last stage are those of the ordinary convolution."""
    conv = DilatedConv(5, 7, 3, padding=dilation, dilation=dilation, bias=False).double()
    x = torch.randn(3, 5, *size, dtype=torch.float64, requires_grad=True)
    assert is_small(conv, x)
    assert not is_small(conv, x.repeat(1, 1, 5, 1))
    usual = F.conv2d(x, conv.weight, padding=dilation, dilation=dilation)
    weighted = torch.randn_like(usual)
    for ours, expected in zip(
        (conv(x), *torch.autograd.grad((conv(x) * weighted).sum(), [x, conv.weight])),
        (usual, *torch.autograd.grad((usual * weighted).sum(), [x, conv.weight])),
    ):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


def test_innermost_convolution_as_one_product() -> None:
    x, weight = torch.randn(3, 5, 4, 4, dtype=torch.float64), torch.randn(7, 5, 4, 4, dtype=torch.float64)
    expected = F.conv2d(x, weight, stride=2, padding=1)
    torch.testing.assert_close(innermost_conv(x, weight), expected, rtol=1e-12, atol=1e-12)
