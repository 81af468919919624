"""Networks of HFRA's tables that are made after papers: Wave-U-Net, ResUNetDecouple+, MP-Net, AV-Mix-and-Separate."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
import torch.nn.functional as F
from method_tools import (
    AUDIO,
    CLASSES,
    MODEL,
    batch,
    conditions,
    config,
    gain,
    ideal_gain,
    loss_of,
    network,
    overfitted,
    separated,
    settle,
    small,
)

from avsep_lib.audio import binary_target
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.methods.assignment import assigned
from avsep_lib.methods.mp_net import waiting_loss
from avsep_lib.methods.registry import network_class
from avsep_lib.methods.settings import METHOD_SETTINGS
from avsep_lib.methods.wave_u_net import interpolate
from avsep_lib.settings import ModelSettings, RunConfig

SMALL = {
    "wave_u_net": {"wave_levels": 5, "wave_filters": 8},
    "resunet_decouple": {"resunet_channels": (8, 16, 32), "resunet_blocks": 1, "resunet_centre": 1},
    "mp_net": {"minus_maps": 8},
    "av_mix_separate": {"picture_dim": 16},
}
WAVES, MASKS = ("wave_u_net", "resunet_decouple"), ("mp_net", "av_mix_separate")
ALL = WAVES + MASKS


@pytest.fixture(autouse=True)
def repeatable():
    """As in training: an operation that cannot be repeated to the bit is an error."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def small_network(method: str, **options: object) -> torch.nn.Module:
    return network(method, **SMALL[method] | options)


def outputs(method: str, n: int) -> dict[str, int]:
    """Options for mixtures of n sources."""
    return {"n_outputs": n} if method in WAVES else {}


def both_orders(values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each mixture once more with its sources in the opposite order, so that no slot stands for one sound."""
    return {name: torch.cat([x, x.flip(1)]) if x.shape[1] > 1 else x.repeat(2, 1, 1, 1) for name, x in values.items()}


# --- shapes and gradients --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("method", ALL)
def test_estimates_of_each_source(method, n):
    net, values = small_network(method, **outputs(method, n)).eval(), batch(n, 2)
    asked = conditions(net, values)
    with torch.no_grad():
        estimates = net.separate(values["waveforms"].sum(dim=1), asked)
    assert estimates.shape == (2, n, AUDIO.n_output)
    assert estimates.isfinite().all()
    assert estimates.abs().max() <= 1
    if method in MASKS:
        with torch.no_grad():
            masks = net.masks(torch.log(values["mixture"]), asked)
        assert masks.shape == values["sources"].shape
        assert masks.min() >= 0
        assert masks.max() <= 1


@pytest.mark.parametrize("method", ALL)
def test_one_step_is_finite_and_reaches_every_parameter(method):
    net, values = small_network(method), batch(2, 2)
    net.train()
    loss = loss_of(net, values)
    loss.backward()
    assert loss.isfinite()
    assert loss > 0
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("method", ALL)
def test_equal_seeds_give_equal_weights_after_training(method):
    first, second = (overfitted(small_network(method), batch(2, 2), 2) for _ in range(2))
    for (name, one), other in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


@pytest.mark.parametrize("method", ALL)
def test_double_precision_is_the_same_network(method):
    values = batch(2, 2)
    single = small_network(method)
    double = small_network(method).double()
    finer = {name: x.double() for name, x in values.items()}
    loss = loss_of(double.train(), finer)
    assert loss.dtype == torch.float64
    torch.testing.assert_close(loss_of(single.train(), values).double(), loss, rtol=1e-3, atol=1e-5)
    with torch.no_grad():
        asked = conditions(double, finer)
        assert double.eval().separate(finer["waveforms"].sum(dim=1), asked).dtype == torch.float64


# --- networks without queries ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", WAVES)
def test_the_order_of_sources_does_not_matter(method):
    net, values = small_network(method, n_outputs=3).eval(), batch(3, 2)
    swapped = values | {
        "waveforms": torch.stack([values["waveforms"][0, [2, 0, 1]], values["waveforms"][1, [1, 0, 2]]])
    }
    with torch.no_grad():
        torch.testing.assert_close(loss_of(net, swapped), loss_of(net, values))
        other = values | {"waveforms": values["waveforms"].flip(-1)}  # the loss is one that sources can change
        assert (loss_of(net, other) - loss_of(net, values)).abs() > 1e-6


@pytest.mark.parametrize("method", WAVES)
def test_spare_outputs_are_to_be_silent_and_missing_ones_an_error(method):
    net, values = small_network(method, n_outputs=3).eval(), batch(2)
    silent = torch.cat([values["waveforms"], torch.zeros_like(values["waveforms"][:, :1])], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(loss_of(net, values), loss_of(net, {"waveforms": silent}))
        with pytest.raises(DataError, match="mixtures of 4 sources for n_outputs = 3; set n_outputs to at least 4"):
            loss_of(net, batch(4))


@pytest.mark.parametrize("length", [8191, 8192, 5000, 33])
def test_estimates_of_wave_u_net_sum_to_the_mixture_sample_by_sample(length):
    net = small_network("wave_u_net", n_outputs=3).eval()
    mixture = torch.rand((2, length), generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.no_grad():
        sounds = net.estimates(mixture)
    assert sounds.shape == (2, 3, length)
    torch.testing.assert_close(sounds.sum(dim=1), mixture)
    assert (sounds[:, 0] - sounds[:, 1]).abs().max() > 1e-3


def test_interpolation_keeps_every_sample_and_puts_means_between():
    x = torch.tensor([[[1.0, 3.0, 5.0]]])
    assert interpolate(x, 6).tolist() == [[[1, 2, 3, 4, 5, 5]]]
    assert interpolate(x, 5).tolist() == [[[1, 2, 3, 4, 5]]]


def test_resunet_starts_near_the_phase_of_the_mixture():
    net, values = small_network("resunet_decouple").eval(), batch(2)
    net.out.weight.data.zero_()
    net.out.bias.data.view(2, 4)[:, 2:] = 0  # no imaginary part, nothing added
    mixture = values["waveforms"].sum(dim=1)
    with torch.no_grad():
        sounds = net.estimates(mixture)
    share = torch.sigmoid(net.out.bias.view(2, 4)[:, 0])
    torch.testing.assert_close(sounds[0], share[:, None] * mixture[:, : AUDIO.n_output], atol=1e-5, rtol=1e-4)


# --- networks with queries -------------------------------------------------------------------------------------------


def loud_weights(net: torch.nn.Module) -> torch.nn.Module:
    """Untrained masks are near one half everywhere; these differ between queries."""
    generator = torch.Generator().manual_seed(5)
    for parameter in net.parameters():
        if parameter.ndim > 1:
            parameter.data = torch.randn(parameter.shape, generator=generator) * (2 / parameter[0].numel()) ** 0.5
    return net


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("method", MASKS)
def test_permuted_queries_permute_the_masks(method, n):
    values = batch(n, 2)
    net = (
        settle(loud_weights(small_network(method)), values, 5) if n > 1 else loud_weights(small_network(method)).eval()
    )
    asked, way = conditions(net, values), torch.randperm(n, generator=torch.Generator().manual_seed(n))
    with torch.no_grad():
        masks = net.masks(torch.log(values["mixture"]), asked)
        permuted = net.masks(torch.log(values["mixture"]), asked[:, way])
    torch.testing.assert_close(permuted, masks[:, way], atol=1e-5, rtol=1e-4)
    if n > 1:
        assert (masks[:, 0] - masks[:, 1]).abs().max() > 1e-3


def test_minus_net_takes_the_loudest_first_and_plus_net_gives_back_of_what_is_gone():
    net, values = loud_weights(small_network("mp_net")), batch(3, 2)
    settle(net, values, 5)
    log_magnitude, images = torch.log(values["mixture"])[:, 0], values["images"]
    with torch.no_grad():
        order, left, minus = net._turns(log_magnitude, images)
        alone = torch.sigmoid(net.minus(log_magnitude, images)) * values["mixture"]
        masks = net.masks(log_magnitude[:, None], images)
        net.plus.unet.out.bias.data -= 1e3  # gives nothing back
        without = net.masks(log_magnitude[:, None], images)
    assert torch.equal(order[:, 0], alone.square().mean(dim=(-2, -1)).argmax(dim=1))
    assert torch.equal(order.sort(dim=1).values, torch.arange(3).expand(2, -1))
    share = torch.ones_like(log_magnitude)
    for turn in range(3):
        torch.testing.assert_close(left[:, turn].exp(), share)
        own, item = torch.sigmoid(minus[:, turn]), torch.arange(2)
        torch.testing.assert_close(without[item, order[:, turn]], share * own, atol=1e-5, rtol=1e-4)
        more = masks[item, order[:, turn]] - share * own
        assert more.min() > -1e-5
        assert (more < 1 - share + 1e-5).all()
        assert (more.max() > 1e-2) == (turn > 0)
        share = share * (1 - own)


def test_waiting_sources_are_heard_before_their_turn():
    values, left = batch(3, 2), torch.zeros(2, 3, 64, 64)
    target = binary_target(values["sources"], values["mixture"])
    right = (20 * (2 * target - 1))[:, None].expand(-1, 3, -1, -1, -1).clone()
    arguments = (left, values["sources"], values["mixture"])
    assert waiting_loss(right, *arguments) < 1e-6
    past = right.clone()
    past[:, 1, 0] *= -1  # had its turn
    past[:, 2, 2] *= -1  # has it
    assert waiting_loss(past, *arguments) < 1e-6
    right[:, 1, 2] *= -1
    assert waiting_loss(right, *arguments) > 0.1
    assert waiting_loss(right, left.index_fill(1, torch.tensor([1]), -50.0), *arguments[1:]) < 1e-6  # nothing is left
    assert waiting_loss(right[:, :1, :1], left[:, :1], values["sources"][:, :1], values["mixture"]) == 0


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="plus_levels = 1; choose a value of at least 2"):
        METHOD_SETTINGS["mp_net"](plus_levels=1)
    with pytest.raises(ConfigError, match="down_kernel = 4; choose an odd one"):
        METHOD_SETTINGS["wave_u_net"](down_kernel=4)


# --- learning --------------------------------------------------------------------------------------------------------


@lru_cache
def learnt(method: str) -> torch.nn.Module:
    """A network that has seen one pair."""
    if method == "av_mix_separate":
        return learnt_with_pictures()
    steps = {"wave_u_net": 150, "resunet_decouple": 60, "mp_net": 150}[method]
    net = overfitted(small_network(method), batch(), steps)
    return net if method == "wave_u_net" else settle(net, batch(), 30)  # Wave-U-Net has no batch norm


def pictured() -> dict[str, torch.Tensor]:
    """The pair in both orders and larger pictures.

    The decoder's statistics are those of a slot, so each sound must be in each; and with maps of one position the
    trunk's batch norm would see two different values, whose running variance is far from theirs.
    """
    values = batch()
    frames = F.interpolate(values["frames"][0], size=(48, 48))[None]
    return both_orders(values | {"frames": frames})


def learnt_with_pictures() -> torch.nn.Module:
    """Its trunk stays random: 11 million weights that follow would be most of the time, and two pictures need none."""
    torch.manual_seed(0)
    run = config("av_mix_separate", model=small(MODEL, frame_size=48), **SMALL["av_mix_separate"])
    net = network_class("av_mix_separate")(run, CLASSES)
    net.visual.features.requires_grad_(False)
    return settle(overfitted(net, pictured(), 90, 1e-3), pictured(), 30)


SHARE = {"wave_u_net": 0.8, "resunet_decouple": 0.8, "mp_net": 0.8}
SHARE["av_mix_separate"] = 0.5  # L1 on ratios moves slowly where masks are nearly right: 63 % after 160 steps


@pytest.mark.parametrize("method", ALL)
def test_one_pair_is_learnt(method):
    """A share of the gain in dB of ideal binary masks, which networks that put out sound may exceed."""
    values = pictured() if method == "av_mix_separate" else batch()
    estimates = separated(learnt(method), values)
    if method in WAVES:
        references = values["waveforms"][0, :, : AUDIO.n_output].numpy()
        estimates = assigned(torch.from_numpy(estimates), estimates, references).numpy()
    assert gain(estimates) > SHARE[method] * ideal_gain()


@pytest.mark.parametrize("method", MASKS)
def test_the_other_sources_query_gives_the_other_source(method):
    """So estimates are worse than the mixture; a network that ignored its queries would keep its gain."""
    values = pictured() if method == "av_mix_separate" else batch()
    assert gain(separated(learnt(method), values, shuffled=True)) < -5


# --- size ------------------------------------------------------------------------------------------------------------

PARAMETERS = {
    # No number in the suite's notes; ours follows from levels, filters and kernels, which they give.
    "wave_u_net": 10_263_002,
    # No number in the suite's notes, which give 143 layers.
    "resunet_decouple": 102_864_844,
    # The notes' U-Net with 32 maps, 30,274,210, less 16 maps, plus 512 x 16 + 16 visual weights: 30,263,970. The rest
    # is the Plus network, for which there is no number.
    "mp_net": 42_672_551,
    # No number in the suite's notes; ResNet-18 without classifier is torchvision's 11,176,512.
    "av_mix_separate": 47_051_843,
}


@pytest.mark.parametrize("method", ALL)
def test_size_of_the_original(method):
    run = RunConfig("size-s0", 0, False, model=ModelSettings(frame_size=224), method=method)
    with torch.device("meta"):
        net = network_class(method)(run, CLASSES)
    assert sum(p.numel() for p in net.parameters()) == PARAMETERS[method]
    if method == "resunet_decouple":
        assert net.n_layers() == 143
    if method == "mp_net":
        assert sum(p.numel() for p in net.minus.parameters()) == 30_274_210 - 16 * (128 * 9 + 1) + 512 * 16 + 16
    if method == "av_mix_separate":
        assert sum(p.numel() for p in net.visual.features.parameters()) == 11_176_512
