"""What may stand in one table: scores of one mask type on common mixtures, and their means with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from avsep_lib.errors import CanaryError, DataError
from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling
from avsep_lib.stats import admission_counts, common_mixtures, mixture_means, select_mask, summarise
from avsep_lib.tables.names import CEILING, METRICS, NOT_BOUNDED, REFERENCES, in_table_order

MIN_MIXTURES = 3  # fewer give no interval
STEADY = 0.1  # of an interval: further than this its ends should not depend on the seed of the resampling


@dataclass(frozen=True)
class Comparable:
    """Scores of one mask type on the mixtures that all rows separated.

    Attributes
    ----------
    mask : str
        ``"binary"`` or ``"soft"``.
    scores : pandas.DataFrame
        Tidy scores, reduced to the common set.
    counts : pandas.DataFrame
        Per row, over all its items: see `avsep_lib.stats.admission_counts`. Only a missing or infinite SDR costs a
        mixture (`n_mixtures_lost`); an infinite SAR (`n_infinite_sar`) costs the means of SAR alone.
    left_out : tuple of str
        Rows with which there would be no common set; their numbers are not given.
    """

    mask: str
    scores: pd.DataFrame
    counts: pd.DataFrame
    left_out: tuple[str, ...] = ()


def comparable(scores: pd.DataFrame, mask: str, most_lost: float = 1.0) -> Comparable:
    """One mask type, with the ceiling of that type, on the mixtures that every row separated (finite SDR).

    A row that leaves no common set (an untrained model whose outputs are silent) is taken out and named, the costliest
    first, so that it cannot hide the others; so is, before, a row that alone would cost more than the share `most_lost`
    of the mixtures.

    Raises
    ------
    DataError
        If nothing can be compared even so.
    """
    other = [name for kind, name in CEILING.items() if kind != mask]
    scores = select_mask(scores[~scores["method"].isin(other)], mask)
    counts = admission_counts(scores, METRICS)
    counts = counts.loc[in_table_order(counts.index)]
    most = most_lost * scores["mixture_id"].nunique()
    costs = counts["n_mixtures_lost"].drop(index=list(REFERENCES), errors="ignore")
    left_out: list[str] = list(costs.index[costs > most])
    while True:
        kept = scores[~scores["method"].isin(left_out)]
        common = common_mixtures(kept, METRICS[:1])
        if len(common.mixtures) >= MIN_MIXTURES:
            reduced = kept[kept["mixture_id"].isin(common.mixtures)]
            return Comparable(mask, reduced, counts, tuple(left_out))
        lost = common.counts["n_mixtures_lost"].drop(index=list(REFERENCES), errors="ignore")
        if not lost.any():
            raise DataError(
                f"fewer than {MIN_MIXTURES} mixtures with finite SDR, which no interval can be made from; add test clips:\n"
                f"{counts.to_string()}"
            )
        left_out.append(str(lost.idxmax()))


def summary(
    data: Comparable, metrics: Sequence[str] = METRICS, resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Means with both intervals, one line per row; see `avsep_lib.stats.summarise` for the columns.

    Rows are in table order, floor first and ceiling last; rows that were left out have NaN, and their counts.
    """
    table = summarise(data.scores, metrics, resampling=resampling).set_index("method")
    table = table.drop(columns=data.counts.columns, errors="ignore").join(data.counts, how="right")
    table[["n_mixtures", "n_seeds"]] = table[["n_mixtures", "n_seeds"]].fillna(0).astype(int)
    return table.loc[in_table_order(table.index)].rename_axis("method").reset_index()


def seed_means(data: Comparable, metric: str = "sdr_db") -> pd.DataFrame:
    """Mean over the common set of every trained seed: columns `method`, `seed` and the metric."""
    means = {method: matrix.mean(axis=1) for method, matrix in mixture_means(data.scores, metric).items()}
    return pd.concat(means, names=["method", "seed"]).rename(metric).reset_index()


def check_references(data: Comparable) -> None:
    """Nothing trained on masks of this grid may separate better than their ideal mask, or something leaked.

    Raises
    ------
    CanaryError
        Names the row and both means.
    """
    means = seed_means(data).groupby("method", sort=False)["sdr_db"].mean()
    ceiling = means[CEILING[data.mask]]
    for method, mean in means.drop(CEILING[data.mask]).items():
        if mean >= ceiling and method not in NOT_BOUNDED:
            raise CanaryError(
                f"ceiling: {method} has {mean:.2f} dB SDR, the ideal {data.mask} mask {ceiling:.2f}; "
                "look for a test clip in training, or for estimates that saw their reference"
            )


def steadiness(data: Comparable, resampling: Resampling = DEFAULT_RESAMPLING, metric: str = "sdr_db") -> str:
    """Draw the intervals of `summary` once more with the next seed, and say how far their ends move.

    Returns
    -------
    str
        The largest move as a share of its interval's length, judged against `STEADY`; above it, what to do.
    """
    again = replace(resampling, seed=resampling.seed + 1)
    ends = [f"{metric}_low", f"{metric}_high"]
    first, second = (
        summarise(data.scores, (metric,), resampling=drawn)[ends].to_numpy() for drawn in (resampling, again)
    )
    lengths = first[:, 1:] - first[:, :1]
    moved = float(np.nanmax(np.abs(second - first) / lengths, initial=0.0))
    if moved <= STEADY:
        return f"another seed of the resampling moves no end by more than {STEADY:.0%} of its interval ({moved:.1%})"
    return (
        f"another seed of the resampling moves an end by {moved:.1%} of its interval, more than {STEADY:.0%}: "
        f"raise n_bootstrap from {resampling.n}"
    )
