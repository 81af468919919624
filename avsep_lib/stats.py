"""From the tidy ``scores.csv`` to tables with intervals.

One row of a scores frame is one separated source, with the columns `COLUMNS`. `method` is the row of a table,
`run_id` one trained seed of it. Every function takes the frame and returns a frame; the numbers come from
`avsep_lib.intervals` and `avsep_lib.comparisons`.

Tables are made on the *common set*: the mixtures whose sources every run in the frame separated with a finite value of
the first metric (SDR), so that no method is spared a hard mixture. What was left out is counted (`admission_counts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from avsep_lib.common_set import COLUMNS, METRICS, Common, common_mixtures, mixture_means, require_columns, select_mask
from avsep_lib.comparisons import PairedDifference, Verdict, holm, paired_difference, sign_flip_p_value, verdict
from avsep_lib.errors import DataError
from avsep_lib.intervals import (
    DEFAULT_RESAMPLING,
    Interval,
    Resampling,
    interval_across_seeds,
    interval_over_mixtures,
    variance_components,
)

__all__ = [
    "COLUMNS",
    "METRICS",
    "Common",
    "Interval",
    "PairedDifference",
    "Resampling",
    "Verdict",
    "admission_counts",
    "common_mixtures",
    "compare",
    "holm",
    "interval_across_seeds",
    "interval_over_mixtures",
    "mixture_means",
    "paired_difference",
    "select_mask",
    "sign_flip_p_value",
    "summarise",
    "variance_components",
    "verdict",
]


def summarise(
    scores: pd.DataFrame,
    metrics: Sequence[str] = ("sdr_db", "sir_db", "sar_db"),
    mask: str | None = None,
    by: str | None = None,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Table of means with intervals, one row per method (and value of `by`), on the common set.

    Parameters
    ----------
    scores : pandas.DataFrame
        Tidy scores.
    metrics : sequence of str
        Columns to average, in dB. The first decides the common set; another one is averaged over those of its
        mixtures in which no run has it infinite (a binary mask of ones has no artefacts, hence no finite SAR).
    mask : str, optional
        Mask type to keep; needed when the frame holds several.
    by : str, optional
        Column such as ``"instrument"``: one row per method and value. The unit remains the mixture, averaged over
        its sources with that value.
    resampling : Resampling
        Number of bootstrap samples, their seed, and the nominal coverage.

    Returns
    -------
    pandas.DataFrame
        Columns `method`, (`by`,) `n_mixtures`, `n_seeds`, then for each metric its mean, ``_low`` and ``_high``
        (mixtures resampled: these trained models), ``_seeds_low``, ``_seeds_high`` (the method trained again, NaN
        with one seed) and ``_n`` (its mixtures), then the columns of `admission_counts`.

    Raises
    ------
    DataError
        If columns are missing, a source is scored twice, or no mixture is common to all runs.
    """
    scores = select_mask(scores, mask)
    counts = admission_counts(scores, metrics)
    scores, _ = _on_common_set(scores, metrics[:1], by)
    finite = {metric: common_mixtures(scores, (metric,)).mixtures for metric in metrics}
    rows = []
    for group, part in _groups(scores, by):
        means = {metric: mixture_means(part, metric) for metric in metrics}
        for method, matrix in means[metrics[0]].items():
            row = {"method": method, **group, "n_mixtures": matrix.shape[1], "n_seeds": len(matrix)}
            for metric in metrics:
                matrix = means[metric][method]
                row |= _with_intervals(metric, matrix[matrix.columns.intersection(finite[metric])], resampling)
            rows.append(row)
    return pd.DataFrame(rows).join(counts, on="method")


def admission_counts(scores: pd.DataFrame, metrics: Sequence[str] = ("sdr_db", "sir_db", "sar_db")) -> pd.DataFrame:
    """What kept mixtures out of a table, per method, over all items of the frame (before the common set).

    Parameters
    ----------
    scores : pandas.DataFrame
        Tidy scores of one mask type.
    metrics : sequence of str
        The first alone admits a mixture; the others cost only their own means.

    Returns
    -------
    pandas.DataFrame
        Index `method`; `n_items`, `n_silent` and `n_missing` as in `avsep_lib.common_set.Common`, `n_mixtures_lost`
        (by the first metric), and per metric ``n_infinite_sdr`` and so on. An infinite SAR is an estimate without
        artefacts, such as a mixture left unprocessed.
    """
    first, *others = metrics
    counts = common_mixtures(scores, (first,)).counts.rename(columns={"n_infinite": _infinite(first)})
    counts.insert(3, "n_mixtures_lost", counts.pop("n_mixtures_lost"))
    infinite = {_infinite(name): np.isinf(scores[name]).groupby(scores["method"]).sum() for name in others}
    return counts.assign(**infinite)


def _infinite(metric: str) -> str:
    return f"n_infinite_{metric.removesuffix('_db')}"


def compare(
    scores: pd.DataFrame,
    pairs: Iterable[tuple[str, str]],
    metric: str = "sdr_db",
    mask: str | None = None,
    by: str | None = None,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Paired differences between methods, with Holm's correction over all rows of the table.

    Parameters
    ----------
    scores : pandas.DataFrame
        Tidy scores; the common set is that of the whole frame, so that the rows match `summarise`.
    pairs : iterable of (str, str)
        (candidate, baseline) methods; the difference is candidate minus baseline.
    metric, mask, by, resampling
        As in `summarise`, for one metric.

    Returns
    -------
    pandas.DataFrame
        Columns `candidate`, `baseline`, (`by`,) `n_mixtures`, `difference`, `low`, `high`, `seeds_low`, `seeds_high`,
        `p_value`, `p_holm`, `detectable_effect` and `reason` (why bounds are NaN).

    Raises
    ------
    DataError
        As `summarise`, and if a method is not in the frame.
    """
    scores, _ = _on_common_set(select_mask(scores, mask), (metric,), by)
    pairs, rows = list(pairs), []
    _require_methods(scores, pairs)
    for group, part in _groups(scores, by):
        means = mixture_means(part, metric)
        for candidate, baseline in pairs:
            result = paired_difference(means[candidate], means[baseline], resampling)
            rows.append({"candidate": candidate, "baseline": baseline, **group, **_difference_row(result)})
    table = pd.DataFrame(rows)
    table.insert(table.columns.get_loc("p_value") + 1, "p_holm", holm(table["p_value"]))
    return table


def _on_common_set(scores: pd.DataFrame, metrics: Sequence[str], by: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    require_columns(scores, (by,) if by else ())
    common = common_mixtures(scores, metrics)
    if common.mixtures.empty:
        raise DataError(f"no mixture has finite {', '.join(metrics)} in every run:\n{common.counts.to_string()}")
    return scores[scores["mixture_id"].isin(common.mixtures)], common.counts


def _groups(scores: pd.DataFrame, by: str | None) -> list[tuple[dict, pd.DataFrame]]:
    if by is None:
        return [({}, scores)]
    return [({by: value}, part) for value, part in scores.groupby(by, sort=True)]


def _with_intervals(metric: str, matrix: pd.DataFrame, resampling: Resampling) -> dict[str, float]:
    names = [metric, *(f"{metric}_{end}" for end in ("low", "high", "seeds_low", "seeds_high"))]
    if matrix.empty:
        return dict.fromkeys(names, np.nan) | {f"{metric}_n": 0}
    values = matrix.to_numpy()
    over, across = interval_over_mixtures(values, resampling), interval_across_seeds(values, resampling.level)
    return dict(zip(names, (over.mean, over.low, over.high, across.low, across.high))) | {f"{metric}_n": len(matrix.T)}


def _difference_row(result: PairedDifference) -> dict[str, float | int | str]:
    over, across = result.over_mixtures, result.across_seeds
    return {
        "n_mixtures": over.n,
        "difference": over.mean,
        "low": over.low,
        "high": over.high,
        "seeds_low": across.low,
        "seeds_high": across.high,
        "p_value": result.p_value,
        "detectable_effect": over.detectable_effect,
        "reason": over.reason,
    }


def _require_methods(scores: pd.DataFrame, pairs: list[tuple[str, str]]) -> None:
    known = set(scores["method"])
    for method in {name for pair in pairs for name in pair} - known:
        raise DataError(f"no scores of method {method!r}; the frame has: {', '.join(sorted(known))}")
