"""The simulations: each draws data whose truth is known and asks how often the project's functions are right.

Every function yields lines of `avsep_lib.simulations.promises.line`. A generator is seeded by what it simulates, so a
line does not depend on which others are made.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from avsep_lib.comparisons import CONTRADICTED, SUPPORTED, holm, verdict
from avsep_lib.intervals import LEVEL, Interval, Resampling, detectable_effect, interval_across_seeds
from avsep_lib.simulations import promises
from avsep_lib.simulations.batches import intervals_over_mixtures, sign_flip_p_values
from avsep_lib.simulations.promises import line
from avsep_lib.simulations.truths import SHAPES, answers, crossed

RESAMPLINGS = 4  # different seeds of the resampling, so that no line hangs on one draw of resamples
MIXTURES_ACROSS_SEEDS = 88
ALPHA = 1 - LEVEL
ACCURACIES = (0.5, 0.6, 0.7, 0.8, 0.9)


def over_mixtures(shape: str, n: int, n_simulations: int, seed: int) -> Iterator[dict]:
    """Coverage, false verdicts, false p values and power of one shape and number of mixtures.

    The effect is as often positive as negative: it is printed without a sign, and skewed values show it more readily
    in the direction of their long tail.
    """
    rng = generator(seed, shape, n)
    draw = SHAPES[shape]
    found: dict[promises.Promise, list[NDArray]] = {}
    for resampling, trials in _shares(n_simulations, seed):
        values = draw(rng, (trials, n))
        means, (low, high) = values.mean(axis=1), intervals_over_mixtures(values, resampling)
        effects = values.std(axis=1, ddof=1) / np.sqrt(n) * detectable_effect(1.0, n - 1)
        sign = np.where(np.arange(trials) % 2, 1, -1)
        shift = sign * np.roll(effects, 1)  # what one data set calls detectable is there in the next
        words = _verdicts(means, low, high, n)
        sought = _verdicts(means + shift, low + shift, high + shift, n)  # an interval moves with its values
        for promise, happened in {
            promises.COVERAGE: (low <= 0) & (high >= 0),
            promises.FALSE_VERDICT: np.isin(words, (SUPPORTED, CONTRADICTED)),
            promises.FALSE_P: sign_flip_p_values(values, resampling) <= ALPHA,
            promises.POWER_FOUND: sought == np.where(sign > 0, SUPPORTED, CONTRADICTED),
        }.items():
            found.setdefault(promise, []).append(happened)
    yield from (line(promise, shape, n, 1, np.concatenate(parts)) for promise, parts in found.items())


def across_seeds(components: tuple[float, float, float], seeds: int, n_simulations: int, seed: int) -> Iterator[dict]:
    """Coverage of the interval across seeds, and whether the effect it calls detectable is found."""
    n = MIXTURES_ACROSS_SEEDS
    name = "seed {:g}, mixture {:g}, residual {:g}".format(*components)
    rng = generator(seed, name, seeds)
    drawn = [interval_across_seeds(crossed(rng, seeds, n, components)) for _ in range(n_simulations)]
    low, high, effects = np.array([(found.low, found.high, found.detectable_effect) for found in drawn]).T
    yield line(promises.SEED_COVERAGE, name, n, seeds, (low <= 0) & (high >= 0))
    yield line(promises.SEED_POWER, name, n, seeds, low + np.roll(effects, 1) > 0)


def families(n_simulations: int, seed: int) -> Iterator[dict]:
    """Family-wise error after Holm's correction: instruments apart, and rows of a table against each other."""
    for shape in ("normal", "measured gain"):
        for effects in (0, 5):
            name = f"11 instruments, {effects or 'none'} with an effect, {shape}"
            draw = functools.partial(_instruments, shape=shape, n=16, members=11, effects=effects)
            yield line(promises.FAMILY, name, 16, 1, _some_error(draw, name, 11 - effects, n_simulations, seed))
    name = "6 differences of 4 rows, measured gain"
    draw = functools.partial(_rows_of_a_table, shape="measured gain", n=88, rows=4)
    yield line(promises.FAMILY, name, 88, 1, _some_error(draw, name, 6, n_simulations, seed))


def accuracies(n: int, n_simulations: int, seed: int) -> Iterator[dict]:
    """Wilson intervals of one accuracy, and McNemar's test of two equal ones, over `n` questions."""
    from avsep_lib.probe.accuracy import mcnemar, wilson  # loads torch

    bounds = np.array([wilson(pd.DataFrame([100.0 * (np.arange(n) < right)])) for right in range(n + 1)]) / 100
    for accuracy in ACCURACIES:
        right = generator(seed, "accuracy", n, accuracy).binomial(n, accuracy, n_simulations)
        covered = (bounds[right, 0] <= accuracy) & (accuracy <= bounds[right, 1])
        yield line(promises.WILSON, f"accuracy {accuracy:.0%}", n, 1, covered)
    for disagreement in (0.1, 0.3):
        name = f"both 70 %, different on {disagreement:.0%}"
        rng = generator(seed, name, n)
        p_values = [mcnemar(*answers(rng, n, 0.7, disagreement)) for _ in range(n_simulations)]
        yield line(promises.MCNEMAR, name, n, 1, np.array(p_values) <= ALPHA)


def generator(seed: int, *about: object) -> Generator:
    """A generator of its own for everything that has a name."""
    return np.random.default_rng([seed, *repr(about).encode()])


def _shares(n_simulations: int, seed: int) -> Iterator[tuple[Resampling, int]]:
    """The simulations dealt out among `RESAMPLINGS` seeds of the resampling."""
    for k in range(RESAMPLINGS):
        if trials := (n_simulations + k) // RESAMPLINGS:
            yield Resampling(seed=seed + k), trials


def _verdicts(means: NDArray, low: NDArray, high: NDArray, n: int) -> NDArray[np.str_]:
    intervals = (Interval(*bounds, n, LEVEL, "") for bounds in zip(means, low, high))
    return np.array([verdict(interval, "greater").verdict for interval in intervals])


def _instruments(rng: Generator, shape: str, n: int, members: int, effects: int) -> NDArray:
    """Differences (members, n) of which the last `effects` are clearly not zero."""
    values = SHAPES[shape](rng, (members, n))
    values[members - effects :] += values.std()
    return values


def _rows_of_a_table(rng: Generator, shape: str, n: int, rows: int) -> NDArray:
    """All differences (pairs, n) between equally good rows."""
    scores = SHAPES[shape](rng, (rows, n))
    first, second = np.triu_indices(rows, k=1)
    return scores[first] - scores[second]


def _some_error(draw, name: str, nulls: int, n_simulations: int, seed: int) -> NDArray[np.bool_]:
    """Whether any of the first `nulls` members of each simulated family is declared different from zero."""
    rng, errors = generator(seed, name), []
    for resampling, trials in _shares(n_simulations, seed):
        drawn = np.stack([draw(rng) for _ in range(trials)])
        p_values = sign_flip_p_values(drawn.reshape(-1, drawn.shape[-1]), resampling).reshape(drawn.shape[:2])
        errors += [(holm(family)[:nulls] <= ALPHA).any() for family in p_values]
    return np.array(errors)
