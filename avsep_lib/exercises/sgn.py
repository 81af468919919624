"""Exercises of ``14_sgn``: free class vectors, a query for a class that is absent."""

from __future__ import annotations

import numpy as np
import pandas as pd

from avsep_lib.exercises import Answer, db, percent, unanswered
from avsep_lib.plots.style import label_of


def tokens_need_no_sound(curves: pd.DataFrame) -> Answer:
    """F1 of the class tokens themselves, which never hear a mixture.

    Parameters
    ----------
    curves : DataFrame
        `avsep_lib.sgn_study.tables.token_curves`.
    """
    last = curves.dropna(subset=["token_f1"]).groupby("row", sort=False)["token_f1"].last()
    if last.empty:
        return unanswered("no row with class tokens is trained here")
    return Answer(
        f"Up to {percent(last.max())}, and it may reach 100 % without hearing anything.",
        "A class token is a free vector with a label of its own. As many vectors as labels can be told apart by a linear "
        "layer whatever the sound is, so this F1 measures that the optimiser works. The F1 of the presence of classes in "
        "unseen mixtures, beside it in the figure, is the one that says something about sound.",
        {label_of(row): percent(value) for row, value in last.items()},
    )


def presence_by_guessing(n_classes: int, n_sources: int = 2) -> Answer:
    """F1 of a guesser that names every class.

    Parameters
    ----------
    n_classes : int
    n_sources : int
        Classes in a mixture.
    """
    if n_classes <= n_sources:
        return unanswered("there are no more classes than sources")
    precision = n_sources / n_classes
    f1 = 2 * precision / (1 + precision)
    return Answer(
        f"{percent(f1)}: precision {percent(precision)}, recall 100 %.",
        "A classifier that has learnt nothing but how often classes occur sits near here, or at nought if it names none. "
        "Look at precision and recall apart before you look at F1.",
        {"classes": str(n_classes), "of them in a mixture": str(n_sources)},
    )


def what_the_label_is_worth(table: pd.DataFrame) -> Answer:
    """How much of the ablation is left where the labels are given: the range of the rows' SDR.

    Parameters
    ----------
    table : DataFrame
        `avsep_lib.tables.summary` of the ablation rows.
    """
    rows = table[table["method"].str.startswith("sgn")].dropna(subset=["sdr_db"])
    if len(rows) < 2:
        return unanswered("fewer than two rows of the ablation are trained here")
    low, high = rows.loc[rows["sdr_db"].idxmin()], rows.loc[rows["sdr_db"].idxmax()]
    return Answer(
        f"{db(high.sdr_db - low.sdr_db)}, from {label_of(low.method)} to {label_of(high.method)}; the paper prints 3.69 dB "
        "between neither and both.",
        "With the labels of the present classes given, even a network with one mask per class and nothing else knows which "
        "mask to return. What tokens and grouping add is then only what they hear beyond the label.",
        {label_of(r.method): db(r.sdr_db) for r in rows.itertuples() if np.isfinite(r.sdr_db)},
    )
