"""The semantic grouping network: its algebra against the plain order, its losses, its switches, and that it learns."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from method_tools import (
    AUDIO,
    CLASSES,
    MODEL,
    TRAINING,
    batch,
    config,
    gain,
    ideal_gain,
    loss_of,
    network,
    overfitted,
    separated,
    settle,
)
from safetensors.torch import save_file

from avsep_lib.errors import ConfigError, DataError
from avsep_lib.files import canonical_json
from avsep_lib.methods.base import Query
from avsep_lib.methods.registry import load_method
from avsep_lib.methods.sgn import SGN, Grouping, LiteralAttention, held_classes, separation_loss, union
from avsep_lib.models.separator import count_parameters
from avsep_lib.models.upconv import upsample
from avsep_lib.settings import AudioSettings, ModelSettings, RunConfig, to_dict

SMALL = {"dim": 16, "patch": 8, "depth": 2, "heads": 2}
SWITCHES = [
    {},
    {"grouping": False},
    {"tokens": False},
    {"tokens": False, "grouping": False},
    {"assignment": "hard"},
    {"attention": "literal"},
    {"attention": "literal", "grouping": False},
    {"attention": "literal", "tokens": False},
]
switches = pytest.mark.parametrize(
    "options", SWITCHES, ids=lambda o: "-".join(f"{k}={v}" for k, v in o.items()) or "all"
)


def sgn(seed: int = 0, **options) -> SGN:
    return network("sgn", seed, **SMALL | options)


def awake(net: SGN) -> SGN:
    """In float64, and with weights so large that masks are not 0.5 everywhere."""
    with torch.no_grad():
        for parameter in net.unet.parameters():
            if parameter.ndim == 4:
                parameter.copy_(torch.randn_like(parameter) * parameter[0].numel() ** -0.5)
    return net.double()


def doubled(values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.double() for name, tensor in values.items()}


def padded(values: dict[str, torch.Tensor], n: int = 4) -> dict[str, torch.Tensor]:
    """With empty slots up to n; what stands in their spectrograms must not be read."""
    more = n - values["labels"].shape[1]
    noise = torch.ones_like(values["sources"][:, :1]).expand(-1, more, -1, -1)
    return values | {
        "sources": torch.cat([values["sources"], noise], dim=1),
        "labels": F.pad(values["labels"], (0, 0, 0, more)),
    }


# --- shapes and orders -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_any_number_of_sources_without_retraining(n):
    net, values = sgn().eval(), batch(n, size=2)
    with torch.no_grad():
        estimates = net.separate(values["waveforms"].sum(dim=1), values["labels"])
        masks = net.masks(values["mixture"].log(), values["labels"])
    assert estimates.shape == (2, n, AUDIO.n_output)
    assert masks.shape == (2, n, AUDIO.n_rows, AUDIO.n_frames)
    assert ((masks > 0) & (masks < 1)).all()
    assert torch.isfinite(loss_of(net, values))


def test_a_mask_depends_on_its_own_class_only():
    net, values = awake(sgn()).eval(), doubled(batch(4))
    log_magnitude, labels = values["mixture"].log(), values["labels"]
    with torch.no_grad():
        masks = net.masks(log_magnitude, labels)
        order = [2, 0, 3, 1]
        torch.testing.assert_close(net.masks(log_magnitude, labels[:, order]), masks[:, order], rtol=0, atol=1e-12)
        torch.testing.assert_close(net.masks(log_magnitude, labels[:, 1:2]), masks[:, 1:2], rtol=0, atol=1e-12)
    assert (masks[:, 0] - masks[:, 1]).abs().max() > 1e-3


def test_folded_kernels_equal_the_inner_product_with_all_maps():
    net, values = awake(sgn()).eval(), doubled(batch(2, size=2))
    log_magnitude = values["mixture"].log()
    features = torch.randn(2, 3, SMALL["dim"], dtype=torch.float64)
    with torch.no_grad():
        net.bias.fill_(0.3)
        levels = net.unet.encode(log_magnitude)
        below = net.unet.decode(levels, None)
        maps = net.unet.out(upsample(torch.cat([F.relu(levels[0]), below], dim=1)))
        plain = torch.einsum("bmk,bkrt->bmrt", features, maps) + net.bias
        folded = net._class_logits(levels, features)
    assert maps.shape[1] == SMALL["dim"]
    assert plain.std() > 0.1
    torch.testing.assert_close(folded, plain, rtol=0, atol=1e-9)


# --- sources of several classes, and of none -------------------------------------------------------------------------


def test_a_duets_odds_are_the_sum_of_its_classes_odds():
    net, values = awake(sgn()).eval(), doubled(batch(2))
    log_magnitude = values["mixture"].log()
    with torch.no_grad():
        single = net.masks(log_magnitude, torch.eye(4, dtype=torch.float64)[None])
        both = net.masks(log_magnitude, torch.tensor([[[1.0, 0, 0, 1], [0, 1, 0, 0]]], dtype=torch.float64))
    odds = single / (1 - single)
    expected = 1 / (1 + 1 / (odds[:, 0] + odds[:, 3]))
    torch.testing.assert_close(both[:, 0], expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(both[:, 1], single[:, 1], rtol=0, atol=1e-12)
    assert (both[:, 0] >= torch.maximum(single[:, 0], single[:, 3])).all()


def test_both_classes_of_a_duet_learn_from_it_and_no_other():
    logits = torch.randn(1, 1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    holds = torch.tensor([True, True, False])[None, None, :, None, None]
    union(logits, holds).sum().backward()
    assert (logits.grad[:, :, :2] > 0).all()
    assert (logits.grad[:, :, 2] == 0).all()


def test_held_classes_are_found_in_order():
    labels = torch.tensor([[[0.0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]]])
    index, holds = held_classes(labels)
    assert index[0, 0].tolist() == [1, 3]
    assert index[0, 1, 0] == 2
    assert holds[0].tolist() == [[True, True], [True, False], [False, False]]
    assert held_classes(labels[:, 1:])[0].shape == (1, 2, 1)


@switches
def test_empty_slots_change_neither_loss_nor_gradient(options):
    found = []
    for change in (lambda values: values, padded):
        net = awake(sgn(**options))
        torch.manual_seed(5)  # of Gumbel noise
        losses = net(change(doubled(batch(2, size=2))))
        sum(losses.values()).backward()
        found.append((losses, [parameter.grad for parameter in net.parameters()]))
    (plain, gradients), (with_padding, padded_gradients) = found
    assert plain.keys() == with_padding.keys()
    for name in plain:
        assert abs(plain[name] - with_padding[name]).item() < 1e-9, name
    torch.testing.assert_close(padded_gradients, gradients, rtol=0, atol=1e-9)


def test_duets_beside_empty_slots_have_finite_gradients():
    net, values = sgn(), padded(batch(2))
    values["labels"] = values["labels"].clone()
    values["labels"][:, 0] = torch.tensor([1.0, 0, 0, 1])
    loss_of(net, values).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in net.parameters())


def test_an_empty_slot_has_an_empty_mask():
    net, values = sgn().eval(), padded(batch(2))
    with torch.no_grad():
        masks = net.masks(values["mixture"].log(), values["labels"])
    assert (masks[:, 2:] == 0).all()
    assert (masks[:, :2] > 0).all()


def test_mixtures_of_one_to_four_sources_count_alike():
    net = awake(sgn()).eval()  # batch norm does not mix the items
    items = [doubled(padded(batch(n))) for n in (1, 2, 3, 4)]
    with torch.no_grad():
        together = net({name: torch.cat([item[name] for item in items]) for name in net.reads})
        alone = [net({name: item[name] for name in net.reads}) for item in items]
    for name, value in together.items():
        assert value.item() == pytest.approx(np.mean([losses[name].item() for losses in alone]), abs=1e-9)


# --- losses ----------------------------------------------------------------------------------------------------------


def test_losses_are_sums_over_sources_and_classes():
    net, values = awake(sgn()).eval(), doubled(batch(2, size=3))
    with torch.no_grad():
        losses = net(values)
        log_magnitude, labels = values["mixture"].log(), values["labels"]
        masks, p = net.masks(log_magnitude, labels), net.presence(log_magnitude)
        e = torch.softmax(net.class_head(net.tokens), dim=-1)
    weight = torch.log1p(values["mixture"]).clamp(1e-3, 10)
    target = values["sources"] > 0.5 * values["mixture"]
    cross_entropy = -torch.where(target, masks, 1 - masks).log() * weight
    y = labels.sum(dim=1) > 0
    assert list(losses) == ["separation", "class_token", "presence"]
    assert losses["separation"].item() == pytest.approx(cross_entropy.mean(dim=(-2, -1)).sum(dim=1).mean().item())
    assert losses["class_token"].item() == pytest.approx(-e.diagonal().log().sum().item())
    assert losses["presence"].item() == pytest.approx(-torch.where(y, p, 1 - p).log().sum(dim=1).mean().item())


def test_separation_loss_of_a_hand_made_pair():
    mixture = torch.full((1, 1, 1, 2), math.e - 1)  # weight 1
    sources = torch.tensor([[[[1.5, 0.1]], [[0.2, 1.6]]]])
    logits = torch.tensor([[[[2.0, -1.0]], [[0.0, 3.0]]]])
    expected = (F.softplus(torch.tensor([-2.0, -1.0])).mean() + F.softplus(torch.tensor([0.0, -3.0])).mean()).item()
    assert separation_loss(logits, sources, mixture, torch.eye(2)[None]).item() == pytest.approx(expected)


@switches
def test_every_parameter_that_exists_gets_a_finite_gradient(options):
    net = sgn(**options)
    torch.manual_seed(0)
    loss_of(net, batch(3, size=2)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_the_unet_hears_the_separation_loss_alone():
    net = sgn()
    losses = net(batch(2))
    (losses["class_token"] + losses["presence"]).backward()
    assert all(parameter.grad is None for parameter in net.unet.parameters())


def test_switches_take_their_terms_and_their_parameters_away():
    parts = {
        switch: ({name for name, _ in net.named_children()}, set(net(batch(2))))
        for switch in itertools.product((True, False), repeat=2)
        for net in [sgn(tokens=switch[0], grouping=switch[1])]
    }
    always, terms = {"presence_head", "unet"}, {"separation", "presence"}
    attended = always | {"embedding", "attention"}
    assert parts[True, True] == (attended | {"class_head", "grouping"}, terms | {"class_token"})
    assert parts[True, False] == (attended | {"class_head"}, terms | {"class_token"})
    assert parts[False, True] == (attended | {"grouping"}, terms)
    assert parts[False, False] == (always, terms)


def test_without_tokens_and_grouping_features_do_not_hear_the_mixture():
    quiet, loud = batch(2)["mixture"].log(), batch(3)["mixture"].log()
    for options in SWITCHES:
        net = sgn(**options).eval()
        with torch.no_grad():
            same = torch.equal(net.grouped(quiet), net.grouped(loud))
        assert same == (options == {"tokens": False, "grouping": False})


# --- attention and grouping ------------------------------------------------------------------------------------------


def test_literal_attention_is_the_printed_formula_and_has_no_parameter():
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    expected = x
    for _ in range(3):
        scores = torch.einsum("bid,bjd->bij", expected, expected) / 2
        weights = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)
        expected = torch.einsum("bij,bjd->bid", weights, expected)
    layer = LiteralAttention(3)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    assert not list(layer.parameters())
    assert not list(sgn(attention="literal").attention.parameters())
    assert sgn(attention="literal").embedding.positions is None


def test_layers_start_from_different_weights_and_positions_are_learnt():
    net = sgn()
    first, second = net.attention[0], net.attention[1]
    assert not torch.equal(first.linear1.weight, second.linear1.weight)
    assert net.embedding.positions.shape == (64, SMALL["dim"])
    assert first.norm_first
    assert first.dropout.p == 0


def test_soft_grouping_is_the_quotient_of_equation_6():
    torch.manual_seed(0)
    grouping = Grouping(6, "soft").double()
    patches, tokens = torch.randn(2, 9, 6, dtype=torch.float64), torch.randn(2, 4, 6, dtype=torch.float64)
    a = torch.softmax(grouping.query(patches) @ grouping.key(tokens).mT / math.sqrt(6), dim=2)
    quotient = (a.mT @ grouping.value(patches)) / a.sum(dim=1)[..., None]
    torch.testing.assert_close(grouping(patches, tokens), tokens + grouping.out(quotient), rtol=0, atol=1e-12)


def test_hard_grouping_gives_each_patch_to_one_class():
    torch.manual_seed(0)
    grouping = Grouping(6, "hard").double().eval()
    similarity = torch.randn(2, 9, 4, dtype=torch.float64)
    similarity[:, [0, 1, 2], [0, 1, 2]] = 9  # each of the first three has some
    similarity[:, :, 3] = -50  # no patch is most similar to the last class
    shares = grouping.shares(similarity)
    assert ((shares > 0).sum(dim=2) == 1).all()
    torch.testing.assert_close(shares.sum(dim=1)[:, :3], torch.ones(2, 3, dtype=torch.float64))
    assert (shares[:, :, 3] == 0).all()
    assert torch.equal((shares > 0).long().argmax(dim=2), similarity.argmax(dim=2))


def test_hard_assignment_is_noisy_in_training_and_deterministic_in_evaluation():
    hard, log_magnitude = sgn(assignment="hard"), batch(2)["mixture"].log()
    with torch.no_grad():
        assert not torch.equal(hard.grouped(log_magnitude), hard.grouped(log_magnitude))
        hard.eval()
        assert torch.equal(hard.grouped(log_magnitude), hard.grouped(log_magnitude))
        soft = sgn().eval()
        soft.load_state_dict(hard.state_dict())
        assert not torch.allclose(soft.grouped(log_magnitude), hard.grouped(log_magnitude), atol=1e-4)


def test_a_training_step_repeats_to_the_bit():
    runs = []
    for _ in range(2):
        net = sgn(assignment="hard")
        torch.manual_seed(2)
        loss_of(net, padded(batch(2, size=2))).backward()
        runs.append(torch.cat([parameter.grad.flatten() for parameter in net.parameters()]))
    assert torch.equal(*runs)


# --- presence and measures -------------------------------------------------------------------------------------------


def test_top_labels_are_the_classes_of_highest_presence(monkeypatch):
    net = sgn().eval()
    monkeypatch.setattr(net, "presence", lambda _: torch.tensor([[0.1, 0.7, 0.9, 0.2]]))
    log_magnitude = batch(2)["mixture"].log()
    labels = net.top_labels(log_magnitude, 2)
    assert labels.tolist() == [[[0, 0, 1, 0], [0, 1, 0, 0]]]
    assert net.masks(log_magnitude, labels).shape[1] == 2
    with pytest.raises(DataError, match="5 classes asked for"):
        net.top_labels(log_magnitude, 5)


def test_measures_against_hand_made_numbers(monkeypatch):
    net = sgn()
    heard = torch.tensor([[0.9, 0.8, 0.2, 0.5], [0.1, 0.4, 0.9, 0.0]])  # 0.5 is not above the threshold
    monkeypatch.setattr(net, "_heard", lambda _: heard)
    labels = torch.zeros(2, 2, 4)
    labels[0, 0, 0] = labels[0, 1, 3] = labels[1, 0, 1] = labels[1, 0, 2] = 1  # the second mixture is one duet
    with torch.no_grad():  # token 2 takes itself for class 1
        net.tokens.copy_(torch.eye(4, SMALL["dim"]))
        net.class_head.weight.zero_()
        net.class_head.bias.zero_()
        for token, guess in enumerate((0, 1, 1, 3)):
            net.class_head.weight[guess, token] = 1
    found = net.measures({"waveform": torch.zeros(2, 1), "labels": labels})
    assert found == pytest.approx(
        {
            "presence_precision": 2 / 3,  # classes 0 and 2 right, 1 wrong
            "presence_recall": 2 / 4,
            "presence_f1": 4 / 7,
            "token_accuracy": 3 / 4,
            "token_f1": (1 + 2 / 3 + 0 + 1) / 4,
        }
    )


def test_measures_leave_the_network_as_it_was():
    net, values = sgn(tokens=False), batch(2, size=3)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    found = net.measures({"waveform": values["waveforms"].sum(dim=1), "labels": values["labels"]})
    assert list(found) == ["presence_precision", "presence_recall", "presence_f1"]
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


# --- it learns -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learnt() -> SGN:
    values = batch(2)
    return settle(overfitted(sgn(), values, steps=80), values)


def test_one_pair_is_learnt_and_shuffled_labels_fail(learnt):
    values = batch(2)
    assert gain(separated(learnt, values)) >= 0.8 * ideal_gain()
    assert gain(separated(learnt, values, shuffled=True)) < 0


def test_what_was_learnt_is_heard(learnt):
    values = batch(2)
    mixture = values["waveforms"].sum(dim=1)
    found = learnt.measures({"waveform": mixture, "labels": values["labels"]})
    assert set(found.values()) == {1.0}
    top = learnt.top_labels(values["mixture"].log(), 2)
    assert set(top.argmax(dim=-1)[0].tolist()) == {0, 1}
    assert learnt.presence(values["mixture"].log()).shape == (1, len(CLASSES))


def test_a_checkpoint_separates_by_class_names(learnt, tmp_path):
    metadata = {"config": canonical_json(to_dict(learnt.config) | {"classes": list(CLASSES)})}
    save_file(learnt.state_dict(), tmp_path / "model.safetensors", metadata)
    method, values = load_method(tmp_path / "model.safetensors"), batch(2)
    queries = [Query("label", ("bell",)), Query("label", ("flute",))]
    estimates = method.estimate(values["waveforms"][0].sum(dim=0).numpy(), queries)
    np.testing.assert_allclose(estimates["soft"], separated(learnt, values), atol=1e-5)
    with pytest.raises(DataError, match="'gong' was not in the training"):
        method.conditions([Query("label", ("gong",))])


@switches
def test_float64(options):
    values = doubled(batch(2, size=2))
    net = sgn(**options).double()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = (
                1.0  # statistics of this batch; the initial ones would make literal attention all but hard
            )
    assert loss_of(net, values).dtype == torch.float64
    with torch.no_grad():
        double = net.eval().separate(values["waveforms"].sum(dim=1), values["labels"])
        single = net.float().separate(values["waveforms"].sum(dim=1).float(), values["labels"].float())
    torch.testing.assert_close(single, double.float(), rtol=0, atol=1e-4)


# --- what cannot be --------------------------------------------------------------------------------------------------


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"patch = 7 does not divide the mask of \(64, 64\)"):
        sgn(patch=7)
    with pytest.raises(ConfigError, match="dim = 16 cannot be shared by heads = 3"):
        sgn(heads=3)
    with pytest.raises(ConfigError, match="without grouping"):
        sgn(assignment="hard", grouping=False)
    with pytest.raises(DataError, match="at least two"):
        SGN(config("sgn", **SMALL), ("bell",))
    with pytest.raises(DataError, match=r"got \(64, 32\)"):
        sgn().grouped(torch.zeros(1, 1, 64, 32))


def test_parameters_at_paper_size():
    def count(n_classes: int = 11, **options) -> int:
        run = RunConfig("sgn-s0", 0, False, AudioSettings(), ModelSettings(), TRAINING, "sgn", options)
        with torch.device("meta"):
            net = SGN(run, tuple(f"class {i}" for i in range(n_classes)))
        return sum(parameter.numel() for parameter in net.parameters())

    assert count() == 35_670_927
    assert count(286) == 35_812_002  # FUSS
    assert count(grouping=False) == 35_408_783
    assert count(tokens=False) == 35_668_100
    assert count(tokens=False, grouping=False) == 30_535_556
    assert count(attention="literal") == 30_866_319
    # The last row is the U-Net of late fusion with 256 maps in place of 32, 11 vectors, presence layer and bias.
    late = count_parameters(ModelSettings(fusion="late")) - (512 * 32 + 32) - 32 - 1
    assert late == 30_274_210
    assert count(tokens=False, grouping=False) == late + 224 * (128 * 9 + 1) + 11 * 256 + 257 + 1


def test_positions_follow_the_size_of_the_mask():
    assert MODEL.channels[0] == 8
    with torch.device("meta"):
        run = RunConfig("sgn-s0", 0, False, AudioSettings(), ModelSettings(), TRAINING, "sgn", {})
        assert SGN(run, CLASSES).embedding.positions.shape == (256, 256)  # 16 x 16 patches, D = 256
