"""Which output of a method without queries is which source: decided by the true sources, an oracle that tables name.

References
----------
Yu et al., 2017, doi:10.1109/ICASSP.2017.7952154 (permutations); Wisdom et al., "Unsupervised sound separation using
mixture invariant training", NeurIPS 2020 (sums of outputs).
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
import torch

from avsep_lib.errors import DataError
from avsep_lib.metrics import si_sdr

MOST = 4096  # ways to share outputs out that are tried


@lru_cache
def ways(n_outputs: int, n_sources: int) -> tuple[tuple[int, ...], ...]:
    """All ways to give each output to one source such that no source is without; each says whose output 0, 1, ... is.

    Raises
    ------
    DataError
        Fewer outputs than sources, or too many ways to try.
    """
    if n_outputs < n_sources:
        raise DataError(f"{n_outputs} outputs cannot be {n_sources} sources; give the method more outputs")
    if n_sources**n_outputs > MOST:
        raise DataError(f"{n_outputs} outputs and {n_sources} sources: more than {MOST} ways to assign them")
    every = itertools.product(range(n_sources), repeat=n_outputs)
    return tuple(way for way in every if len(set(way)) == n_sources)


def best_way(estimates: np.ndarray, references: np.ndarray) -> tuple[int, ...]:
    """The way of `ways` with the highest mean SI-SDR; outputs of one source are added up.

    Parameters
    ----------
    estimates : ndarray, shape (m, samples)
        Soft.
    references : ndarray, shape (n, samples)
    """
    tried = ways(len(estimates), len(references))
    silent = -np.inf  # a silent sum has no SI-SDR and is never preferred
    scores = []
    for way in tried:
        sums = np.stack([estimates[np.array(way) == i].sum(axis=0) for i in range(len(references))])
        scores.append(np.nan_to_num(si_sdr(references, sums), nan=silent, neginf=silent).mean())
    return tried[int(np.argmax(scores))]


def assigned(values: torch.Tensor, estimates: np.ndarray, references: np.ndarray) -> torch.Tensor:
    """`values` (m, ...), masks or sound of the outputs, as (n, ...): added up for each source in the best way."""
    way = torch.tensor(best_way(estimates, references))
    return torch.stack([values[way == i].sum(dim=0) for i in range(len(references))])
