"""Exponents of growth: time against size, when every measurement also holds a constant cost (starting processes).

With t(n) = a + b n^p measured at three sizes of equal ratio r, the two increases have the ratio r^p whatever a and b are.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
RESOLVED = 1.0  # an interval wider than this says nothing
FLAT = 0.2  # of the time at the smallest size: a smaller increase over all sizes is not fitted


def exponent(seconds: np.ndarray, errors: np.ndarray, ratio: float, dof: int) -> tuple[float, float, float]:
    """Exponent and its interval from times at three sizes of equal ratio.

    Parameters
    ----------
    seconds, errors : ndarray, shape (3,)
        Times and their standard errors, smallest size first.
    ratio : float
        Of a size and the one before it.
    dof : int
        Degrees of freedom that the errors were estimated with.

    Returns
    -------
    tuple of float
        Exponent, lower and upper end; NaN where times do not increase.
    """
    first, second = np.diff(seconds)
    if min(first, second) <= 0:
        return np.nan, np.nan, np.nan
    found = np.log(second / first) / np.log(ratio)
    slopes = np.array([1 / first, -1 / second - 1 / first, 1 / second]) / np.log(ratio)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, dof) * np.sqrt(((slopes * errors) ** 2).sum())
    return found, found - half, found + half


def scatter(times: pd.DataFrame) -> tuple[float, int]:
    """Relative standard deviation of repeated times, pooled over stages and sizes, and its degrees of freedom.

    Parameters
    ----------
    times : DataFrame
        Columns ``stage``, ``factor`` and ``cpu_s``; a line per repeat.
    """
    groups = [group.to_numpy() for _, group in times.groupby(["stage", "factor"]).cpu_s if len(group) > 1]
    dof = sum(len(group) - 1 for group in groups)
    if not dof:
        return np.nan, 0
    return float(np.sqrt(sum(((group / group.mean() - 1) ** 2).sum() for group in groups) / dof)), dof


def verdict(growth: float, low: float, high: float) -> str:
    """What an exponent's interval says about a stage; `growth` is the increase over all sizes, of the smallest's time."""
    if growth < FLAT:
        return "hardly grows"
    if not high - low <= RESOLVED:  # nor NaN
        return "not known"
    if low > 1:
        return "more than linear"
    return "less than linear" if high < 1 else "linear"


def stages_table(jobs: pd.DataFrame) -> pd.DataFrame:
    """A line per stage and size: times, memory, and (the same in all lines of a stage) the exponent and its interval.

    Parameters
    ----------
    jobs : DataFrame
        As `benchmarks.growth.measure` returns it: a line per job, size and repeat.
    """
    keys = ["stage", "factor", "repeat"]
    runs = jobs.groupby(keys, sort=False).agg(
        cpu_s=("cpu_s", "sum"), wall_s=("wall_s", "sum"), clips=("clips", "first")
    )
    runs = runs.reset_index()
    complete = jobs[jobs.repeat == 0].groupby(["stage", "factor"]).job.nunique()
    counts = jobs.groupby(keys).job.nunique().reset_index(name="n")
    wanted = pd.MultiIndex.from_frame(counts[["stage", "factor"]]).map(complete)
    runs = runs.merge(counts[counts.n == wanted][keys])  # a repeat may stop before the end of a stage
    noise, dof = scatter(runs)
    memory = jobs.groupby(["stage", "factor"])[["resident_mib", "anonymous_mib"]].max()
    means = runs.groupby(["stage", "factor"], sort=False).agg(
        clips=("clips", "first"), cpu_s=("cpu_s", "mean"), wall_s=("wall_s", "mean"), repeats=("cpu_s", "size")
    )
    table = means.join(memory).reset_index()
    return pd.concat([_with_exponent(found, noise, dof) for _, found in table.groupby("stage", sort=False)])


def _with_exponent(stage: pd.DataFrame, noise: float, dof: int) -> pd.DataFrame:
    stage = stage.sort_values("factor")
    seconds, factors = stage.cpu_s.to_numpy(), stage.factor.to_numpy(float)
    found = (np.nan,) * 3
    growth = seconds[-1] / seconds[0] - 1
    if len(stage) == 3 and dof and np.isclose(factors[1] / factors[0], factors[2] / factors[1]) and growth >= FLAT:
        errors = noise * seconds / np.sqrt(stage.repeats.to_numpy())
        found = exponent(seconds, errors, factors[1] / factors[0], dof)
    per_clip = np.r_[np.nan, np.diff(seconds) / np.diff(stage.clips)] * 1000
    return stage.assign(
        ms_per_further_clip=per_clip,
        exponent=found[0],
        low=found[1],
        high=found[2],
        scatter=noise,
        verdict=verdict(growth, found[1], found[2]),
        memory_growth_mib=stage.anonymous_mib.iloc[-1] - stage.anonymous_mib.iloc[0],
    )
