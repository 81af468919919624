"""Validation curves of rows side by side: which learns faster?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from avsep_lib.plots.style import TEXT, color_of, label_of, quiet_axis
from avsep_lib.training_speed import SCORE, common_level

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MIN_SPAN = 1.0  # dB: an axis is never zoomed into noise


def speed_figure(figure: Figure, curves: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> Figure:
    """One panel per (candidate, baseline) on one scale.

    Parameters
    ----------
    figure : Figure
    curves : DataFrame
        From `avsep_lib.training_speed.validation_curves`, holding all rows of the pairs.
    pairs : sequence of (str, str)
    """
    if not pairs:
        figure.text(0.5, 0.5, "no pair of rows with and without alignment in this profile", ha="center", color=TEXT)
        return figure
    axes = figure.subplots(1, len(pairs), sharey=True, squeeze=False)[0]
    for ax, pair in zip(axes, pairs):
        speed_panel(ax, curves[curves["row"].isin(pair)], pair)
    axes[0].set_ylabel("validation SI-SDR (dB)")
    low, high = axes[0].get_ylim()
    spare = max(0.0, MIN_SPAN - (high - low)) / 2
    axes[0].set_ylim(low - spare, high + spare)
    return figure


def speed_panel(ax: Axes, curves: pd.DataFrame, pair: tuple[str, str]) -> Axes:
    """Single trainings thin, their mean strong, and the score that all of them reach."""
    for row, marker in zip(pair, "so"):
        own = curves[curves["row"] == row]
        for _, curve in own.groupby("seed"):
            ax.plot(curve["step"], curve[SCORE], color=color_of(row), lw=0.7, alpha=0.6)
        mean = own.groupby("step")[SCORE].mean()
        label = f"{label_of(row)} (mean of {own['seed'].nunique()})"
        ax.plot(mean.index, mean, marker=marker, ms=4, lw=2, color=color_of(row), label=label)
    level = common_level(curves)
    ax.axhline(level, color=TEXT, ls="--", lw=0.9)
    ax.annotate("reached by all", (0.01, level), xycoords=("axes fraction", "data"), xytext=(0, 3),
                textcoords="offset points", fontsize=7.5, color=TEXT)  # fmt: skip
    ax.set_xlabel("training step")
    ax.set_xlim(0, None)
    ax.legend(loc="lower right")
    return quiet_axis(ax, "y")
