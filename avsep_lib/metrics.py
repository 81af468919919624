"""Separation quality of estimated sources: BSS-eval v3 (SDR, SIR, SAR) and SI-SDR, in dB.

Arrays end in ``(n_sources, samples)``, references come first, everything is computed in float64. Estimate ``i`` is
scored against reference ``i``; no permutation is searched. Averaging and improvements over the mixture are left to
`avsep_lib.score` and `avsep_lib.stats`.

Numbers that are not finite mean something, and the functions agree on what:

- **NaN**: the estimate is silent (`is_silent`). It has no direction, hence no ratio; callers count such items.
- **+inf**: the unwanted part is more than `RESOLUTION_DB` below the wanted one. Float32 audio cannot carry less, and
  what float64 prints there (some 250 dB) is rounding noise. The mixture itself scored as an estimate has SAR +inf.
- **-inf**: likewise, the wanted part is missing.
- A silent *reference* has no score at all: it raises `DataError`, because the mixture was badly made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from avsep_lib.bss_eval import FILTER_LENGTH, BssEval, References
from avsep_lib.signals import (
    RESOLUTION_DB,
    SILENCE_SUM,
    Array,
    as_estimates,
    as_references,
    energy,
    is_silent,
    ratio_db,
)

__all__ = ["RESOLUTION_DB", "SILENCE_SUM", "BssEval", "References", "bss_eval", "is_silent", "ratio_db", "si_sdr"]


def bss_eval(references: ArrayLike, estimates: ArrayLike, filter_length: int = FILTER_LENGTH) -> BssEval:
    """Score estimates against references by BSS-eval v3 "sources", without a permutation search.

    The definition is that of ``mir_eval.separation.bss_eval_sources(..., compute_permutation=False)``. To score
    several estimates of one mixture, pass them together or keep a `References`.

    Parameters
    ----------
    references : array_like, shape (n_sources, samples)
    estimates : array_like, shape (..., n_sources, samples)
    filter_length : int
        Taps of the allowed distortion filter; 1 allows a gain only.

    Returns
    -------
    BssEval
        SDR, SIR and SAR in dB, each of shape ``(..., n_sources)``.

    Raises
    ------
    DataError
        See `References`, where the numerics are described as well.
    """
    return References(references, filter_length).bss_eval(estimates)


def si_sdr(references: ArrayLike, estimates: ArrayLike) -> Array:
    """Scale-invariant signal-to-distortion ratio in dB.

    Means are not removed: audio clips carry no offset worth hiding.

    Parameters
    ----------
    references : array_like, shape (n_sources, samples)
    estimates : array_like, shape (..., n_sources, samples)

    Returns
    -------
    ndarray, shape (..., n_sources)
        NaN where the estimate is silent, +inf for a perfect one up to gain.

    Raises
    ------
    DataError
        If a reference is silent, shapes differ, or a value is NaN or infinite.

    References
    ----------
    Le Roux, Wisdom, Erdogan and Hershey, "SDR - half-baked or well done?", 2019, doi:10.1109/ICASSP.2019.8683855,
    equations 3 to 5.
    """
    references = as_references(references)
    estimates = as_estimates(estimates, references.shape)
    gain = (references * estimates).sum(axis=-1) / energy(references)
    target = gain[..., None] * references
    return np.where(is_silent(estimates), np.nan, ratio_db(energy(target), energy(estimates - target)))
