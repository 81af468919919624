"""Which output of a method without queries is which source: decided by the true sources, an oracle that tables name.

References
----------
Yu et al., 2017, doi:10.1109/ICASSP.2017.7952154 (permutations); Wisdom et al., "Unsupervised sound separation using
mixture invariant training", NeurIPS 2020 (sums of outputs).
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np
import torch

from avsep_lib.errors import DataError
from avsep_lib.metrics import RESOLUTION_DB, si_sdr

MOST = 4096  # ways to share outputs out that are tried
# A silent sum is the worst, but finite: the other outputs of a way that cannot avoid it still have to be told apart.
FINITE = {"nan": -RESOLUTION_DB, "neginf": -RESOLUTION_DB, "posinf": RESOLUTION_DB}


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
    if (number := n_ways(n_outputs, n_sources)) > MOST:
        raise DataError(
            f"{n_outputs} outputs and {n_sources} sources: {number} ways to assign them, {MOST} are tried at most; "
            f"give the method fewer outputs"
        )
    every = itertools.product(range(n_sources), repeat=n_outputs)
    return tuple(way for way in every if len(set(way)) == n_sources)


def n_ways(n_outputs: int, n_sources: int) -> int:
    """How many `ways` there are: maps onto all sources, by inclusion and exclusion."""
    return sum((-1) ** k * math.comb(n_sources, k) * (n_sources - k) ** n_outputs for k in range(n_sources + 1))


def best_way(estimates: np.ndarray, references: np.ndarray) -> tuple[int, ...]:
    """The way of `ways` with the highest mean SI-SDR; outputs of one source are added up.

    Parameters
    ----------
    estimates : ndarray, shape (m, samples)
        Soft. One may be silent.
    references : ndarray, shape (n, samples)

    Returns
    -------
    tuple of int, length m
        The source whose each output is; of equally good ways the first of `ways`.

    Raises
    ------
    DataError
        A silent reference, shapes that differ, or a number of outputs that `ways` refuses.
    """
    tried = ways(len(estimates), len(references))
    scores = []
    for way in tried:
        sums = np.stack([estimates[np.array(way) == i].sum(axis=0) for i in range(len(references))])
        scores.append(np.nan_to_num(si_sdr(references, sums), **FINITE).mean())
    return tried[int(np.argmax(scores))]


def assigned(values: torch.Tensor, estimates: np.ndarray, references: np.ndarray) -> torch.Tensor:
    """`values` (m, ...), masks or sound of the outputs, as (n, ...): added up for each source in the best way."""
    way = torch.tensor(best_way(estimates, references))
    return torch.stack([values[way == i].sum(dim=0) for i in range(len(references))])
