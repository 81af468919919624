"""Means with honest error bars: over mixtures and across training seeds.

Matrices are ``(seeds, mixtures)``: one number in dB per trained seed and test mixture, already averaged over the
sources of the mixture. The mixture, not the source, is the statistical unit, since the sources of one mixture share
its difficulty. Two questions are kept apart because they have different answers:

- *these trained models on other mixtures like these*: mixtures are resampled (`interval_over_mixtures`);
- *the method, trained again*: seeds and mixtures are both random (`interval_across_seeds`); needs two seeds or more.
  Again means new initial weights and a new order of the training pool, all that a seed of ``runs.csv`` decides. The
  dataset, the frozen encoders, the pool and the test pairs are shared: how much those would add is not in it.

Whatever cannot be said is NaN with a reason beside it, never a narrow interval.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from avsep_lib.errors import ConfigError, DataError

LEVEL = 0.95
POWER = 0.8


@dataclass(frozen=True)
class Resampling:
    """How mixtures are resampled; the same scores and the same three numbers always give the same digits.

    Attributes
    ----------
    n : int
        Bootstrap samples. At least ``2 / (1 - level)``, one beyond each end of the interval: fewer would make it
        narrower than its level says. Ten times as many are wise: a handful of mixtures needs quantiles further out.
    seed : int
        Of the resampling alone; training seeds live in ``config/runs.csv``.
    level : float
        Nominal coverage, also of the intervals that need no resampling.

    Raises
    ------
    ConfigError
        If the level is no probability, or `n` too small for it.
    """

    n: int = 2000
    seed: int = 1234
    level: float = LEVEL

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ConfigError(f"level is {self.level!r}; an interval covers a share between 0 and 1, such as 0.95")
        least = math.ceil(2 / (1 - self.level) - 1e-6)  # the margin is for 2 / (1 - 0.9) = 20.000000000000004
        if self.n < least:
            raise ConfigError(f"n_bootstrap is {self.n!r}; a {self.level:.0%} interval needs {least} resamples or more")

    def generator(self) -> np.random.Generator:
        """A fresh generator, so that every interval depends on its own values only."""
        return np.random.default_rng(self.seed)


DEFAULT_RESAMPLING = Resampling()


@dataclass(frozen=True)
class Interval:
    """A mean, its confidence interval, and what the interval is about.

    Attributes
    ----------
    mean, low, high : float
        NaN bounds mean that no interval can be given; `reason` says why.
    n : int
        Mixtures behind the mean.
    level : float
        Nominal coverage.
    statement : str
        The population the interval speaks of, to be printed beside it.
    detectable_effect : float
        Smallest true effect that a two-sided test at ``1 - level`` would find with 80 % power; NaN if unknown.
    reason : str
        Empty unless the bounds are NaN.
    """

    mean: float
    low: float
    high: float
    n: int
    level: float
    statement: str
    detectable_effect: float = float("nan")
    reason: str = ""


@dataclass(frozen=True)
class VarianceComponents:
    """ANOVA of a (seeds, mixtures) matrix: components, mean squares, and the variance of the grand mean.

    Negative component estimates are truncated at zero. `df` is Satterthwaite's for `mean_variance`.
    """

    seed: float
    mixture: float
    residual: float
    mean_variance: float
    df: float


def interval_over_mixtures(values: ArrayLike, resampling: Resampling = DEFAULT_RESAMPLING) -> Interval:
    """Expanded percentile bootstrap interval of the mean, resampling mixtures.

    Parameters
    ----------
    values : array_like, shape (mixtures,) or (seeds, mixtures)
        In dB; seeds are averaged first.
    resampling : Resampling
        Number of bootstrap samples, their seed, and the nominal coverage.

    Returns
    -------
    Interval
        Speaks of the models as trained. Bounds are NaN for fewer than 3 mixtures, for equal values (the bootstrap
        then knows nothing) and for values that are not finite.

    Notes
    -----
    `avsep_lib.simulations` shows the nominal 95 % to cover 94 to 95 % from 80 mixtures on, whether values are normal,
    skewed, heavy-tailed or shaped like measured ones. About 16, the size of a single instrument's set, it is 93 to
    95 %, and 90 % where a few mixtures carry the mean: read those as slightly optimistic.

    The bias-corrected and accelerated (BCa) interval, the usual choice, covers 93 % of heavy-tailed values at 80
    mixtures and 89 to 92 % of any at 16: one outlier moves its acceleration, and nothing widens it for small sets.

    References
    ----------
    Hesterberg, "What Teachers Should Know About the Bootstrap", 2015,
    doi:10.1080/00031305.2015.1089789.
    """
    values = np.atleast_2d(np.asarray(values, dtype=float)).mean(axis=0)
    statement = f"for these trained models, over mixtures like these {values.size}"
    reason = _why_not(values)
    if reason:
        return no_interval(values, resampling.level, statement, reason)
    result = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=expanded_level(resampling.level, values.size),
        n_resamples=resampling.n,
        method="percentile",
        rng=resampling.generator(),
    )
    low, high = map(float, result.confidence_interval)
    error = values.std(ddof=1) / np.sqrt(values.size)
    effect = detectable_effect(error, values.size - 1, alpha=1 - resampling.level)
    return Interval(float(values.mean()), low, high, values.size, resampling.level, statement, effect)


def expanded_level(level: float, n: int) -> float:
    """Level at which the percentile interval of a mean of `n` values is as wide as `level` needs.

    The plain one is too narrow twice: resamples vary by ``sqrt((n - 1) / n)`` less than samples do, and its tails
    are those of a normal, not of a t distribution. Normal values thus get their t interval.
    """
    expanded = np.sqrt(n / (n - 1)) * stats.t.ppf(0.5 + level / 2, n - 1)
    return float(2 * stats.norm.cdf(expanded) - 1)


def interval_across_seeds(matrix: ArrayLike, level: float = LEVEL) -> Interval:
    """Interval of the mean when training seeds and mixtures are both random and fully crossed.

    Parameters
    ----------
    matrix : array_like, shape (seeds, mixtures)
    level : float
        Nominal coverage.

    Returns
    -------
    Interval
        t interval with the variance and degrees of freedom of `variance_components`; NaN bounds with fewer than
        2 seeds or 3 mixtures, or without variation. Seeds differ in initial weights and order of the pool only.

    Notes
    -----
    Simulated coverage of the nominal 95 % over 88 mixtures, with three seeds: 94 to 97 % for the shares of seeds,
    mixtures and residuals measured in `demo`, 93 % where seeds make most of the variance of the mean. With two seeds it
    falls to 88 %, with five it is 94 % or more (`avsep_lib.simulations`). The smallest detectable effect is found in
    70 to 80 % of repetitions with three seeds: its degrees of freedom are an estimate, too.
    """
    matrix = np.atleast_2d(np.asarray(matrix, dtype=float))
    seeds, mixtures = matrix.shape
    statement = f"for the method trained again, over mixtures like these {mixtures}; {seeds} seeds"
    reason = f"{seeds} seed: the spread between trainings is unknown" if seeds < 2 else _why_not(matrix)
    if reason:
        return no_interval(matrix, level, statement, reason)
    components = variance_components(matrix)
    error = np.sqrt(components.mean_variance)
    half = stats.t.ppf(0.5 + level / 2, components.df) * error
    effect = detectable_effect(error, components.df, alpha=1 - level)
    mean = float(matrix.mean())
    return Interval(mean, float(mean - half), float(mean + half), mixtures, level, statement, effect)


def variance_components(matrix: ArrayLike) -> VarianceComponents:
    """Two-way random-effects ANOVA without replication.

    Parameters
    ----------
    matrix : array_like, shape (seeds, mixtures), at least 2 x 2

    Returns
    -------
    VarianceComponents

    Notes
    -----
    With mean squares S (seeds), M (mixtures) and R (residual), the grand mean has the variance
    ``(S + M - R) / (seeds * mixtures)``; a truncated component leaves the larger of S and M alone.

    References
    ----------
    Satterthwaite, "An approximate distribution of estimates of variance components", 1946, doi:10.2307/3002019.
    """
    matrix = np.asarray(matrix, dtype=float)
    if matrix.ndim != 2 or min(matrix.shape) < 2 or not np.isfinite(matrix).all():
        raise DataError(f"variance components need a finite (seeds, mixtures) matrix from 2 x 2 on, got {matrix.shape}")
    seeds, mixtures = matrix.shape
    rows, columns = matrix.mean(axis=1), matrix.mean(axis=0)
    residuals = matrix - rows[:, None] - columns + matrix.mean()
    freedom = np.array([seeds - 1, mixtures - 1, (seeds - 1) * (mixtures - 1)])
    of_seeds, of_mixtures = mixtures * rows.var(ddof=1), seeds * columns.var(ddof=1)
    residual = (residuals**2).sum() / freedom[2]
    terms = np.array([of_seeds * (of_seeds > residual), of_mixtures * (of_mixtures > residual), 0.0])
    if not terms.any():  # both truncated: nothing but residual noise, spread over all cells
        terms[2] = residual
    elif terms[:2].all():
        terms[2] = -residual
    total = terms.sum()
    return VarianceComponents(
        seed=float(max(of_seeds - residual, 0.0) / mixtures),
        mixture=float(max(of_mixtures - residual, 0.0) / seeds),
        residual=float(residual),
        mean_variance=float(total / matrix.size),
        df=float(total**2 / (terms**2 / freedom).sum()) if total else float("nan"),
    )


def detectable_effect(standard_error: float, df: float, power: float = POWER, alpha: float = 1 - LEVEL) -> float:
    """Smallest true mean that the same experiment, done again, finds with probability `power`.

    In the unit of the scores (dB). Both times the standard error is an estimate with `df` degrees of freedom. From
    40 on this is the usual sum of two t quantiles times the standard error; that sum takes the first estimate for the
    truth, and with 2 degrees of freedom (three trainings) its effect is found in 60 % of repetitions, not in 80 %.
    NaN without degrees of freedom.
    """
    if not df > 0:
        return float("nan")
    return float(_detectable_errors(round(float(df), 2), power, alpha) * standard_error)


@functools.cache
def _detectable_errors(df: float, power: float, alpha: float) -> float:
    """`detectable_effect` in standard errors; the mean power is taken over quantiles of both estimates."""
    critical = stats.t.ppf(1 - alpha / 2, df)
    errors = np.sqrt(stats.chi2.ppf((np.arange(100) + 0.5) / 100, df) / df)

    def lacking(effect: float) -> float:
        return power - special.ndtr(effect * errors[:, None] - critical * errors).mean()

    return optimize.brentq(lacking, 0.0, 100.0 * critical, xtol=1e-6)


def _why_not(values: NDArray) -> str:
    """Why no interval can be given for values whose last axis is mixtures; empty if one can."""
    if values.shape[-1] < 3:
        return f"{values.shape[-1]} mixtures are too few for an interval"
    if not np.isfinite(values).all():
        return "some values are not finite"
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return f"all {values.shape[-1]} values are equal"
    return ""


def no_interval(values: NDArray, level: float, statement: str, reason: str) -> Interval:
    """An `Interval` with a mean and, for the stated reason, no bounds; the last axis of `values` is mixtures."""
    mean = float(values.mean()) if values.size else float("nan")
    nan = float("nan")
    return Interval(mean, nan, nan, values.shape[-1], level, statement, nan, reason)
