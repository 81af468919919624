"""The picture of the benchmarks: every row on one axis, how many times better than its reference, and its goal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from avsep_lib.files import atomic_path
from avsep_lib.plots.style import GRID, OKABE_ITO, TEXT, WIDTH, apply_style, quiet_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = {  # shape and filling tell the three apart without colour
    "met": {"marker": "o", "color": OKABE_ITO["blue"], "markerfacecolor": OKABE_ITO["blue"]},
    "not met": {"marker": "X", "color": OKABE_ITO["vermillion"], "markerfacecolor": "white"},
    "informs": {"marker": "d", "color": "#7F7F7F", "markerfacecolor": "white"},
}
GOAL = {"linestyle": "none", "marker": "|", "markersize": 15, "color": TEXT, "markeredgewidth": 2}
FLOOR = {"linestyle": "none", "marker": "*", "markersize": 9, "color": TEXT, "markerfacecolor": "white"}


def gain(row: pd.Series, ratio: float) -> float:
    """How many times better than the reference a ratio is."""
    return ratio if row.direction == "at least" else 1 / ratio


def base(row: pd.Series) -> float:
    """What a row in units of its own is compared with: its reference, or its goal where it has none."""
    return row.goal if pd.isna(row.reference) else row.reference


def reached(row: pd.Series) -> tuple[float, float, float]:
    """Gain of the median, and the ends of its spread."""
    if pd.isna(row.ratio):
        here = base(row) / row.ours
        return here, here, here
    low, high = sorted(gain(row, value) for value in (row.low, row.high))
    return gain(row, row.ratio), low, high


def wanted(row: pd.Series) -> float:
    """Gain at the goal."""
    return base(row) / row.goal if row.goal_of == "ours" else gain(row, row.goal)


def at_floor(row: pd.Series) -> float:
    """Gain if ours took its floor; of a rate the floor is the highest."""
    better = base(row) / row.floor
    return 1 / better if row.unit.endswith("/s") else better


def words(row: pd.Series) -> str:
    """What the row reached and what it should, in words."""
    if row.status == "failed":
        return "FAILED, see the table"
    sign = "≥" if row.direction == "at least" else "≤"
    if row.goal_of == "ours":
        value, unit = f"{row.ours:.3g} {row.unit}", f" {row.unit}"
    else:
        value, unit = f"{row.ratio:.2f}×", "×"
    if pd.isna(row.goal):
        return f"{value} (no goal)"
    return f"{value}, {row.status} (goal {sign} {row.goal:g}{unit})"


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw `latest.csv`; rows of an earlier date than the newest carry theirs."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator

    apply_style()
    figure, ax = plt.subplots(figsize=(WIDTH + 2.2, 0.9 + 0.42 * len(table)))
    newest = str(table.date.max())[:10]
    rows = [row for _, row in table.iterrows()]
    for y, row in enumerate(rows):
        if row.status != "failed":
            _draw_row(ax, y, row)
        ax.text(1.02, y, words(row), transform=ax.get_yaxis_transform(), va="center", fontsize=8, color=TEXT)
    ax.axvline(1, color=TEXT, linewidth=1)
    ax.text(1, -0.55, "reference", ha="center", va="bottom", fontsize=8, color=TEXT)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_yticks(range(len(rows)), [_label(row, newest) for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("times better than the reference (quicker, smaller); dark bar: middle half of the repeats")
    quiet_axis(ax)
    _legend(figure, ax)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=160, metadata={"Software": None})
    plt.close(figure)


def _draw_row(ax: Axes, y: int, row: pd.Series) -> None:
    here, low, high = reached(row)
    look = MARKERS[row.status]
    ax.plot([low, high], [y, y], color=look["color"], linewidth=4, alpha=0.6, solid_capstyle="butt", zorder=3)
    ax.plot([here], [y], linestyle="none", markersize=7, zorder=4, **look)
    if pd.notna(row.goal):
        ax.plot([1, wanted(row)], [y, y], color=GRID, linewidth=10, solid_capstyle="butt", zorder=1)
        ax.plot([wanted(row)], [y], **GOAL, zorder=2)
    if pd.notna(row.floor):
        ax.plot([at_floor(row)], [y], **FLOOR, zorder=2)


def _label(row: pd.Series, newest: str) -> str:
    date = str(row.date)[:10]
    return row.row if date == newest else f"{row.row}\n(measured {date})"


def _legend(figure: Figure, ax: Axes) -> None:
    for status, look in MARKERS.items():
        text = {"met": "goal met", "not met": "goal not met", "informs": "no goal"}[status]
        ax.plot([], [], linestyle="none", markersize=7, label=text, **look)
    ax.plot([], [], **GOAL, label="goal")
    ax.plot([], [], **FLOOR, label="floor of this machine")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=5, frameon=False)
