"""Values whose truth is known: per-mixture differences with mean zero, and answers with a known accuracy.

The shapes are those that differences of SDR between two separators take. A few mixtures can carry most of a gain (a
source is found or swapped), so measured differences are skewed to either side, with tails heavier than a normal.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Shape = tuple[int, ...]
Draw = Callable[[Generator, Shape], NDArray]

LEVELS = (0.0, 0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975, 1.0)

# Quantiles at LEVELS, in dB, of SDR on the 88 test mixtures of `demo`: binary mask, mean over sources and three seeds.
MEASURED = {
    "measured gain": (
        -3.63,
        -2.37,
        -2.08,
        -1.26,
        -0.52,
        -0.08,
        0.20,
        0.76,
        0.97,
        1.27,
        2.29,
        5.30,
        6.89,
    ),  # hier - late
    "measured loss": (-12.88, -6.15, -3.54, -2.53, -1.76, -1.31, -0.94, -0.46, 0.35, 1.05, 2.24, 3.96, 6.73),
    "measured level": (-6.69, -3.65, -2.09, -0.69, 0.33, 1.07, 1.67, 2.94, 3.93, 6.48, 8.70, 13.11, 23.96),  # hier
}  # the loss is middle - late

# Standard deviations in dB of training seed, mixture and residual. The first three are those of `demo` (hier - late,
# hier - middle, middle - late); then seeds from no share to nearly all of the variance of the mean over 88 mixtures.
COMPONENTS = (
    (0.0, 1.1, 2.6),
    (0.33, 2.0, 3.2),
    (0.45, 1.5, 3.9),
    (0.0, 1.0, 0.0),
    (0.0, 1.0, 1.0),
    (0.1, 1.0, 1.0),
    (0.2, 1.0, 1.0),
    (0.5, 1.0, 1.0),
    (1.0, 1.0, 1.0),
    (1.0, 0.0, 0.2),
)


def _measured(quantiles: tuple[float, ...]) -> Draw:
    """Values between the quantiles are equally likely, so the mean to subtract is a sum of trapezoids."""
    ends = np.array(quantiles)
    mean = ((ends[1:] + ends[:-1]) / 2) @ np.diff(LEVELS)
    return lambda rng, shape: np.interp(rng.random(shape), LEVELS, quantiles) - mean


def _few_gain(rng: Generator, shape: Shape) -> NDArray:
    """Two peaks: 15 % of the mixtures gain about 3 dB and the others nothing."""
    gains = rng.random(shape) < 0.15
    return np.where(gains, 3.0 + rng.standard_normal(shape), 0.5 * rng.standard_normal(shape)) - 0.45


def _one_right(rng: Generator, shape: Shape) -> NDArray:
    """Right minus right of two classifiers that differ on a fifth of the items: -1, 0 or 1."""
    return rng.choice((-1.0, 0.0, 1.0), shape, p=(0.1, 0.8, 0.1))


SHAPES: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "gamma, shape 2": lambda rng, shape: rng.gamma(2.0, 1.0, shape) - 2.0,
    "t, 5 df": lambda rng, shape: rng.standard_t(5, shape),
    "two peaks": _few_gain,
    **{name: _measured(quantiles) for name, quantiles in MEASURED.items()},
    "probe answers, 20 % differ": _one_right,
}


def crossed(rng: Generator, seeds: int, mixtures: int, components: tuple[float, float, float]) -> NDArray:
    """A (seeds, mixtures) matrix of the two-way random-effects model with mean zero.

    Parameters
    ----------
    rng : numpy.random.Generator
    seeds, mixtures : int
    components : tuple of float
        Standard deviations of seed, mixture and residual.
    """
    seed, mixture, residual = components
    return (
        seed * rng.standard_normal((seeds, 1))
        + mixture * rng.standard_normal((1, mixtures))
        + residual * rng.standard_normal((seeds, mixtures))
    )


def answers(rng: Generator, n: int, accuracy: float, disagreement: float) -> tuple[NDArray, NDArray]:
    """Right (True) or wrong answers of two equally good classifiers to the same `n` questions.

    They differ on a share `disagreement` of the questions, in either direction equally often.
    """
    both, only_one = accuracy - disagreement / 2, disagreement / 2
    who = rng.choice(4, n, p=(both, only_one, only_one, 1 - both - disagreement))  # both, first, second, neither
    return who <= 1, who % 2 == 0
