"""What the statistics promise, and one line of a table for what a simulation found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from avsep_lib.intervals import LEVEL, POWER

OK, TOO_LOW, TOO_HIGH = "ok", "too low", "too high"
SURE = 0.99  # of a judgement: among a hundred lines, some are outside of what is good enough with 95 % by chance
PROMISED_FROM = 80  # mixtures; what fewer give, such as the 16 of one instrument, is printed


@dataclass(frozen=True)
class Promise:
    """A share of simulations that a method promises.

    Attributes
    ----------
    what : str
        For a reader.
    nominal : float
        The share in theory.
    lowest, highest : float
        What is good enough.
    kept : bool
        False where the project promises nothing at any size and prints what it finds.
    """

    what: str
    nominal: float
    lowest: float
    highest: float
    kept: bool = True


COVERAGE = Promise("coverage, interval over mixtures", LEVEL, 0.93, 0.97)
FALSE_VERDICT = Promise("false verdict where the truth is 0", 1 - LEVEL, 0.0, 0.06)
FALSE_P = Promise("p <= 0.05 where the truth is 0, sign flips", 1 - LEVEL, 0.0, 0.06)
POWER_FOUND = Promise("smallest detectable effect is found", POWER, POWER - 0.04, POWER + 0.04)
FAMILY = Promise("some p <= 0.05 in a family, after Holm", 1 - LEVEL, 0.0, 0.06)
SEED_COVERAGE = Promise("coverage, interval across seeds", LEVEL, 0.93, 0.97, kept=False)
SEED_POWER = Promise("smallest detectable effect across seeds is found", POWER, POWER - 0.04, POWER + 0.04, kept=False)
WILSON = Promise("coverage, Wilson interval of an accuracy", LEVEL, 0.93, 0.97)
MCNEMAR = Promise("p <= 0.05 where both are equally good, McNemar", 1 - LEVEL, 0.0, 0.06)


def line(promise: Promise, distribution: str, n: int, seeds: int, happened: NDArray[np.bool_]) -> dict:
    """One line of the table.

    Parameters
    ----------
    promise : Promise
    distribution : str
        The simulated truth.
    n : int
        Mixtures (or questions) in each simulated data set.
    seeds : int
        Simulated trainings.
    happened : ndarray of bool, shape (simulations,)
        Whether the interval covered, the test erred, or the effect was found.

    Returns
    -------
    dict
        `low` and `high` are the 95 % Wilson interval of `found`. `verdict` is *too low* or *too high* only if the
        99 % one lies wholly outside of what is good enough, so that few simulations cannot accuse. Where nothing is
        `promised` it is information.
    """
    count = stats.binomtest(int(happened.sum()), happened.size)
    (low, high), (least, most) = (count.proportion_ci(level, method="wilson") for level in (LEVEL, SURE))
    return {
        "what": promise.what,
        "distribution": distribution,
        "n": n,
        "seeds": seeds,
        "nominal": promise.nominal,
        "found": count.statistic,
        "low": low,
        "high": high,
        "n_simulations": happened.size,
        "lowest": promise.lowest,
        "highest": promise.highest,
        "promised": promise.kept and n >= PROMISED_FROM,
        "verdict": TOO_LOW if most < promise.lowest else TOO_HIGH if least > promise.highest else OK,
    }
