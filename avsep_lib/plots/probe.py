"""Figures of the linear probes: accuracies beside chance, and what is taken for what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from avsep_lib.plots.names import MANY, spoken
from avsep_lib.plots.style import COLORS, OKABE_ITO, TEXT, quiet_axis
from avsep_lib.probe.text import PAPER_ROWS, name_of
from avsep_lib.published import published_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "solos": "Solos, recorded\nonce more",
    "solos_plain": "Solos,\nas recorded",
    "mixtures": "Mixtures,\nboth named",
}
PAPER_PANEL = "solos_plain"  # the paper mentions no second recording
REFERENCE_COLORS = {"audio_encoder": OKABE_ITO["green"], "spectrum": "#8C8C8C", "untrained": "#BFBFBF"}


def representation_color(name: str) -> str:
    """Colour of a representation: that of its table row, green for the teacher, greys for references."""
    return {**COLORS, **REFERENCE_COLORS}.get(name, "#4D4D4D")


def accuracy_figure(figure: Figure, tables: Mapping[str, pd.DataFrame], seeds: pd.DataFrame) -> Figure:
    """One panel per input: accuracy of every representation with its interval.

    Parameters
    ----------
    figure : Figure
    tables : mapping of str to DataFrame
        `avsep_lib.probe.accuracy.accuracies` by input.
    seeds : DataFrame
        `avsep_lib.probe.accuracy.seed_accuracies`.
    """
    axes = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for ax, (inputs, table) in zip(axes, tables.items()):
        accuracy_rows(ax, table, seeds[seeds["input"] == inputs]).set_title(TITLES[inputs])
        if inputs == PAPER_PANEL:
            _paper_marks(ax, list(table["representation"]))
    _legend(figure)
    return figure


def accuracy_rows(ax: Axes, table: pd.DataFrame, seeds: pd.DataFrame) -> Axes:
    """One line per representation, the first on top; the dashed line is chance."""
    for y, row in enumerate(table.itertuples()):
        color = representation_color(row.representation)
        ax.hlines(y, row.low, row.high, color=color, lw=3.6, alpha=0.6, zorder=2)
        ax.plot(row.accuracy, y, "o", ms=6, color=color, mec=TEXT, mew=0.6, zorder=3)
        values = seeds.loc[seeds["representation"] == row.representation, "accuracy"]
        if len(values) > 1:
            ax.plot(values, np.full(len(values), y + 0.28), "o", ms=3, color=color, mec=TEXT, mew=0.5, zorder=4)
    ax.axvline(table["chance"].iloc[0], color=TEXT, lw=1.1, ls="--", zorder=1)
    ax.set_yticks(range(len(table)), [name_of(name).replace(" (", "\n(") for name in table["representation"]])
    ax.set(xlim=(0, 100), ylim=(len(table) - 0.4, -0.6), xlabel="accuracy (%)")
    return quiet_axis(ax, "x")


def _paper_marks(ax: Axes, names: list[str]) -> None:
    printed = published_table(4)["accuracy"]
    for name, row in PAPER_ROWS.items():
        if name in names:
            ax.plot(printed[row], names.index(name), marker="D", ms=5.5, mfc="white", mec=TEXT, ls="", zorder=3)


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    grey, edge = "#8C8C8C", {"mec": TEXT, "mew": 0.6}
    entries = [
        Line2D([], [], color=grey, lw=3.6, marker="o", ms=6, label="mean, 95 % Wilson interval over items", **edge),
        Line2D([], [], color=grey, ls="", marker="o", ms=3, label="one trained seed", **edge),
        Line2D([], [], color=TEXT, lw=1.1, ls="--", label="chance"),
        Line2D([], [], ls="", marker="D", ms=5.5, mfc="white", mec=TEXT, label="paper (other data, context)"),
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=2)


def confusion_figure(figure: Figure, tables: Mapping[str, pd.DataFrame]) -> Figure:
    """One map per representation: rows are what was played, columns what was heard, in percent of a row."""
    axes = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for ax, (name, table) in zip(axes, tables.items()):
        image = ax.imshow(table.to_numpy(), cmap="magma_r", vmin=0, vmax=100, aspect="equal")
        labels = [spoken(label) for label in table.index] if len(table) <= MANY else []
        ax.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
        ax.set_yticks(range(len(labels)), labels, fontsize=7.5)
        ax.set_title(name_of(name).replace(" (", "\n("))
        ax.set_xlabel("named by the probe" if labels else f"named by the probe ({len(table)} classes, A to Z)")
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    axes[0].set_ylabel("played")
    figure.colorbar(image, ax=list(axes), label="share of the clips (%)", shrink=0.7)
    return figure
