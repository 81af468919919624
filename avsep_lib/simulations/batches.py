"""Thousands of samples of one size at once, to the digits that `avsep_lib` gives for each of them alone.

Every interval and every p value starts from a fresh generator of the same seed, so samples of one size share their
resamples and their sign flips. These are taken from scipy once, by handing it values that reveal what it drew, and a
matrix product does the rest: the mean is linear. A test holds the digits against the functions of the tables.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from avsep_lib.comparisons import SIGN_FLIPS
from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling, expanded_level


def intervals_over_mixtures(rows: NDArray, resampling: Resampling = DEFAULT_RESAMPLING) -> tuple[NDArray, NDArray]:
    """Bounds of `avsep_lib.intervals.interval_over_mixtures` for each row.

    Parameters
    ----------
    rows : ndarray, shape (samples, mixtures)
    resampling : Resampling

    Returns
    -------
    low, high : ndarray, shape (samples,)
    """
    n = rows.shape[1]
    tail = (1 - expanded_level(resampling.level, n)) / 2
    weights = _weights(n, resampling).T
    found = [np.quantile(some @ weights, (tail, 1 - tail), axis=1) for some in _portions(rows)]
    low, high = np.concatenate(found, axis=1)
    return low, high


def sign_flip_p_values(rows: NDArray, resampling: Resampling = DEFAULT_RESAMPLING) -> NDArray:
    """`avsep_lib.comparisons.sign_flip_p_value` of each row, shape (samples,).

    For 14 mixtures or more: of fewer, all patterns of signs are counted and none is drawn.
    """
    signs = _signs(rows.shape[1], resampling).T
    return np.concatenate([_two_sided(some, some @ signs / len(signs)) for some in _portions(rows)])


def _portions(rows: NDArray) -> list[NDArray]:
    """A few hundred rows at a time: their resamples fit into memory."""
    return np.array_split(rows, -(-len(rows) // 250))


def _two_sided(rows: NDArray, flipped: NDArray) -> NDArray:
    """P values by scipy's rule: the observed pattern counts, and so does what differs from it by rounding."""
    observed = rows.mean(axis=1, keepdims=True)
    margin = 100 * np.finfo(float).eps * np.abs(observed)
    beyond = np.minimum((flipped <= observed + margin).sum(axis=1), (flipped >= observed - margin).sum(axis=1))
    return np.minimum(2 * (beyond + 1) / (flipped.shape[1] + 1), 1.0)


@functools.lru_cache(maxsize=4)
def _weights(n: int, resampling: Resampling) -> NDArray:
    """Weight of each of `n` mixtures in each resample, shape (resamples, n)."""
    drawn = []

    def reveal(positions: NDArray, axis: int) -> NDArray:
        drawn.append(positions.astype(int))
        return positions.mean(axis=axis)

    positions = (np.arange(n, dtype=float),)
    stats.bootstrap(positions, reveal, n_resamples=resampling.n, method="percentile", rng=resampling.generator())
    return np.stack([np.bincount(row, minlength=n) for row in drawn[-1]]) / n


@functools.lru_cache(maxsize=4)
def _signs(n: int, resampling: Resampling) -> NDArray:
    """Signs (-1, 1) given to each of `n` differences by each permutation, shape (flips, n)."""
    drawn = []

    def reveal(ones: NDArray, axis: int) -> NDArray:
        drawn.append(np.ascontiguousarray(ones))  # a view with strides: its matrix product is slow
        return ones.mean(axis=axis)

    stats.permutation_test(
        (np.ones(n),),
        reveal,
        permutation_type="samples",
        vectorized=True,
        n_resamples=max(resampling.n, SIGN_FLIPS),
        rng=resampling.generator(),
    )
    return drawn[-1]
