"""Exercises of ``05_fusion_stages``: dots that chance makes significant, and instruments ranked by one training."""

from __future__ import annotations

import pandas as pd
from scipy.stats import spearmanr

from avsep_lib.exercises import Answer, db, percent, plural, unanswered


def dots_by_chance(correlations: pd.DataFrame, level: float = 0.05) -> Answer:
    """Correlations with an uncorrected p below `level`: how many chance makes, how many there are."""
    tested = correlations.dropna(subset=["p_value"])
    if tested.empty:
        return unanswered("there are too few instruments to correlate anything")
    below, kept = int((tested["p_value"] < level).sum()), int((tested["p_holm"] < level).sum())
    return Answer(
        f"{len(tested) * level:.1f} of {len(tested)} by chance; there are {below}, and {kept} after Holm's correction.",
        "If nothing went with anything, one test in twenty would still stand out, and a reader who is shown only those "
        "sees a discovery. Descriptors and metrics also depend on each other, so false dots come in flocks.",
        {f"largest |rho| of the {len(tested)}": f"{tested['rho'].abs().max():.2f}"},
    )


def order_of_instruments(seeds: pd.DataFrame) -> Answer:
    """Does another training rank the instruments' gains alike?

    Parameters
    ----------
    seeds : DataFrame
        Gains in dB, instruments as index, one column per seed.
    """
    if seeds.shape[1] < 2 or len(seeds) < 4:
        return unanswered(f"{plural(seeds.shape[1], 'seed')} and {plural(len(seeds), 'instrument')} rank nothing twice")
    pairs = [(a, b) for i, a in enumerate(seeds.columns) for b in seeds.columns[i + 1 :]]
    rho = {f"seeds {a} and {b}": float(spearmanr(seeds[a], seeds[b]).statistic) for a, b in pairs}
    first = [str(seeds[column].idxmax()).replace("_", " ") for column in seeds]
    return Answer(
        f"Spearman's rho between trainings: {min(rho.values()):+.2f} to {max(rho.values()):+.2f}. "
        f"The instrument that gains most: {', '.join(first)}.",
        "A figure of bars sorted by gain looks like a property of instruments. It is one only as far as another "
        "training sorts them alike; a rho near zero means that the order was drawn with the initial weights.",
        {name: f"{value:+.2f}" for name, value in rho.items()},
    )


def instrument_against_all(by_instrument: pd.DataFrame) -> Answer:
    """Width of the intervals of single instruments against the smallest effect they could show."""
    table = by_instrument.dropna(subset=["low", "high"])
    if table.empty:
        return unanswered("no instrument has enough mixtures for an interval")
    widths = (table["high"] - table["low"]).rename("width")
    clear = (table["low"] > 0) | (table["high"] < 0)
    wide, narrow = widths.idxmax(), widths.idxmin()
    name = {i: str(table.loc[i].get("instrument", i)).replace("_", " ") for i in (wide, narrow)}
    return Answer(
        f"From {db(widths[narrow])} ({name[narrow]}) to {db(widths[wide])} ({name[wide]}); "
        f"{int(clear.sum())} of {len(table)} clear of zero.",
        "An instrument has only its own mixtures, a small part of all, so its interval is wide, and among many "
        "instruments a few leave zero by chance: at 95 % one in twenty. Before telling a story about an instrument, "
        "ask whether its neighbours in the figure could not have had the same bar.",
        {
            "expected clear of zero by chance": f"{0.05 * len(table):.1f} of {len(table)}",
            "share": percent(clear.mean()),
        },
    )
