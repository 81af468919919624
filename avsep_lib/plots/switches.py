"""Paper against released code: the effect of every switch, and the weight of alignment as a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from avsep_lib.plots.forest import forest
from avsep_lib.plots.style import OKABE_ITO, TEXT, metric_label, quiet_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRIC = "sdri_db"


def height(table: pd.DataFrame) -> float:
    """Inches for `effects`: one sentence needs little."""
    return 5.0 if np.isfinite(table["difference"].astype(float)).any() else 1.2


def effects(ax: Axes, table: pd.DataFrame) -> Axes:
    """Flipped minus default for every trained switch; left of zero the default is better.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        From `avsep_lib.tables.switch_effects`.
    """
    trained = table[np.isfinite(table["difference"].astype(float))].reset_index(drop=True)
    if trained.empty:
        ax.text(0.5, 0.5, "no switch is trained in this profile", transform=ax.transAxes, ha="center", color=TEXT)
        ax.set_axis_off()
        return ax
    names = [f"{row.topic}:\n{row.flipped}" for row in trained.itertuples()]
    forest(ax, trained, METRIC, names=names)
    ax.set_xlabel(f"effect on {metric_label(METRIC)}, flipped − default")
    for side, words, align in (("left", "← default better", 0.0), ("right", "flipped better →", 1.0)):
        ax.text(align, 1.01, words, transform=ax.transAxes, ha=side, va="bottom", fontsize=8, color=TEXT)
    return ax


def lambda_figure(figure: Figure, sweep: pd.DataFrame) -> Figure:
    """Separation and alignment reached for every weight of alignment, the weights evenly spaced."""
    if sweep.empty:
        figure.text(0.5, 0.5, "no weight of alignment is varied in this profile", ha="center", color=TEXT)
        return figure
    quality, alignment = figure.subplots(1, 2)
    places = np.arange(len(sweep))
    mean = sweep[METRIC].to_numpy(float)
    ends = np.abs(sweep[[f"{METRIC}_low", f"{METRIC}_high"]].to_numpy(float).T - mean)
    style = {"fmt": "o-", "color": OKABE_ITO["vermillion"], "mec": TEXT, "mew": 0.6, "ms": 6.5}
    quality.errorbar(places, mean, yerr=np.nan_to_num(ends), capsize=3, **style)
    quality.set_ylabel(metric_label(METRIC))
    quality.set_title("Separation on test mixtures")
    alignment.plot(places, 1 - sweep["alignment"], "s--", color=OKABE_ITO["blue"], mec=TEXT, mew=0.6, ms=6)
    alignment.set_ylabel("cosine of bottleneck and teacher")
    alignment.set_ylim(min(-0.1, float((1 - sweep["alignment"]).min()) - 0.05), 1.02)
    alignment.set_title("Alignment on training mixtures")
    for ax in (quality, alignment):
        ax.set_xticks(places, [f"{weight:g}" for weight in sweep["weight"]])
        ax.set_xlim(-0.4, len(sweep) - 0.6)
        ax.set_xlabel("weight of alignment λ")
        quiet_axis(ax, "y")
    return figure
