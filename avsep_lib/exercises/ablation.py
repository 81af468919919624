"""Exercises of ``06_ablation``: pairing, what fixed seeds hide, and one training each."""

from __future__ import annotations

import numpy as np
import pandas as pd

from avsep_lib.exercises import Answer, db, percent, plural, unanswered
from avsep_lib.plots.style import label_of
from avsep_lib.stats import mixture_means
from avsep_lib.tables.comparable import Comparable
from avsep_lib.tables.names import PAIRS, REFERENCES


def without_pairing(data: Comparable, pairs: tuple[tuple[str, str], ...] = PAIRS) -> Answer:
    """Standard error of a difference with and without the knowledge that both rows share their mixtures."""
    matrices = mixture_means(data.scores, "sdr_db")
    a, b = next((pair for pair in pairs if set(pair) <= set(matrices)), (None, None))
    if a is None or matrices[a].shape[1] < 3:
        return unanswered("it takes two trained rows and three mixtures")
    x, y = (matrices[name].to_numpy().mean(axis=0) for name in (a, b))
    paired = (x - y).std(ddof=1) / np.sqrt(x.size)
    apart = np.hypot(x.std(ddof=1), y.std(ddof=1)) / np.sqrt(x.size)
    if not paired > 0:
        return unanswered(f"{label_of(a)} and {label_of(b)} do not differ in any mixture")
    return Answer(
        f"{apart / paired:.1f} times as wide: as much as testing on {(apart / paired) ** 2:.1f} times fewer mixtures.",
        "Most of a row's spread is that some mixtures are hard for every row. A difference within a mixture is free "
        "of that. Two papers that each print a mean with an error bar have thrown it away: overlapping bars prove nothing.",
        {
            "compared": f"{label_of(a)} and {label_of(b)}, {plural(x.size, 'mixture')}",
            "standard error, paired": db(paired),
            "standard error, unpaired": db(apart),
            "correlation of the two rows over mixtures": f"{np.corrcoef(x, y)[0, 1]:.2f}",
        },
    )


def seeds_held_fixed(found: pd.DataFrame) -> Answer:
    """How many differences that are clear of zero for these models stay so for the methods trained again.

    Parameters
    ----------
    found : DataFrame
        `avsep_lib.tables.differences`.
    """
    both = found.dropna(subset=["low", "high", "seeds_low", "seeds_high"])
    if both.empty:
        return unanswered("no pair of rows was trained with several seeds")
    clear = both[(both["low"] > 0) | (both["high"] < 0)]
    stay = clear[(clear["seeds_low"] > 0) | (clear["seeds_high"] < 0)]
    wider = ((both["seeds_high"] - both["seeds_low"]) / (both["high"] - both["low"])).median()
    return Answer(
        f"{plural(len(clear), 'line')} of {len(both)} clear of zero for these models; "
        f"{len(stay)} of them also when the training is done again.",
        "Fixed seeds answer a smaller question: are these files better than those files? What a method is worth also "
        "depends on the luck of its training, and with few seeds that luck is hardly known, so the interval is wide. "
        "Fixing the seed makes a number repeatable; it does not make it true.",
        {"interval across trainings, times as wide (median)": f"{wider:.1f}"},
    )


def one_training_each(seeds: pd.DataFrame, pairs: tuple[tuple[str, str], ...] = PAIRS) -> Answer:
    """How often the order of two rows turns when each of them is trained once.

    Parameters
    ----------
    seeds : DataFrame
        `avsep_lib.tables.seed_means`.
    """
    runs = {name: rows["sdr_db"].to_numpy() for name, rows in seeds.groupby("method") if name not in REFERENCES}
    usable = [(a, b) for a, b in pairs if min(runs.get(a, np.empty(0)).size, runs.get(b, np.empty(0)).size) > 1]
    if not usable:
        return unanswered("no two rows have several seeds")
    turned = {}
    for a, b in usable:
        signs = np.sign(runs[a][:, None] - runs[b])
        turned[f"{label_of(a)} against {label_of(b)}"] = float(
            (signs != np.sign(runs[a].mean() - runs[b].mean())).mean()
        )
    most = max(turned, key=turned.get)
    return Answer(
        f"For {sum(share > 0 for share in turned.values())} of {plural(len(turned), 'pair')} at least one choice of seeds "
        f"turns the order; most often {most}, in {percent(turned[most])} of the choices.",
        "A table with one training per row is one draw from these. Nobody has to choose seeds on purpose: whoever "
        "trains until the new row wins, and stops there, has chosen them.",
    )
