"""Exercises of ``13_baselines``: naming outputs by the truth, more sources, the price of a decibel."""

from __future__ import annotations

import numpy as np
import pandas as pd

from avsep_lib.baselines.facts import told_of
from avsep_lib.exercises import Answer, db, unanswered
from avsep_lib.plots.style import label_of
from avsep_lib.tables.names import CEILING, FLOOR, REFERENCES


def names_by_chance(mixture_gain: pd.DataFrame) -> Answer:
    """What naming by the truth is worth where there is nothing to name: noise added to the floor, both orders, the better.

    Parameters
    ----------
    mixture_gain : DataFrame
        `avsep_lib.tables.summary` of one mask type.
    """
    means = mixture_gain.set_index("method")["sdr_db"]
    unasked = [m for m in means.index if m not in REFERENCES and told_of(m) == "nothing" and np.isfinite(means[m])]
    if not unasked or FLOOR not in means.index:
        return unanswered("no row is told nothing here")
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(20_000, 2))
    best = float(np.maximum(draws.mean(axis=1), -draws.mean(axis=1)).mean())
    return Answer(
        f"Above nought: about {best:.2f} times the spread of such a difference, for two sources.",
        "The better of two orders is never worse than the one that was meant, so a row that is named by the truth starts "
        "above a row that has to know what it was asked for. With n sources there are n! orders, and the head start grows. "
        "Compare such rows with each other; beside the others they are the kinder reading.",
        {label_of(m): f"{db(means[m])}, mixture {db(means[FLOOR])}" for m in unasked},
    )


def a_third_source(table: pd.DataFrame) -> Answer:
    """What happens to the improvement and to the ceiling when a third source enters.

    Parameters
    ----------
    table : DataFrame
        `avsep_lib.baselines.tables.by_number`.
    """
    gains = table.pivot_table(index="method", columns="n_sources", values="gain") if len(table) else pd.DataFrame()
    if not {2, 3} <= set(gains.columns):
        return unanswered("there are no mixtures of three sources")
    ceilings = table.groupby("n_sources")["ceiling"].first()
    trained = gains.drop(index=[m for m in (FLOOR, *CEILING.values()) if m in gains.index]).dropna()
    if trained.empty:
        return unanswered("no row separates both")
    lost = (trained[2] - trained[3]).median()
    return Answer(
        f"The ceiling moves by {db(ceilings[3] - ceilings[2], '+')}, the median row's improvement by {db(-lost, '+')}.",
        "An improvement is counted from the mixture, and the mixture is a worse estimate of each source when more are in it: "
        "there is more to win, so improvements may grow while estimates get worse. That is why the ceiling stands beside "
        "them.",
        {
            label_of(m): f"{db(trained.loc[m, 2], '+')} with two, {db(trained.loc[m, 3], '+')} with three"
            for m in trained.index
        },
    )


def price_of_a_decibel(costs: pd.DataFrame, summary: pd.DataFrame) -> Answer:
    """Which row gives most improvement for its multiply-adds."""
    means = summary.set_index("method")["sdr_db"]
    table = costs[costs["multiply_adds_per_s"].notna() & costs["method"].isin(means.index)]
    table = table.assign(gain=[means[m] - means[FLOOR] for m in table["method"]]).dropna(subset=["gain"])
    table = table[table["gain"] > 0]
    if table.empty:
        return unanswered("no row that learns is above the mixture")
    table = table.assign(price=table["multiply_adds_per_s"] / 1e9 / table["gain"]).sort_values("price")
    cheap, dear = table.iloc[0], table.iloc[-1]
    return Answer(
        f"{label_of(cheap.method)}: {cheap.price:.2f} billion multiply-adds per second of sound and decibel above the "
        f"mixture; {label_of(dear.method)} needs {dear.price / cheap.price:.0f} times as many.",
        "Parameters and multiply-adds are different prices: a small network that runs once per source can cost more than a "
        "large one that runs once per mixture. Neither is seconds, which depend on how well the operations fit a processor.",
        {label_of(r.method): f"{r.price:.2f}" for r in table.itertuples()},
    )
