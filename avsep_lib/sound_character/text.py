"""Gains, correlations and groups as readers see them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from avsep_lib.plots.style import label_of, metric_label
from avsep_lib.sound_character.correlations import spearman
from avsep_lib.sound_character.gains import OwnGains
from avsep_lib.tables.text import MISSING, interval_column


def gains_text(gains: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One line per instrument, from `instrument_gains` by metric; the first metric gives order and tests."""
    tables = {metric: table.set_index("instrument") for metric, table in gains.items()}
    metric, first = next(iter(tables.items()))
    shown = {"instrument": _words(first.index), "mixtures": first["n_mixtures"].astype(int)}
    for name, table in tables.items():
        table = table.reindex(first.index)
        cells = interval_column(table, "gain", "low", "high", sign="+")
        fewer = (table["n_mixtures"] < first["n_mixtures"]).to_numpy()
        counts = table["n_mixtures"].fillna(0).astype(int)
        shown[metric_label(name)] = [
            f"{cell}, n = {n}" if less else cell for cell, n, less in zip(cells, counts, fewer)
        ]
    name = metric_label(metric).split()[0]
    shown[f"{name}, single seeds"] = _range(first["seed_min"], first["seed_max"])
    shown[f"{name}, trained again"] = _bounds(first["seeds_low"], first["seeds_high"])
    shown["p (Holm)"] = first["p_holm"].map(p_text)
    shown["smallest detectable (dB)"] = [MISSING if math.isnan(v) else f"{v:.2f}" for v in first["detectable_effect"]]
    return pd.DataFrame(shown).reset_index(drop=True)


def correlations_text(binary: pd.DataFrame, soft: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """One line per metric and quantity, from `correlate` of both mask types."""
    others = soft.set_index(["metric", "quantity"])["rho"]
    keys = pd.MultiIndex.from_frame(binary[["metric", "quantity"]])
    return pd.DataFrame(
        {
            "gain in": [metric_label(metric).split()[0] for metric in binary["metric"]],
            "with": binary["quantity"].map(dict(labels)),
            "rho": _signed(binary["rho"]),
            "clips and mixtures drawn again": _bounds(binary["low"], binary["high"]),
            "other instruments": _bounds(binary["among_low"], binary["among_high"]),
            "single seeds": _range(binary["seed_min"], binary["seed_max"]),
            "p": binary["p_value"].map(p_text),
            "p (Holm)": binary["p_holm"].map(p_text),
            "rho, soft masks": _signed(others.reindex(keys)),
            "instruments": binary["n_instruments"],
        }
    )


def groups_text(table: pd.DataFrame, rows: tuple[str, str]) -> pd.DataFrame:
    """One line per quantity, from `compare_groups`; `rows` are the candidate and the baseline."""
    means = {
        f"said to suit {label_of(row).lower()}": _signed(table[column])
        for row, column in zip(rows, ("mean_greater", "mean_less"))
    }
    return pd.DataFrame(
        {
            "mean of": table["quantity"] + " (" + table["unit"] + ")",
            "masks": table["mask"].replace("", MISSING),
            **means,
            "difference": interval_column(table, "difference", "low", "high", sign="+"),
            "trained again": _bounds(table["seeds_low"], table["seeds_high"]),
            "p (divisions)": table["p_value"].map(p_text),
            "mixtures": [MISSING if math.isnan(n) else f"{n:.0f}" for n in table["n_mixtures"]],
        }
    )


def named_text(instruments: Iterable[str], groups: Mapping[str, Sequence[str]]) -> str:
    """One sentence: which of the instruments that a grouping names are there, and what follows from it."""
    named, present = [name for group in groups.values() for name in group], set(instruments)
    absent = [name for name in named if name not in present]
    if not absent:
        return f"All {len(named)} instruments that the paper names are there."
    if len(absent) == len(named):
        return (
            f"Not testable here: none of the {len(named)} instruments that the paper names is a class of this dataset."
        )
    return (
        f"Not testable here: {', '.join(_words(absent))} of the {len(named)} instruments that the paper names are no "
        "classes of this dataset; the lines below are of those that are."
    )


def agreement(binary: OwnGains, soft: OwnGains) -> str:
    """One sentence: do soft masks order the instruments as binary masks do, and is the sign the same?"""
    a, b = binary.of_instruments.align(soft.of_instruments, join="inner")
    rho = spearman(a, b)
    if not np.isfinite(rho):
        return "Soft and binary masks cannot be compared: too few instruments have gains with both."
    same = int((np.sign(a) == np.sign(b)).sum())
    return (
        f"Gains with soft and with binary masks: rank correlation over instruments {rho:+.2f}; "
        f"the same sign for {same} of {len(a)}."
    )


def pairing_text(gains: OwnGains) -> str:
    """One sentence: whose seeds are compared, or why there is nothing to compare."""
    if gains.items.empty:
        return f"Nothing can be compared: {gains.unpaired or 'no source has a finite score in both rows'}."
    if gains.unpaired:
        return f"Seeds are averaged before the difference: {gains.unpaired}."
    return f"Every seed of one row is compared with the same seed of the other: {gains.items.shape[1]} of them."


def needed_text(needed: float, n: int) -> str:
    """One sentence: the rho that so many instruments would have to show."""
    if math.isnan(needed):
        return f"With {n} instruments no rank correlation reaches p < 0.05; what follows is a rehearsal."
    return (
        f"With {n} instruments a single rank correlation needs |rho| of {needed:.2f} for p < 0.05, and more where "
        "several are tried: exploratory."
    )


def p_text(p_value: float) -> str:
    """``"0.03"``, ``"< 0.001"``, a dash for NaN."""
    return MISSING if math.isnan(p_value) else "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _words(names: Iterable[str]) -> list[str]:
    return [name.replace("_", " ") for name in names]


def _signed(values: Iterable[float]) -> list[str]:
    return [MISSING if math.isnan(value) else f"{round(value, 2) + 0.0:+.2f}" for value in values]


def _bounds(low: pd.Series, high: pd.Series) -> list[str]:
    return [MISSING if "–" in pair else f"[{', '.join(pair)}]" for pair in zip(_signed(low), _signed(high))]


def _range(low: pd.Series, high: pd.Series) -> list[str]:
    return [MISSING if "–" in pair else " to ".join(pair) for pair in zip(_signed(low), _signed(high))]
