"""CLIPSep's kin, Sound-of-Pixels and the separators that are asked nothing: what each is defined by, and that it learns."""

from __future__ import annotations

import dataclasses
import itertools

import method_tools as tools
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from avsep_lib.audio import binary_target, loss_weight
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.losses import permutation_invariant
from avsep_lib.methods.mixit import negative_snr
from avsep_lib.methods.mixpit import mixtures_of_mixtures
from avsep_lib.methods.registry import network_class
from avsep_lib.models.visual import DilatedResNet18, Trunk

QUERIED = ("clipsep_early", "clipsep_nit", "label_sep", "sound_of_pixels")
UNASKED = ("pit", "mixpit", "mixit")
OPTIONS = {"clipsep_early": {"early_dim": 8}, "label_sep": {"label_dim": 16}, "sound_of_pixels": {"n_frames": 2}}


def made(method, **options):
    return tools.network(method, **(OPTIONS.get(method, {}) | options))


@pytest.mark.parametrize("method", [*QUERIED, *UNASKED])
def test_every_parameter_learns_and_losses_are_finite(method):
    torch.use_deterministic_algorithms(True)
    net, batch = made(method), tools.batch(2, 3)
    loss = tools.loss_of(net, batch)
    loss.backward()
    assert torch.isfinite(loss)
    without = [name for name, p in net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not without
    still = [name for name, p in net.named_parameters() if p.grad.abs().max() == 0]
    assert not still


@pytest.mark.parametrize("method", QUERIED)
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_a_mask_for_each_query(method, n):
    net, batch = made(method).eval(), tools.batch(n, 2)
    masks = net.masks(torch.log(batch["mixture"]), batch[net.conditions])
    assert masks.shape == (2, n, 64, 64)
    assert 0 <= masks.min() <= masks.max() <= 1
    swapped = net.masks(torch.log(batch["mixture"]), batch[net.conditions].flip(1))
    torch.testing.assert_close(swapped, masks.flip(1))


@pytest.mark.parametrize("method", ["clipsep_early", "label_sep", "pit"])
@pytest.mark.filterwarnings("ignore")
def test_one_pair_is_learnt_and_a_swapped_query_is_not(method):
    net, batch = made(method), tools.batch()
    tools.settle(tools.overfitted(net, batch, 150, 1e-2), batch)
    own = tools.separated(net, batch)
    if method == "pit":
        gain = max(tools.gain(own), tools.gain(own[::-1]))
    else:
        gain = tools.gain(own)
        assert tools.gain(tools.separated(net, batch, shuffled=True)) < 0
    assert gain >= 0.8 * tools.ideal_gain()


def test_noise_masks_are_added_in_the_better_order_and_cut_at_one():
    net, batch = made("clipsep_nit").double(), {k: v.double() for k, v in tools.batch(2, 3).items()}
    terms = net({name: batch[name] for name in net.reads})
    logits = net.logits(torch.log(batch["mixture"]), batch["images"], noise=True)
    assert logits.shape == (3, 4, 64, 64)
    masks, noise = torch.sigmoid(logits[:, :2]), torch.sigmoid(logits[:, 2:])
    target, weight = binary_target(batch["sources"], batch["mixture"]), loss_weight(batch["mixture"])
    losses = []
    for order in (noise, noise[:, [1, 0]]):
        mask = torch.clamp(masks + order, max=1 - 1e-6)
        cross = -(target * mask.log() + (1 - target) * (1 - mask).log())
        losses.append((weight * cross).mean(dim=(1, 2, 3)))
    torch.testing.assert_close(terms["separation"], torch.minimum(*losses).mean())
    excess = max(float(noise.sum(1).mean().detach()) - 0.25, 0)
    assert terms["noise"].item() == pytest.approx(0.1 * excess)
    assert excess > 0
    # When it separates, noise plays no part.
    torch.testing.assert_close(net.masks(torch.log(batch["mixture"]), batch["images"]), masks)


def test_noise_invariant_training_is_for_two_sources():
    with pytest.raises(DataError, match="two sources, not 3"):
        tools.loss_of(made("clipsep_nit"), tools.batch(3))


def test_a_duet_is_asked_for_by_the_mean_of_its_classes():
    net = made("label_sep").eval()
    log = torch.log(tools.batch()["mixture"])
    both = torch.tensor([[[1.0, 1, 0, 0]]])
    with torch.no_grad():
        net.embedding[2] = net.embedding[:2].mean(dim=0)
    torch.testing.assert_close(net.masks(log, both), net.masks(log, torch.tensor([[[0.0, 0, 1, 0]]])))


def test_a_label_method_needs_classes():
    with pytest.raises(DataError, match="no classes are known"):
        network_class("label_sep")(tools.config("label_sep"), ())


def test_permutation_invariant_loss_is_the_least_of_all_orders():
    pairwise = torch.rand((5, 3, 3), generator=torch.Generator().manual_seed(0))
    brute = [
        min(sum(float(item[i, order[i]]) for i in range(3)) / 3 for order in itertools.permutations(range(3)))
        for item in pairwise
    ]
    np.testing.assert_allclose(permutation_invariant(pairwise).numpy(), brute, rtol=1e-6)


@pytest.mark.parametrize("method", UNASKED)
def test_the_order_of_sources_and_mixtures_does_not_matter(method):
    net, batch = made(method).double(), {k: v.double() for k, v in tools.batch(2, 4).items()}
    net.eval()
    turned = {k: v.flip(1) if k in ("sources", "waveforms") else v for k, v in batch.items()}
    torch.testing.assert_close(tools.loss_of(net, batch), tools.loss_of(net, turned))


def test_pit_takes_as_many_sources_as_outputs():
    with pytest.raises(DataError, match="set n_outputs = 3"):
        tools.loss_of(made("pit"), tools.batch(3))
    assert torch.isfinite(tools.loss_of(made("pit", n_outputs=3), tools.batch(3)))


def test_mixtures_of_mixtures_pair_each_with_its_neighbour():
    waveforms = tools.batch(2, 3)["waveforms"]
    pairs = mixtures_of_mixtures(waveforms)
    torch.testing.assert_close(pairs[0], torch.stack([waveforms[0].sum(0), waveforms[2].sum(0)]) / 2)
    with pytest.raises(DataError, match=r"raise training\.batch_size"):
        mixtures_of_mixtures(waveforms[:1])


def test_negative_snr_has_its_threshold():
    target = torch.randn(8000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert negative_snr(target, target, 30.0).item() == pytest.approx(-30)
    noise = torch.randn(8000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    snr = 10 * np.log10(float(target.square().sum() / noise.square().sum()))
    assert negative_snr(target + noise, target, 300.0).item() == pytest.approx(-snr, abs=1e-6)


def test_mixit_masks_add_up_and_its_loss_tries_every_way():
    net, batch = made("mixit").double().eval(), {k: v.double() for k, v in tools.batch(2, 2).items()}
    log = torch.log(batch["mixture"])
    masks = net.masks(log, None)
    assert masks.shape == (2, 4, 64, 64)
    torch.testing.assert_close(masks.sum(dim=1), torch.ones_like(masks[:, 0]))
    parts = mixtures_of_mixtures(batch["waveforms"])
    sounds = net.separate(parts.sum(dim=1), None)  # clipped to [-1, 1], which these sounds do not reach
    target = parts[..., : tools.AUDIO.n_output]
    best = []
    for b in range(2):
        ways = itertools.product((0, 1), repeat=4)
        losses = []
        for way in ways:
            chosen = torch.tensor(way, dtype=torch.bool)
            pair = torch.stack([sounds[b][chosen].sum(0), sounds[b][~chosen].sum(0)])
            losses.append(negative_snr(pair, target[b], 30.0).mean().item())
        best.append(min(losses))
    assert tools.loss_of(net, batch).item() == pytest.approx(np.mean(best), abs=1e-6)


def test_methods_without_supervision_never_see_a_source():
    """Another split of the same mixtures into sources changes nothing."""
    batch = tools.batch(2, 3)
    other = batch["waveforms"].clone()
    other[:, 0] += 0.1
    other[:, 1] -= 0.1
    for method in ("mixit", "mixpit"):
        net = made(method).eval()
        one, two = (tools.loss_of(net, batch | {"waveforms": w}) for w in (batch["waveforms"], other))
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


# --- Sound-of-Pixels ----------------------------------------------------------------------------------------------------


def test_frames_and_pixels_are_pooled_together():
    net, batch = made("sound_of_pixels").eval(), tools.batch()
    films = batch["films"].clone()
    films[:, :, 1] = torch.rand_like(films[:, :, 1])
    pixels = net.pixels(films)
    assert pixels.shape == (1, 2, 2, 16, 2, 2)  # 32 pixels, stride 16
    torch.testing.assert_close(net.query(films), torch.sigmoid(pixels.amax(dim=(2, 4, 5))))


def test_the_resnet_learns_at_a_tenth_of_the_rate():
    net = made("sound_of_pixels")
    shares = [group["share"] for group in net.parameter_groups()]
    assert shares == [1.0, 0.1]
    grouped = [id(p) for group in net.parameter_groups() for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in net.parameters())


def test_where_the_sound_is_asked_from():
    net, batch = made("sound_of_pixels").eval(), tools.batch()
    energy = net.localisation(batch["mixture"][0, 0], batch["films"][0, 0])
    assert energy.shape == (2, 2)
    assert 0 <= energy.min() <= energy.max() <= 1
    with torch.no_grad():
        net.bias.fill_(40.0)  # every mask is one everywhere
    torch.testing.assert_close(net.localisation(batch["mixture"][0, 0], batch["films"][0, 0]), torch.ones(2, 2))


def test_a_frozen_resnet_needs_weights_and_keeps_them(tmp_path):
    with pytest.raises(ConfigError, match="name backbone_weights"):
        made("sound_of_pixels", frozen_backbone=True)
    torch.manual_seed(5)
    save_file(Trunk(DilatedResNet18(4)).state_dict(), tmp_path / "resnet.safetensors")
    model = dataclasses.replace(tools.MODEL, backbone_weights=str(tmp_path / "resnet.safetensors"))
    config = tools.config("sound_of_pixels", model=model, frozen_backbone=True)
    net, batch = network_class("sound_of_pixels")(config, tools.CLASSES), tools.batch(2, 2)
    before = {k: v.clone() for k, v in net.visual.features.state_dict().items()}
    tools.overfitted(net, batch, 3)
    after = net.visual.features.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert net.localisation(batch["mixture"][0, 0], batch["films"][0, 0]).shape == (2, 2)


# --- paper size ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        ("clipsep_nit", {}, 30_292_771),  # as the released model, counted from its code
        # The U-Net of 32 maps has 30,274,210; early fusion has one map, 32 more inputs and their norm, and a projection.
        ("clipsep_early", {}, 30_274_210 - 31 * (128 * 9 + 1) + 32 * (16 * 64 + 2) + 513 * 32),
        ("pit", {}, 30_274_210 + 2 * 33),
        ("mixit", {}, 30_274_210 + 4 * 33),
        ("label_sep", {}, 30_290_659 + 4 * 512),  # CLIPSep late, and an embedding for each of four classes
    ],
)
def test_parameters_at_paper_size(method, options, expected):
    from avsep_lib.settings import ModelSettings

    config = tools.config(method, model=ModelSettings(), **options)
    with torch.device("meta"):
        net = network_class(method)(config, tools.CLASSES)
    assert sum(p.numel() for p in net.parameters()) == expected
