"""What a signal must be to be scored, and how two energies become dB: shared by the separation metrics."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avsep_lib.errors import DataError

Array = NDArray[np.float64]

SILENCE_SUM = 1e-5
"""A clip whose sum of absolute samples is at most this is silent (the rule of the Sound-of-Pixels lineage)."""

RESOLUTION_DB = 120.0
"""Ratios beyond this many dB, of either sign, are reported as infinite."""


def is_silent(signal: ArrayLike) -> NDArray[np.bool_]:
    """Tell which clips are silent: the sum of ``|x|`` over the last axis is at most `SILENCE_SUM`.

    Parameters
    ----------
    signal : array_like, shape (..., samples)

    Returns
    -------
    ndarray of bool, shape (...)
    """
    return np.abs(np.asarray(signal, dtype=np.float64)).sum(axis=-1) <= SILENCE_SUM


def ratio_db(wanted: ArrayLike, unwanted: ArrayLike) -> Array:
    """``10 log10(wanted / unwanted)`` of two energies, infinite beyond `RESOLUTION_DB`."""
    wanted, unwanted = np.maximum(wanted, 0.0), np.maximum(unwanted, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10.0 * np.log10(wanted / unwanted)
    return np.where(np.abs(ratio) > RESOLUTION_DB, np.copysign(np.inf, ratio), ratio)


def energy(signals: Array) -> Array:
    """Sum of squares over the last axis."""
    return np.einsum("...t,...t->...", signals, signals)


def as_references(references: ArrayLike, names: list[str] | None = None) -> Array:
    """References as float64 (n_sources, samples); a silent, non-finite or misshapen one is a `DataError`."""
    references = np.asarray(references, dtype=np.float64)
    if references.ndim != 2 or 0 in references.shape:
        raise DataError(f"references have shape {references.shape}; expected (n_sources, samples), none of them 0")
    labels = names or [f"reference {i}" for i in range(len(references))]
    _refuse(~np.isfinite(references).all(axis=1), labels, "holds NaN or infinity")
    _refuse(is_silent(references), labels, f"is silent (sum |x| <= {SILENCE_SUM:g})")
    return references


def _refuse(bad: NDArray[np.bool_], labels: list[str], reason: str) -> None:
    if bad.any():
        named = ", ".join(str(labels[i]) for i in np.flatnonzero(bad))
        raise DataError(f"{named} {reason}; leave the clip out of the test pairs or crop it elsewhere")


def as_estimates(estimates: ArrayLike, shape: tuple[int, int]) -> Array:
    """Estimates as float64 (..., n_sources, samples); `shape` is that of the references. Silence is allowed."""
    estimates = np.asarray(estimates, dtype=np.float64)
    if estimates.shape[-2:] != shape:
        raise DataError(
            f"estimates have shape {estimates.shape}; expected (..., {shape[0]}, {shape[1]}) as the references"
        )
    if not np.isfinite(estimates).all():
        raise DataError("an estimate holds NaN or infinity; look at the mask or the checkpoint that made it")
    return estimates
