"""Figures of the modality gap: what it is made of, and why it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from avsep_lib.modality_gap.text import PAPER_ROWS
from avsep_lib.plots.probe import representation_color
from avsep_lib.plots.style import OKABE_ITO, TEXT, label_of, quiet_axis
from avsep_lib.probe.text import name_of
from avsep_lib.published import published_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "gap": ("How wide", "modality gap (norm of Eq. 9)"),
    "audio_norm": ("How concentrated", "norm of the mean sound"),
    "cosine": ("Which way", "cosine, mean sound and picture"),
}
PART_COLORS = {"spread": OKABE_ITO["blue"], "direction": OKABE_ITO["orange"]}


def gap_figure(figure: Figure, table: pd.DataFrame, seeds: pd.DataFrame, parts: pd.DataFrame) -> Figure:
    """Gap, concentration and direction of every row above; below, what made the gap change with alignment.

    Parameters
    ----------
    figure : Figure
    table, seeds, parts : DataFrame
        `gap_table`, `seed_values` and `attributions` of `avsep_lib.modality_gap.tables`.
    """
    upper, lower = figure.subfigures(2, 1, height_ratios=(2.1, 1))
    axes = upper.subplots(1, 3, sharey=True)
    for ax, quantity in zip(axes, PANELS):
        quantity_rows(ax, table, seeds, quantity)
    _arbitrary(axes[0], table)
    _paper_marks(axes[0], table)
    _arbitrary_cosine(axes[2], table)
    _gap_legend(upper)
    attribution_bars(lower.subplots(), parts)
    return figure


def quantity_rows(ax: Axes, table: pd.DataFrame, seeds: pd.DataFrame, quantity: str) -> Axes:
    """One line per row, the first on top: mean, interval over clips, every seed a small dot."""
    for y, row in enumerate(table.itertuples()):
        color = representation_color(row.row)
        low, high = getattr(row, f"{quantity}_low"), getattr(row, f"{quantity}_high")
        if np.isfinite([low, high]).all():
            ax.hlines(y, low, high, color=color, lw=3.6, alpha=0.6, zorder=2)
        ax.plot(getattr(row, quantity), y, "o", ms=6, color=color, mec=TEXT, mew=0.6, zorder=3)
        values = seeds.loc[seeds["row"] == row.row, quantity]
        if len(values) > 1:
            ax.plot(values, np.full(len(values), y + 0.28), "o", ms=3, color=color, mec=TEXT, mew=0.5, zorder=3)
    ax.set_yticks(range(len(table)), [name_of(row).replace(" (", "\n(") for row in table["row"]])
    ax.set_ylim(len(table) - 0.4, -0.6)
    title, label = PANELS[quantity]
    ax.set(title=title, xlabel=label)
    return quiet_axis(ax, "x")


def _arbitrary(ax: Axes, table: pd.DataFrame) -> None:
    """Grey range: the gap of clouds as concentrated as these that point anywhere."""
    for y, row in enumerate(table.itertuples()):
        ax.fill_betweenx([y - 0.36, y + 0.36], row.arbitrary_low, row.arbitrary_high, color="#DEDEDE", lw=0, zorder=1)


def _arbitrary_cosine(ax: Axes, table: pd.DataFrame) -> None:
    """Grey range: the cosines that 95 % of random rotations of the sounds stay in."""
    half = float(table["arbitrary_cosine"].iloc[0])
    ax.axvspan(-half, half, color="#DEDEDE", lw=0, zorder=0)
    ax.axvline(0, color=TEXT, lw=0.9, zorder=1)


def _paper_marks(ax: Axes, table: pd.DataFrame) -> None:
    printed = published_table(5)["modality gap"]
    for y, row in enumerate(table["row"]):
        if row in PAPER_ROWS:
            ax.plot(printed[PAPER_ROWS[row]], y, marker="D", ms=5.5, mfc="white", mec=TEXT, ls="", zorder=3)


def _gap_legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    grey, edge = "#8C8C8C", {"mec": TEXT, "mew": 0.6}
    entries = [
        Line2D([], [], color=grey, lw=3.6, marker="o", ms=6, label="mean, 95 % interval over clips", **edge),
        Line2D([], [], color=grey, ls="", marker="o", ms=3, label="one trained seed", **edge),
        Patch(color="#DEDEDE", label="same concentration, any direction (95 %)"),
        Line2D([], [], ls="", marker="D", ms=5.5, mfc="white", mec=TEXT, label="paper (other data, context)"),
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=2)


def attribution_bars(ax: Axes, parts: pd.DataFrame) -> Axes:
    """How much of each change of the gap spreading and turning made: two bars per pair, with intervals over clips."""
    pairs = list(parts[["candidate", "baseline"]].drop_duplicates().itertuples(index=False))
    for y, (candidate, baseline) in enumerate(pairs):
        lines = parts[(parts["candidate"] == candidate) & (parts["baseline"] == baseline)].set_index("part")
        for offset, (part, color) in zip((-0.2, 0.2), PART_COLORS.items()):
            line = lines.loc[part]
            ax.barh(y + offset, line["difference"], height=0.34, color=color, zorder=2)
            if np.isfinite([line["low"], line["high"]]).all():
                ax.hlines(y + offset, line["low"], line["high"], color=TEXT, lw=1.2, zorder=3)
    ax.axvline(0, color=TEXT, lw=0.9, zorder=4)
    ax.set_yticks(range(len(pairs)), [f"{label_of(a)} − {label_of(b)}" for a, b in pairs])
    ax.set_ylim(max(len(pairs), 1) - 0.45, -0.55)
    ax.set(title="Why the gap changes with alignment", xlabel="change of the modality gap")
    _part_legend(ax)
    return quiet_axis(ax, "x")


def _part_legend(ax: Axes) -> None:
    from matplotlib.patches import Patch

    names = {"spread": "the sounds spread", "direction": "their direction turns"}
    entries = [Patch(color=color, label=names[part]) for part, color in PART_COLORS.items()]
    ax.legend(handles=entries, loc="upper left", bbox_to_anchor=(1.0, 1.0))
