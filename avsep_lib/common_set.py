"""Which rows of the tidy ``scores.csv`` a table may use: one mask type, and mixtures that every run separated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from avsep_lib.errors import DataError

METRICS = ("sdr_db", "sir_db", "sar_db", "si_sdr_db", "sdri_db", "si_sdri_db")
"""Scores that can be averaged, in dB."""

KEYS = ("run_id", "method", "mixture_id", "source", "seed", "mask", "status")
COLUMNS = (
    *("run_id", "method", "mixture_id", "source", "clip_id", "instrument", "partner", "seed", "mask"),
    *("sdr_db", "sir_db", "sar_db", "si_sdr_db", "mixture_sdr_db", "mixture_si_sdr_db", "sdri_db", "si_sdri_db"),
    "status",
)
NO_MASK = ("", "none")
"""Values of the column `mask` for rows without one (the mixture as estimate): they stand beside either mask type."""

_ITEM = ["mixture_id", "source"]


class Common(NamedTuple):
    """The mixtures a table may use, and per method what kept others out.

    Attributes
    ----------
    mixtures : pandas.Index
        Mixture ids, sorted.
    counts : pandas.DataFrame
        Index `method`; columns `n_items` (rows), `n_silent` (silent estimates), `n_missing` (sources that other runs
        scored), `n_infinite` (other items without a finite score) and `n_mixtures_lost` (mixtures this method cost).
    """

    mixtures: pd.Index
    counts: pd.DataFrame


def select_mask(scores: pd.DataFrame, mask: str | None) -> pd.DataFrame:
    """Rows of one mask type, with the rows that have none; `mask` None keeps all.

    Raises
    ------
    DataError
        If no row has this mask type, or a run scores a source twice in what remains.
    """
    require_columns(scores, KEYS)
    if mask is not None:
        of_type = scores["mask"] == mask
        if not of_type.any():
            known = ", ".join(sorted(map(str, scores["mask"].dropna().unique())))
            raise DataError(f"no scores with mask {mask!r}; the frame has: {known}")
        scores = scores[of_type | scores["mask"].isna() | scores["mask"].isin(NO_MASK)]
    twice = scores.duplicated(["method", "seed", *_ITEM])
    if twice.any():
        first = scores[twice].iloc[0]
        raise DataError(
            f"{first['method']}, seed {first['seed']}, scores source {first['source']} of {first['mixture_id']} twice; "
            "choose one mask type, or give different configurations different method names"
        )
    return scores


def common_mixtures(scores: pd.DataFrame, metrics: Sequence[str] = METRICS) -> Common:
    """Mixtures that every method and seed of the frame separated into finite scores of every source.

    Parameters
    ----------
    scores : pandas.DataFrame
        One mask type; see `select_mask`.
    metrics : sequence of str
        Columns that must be finite. A metric that a method *never* has finite is not held against its mixtures: the
        SAR of the mixture itself is infinite by definition.

    Returns
    -------
    Common

    Raises
    ------
    DataError
        If columns are missing or a source is scored twice.
    """
    require_columns(scores, metrics)
    scores = select_mask(scores, None)
    usable = _usable(scores, metrics)
    runs = [scores[column] for column in ("method", "run_id")]
    items = usable.groupby([*runs, *(scores[column] for column in _ITEM)]).all()
    grid = items.unstack(["method", "run_id"])
    kept = grid.eq(True).groupby(level="mixture_id").all()  # absent items are NaN
    lost = (~kept).T.groupby(level="method").any().sum(axis=1)
    silent = scores["status"] == "silent_estimate"
    per_method = pd.DataFrame({"method": scores["method"], "silent": silent, "infinite": ~usable & ~silent})
    totals = per_method.groupby("method").agg(
        n_items=("silent", "size"), n_silent=("silent", "sum"), n_infinite=("infinite", "sum")
    )
    totals.insert(2, "n_missing", grid.isna().T.groupby(level="method").sum().sum(axis=1))
    totals["n_mixtures_lost"] = lost
    return Common(kept.index[kept.all(axis=1)].sort_values(), totals)


def mixture_means(scores: pd.DataFrame, metric: str) -> dict[str, pd.DataFrame]:
    """Mean over the sources of each mixture.

    Parameters
    ----------
    scores : pandas.DataFrame
        One mask type.
    metric : str
        A column in dB.

    Returns
    -------
    dict of str to pandas.DataFrame
        Per method, in order of appearance, a frame with one row per seed and one column per mixture. A mixture with
        a missing value is NaN, never the mean of the rest.
    """
    require_columns(scores, (metric,))
    scores = select_mask(scores, None)
    grouped = scores.groupby(["method", "seed", "mixture_id"], sort=True, dropna=False)[metric]
    means = grouped.mean().where(grouped.count() == grouped.size())
    return {method: means.loc[method].unstack("mixture_id") for method in scores["method"].unique()}


def _usable(scores: pd.DataFrame, metrics: Sequence[str]) -> pd.Series:
    """Row by row: status ok and finite in every metric that its method ever has finite."""
    finite = pd.DataFrame(np.isfinite(scores[list(metrics)].to_numpy(float)), index=scores.index, columns=list(metrics))
    ever = finite.groupby(scores["method"]).transform("any")
    never_nan = ~scores[list(metrics)].isna()
    return (finite | (~ever & never_nan)).all(axis=1) & (scores["status"] == "ok")


def require_columns(scores: pd.DataFrame, columns: Iterable[str]) -> None:
    """Raise a `DataError` that names the columns a scores frame lacks."""
    missing = [column for column in columns if column not in scores]
    if missing:
        raise DataError(f"the scores have no column {', '.join(missing)}; they have: {', '.join(scores.columns)}")
