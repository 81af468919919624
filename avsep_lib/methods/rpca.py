"""Robust principal component analysis: what repeats over time (low rank) against what does not (sparse).

Made for a voice over a repeating accompaniment. It finds two sources, never another number, and nothing says which of
them is which; for two instruments, neither of which is sparse beside the other, it is known to do poorly. Sparse means few
points of the spectrogram: clicks that share one spectrum are of low rank as well.

|X| = L + S is found by the inexact augmented Lagrangian method: minimise ||L||_* + lambda ||S||_1. Constants are those of
the reference implementation and of common separation toolkits: lambda = 1 / sqrt(max(F, T)), mu = 1.25 / ||X||_2 growing
by 1.5 up to 1e7 times its start, dual variable from X / max(||X||_2, max|X| / lambda). Element shrinkage comes first in
each iteration. Masks are binary: a point is low rank where |S| <= |L|.

References
----------
Lin, Chen, Ma, "The augmented Lagrange multiplier method for exact recovery of corrupted low-rank matrices",
arXiv:1009.5055; Huang et al., 2012, doi:10.1109/ICASSP.2012.6287816 (singing voice by robust PCA).
"""

from __future__ import annotations

import numpy as np

from avsep_lib.errors import DataError
from avsep_lib.methods.closed_form import SILENT, ClosedForm
from avsep_lib.signals import Array

N_SOURCES = 2
PENALTY, PENALTY_GROWTH, PENALTY_CAP = 1.25, 1.5, 1e7  # mu: start times ||X||_2, per iteration, times start


class RPCA(ClosedForm):
    """Two sources, low rank first; points where the mixture is empty belong to the low-rank one."""

    def linear_masks(self, magnitude: np.ndarray, n: int) -> np.ndarray:
        """See `ClosedForm.linear_masks`; DataError for any other number of sources than two."""
        if n != N_SOURCES:
            raise DataError(f"rpca: finds {N_SOURCES} sources, low rank and sparse, not {n}; mix {N_SOURCES} clips")
        if magnitude.max() < SILENT:
            return np.full((n, *magnitude.shape), 1 / n)
        options = self.config.options
        low_rank, sparse, _ = robust_pca(magnitude, options.rpca_iterations, options.rpca_tolerance)
        is_low_rank = np.abs(sparse) <= np.abs(low_rank)
        return np.stack([is_low_rank, ~is_low_rank]).astype(magnitude.dtype)


def robust_pca(magnitude: Array, iterations: int = 100, tolerance: float = 1e-7) -> tuple[Array, Array, int]:
    """Split a matrix into one of low rank and a sparse one, whose sum it is.

    Parameters
    ----------
    magnitude : ndarray, shape (n_bins, n_frames)
    iterations : int
        At most.
    tolerance : float
        Of ||X - L - S||_F / ||X||_F.

    Returns
    -------
    low_rank, sparse : ndarray, shape (n_bins, n_frames)
        May be negative in places. Zeros for a matrix of zeros.
    n_iterations : int
        As many as `iterations` where the tolerance was not reached.
    """
    low_rank, sparse = np.zeros_like(magnitude), np.zeros_like(magnitude)
    norm, frobenius = np.linalg.norm(magnitude, 2), np.linalg.norm(magnitude)
    if not norm > 0:
        return low_rank, sparse, 0
    weight = 1 / np.sqrt(max(magnitude.shape))  # lambda
    dual = magnitude / max(norm, np.abs(magnitude).max() / weight)
    penalty = PENALTY / norm  # mu
    cap = PENALTY_CAP * penalty
    n_iterations, relative = 0, 1.0
    while n_iterations < iterations and relative >= tolerance:
        target = magnitude + dual / penalty
        sparse = shrink(target - low_rank, weight / penalty)
        low_rank = shrink_singular_values(target - sparse, 1 / penalty)
        residual = magnitude - low_rank - sparse
        dual += penalty * residual
        penalty = min(penalty * PENALTY_GROWTH, cap)
        n_iterations, relative = n_iterations + 1, np.linalg.norm(residual) / frobenius
    return low_rank, sparse, n_iterations


def shrink(values: Array, threshold: float) -> Array:
    """Each value moved towards 0 by `threshold`, at most to 0."""
    return values - np.clip(values, -threshold, threshold)


def shrink_singular_values(matrix: Array, threshold: float) -> Array:
    """A matrix with its singular values moved towards 0 by `threshold`, at most to 0.

    From the eigenvectors of the Gram matrix of the shorter side, more than twice as fast as by a singular value
    decomposition at paper size. Squaring loses singular values below about 1e-8 of the largest; the penalty's cap keeps
    `robust_pca`'s threshold above that (tests/test_closed_form.py compares).
    """
    if matrix.shape[0] < matrix.shape[1]:
        return shrink_singular_values(matrix.T, threshold).T
    squares, vectors = np.linalg.eigh(matrix.T @ matrix)
    kept = squares > threshold**2
    squares, vectors = squares[kept], vectors[:, kept]
    return (matrix @ (vectors * (1 - threshold / np.sqrt(squares)))) @ vectors.T


METHOD = RPCA
