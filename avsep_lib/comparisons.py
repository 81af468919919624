"""Is one method better than another, and may a claim be called supported? Built on `avsep_lib.intervals`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from avsep_lib.errors import DataError
from avsep_lib.intervals import (
    DEFAULT_RESAMPLING,
    Interval,
    Resampling,
    interval_across_seeds,
    interval_over_mixtures,
    no_interval,
)

SIGN_FLIPS = 9_999  # at least, whatever `Resampling.n` is: smallest p value 2e-4, so that Holm's factors leave some

SUPPORTED, CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE = "supported", "contradicted", "inconclusive", "not testable here"


@dataclass(frozen=True)
class PairedDifference:
    """``a - b`` on the same mixtures.

    Attributes
    ----------
    over_mixtures : Interval
        Of the difference of seed means; holds the smallest detectable effect.
    across_seeds : Interval
        Random-effects interval of the seed-paired differences.
    p_value : float
        Two-sided sign-flip permutation test over mixtures.
    """

    over_mixtures: Interval
    across_seeds: Interval
    p_value: float


@dataclass(frozen=True)
class Verdict:
    """One of the four words of this module, and the sentence that justifies it."""

    verdict: str
    reason: str


def paired_difference(a: ArrayLike, b: ArrayLike, resampling: Resampling = DEFAULT_RESAMPLING) -> PairedDifference:
    """Compare two methods on the same mixtures.

    Parameters
    ----------
    a, b : array_like, shape (seeds, mixtures) or (mixtures,)
        Arrays, or frames of `avsep_lib.stats.mixture_means`. Columns must be the same mixtures in the same order,
        rows the same seeds where both have several. A single row is one fixed model, as the mixture or an ideal
        mask is, and is subtracted from every seed.
    resampling : Resampling
        Of both intervals and of the test, see `sign_flip_p_value`.

    Returns
    -------
    PairedDifference
        Of ``a - b``.

    Raises
    ------
    DataError
        If the mixtures differ. Different seeds are no error: `across_seeds` then says that it cannot be given.
    """
    seeds_pair = _pairable(a, b)
    a, b = (np.atleast_2d(np.asarray(values, dtype=float)) for values in (a, b))
    if a.shape[1] != b.shape[1]:
        raise DataError(f"{a.shape[1]} and {b.shape[1]} mixtures cannot be paired; reduce both to the common set first")
    difference = a.mean(axis=0) - b.mean(axis=0)
    if min(len(a), len(b)) == 1 or (len(a) == len(b) and seeds_pair):
        across = interval_across_seeds(a - b, resampling.level)
    else:
        statement = f"for the methods trained again; {len(a)} and {len(b)} seeds"
        reason = "the two methods were trained with different seeds"
        across = no_interval(difference, resampling.level, statement, reason)
    over = interval_over_mixtures(difference, resampling)
    return PairedDifference(over, across, sign_flip_p_value(difference, resampling))


def sign_flip_p_value(differences: ArrayLike, resampling: Resampling = DEFAULT_RESAMPLING) -> float:
    """Two-sided permutation test that the mean of paired differences is zero, by flipping their signs.

    Exact when all ``2**n`` sign patterns are no more than the flips, otherwise a seeded Monte-Carlo sample that counts
    the observed pattern. The flips are ``resampling.n``, but never fewer than `SIGN_FLIPS`: an interval is good enough
    with fewer samples than a p value that Holm's correction multiplies. NaN for fewer than 3 or non-finite
    differences; 1 where nothing differs.
    """
    differences = np.asarray(differences, dtype=float)
    if differences.size < 3 or not np.isfinite(differences).all():
        return float("nan")
    result = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=max(resampling.n, SIGN_FLIPS),
        rng=resampling.generator(),
    )
    return float(result.pvalue)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjusted p values; NaN (not testable) is no member of the family and stays NaN.

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", 1979, Scandinavian Journal of Statistics 6:65-70.
    """
    p_values = np.asarray(p_values, dtype=float)
    adjusted = np.full_like(p_values, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    scaled = p_values[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def verdict(interval: Interval | None, direction: Literal["greater", "less"], unit: str = "dB") -> Verdict:
    """Judge a claim about the sign of a mean or of a difference.

    Parameters
    ----------
    interval : Interval or None
        Of the claimed quantity; None when nothing was measured.
    direction : {"greater", "less"}
        The claim: the quantity is greater, or less, than zero.
    unit : str
        Printed after numbers.

    Returns
    -------
    Verdict
        *supported* or *contradicted* if the interval lies wholly on one side of zero, *inconclusive* if it includes
        zero (the reason then gives the smallest detectable effect), *not testable here* if it has no bounds.

    Raises
    ------
    DataError
        If the direction is unknown.
    """
    if direction not in ("greater", "less"):
        raise DataError(f"direction is {direction!r}; a claim says 'greater' or 'less' (than zero)")
    if interval is None:
        return Verdict(NOT_TESTABLE, "nothing was measured for this claim")
    if not np.isfinite([interval.low, interval.high]).all():
        return Verdict(NOT_TESTABLE, interval.reason or "no interval")
    found = (
        f"{interval.mean:+.2f} {unit}, {interval.level:.0%} interval {interval.low:+.2f} to {interval.high:+.2f}, "
        f"n = {interval.n}; {interval.statement}"
    )
    if interval.low <= 0.0 <= interval.high:
        effect = f"the smallest effect detectable with 80 % power is {interval.detectable_effect:.2f} {unit}"
        return Verdict(INCONCLUSIVE, f"{found}; it includes 0, and {effect}")
    agrees = (interval.mean > 0.0) == (direction == "greater")
    return Verdict(SUPPORTED if agrees else CONTRADICTED, found)


def _pairable(a: ArrayLike, b: ArrayLike) -> bool:
    """Check the labels of two frames; plain arrays are taken to be in the same order."""
    if not (hasattr(a, "columns") and hasattr(b, "columns")):
        return True
    if not a.columns.equals(b.columns):
        raise DataError("the two frames hold different mixtures; reduce both to the common set first")
    return a.index.equals(b.index)
