"""BSS-eval by mir_eval, one method and one mixture at a time, as an evaluation loop calls it."""

from __future__ import annotations

import warnings

import numpy as np


def score(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """SDR, SIR and SAR in dB, shape (3, n_sources), of estimates (n_sources, samples)."""
    from mir_eval import separation

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return np.array(separation.bss_eval_sources(references, estimates, compute_permutation=False)[:3])


def score_methods(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Scores (3, methods, n_sources) of the estimates (methods, n_sources, samples) of several methods."""
    return np.stack([score(references, of_method) for of_method in estimates], axis=1)
