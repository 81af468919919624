"""Figures of notebook 14: what the tokens know over the training, and the universal set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from avsep_lib.plots.style import OKABE_ITO, label_of, quiet_axis
from avsep_lib.tables.names import CEILING, FLOOR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {"presence_precision": "precision", "presence_recall": "recall", "presence_f1": "F1"}
STYLES = (("o", "blue"), ("s", "orange"), ("^", "green"), ("D", "purple"), ("v", "vermillion"), ("P", "sky_blue"))


def token_curves(figure: Figure, curves: pd.DataFrame) -> Figure:
    """Presence of classes on validation mixtures over the steps: precision, recall and F1, one line per row.

    Parameters
    ----------
    figure : Figure
    curves : DataFrame
        `avsep_lib.sgn_study.tables.token_curves`.
    """
    from matplotlib.ticker import MaxNLocator

    axes = figure.subplots(1, len(PANELS), sharey=True)
    for ax, (measure, title) in zip(axes, PANELS.items()):
        for (row, part), (mark, color) in zip(curves.groupby("row", sort=False), STYLES * 3):
            ax.plot(part["step"], part[measure], marker=mark, ms=4, lw=1.2, color=OKABE_ITO[color], label=label_of(row))
        ax.set_title(title)
        ax.set_xlabel("training step")
        ax.set_ylim(-0.03, 1.03)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        quiet_axis(ax, "y")
    axes[0].set_ylabel("presence of classes, validation")
    handles, names = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=7.5, frameon=False)
    else:
        axes[1].text(0.5, 0.5, "SGN is not trained\nin this profile", ha="center", transform=axes[1].transAxes)
    return figure


def universal(ax: Axes, table: pd.DataFrame) -> Axes:
    """SDR by the number of sources: rows with intervals, floor and ceiling as grey diamonds.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        `avsep_lib.sgn_study.tables.universal`.
    """
    several = table[table["n_sources"] > 1]
    if several.empty:
        ax.text(0.5, 0.5, "no universal set in this profile", ha="center", va="center", transform=ax.transAxes)
        ax.set_axis_off()
        return ax
    references = {FLOOR: "#8C8C8C", **dict.fromkeys(CEILING.values(), "#4D4D4D")}
    methods = list(dict.fromkeys(several["method"]))
    shifts = dict(zip(methods, np.linspace(-0.15, 0.15, len(methods))))
    others = [m for m in methods if m not in references]
    for method in methods:
        part = several[several["method"] == method]
        mark, color = ("D", references.get(method)) if method in references else STYLES[others.index(method)]
        color = color if method in references else OKABE_ITO[color]
        x = part["n_sources"] + shifts[method]
        ax.vlines(x, part["sdr_low"], part["sdr_high"], color=color, lw=1.2)
        ax.plot(x, part["sdr"], ls="", marker=mark, ms=6, color=color, mec="white", mew=0.6, label=label_of(method))
    ax.set_xticks(sorted(several["n_sources"].unique()))
    ax.set_xlabel("sources in the mixture")
    ax.set_ylabel("SDR (dB)")
    ax.legend(fontsize=7.5, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    return quiet_axis(ax, "y")
