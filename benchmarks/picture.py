"""The picture of the benchmarks: every row on one axis, goals at 1, what is reached to their right."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from avsep_lib.files import atomic_path
from avsep_lib.plots.style import OKABE_ITO, TEXT, WIDTH, apply_style, quiet_axis

MARKERS = {  # shape and filling tell the three apart without colour
    "met": {"marker": "o", "color": OKABE_ITO["blue"], "markerfacecolor": OKABE_ITO["blue"]},
    "not met": {"marker": "X", "color": OKABE_ITO["vermillion"], "markerfacecolor": "white"},
    "informs": {"marker": "d", "color": "#7F7F7F", "markerfacecolor": "white"},
}


def scale(row: pd.Series) -> float:
    """What turns a ratio (or, for goals in units, a value) into multiples of the goal; the goal itself is at 1."""
    return 1.0 if pd.isna(row.goal) else float(row.goal)


def position(row: pd.Series, value: float) -> float:
    """Where a ratio or value of a row lies: 1 is the goal, further right is better."""
    return value / scale(row) if row.direction == "at least" else scale(row) / value


def reached(row: pd.Series) -> tuple[float, float, float]:
    """Position of the median and of the two ends of its spread."""
    if row.goal_of == "ours":
        here = position(row, row.ours)
        return here, here, here
    ends = sorted(position(row, value) for value in (row.low, row.high))
    return position(row, row.ratio), ends[0], ends[1]


def floor_position(row: pd.Series) -> float:
    """Where the row would lie if ours took its floor."""
    if row.goal_of == "ours":
        return position(row, row.floor)
    better = row.reference / row.floor if row.direction == "at least" else row.floor / row.reference
    if row.unit.endswith("/s"):  # a rate: its floor is the highest
        better = 1 / better
    return position(row, better)


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

    apply_style()
    figure, ax = plt.subplots(figsize=(WIDTH + 2.2, 0.9 + 0.42 * len(table)))
    newest = str(table.date.max())[:10]
    rows = [row for _, row in table.iterrows()]
    for y, row in enumerate(rows):
        if row.status != "failed":
            _draw_row(ax, y, row)
        ax.text(1.02, y, words(row), transform=ax.get_yaxis_transform(), va="center", fontsize=8, color=TEXT)
    ax.axvline(1, color=TEXT, linewidth=1)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_yticks(range(len(rows)), [_label(row, newest) for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("reached, in multiples of the goal (rows without a goal: ratio); bars: middle half of the repeats")
    quiet_axis(ax)
    _legend(figure, ax)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=160, metadata={"Software": None})
    plt.close(figure)


def _draw_row(ax, y: int, row: pd.Series) -> None:
    here, low, high = reached(row)
    look = MARKERS[row.status]
    ax.plot([low, high], [y, y], color=look["color"], linewidth=3, alpha=0.5, solid_capstyle="butt")
    ax.plot([here], [y], linestyle="none", markersize=7, **look)
    if pd.notna(row.floor):
        ax.plot([floor_position(row)], [y], linestyle="none", marker="|", markersize=13, color=TEXT, mew=1.5)


def _label(row: pd.Series, newest: str) -> str:
    date = str(row.date)[:10]
    return row.row if date == newest else f"{row.row}\n(measured {date})"


def _legend(figure, ax) -> None:
    for status, look in MARKERS.items():
        text = {"met": "goal met", "not met": "goal not met", "informs": "no goal"}[status]
        ax.plot([], [], linestyle="none", markersize=7, label=text, **look)
    ax.plot([], [], linestyle="none", marker="|", markersize=13, color=TEXT, mew=1.5, label="floor of this machine")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=4, frameon=False)
