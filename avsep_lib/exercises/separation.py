"""Exercises of ``04_separation_tables``: a mask of ones, the room between floor and ceiling, fewer mixtures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from avsep_lib.exercises import Answer, db, percent, plural, unanswered
from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling, interval_over_mixtures
from avsep_lib.plots.style import label_of
from avsep_lib.stats import mixture_means
from avsep_lib.tables.comparable import Comparable
from avsep_lib.tables.names import CEILING, FLOOR, METRICS, REFERENCES


def mask_of_ones(data: Comparable) -> Answer:
    """SDR, SIR and SAR of the estimate that a mask of ones makes: the mixture."""
    rows = data.scores[data.scores["method"] == FLOOR]
    if rows.empty:
        return unanswered("the mixture was not scored")
    sdr, sir, sar = (float(rows[metric].mean()) for metric in METRICS)
    per_mixture = mixture_means(rows, "sdr_db")[FLOOR].to_numpy()
    return Answer(
        f"SDR {db(sdr)}, SIR {db(sir)}, SAR {db(sar)}.",
        "A mask of ones returns the mixture: all of its error is the other source, so SDR and SIR are the same number, "
        "and nothing foreign was added, so SAR has no limit. The mean lies near zero because what one source gains "
        "from being louder the other one loses. Beware of a SAR without its SIR: doing nothing has the best SAR of all.",
        {
            "single sources, lowest to highest": f"{db(rows['sdr_db'].min())} to {db(rows['sdr_db'].max())}",
            "mixtures, lowest to highest": f"{db(per_mixture.min())} to {db(per_mixture.max())}",
        },
    )


def share_of_the_room(summaries: dict[str, pd.DataFrame]) -> Answer:
    """How far the best trained row comes from floor to ceiling, by mask type.

    Parameters
    ----------
    summaries : dict of str to DataFrame
        `avsep_lib.tables.summary` by mask type.
    """
    rows = {}
    for mask, table in summaries.items():
        means = table.set_index("method")["sdr_db"]
        trained = means.drop(list(REFERENCES), errors="ignore").dropna()
        if trained.empty:
            return unanswered("no trained row shares mixtures with the references")
        floor, ceiling = means[FLOOR], means[CEILING[mask]]
        share = (trained.max() - floor) / (ceiling - floor)
        words = (
            f"{percent(share)}: {label_of(trained.idxmax())}, {db(trained.max())} between {db(floor)} and {db(ceiling)}"
        )
        rows[f"{mask} masks"] = words
    shares = "; ".join(f"{name}: {words.partition(':')[0]}" for name, words in rows.items())
    return Answer(
        f"{shares} of the way.",
        "Decibels are a logarithm, so the last steps to the ceiling are the hardest, and the ceiling is no perfect "
        "separation: even the ideal mask keeps the mixture's phase and must give a point that both sources share to "
        "one of them, or divide it. A soft mask's ceiling is another one than a binary mask's.",
        rows,
    )


def a_quarter_of_the_mixtures(data: Comparable, resampling: Resampling = DEFAULT_RESAMPLING) -> Answer:
    """Width of an interval from a quarter of the mixtures against that from all."""
    matrices = mixture_means(data.scores, "sdr_db")
    trained = [name for name in matrices if name not in REFERENCES]
    if not trained or matrices[trained[0]].shape[1] < 12:
        return unanswered("it takes a trained row with at least 12 mixtures to leave some out")
    values = matrices[trained[0]].to_numpy().mean(axis=0)
    few = np.random.default_rng(resampling.seed).permutation(values)[: len(values) // 4]
    whole, part = (interval_over_mixtures(v, resampling) for v in (values, few))
    if not np.isfinite([whole.low, part.low]).all():
        return unanswered(whole.reason or part.reason)
    widths = whole.high - whole.low, part.high - part.low
    return Answer(
        f"{widths[1] / widths[0]:.1f} times as wide: {db(widths[1])} instead of {db(widths[0])}.",
        "The width goes with one over the root of n, so a quarter of the mixtures is expected to double it; which "
        "quarter was drawn moves that. Read it backwards: to halve an interval, collect four times as many mixtures.",
        {
            f"{label_of(trained[0])}, {plural(whole.n, 'mixture')}": f"{db(whole.mean)} [{whole.low:.2f}, {whole.high:.2f}]",
            f"{plural(part.n, 'mixture')} of them": f"{db(part.mean)} [{part.low:.2f}, {part.high:.2f}]",
        },
    )
