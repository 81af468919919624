"""Forest plot of paired differences: which row is better than which, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from avsep_lib.plots.style import OKABE_ITO, TEXT, label_of, metric_label, quiet_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOUND_COLORS = {
    "higher": OKABE_ITO["blue"],
    "lower": OKABE_ITO["vermillion"],
    "inconclusive": "#8C8C8C",
    "not testable here": "#BFBFBF",
}

MIN_HALF_WIDTH = 0.1  # dB: an axis is never zoomed into noise


def forest(ax: Axes, table: pd.DataFrame, metric: str = "sdr_db", names: Sequence[str] | None = None) -> Axes:
    """One line per pair, the first on top: mean, interval over mixtures (thick) and across seeds (thin).

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        From `avsep_lib.tables.differences`: `candidate`, `baseline`, `difference`, `low`, `high`, `seeds_low`,
        `seeds_high`, `detectable_effect`, `found`; `verdict`, text where a pair is a claim of the paper, is optional.
    metric : str
        For the axis label.
    names : sequence of str, optional
        One label per line instead of "candidate − baseline".
    """
    ax.axvline(0, color=TEXT, lw=0.9, zorder=1)
    for y, row in enumerate(table.itertuples()):
        color = FOUND_COLORS[row.found]
        _segment(ax, y, row.seeds_low, row.seeds_high, color, 1.1)
        _segment(ax, y, row.low, row.high, color, 4.0)
        ax.plot(row.difference, y, "o", ms=6, color=color, zorder=3)
        ax.annotate(_words(row), (1.015, y), xycoords=("axes fraction", "data"), va="center", fontsize=7.5, color=TEXT)
    names = names or [_name(row.candidate, row.baseline) for row in table.itertuples()]
    ax.set_yticks(range(len(table)), names)
    ax.set_ylim(len(table) - 0.4, -0.6)
    _limits(ax, table)
    ax.set_xlabel(f"difference in {metric_label(metric)}")
    return quiet_axis(ax, "x")


def _segment(ax: Axes, y: float, low: float, high: float, color: str, width: float) -> None:
    if np.isfinite([low, high]).all():
        ax.hlines(y, low, high, color=color, lw=width, alpha=0.9, zorder=2)


def _limits(ax: Axes, table: pd.DataFrame) -> None:
    """Show every interval over mixtures whole; one across seeds may leave the picture, where it says nothing anyway."""
    ends = np.abs(table[["low", "high"]].to_numpy(float))
    inner = np.nanmax(ends) if np.isfinite(ends).any() else 1.0
    outer = np.nanmax(np.append(np.abs(table[["seeds_low", "seeds_high"]].to_numpy(float)), inner))
    half = 1.08 * max(min(outer, 3 * inner), MIN_HALF_WIDTH)
    ax.set_xlim(-half, half)
    ax.locator_params(axis="x", nbins=7)


def _name(candidate: str, baseline: str) -> str:
    return f"{_short(candidate)} − {_short(baseline)}"


def _short(method: str) -> str:
    return label_of(method).split(" (")[0]


def _words(row: tuple) -> str:
    """What was found, the verdict where it is a claim, and for an inconclusive one the effect that could be seen."""
    words = row.found
    if isinstance(getattr(row, "verdict", None), str):
        words += f"; claim {row.verdict}" if row.verdict != row.found else " (a claim)"
    if row.found == "inconclusive":
        effect = "< 0.01" if row.detectable_effect < 0.01 else f"{row.detectable_effect:.2f}"
        words += f"; detectable: {effect} dB"
    return words


def forest_legend(figure: Figure) -> None:
    """Below a figure: what the two bars mean."""
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color="#666666", lw=4, label="95 % interval, these trained models"),
        Line2D([], [], color="#666666", lw=1.1, label="95 % interval, methods trained again"),
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=2)
