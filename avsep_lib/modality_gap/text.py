"""Table 5 as readers see it, and the sentence that says why a gap shrank."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from avsep_lib.modality_gap.tables import corrected
from avsep_lib.plots.style import label_of
from avsep_lib.probe.text import MISSING, name_of, p_text
from avsep_lib.published import published_table

# The paper does not say which fusion its rows have; its full method is hierarchical.
PAPER_ROWS = {"hier": "no align", "hier_align": "align"}
PART_NAMES = {"total": "whole difference", "spread": "by the spread of sounds", "direction": "by their direction"}


def number(mean: float, low: float = math.nan, high: float = math.nan, sign: str = "") -> str:
    """``"0.968 [0.949, 0.985]"``; without an interval just the mean.

    >>> number(0.9681, 0.949, 0.985)
    '0.968 [0.949, 0.985]'
    """
    if math.isnan(mean):
        return MISSING
    text, *ends = (f"{round(value, 3) + 0.0:{sign}.3f}" for value in (mean, low, high))
    return f"{text} [{', '.join(ends)}]" if math.isfinite(low) and math.isfinite(high) else text


def _cells(table: pd.DataFrame, *columns: str, sign: str = "") -> list[str]:
    return [number(*values, sign=sign) for values in zip(*(table[column] for column in columns))]


def _bounds(table: pd.DataFrame, low: str, high: str, sign: str = "") -> list[str]:
    pairs = zip(table[low], table[high])
    return [f"[{a:{sign}.3f}, {b:{sign}.3f}]" if np.isfinite([a, b]).all() else MISSING for a, b in pairs]


def table5_text(table: pd.DataFrame) -> pd.DataFrame:
    """Table 5: the gap of every row, the paper's number as context, and the gap of an arbitrary direction."""
    printed = published_table(5)["modality gap"]
    return pd.DataFrame(
        {
            "row": table["row"].map(name_of),
            "paper": [number(printed.get(PAPER_ROWS.get(row), math.nan)) for row in table["row"]],
            "gap": _cells(table, "gap", "gap_low", "gap_high"),
            "Eq. 9 as it stands": _cells(table, "gap_plain"),
            "trained again": _bounds(table, "gap_seeds_low", "gap_seeds_high"),
            "gap of an arbitrary direction": _cells(table, "arbitrary", "arbitrary_low", "arbitrary_high"),
            "clips": table["n_clips"].astype(str),
            "seeds": [MISSING if row == "audio_encoder" else str(n) for row, n in zip(table["row"], table["n_seeds"])],
        }
    )


def decomposition_text(table: pd.DataFrame, pairs: pd.DataFrame, seeds: pd.DataFrame) -> pd.DataFrame:
    """What each gap is made of, and whether sounds lie nearer to their own pictures; p values are Holm's.

    Parameters
    ----------
    table, pairs, seeds : DataFrame
        `gap_table`, `pairing_table` and `seed_values`; of the last, the p values of a row's seeds are shown as a range.
    """
    seeds, pairs = corrected(seeds, pairs)
    paired = pairs.set_index("row").loc[table["row"]]
    chances = seeds.groupby("row")["p_arbitrary"].agg(["min", "max"]).loc[table["row"]]
    return pd.DataFrame(
        {
            "row": table["row"].map(name_of),
            "norm of mean sound": _cells(table, "audio_norm", "audio_norm_low", "audio_norm_high"),
            "norm of mean picture": _cells(table, "image_norm", "image_norm_low", "image_norm_high"),
            "cosine of the means": _cells(table, "cosine", "cosine_low", "cosine_high", sign="+"),
            "p (Holm), arbitrary direction": [_range(*ends) for ends in chances.itertuples(index=False)],
            "cosine, own picture": _cells(paired, "own", sign="+"),
            "same class": _cells(paired, "class", sign="+"),
            "other class": _cells(paired, "other", sign="+"),
            "p (Holm), own": paired["p_own"].map(p_text).to_numpy(),
            "p (Holm), class": paired["p_class"].map(p_text).to_numpy(),
            "gap when there is none": _cells(paired, "no_gap"),
        }
    )


def _range(least: float, most: float) -> str:
    ends = p_text(least), p_text(most)
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def attribution_text(table: pd.DataFrame) -> pd.DataFrame:
    """Differences of gaps and what made them."""
    return pd.DataFrame(
        {
            "difference of": [f"{label_of(a)} − {label_of(b)}" for a, b in zip(table["candidate"], table["baseline"])],
            "part": table["part"].map(PART_NAMES),
            "gap": _cells(table, "difference", "low", "high", sign="+"),
            "trained again": _bounds(table, "seeds_low", "seeds_high", sign="+"),
            "p (Holm)": table["p_holm"].map(p_text),
            "smallest detectable": _cells(table, "detectable_effect"),
        }
    )


def answer(table: pd.DataFrame, candidate: str, baseline: str) -> str:
    """One sentence on what made the gap change between two rows, from `tables.attributions`."""
    parts = table[(table["candidate"] == candidate) & (table["baseline"] == baseline)].set_index("part")
    pair = f"{label_of(candidate)} against {label_of(baseline)}"
    if parts.empty:
        return f"{pair}: not trained here, nothing can be said"
    whole = parts.loc["total"]
    if not np.isfinite([whole["low"], whole["high"]]).all():
        return f"{pair}: gap {whole['difference']:+.3f}, no interval: nothing can be said"
    if whole["low"] <= 0 <= whole["high"]:
        return f"{pair}: the gap does not measurably change ({number(*whole[['difference', 'low', 'high']], sign='+')})"
    word = "narrower" if whole["difference"] < 0 else "wider"
    spread, direction = parts.loc["spread"], parts.loc["direction"]
    causes = [f"{name} {number(*part[['difference', 'low', 'high']], sign='+')}"
              for name, part in (("by the spread of the sounds", spread), ("by their direction", direction))]  # fmt: skip
    share = 100 * spread["difference"] / whole["difference"]
    return (
        f"{pair}: the gap is {word} by {abs(whole['difference']):.3f}; {'; '.join(causes)}. "
        f"Spread accounts for {share:.0f} % of the change."
    )
