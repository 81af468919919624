"""Gain of one table row over another, instrument by instrument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avsep_lib.comparisons import holm, sign_flip_p_value
from avsep_lib.errors import CanaryError
from avsep_lib.intervals import (
    DEFAULT_RESAMPLING,
    Interval,
    Resampling,
    interval_across_seeds,
    interval_over_mixtures,
    no_interval,
)
from avsep_lib.tables.comparable import Comparable

_ITEM = ["mixture_id", "instrument", "clip_id"]
LEAST = 3  # mixtures of one instrument that an interval needs, as everywhere else


@dataclass(frozen=True)
class OwnGains:
    """Candidate minus baseline for every separated source.

    Attributes
    ----------
    candidate, baseline : str
        Table rows.
    metric, mask : str
    items : pandas.DataFrame
        One line per source with a finite score in every run, indexed by `mixture_id`, `instrument`, `clip_id`; one
        column per training seed, or a single one if the seeds of the two rows cannot be paired.
    unpaired : str
        Why not; empty if every column is one seed of both rows.
    runs : tuple of str
        Run ids behind the numbers.
    """

    candidate: str
    baseline: str
    metric: str
    mask: str
    items: pd.DataFrame
    unpaired: str = ""
    runs: tuple[str, ...] = ()

    @property
    def of_instruments(self) -> pd.Series:
        """Gain of every instrument that has an item, in dB: mean over its mixtures and the seeds."""
        return self.items.mean(axis=1).groupby(level="instrument").mean()


def own_gains(data: Comparable, candidate: str, baseline: str, metric: str = "sdr_db") -> OwnGains:
    """Gains of one metric on the common set.

    Parameters
    ----------
    data : Comparable
        With both rows; a row that was left out there leaves no item here.
    candidate, baseline : str
        Table rows.
    metric : str
        A column in dB. Sources with an infinite value in any run of the two rows are left out.
    """
    scores = data.scores[data.scores["method"].isin((candidate, baseline))]
    table = scores.groupby([*_ITEM, "method", "seed"])[metric].mean().unstack(["method", "seed"])
    table = table.sort_index(axis=1).replace([np.inf, -np.inf], np.nan).dropna()
    a, b = (
        table.xs(row, axis=1, level="method") if row in table.columns.levels[0] else None
        for row in (candidate, baseline)
    )
    runs = tuple(sorted(scores["run_id"].unique()))
    if a is None or b is None:
        return OwnGains(candidate, baseline, metric, data.mask, table.iloc[:0, :0], "a row was left out", runs)
    if list(a.columns) == list(b.columns):
        return OwnGains(candidate, baseline, metric, data.mask, a - b, "", runs)
    why = "the two rows were trained with different seeds"
    return OwnGains(candidate, baseline, metric, data.mask, (a.mean(axis=1) - b.mean(axis=1)).to_frame(), why, runs)


def check_average(gains: OwnGains, difference: float) -> str:
    """The gains of all sources must average to the difference of the table rows.

    Parameters
    ----------
    gains : OwnGains
        Of a metric that is finite for every source of the common set (SDR).
    difference : float
        From `avsep_lib.tables.differences`, in dB.

    Returns
    -------
    str
        One sentence.

    Raises
    ------
    CanaryError
        If they do not.
    """
    if gains.items.empty:
        return "nothing to check: no source can be compared"
    average = float(gains.items.to_numpy().mean())
    if not np.isclose(average, difference, atol=1e-6):
        raise CanaryError(
            f"gains: those of all instruments average to {average:.4f} dB, the rows differ by {difference:.4f} dB; "
            "a source was lost or counted twice"
        )
    return f"the gains of all instruments average to the difference of the table rows, {difference:+.2f} dB"


def seed_gains(gains: OwnGains) -> pd.DataFrame:
    """Gain of every instrument in every seed: index `instrument`, one column per seed; no column if unpaired."""
    table = gains.items.groupby(level="instrument").mean()
    return table.iloc[:, :0] if gains.unpaired else table


def weighted_gain(
    gains: OwnGains, weights: Mapping[str, float], resampling: Resampling = DEFAULT_RESAMPLING
) -> tuple[Interval, Interval, float]:
    """A weighted sum of gains: of one instrument, of a group, or between two groups.

    Parameters
    ----------
    gains : OwnGains
    weights : mapping
        Instrument to weight, such as ``{"tuba": 1}`` or ``{"tuba": 0.5, "flute": 0.5, "cello": -1}``.
    resampling : Resampling

    Returns
    -------
    over_mixtures, across_seeds : Interval
        As in `avsep_lib.intervals`, with the number of mixtures in which any of the instruments plays. NaN bounds if
        an instrument has fewer than three.
    p_value : float
        Sign flips of the mixtures' contributions: the sum is zero. Only for weights of one sign, else NaN.

    Notes
    -----
    An instrument's gain is a mean over its own mixtures, and two instruments share a mixture, so the sum is written as
    a mean over mixtures of its linearisation: the sum itself, plus each mixture's weighted deviations from the
    instruments' means. For one instrument these are just its values.
    """
    items = gains.items[gains.items.index.isin(weights, level="instrument")]
    counts = items.groupby(level="instrument").size().reindex(list(weights), fill_value=0)
    n = items.index.get_level_values("mixture_id").nunique()
    if (few := counts[counts < LEAST]).size:
        return *_no_intervals(gains, items, weights, n, few, resampling.level), float("nan")
    names = items.index.get_level_values("instrument")
    share = pd.Series(weights).reindex(names).to_numpy() * n / counts.reindex(names).to_numpy()
    means = items.groupby(level="instrument").transform("mean")
    sums = _sums(items, weights)
    spread = np.sqrt(counts / (counts - 1) * (n - 1) / n).reindex(names).to_numpy()  # of a mean of n_c, not of n
    deviations = (items - means).mul(share * spread, axis=0).groupby(level="mixture_id").sum()
    matrix = deviations.to_numpy().T + sums[:, None]
    p_value = float("nan")
    if min(weights.values()) >= 0:
        flipped = items.mean(axis=1).mul(share).groupby(level="mixture_id").sum()
        p_value = sign_flip_p_value(flipped.to_numpy(), resampling)
    return interval_over_mixtures(matrix, resampling), _across(gains, matrix, resampling.level), p_value


def _sums(items: pd.DataFrame, weights: Mapping[str, float]) -> NDArray[np.float64]:
    """The weighted sum in every seed."""
    means = items.groupby(level="instrument").mean().reindex(list(weights))
    return means.mul(pd.Series(weights), axis=0).sum(axis=0, skipna=False).to_numpy()


def _no_intervals(
    gains: OwnGains, items: pd.DataFrame, weights: Mapping[str, float], n: int, few: pd.Series, level: float
) -> tuple[Interval, Interval]:
    mean = float(np.mean(_sums(items, weights))) if items.shape[1] else float("nan")
    least = few.idxmin()
    reason = f"{few[least]} mixtures with {least} are too few for an interval"
    statements = (f"for these trained models, over mixtures like these {n}", "for the methods trained again")
    nan = float("nan")
    return tuple(Interval(mean, nan, nan, n, level, statement, nan, reason) for statement in statements)


def _across(gains: OwnGains, matrix: NDArray, level: float) -> Interval:
    if gains.unpaired:
        return no_interval(matrix, level, "for the methods trained again", gains.unpaired)
    return interval_across_seeds(matrix, level)


def instrument_gains(gains: OwnGains, resampling: Resampling = DEFAULT_RESAMPLING) -> pd.DataFrame:
    """Gain of every instrument with intervals, the largest first.

    Returns
    -------
    pandas.DataFrame
        Columns `instrument`, `metric`, `mask`, `n_mixtures`, `gain`, `low`, `high` (mixtures resampled: these trained
        models), `seeds_low`, `seeds_high` (the methods trained again), `seed_min`, `seed_max` (the seeds' own gains),
        `p_value` (sign flips), `p_holm` (over the instruments), `detectable_effect`, `reason`. In dB.
    """
    own = seed_gains(gains)
    rows = []
    for instrument in gains.of_instruments.sort_values(ascending=False).index:
        over, across, p_value = weighted_gain(gains, {instrument: 1.0}, resampling)
        row = {"instrument": instrument, "metric": gains.metric, "mask": gains.mask, "n_mixtures": over.n}
        row |= {
            "gain": over.mean,
            "low": over.low,
            "high": over.high,
            "seeds_low": across.low,
            "seeds_high": across.high,
        }
        row |= {"seed_min": own.loc[instrument].min(), "seed_max": own.loc[instrument].max(), "p_value": p_value}
        rows.append(row | {"detectable_effect": over.detectable_effect, "reason": over.reason or across.reason})
    numbers = [name for name in _GAIN_COLUMNS if name not in ("instrument", "metric", "mask", "reason")]
    table = pd.DataFrame(rows, columns=_GAIN_COLUMNS).astype(dict.fromkeys(numbers, float))
    table.insert(table.columns.get_loc("p_value") + 1, "p_holm", holm(table["p_value"]))
    return table


_GAIN_COLUMNS = [
    *("instrument", "metric", "mask", "n_mixtures", "gain", "low", "high", "seeds_low", "seeds_high"),
    *("seed_min", "seed_max", "p_value", "detectable_effect", "reason"),
]
