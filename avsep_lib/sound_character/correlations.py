"""Rank correlation of gains and descriptors across instruments, and how little eleven instruments can say.

Three kinds of uncertainty stand beside each rho, since they answer different questions. *Instruments*: would other
instruments show it? Permutation of the pairs, and an interval by Fisher's transformation; this is the honest one for a
statement about sound. *Clips and mixtures*: is the order of these instruments well known? Mixtures are resampled, and
with them the solos that are in them, so that a gain and a descriptor move together. Resampling adds the noise of the
gains a second time, so this interval leans towards zero. *Seeds*: rho of every training on its own.

References
----------
Spearman, "The proof and measurement of association between two things", 1904, doi:10.2307/1412159.
Bonett, Wright, "Sample size requirements for estimating Pearson, Kendall and Spearman correlations", 2000,
doi:10.1007/BF02294183 (standard error on Fisher's scale).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from avsep_lib.comparisons import SIGN_FLIPS, holm
from avsep_lib.descriptors import DESCRIPTORS, INDICES
from avsep_lib.intervals import (
    DEFAULT_RESAMPLING,
    LEVEL,
    POWER,
    Interval,
    Resampling,
    interval_across_seeds,
    no_interval,
)
from avsep_lib.sound_character.character import instrument_character
from avsep_lib.sound_character.gains import OwnGains, seed_gains
from avsep_lib.sound_character.joint import JointBootstrap

LEAST_CORRELATED = 4  # three points are in perfect order in one of three cases by chance
LEAST_INSTRUMENTS = 5  # fewer have no permutation p below 0.05 that would be worth a name
QUANTITIES = (*(index.column for index in INDICES), *(descriptor.column for descriptor in DESCRIPTORS))


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rho over the pairs that both have; NaN for fewer than `LEAST_CORRELATED` or a constant."""
    x, y = _complete(x, y)
    if x.size < LEAST_CORRELATED or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])


def permutation_p_value(x: ArrayLike, y: ArrayLike, resampling: Resampling = DEFAULT_RESAMPLING) -> float:
    """Two-sided: how often would chance pairing of gains and descriptors give a rho this far from zero?

    Exact for up to seven instruments, else a seeded sample of at least `SIGN_FLIPS` pairings. NaN where rho is.
    """
    x, y = _complete(x, y)
    if not np.isfinite(spearman(x, y)):
        return float("nan")
    return float(_pairings(stats.rankdata(x), stats.rankdata(y), resampling).pvalue)


def _pairings(x: NDArray, y: NDArray, resampling: Resampling) -> stats.PermutationTestResult:
    x, y = ((ranks - ranks.mean()) / ranks.std() for ranks in (x, y))
    return stats.permutation_test(
        (x,),
        lambda x, axis: (x * y).mean(axis=axis),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=max(resampling.n, SIGN_FLIPS),
        rng=resampling.generator(),
    )


@lru_cache
def rho_needed(n: int, alpha: float = 1 - LEVEL, resampling: Resampling = DEFAULT_RESAMPLING) -> float:
    """Smallest abs(rho) over `n` instruments with a two-sided permutation p below `alpha`; NaN if none has it.

    About 0.62 for eleven instruments.
    """
    if n < LEAST_CORRELATED:
        return float("nan")
    ranks = np.arange(n, dtype=float)
    null = np.sort(np.abs(_pairings(ranks, ranks, resampling).null_distribution))
    p_values = 1 - np.searchsorted(null, null - 1e-9) / null.size
    enough = null[p_values < alpha]
    return float(enough[0]) if enough.size else float("nan")


def interval_over_instruments(rho: float, n: int, level: float = LEVEL) -> Interval:
    """Interval of Spearman's rho when instruments are a sample, by Fisher's transformation.

    Parameters
    ----------
    rho : float
    n : int
        Instruments; NaN bounds for fewer than five.
    level : float

    Returns
    -------
    Interval
        Its `detectable_effect` is the true rho that would be found with 80 % power.
    """
    statement = f"for these trained models, over instruments like these {n}"
    if not np.isfinite(rho):
        return no_interval(np.full(n, np.nan), level, statement, "rho is undefined: too few instruments, or a constant")
    if n < LEAST_INSTRUMENTS:
        nan = float("nan")
        return Interval(rho, nan, nan, n, level, statement, nan, f"{n} instruments are too few for an interval")
    z = np.arctanh(np.clip(rho, -0.9999, 0.9999))
    half = stats.norm.ppf(0.5 + level / 2) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    low, high = np.tanh([z - half, z + half])
    needed = (stats.norm.ppf(0.5 + level / 2) + stats.norm.ppf(POWER)) * np.sqrt(1 / (n - 3))
    return Interval(rho, float(low), float(high), n, level, statement, float(np.tanh(needed)))


def seed_rhos(gains: OwnGains, values: pd.Series) -> pd.Series:
    """Rho of every seed's own gains with a descriptor; empty if the seeds cannot be paired."""
    own = seed_gains(gains)
    return own.apply(lambda column: spearman(column, values.reindex(own.index)))


def interval_across_trainings(gains: OwnGains, values: pd.Series, level: float = LEVEL) -> Interval:
    """Interval of one training's rho when seeds and instruments are both random.

    Given the ranks, rho is a mean over instruments of products of two standardised ranks, so these products are the
    (seeds, instruments) matrix of `avsep_lib.intervals.interval_across_seeds`. Cut to [-1, 1].
    """
    own = seed_gains(gains)
    own = own[values.reindex(own.index).notna()]
    statement = f"for the methods trained again, over instruments like these {len(own)}"
    if gains.unpaired or len(own) < LEAST_INSTRUMENTS:
        reason = gains.unpaired or f"{len(own)} instruments are too few for an interval"
        return no_interval(np.full(len(own), np.nan), level, statement, reason)
    x, y = (_standard_ranks(table) for table in (values.reindex(own.index).to_numpy()[:, None], own.to_numpy()))
    found = interval_across_seeds((x * y).T, level)
    low, high = np.clip([found.low, found.high], -1, 1)
    statement = f"one training's rho, trained again, over instruments like these {len(own)}; {own.shape[1]} seeds"
    effect = min(found.detectable_effect, 1.0)
    return replace(found, low=float(low), high=float(high), statement=statement, detectable_effect=effect)


def _standard_ranks(columns: NDArray) -> NDArray:
    ranks = stats.rankdata(columns, axis=0)
    return (ranks - ranks.mean(axis=0)) / ranks.std(axis=0)


def correlate(
    gains: Sequence[OwnGains], descriptors: pd.DataFrame, resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Rho of the gains with both indices and every descriptor.

    Parameters
    ----------
    gains : sequence of OwnGains
        One per metric.
    descriptors : pandas.DataFrame
        One row per solo, from `avsep_lib.sound_character.load_descriptors`.
    resampling : Resampling

    Returns
    -------
    pandas.DataFrame
        One line per metric and quantity: `metric`, `mask`, `quantity`, `n_instruments`, `rho`, `low`, `high` (clips
        and mixtures resampled together, for these instruments), `among_low`, `among_high` (over instruments),
        `seed_min`, `seed_max` (rho of single seeds), `p_value` (permutation), `p_holm` (over all lines).
    """
    character = instrument_character(descriptors)
    rows = []
    for one in gains:
        drawn = JointBootstrap.draw(one, descriptors, resampling)
        observed = one.of_instruments.reindex(character.index)
        for quantity in QUANTITIES:
            x, y = observed.to_numpy(), character[quantity].to_numpy()
            rho, n = spearman(x, y), _complete(x, y)[0].size
            low, high = drawn.interval(quantity, resampling.level)
            among, own = interval_over_instruments(rho, n, resampling.level), seed_rhos(one, character[quantity])
            row = {"metric": one.metric, "mask": one.mask, "quantity": quantity, "n_instruments": n, "rho": rho}
            row |= {"low": low, "high": high, "among_low": among.low, "among_high": among.high}
            row |= {"seed_min": own.min(), "seed_max": own.max(), "p_value": permutation_p_value(x, y, resampling)}
            rows.append(row)
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p_value"]))


def _complete(x: ArrayLike, y: ArrayLike) -> tuple[NDArray, NDArray]:
    x, y = (np.asarray(values, dtype=float) for values in (x, y))
    both = np.isfinite(x) & np.isfinite(y)
    return x[both], y[both]
