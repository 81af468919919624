"""Masks of one mixture for several sources: ours encodes once, the textbook passes the whole network once per source."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from benchmarks import machine
from benchmarks.case import Case, Pair
from benchmarks.cases.training import MODEL, SIZE, forward_operations, models

TOLERANCE = 1e-5  # of a mask


def pair(n: int) -> Pair:
    """Both on the same weights, mixture and queries, in float32.

    The weights are scaled up from their start, where all masks are near one half and hide differences, and the running
    statistics are those of the mixture.
    """
    plain, ours = models(MODEL)
    with torch.no_grad():
        for parameter in ours.parameters():
            if parameter.dim() > 1:
                parameter.mul_(10)
    log_magnitude, visual = torch.randn(1, 1, SIZE, SIZE), torch.randn(1, n, MODEL.embedding_dim)
    for layer in ours.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the mean over the passes
    with torch.no_grad():
        ours.train()(log_magnitude, visual)
    plain.load_state_dict(ours.state_dict())
    plain.eval(), ours.eval()
    operations, n_bytes = forward_operations(MODEL, SIZE, n), 4 * sum(p.numel() for p in ours.parameters())
    rates = machine.rates()
    one, other = partial(_masks, plain, log_magnitude, visual), partial(_masks, ours, log_magnitude, visual)
    return Pair(
        partial(_timed, one),
        partial(_timed, other),
        partial(check, one, other),
        floor=rates.compute_s(operations) + rates.copy_s(n_bytes),
        floor_note=f"{operations / 1e9:.1f} GFLOP of products, {n_bytes / 1e6:.0f} MB of weights read once",
    )


@torch.inference_mode()
def _masks(model: torch.nn.Module, log_magnitude: torch.Tensor, visual: torch.Tensor) -> torch.Tensor:
    output = model(log_magnitude, visual)
    return torch.sigmoid(output[0] if isinstance(output, tuple) else output.logits)


def _timed(masks: Callable[[], torch.Tensor]) -> None:
    masks()  # what an action returns would be taken for its cost


def check(one: Callable[[], torch.Tensor], other: Callable[[], torch.Tensor]) -> str:
    """The masks agree, and differ between the sources.

    Raises
    ------
    AssertionError
        If not.
    """
    reference, masks = one(), other()
    worst = float((reference - masks).abs().max())
    assert worst <= TOLERANCE, f"masks differ by {worst:.1e}, {TOLERANCE:g} is promised"
    assert float((masks[:, 0] - masks[:, 1]).abs().max()) > 100 * TOLERANCE, "the masks of two sources are the same"
    return f"masks differ by {worst:.0e}; their spread is {float(masks.std()):.2f}"


CASES = [
    Case(f"Separating one mixture into {n}, float32", "plain, float32", goal, "at least", "s", partial(pair, n))
    for n, goal in ((2, 2.2), (4, 2.8))
]
