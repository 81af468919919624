"""Figures of notebook 13: quality against cost, more sources, and where Sound-of-Pixels hears from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from avsep_lib.baselines.facts import TOLD, told_of
from avsep_lib.plots.labels import place_labels
from avsep_lib.plots.style import OKABE_ITO, TEXT, label_of, metric_label, quiet_axis
from avsep_lib.tables.names import CEILING, FLOOR, in_table_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = {"nothing": ("s", OKABE_ITO["orange"]), "picture": ("o", OKABE_ITO["blue"]), "class": ("^", OKABE_ITO["green"])}
COSTS = {
    "seconds_per_minute": "seconds to separate one minute (one core)",
    "minutes": "minutes of training (one core)",
}


def quality_against_cost(figure: Figure, summary: pd.DataFrame, costs: pd.DataFrame, metric: str = "sdr_db") -> Figure:
    """Two panels: quality over the seconds that separating takes, and over the minutes of training.

    Parameters
    ----------
    figure : Figure
    summary : DataFrame
        `avsep_lib.tables.summary`.
    costs : DataFrame
        `avsep_lib.baselines.tables.costs`.
    metric : str
    """
    means = summary.set_index("method")
    table = costs[costs["method"].isin(means.index[means[metric].notna()])]
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (column, label) in zip(axes, COSTS.items()):
        _scatter(ax, table[table[column] > 0], means, column, metric)
        _decades(ax)
        ax.set_xlabel(label)
        _floor(ax, means, metric)
        quiet_axis(ax, "both")
    axes[0].set_ylabel(metric_label(metric))
    _legend(figure, table["method"])
    figure.draw_without_rendering()
    for ax, column in zip(axes, COSTS):
        shown = table[table[column] > 0]
        y = means.loc[shown["method"], metric].to_numpy()
        place_labels(ax, shown[column].to_numpy(), y, [label_of(m) for m in shown["method"]], fontsize=6.5)
    return figure


def _scatter(ax: Axes, table: pd.DataFrame, means: pd.DataFrame, column: str, metric: str) -> None:
    for row in table.itertuples():
        mark, color = MARKS[told_of(row.method)]
        y, low, high = means.loc[row.method, [metric, f"{metric}_low", f"{metric}_high"]]
        x = getattr(row, column)
        if np.isfinite([low, high]).all():
            ax.plot([x, x], [low, high], color=color, lw=1.2, alpha=0.6, zorder=2)
        ax.scatter([x], [y], marker=mark, s=34, color=color, ec="white", lw=0.6, zorder=3)


def _decades(ax: Axes) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.margins(x=0.12)


def _floor(ax: Axes, means: pd.DataFrame, metric: str) -> None:
    """The mixture as a line, and the ideal mask's height in words: it would flatten everything."""
    if FLOOR in means.index:
        ax.axhline(means.loc[FLOOR, metric], color="#8C8C8C", lw=0.8, ls="--", zorder=1)
    top = [means.loc[name, metric] for name in CEILING.values() if name in means.index]
    if top:
        ax.set_title(f"ideal mask: {max(top):.1f} dB", fontsize=8, color=TEXT, loc="right", fontweight="normal")


def _legend(figure: Figure, methods: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    present = {told_of(method) for method in methods}
    handles = [
        Line2D([], [], marker=mark, color=color, ls="", ms=6, label=f"told {TOLD[told]}")
        for told, (mark, color) in MARKS.items()
        if told in present
    ]
    handles.append(Line2D([], [], color="#8C8C8C", ls="--", lw=0.8, label="mixture (floor)"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=7.5, frameon=False)


SIZES = (
    ("o", OKABE_ITO["blue"]),
    ("s", OKABE_ITO["orange"]),
    ("^", OKABE_ITO["green"]),
)  # of mixtures, the smallest first


def more_sources(ax: Axes, table: pd.DataFrame) -> Axes:
    """SDR improvement of each row, one mark per number of sources; the ideal mask in the last line.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        `avsep_lib.baselines.tables.by_number`.
    """
    if table.empty:
        ax.text(
            0.5, 0.5, "too few classes for mixtures\nof more than two sources", ha="center", va="center", fontsize=9
        )
        ax.set_axis_off()
        return ax
    rows = in_table_order(set(table["method"]) - {FLOOR})
    sizes = sorted(table["n_sources"].unique())
    shifts = np.linspace(-0.25, 0.25, len(sizes)) if len(sizes) > 1 else [0.0]
    for n, shift, (mark, color) in zip(sizes, shifts, SIZES):
        part = table[(table["n_sources"] == n) & table["method"].isin(rows)]
        y = np.array([rows.index(method) for method in part["method"]]) + shift
        ax.hlines(y, part["low"], part["high"], color=color, lw=1.6, alpha=0.6)
        ax.plot(part["gain"], y, ls="", marker=mark, color=color, ms=5, mec="white", mew=0.5, label=f"{n} sources")
    ax.axvline(0, color="#8C8C8C", lw=0.8, ls="--")
    ax.set_yticks(range(len(rows)), [label_of(method) for method in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel(metric_label("sdri_db"))
    ax.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3)
    return quiet_axis(ax, "x")


def localisation(figure: Figure, maps: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> Figure:
    """Frames, and over them how much of the mixture each pixel asks for.

    Parameters
    ----------
    figure : Figure
    maps : sequence of (title, frame, energy)
        Frame uint8 (H, W, 3); energy (h, w) in [0, 1], from `SoundOfPixels.localisation`.
    """
    if not maps:
        figure.text(0.5, 0.5, "no network that sees pixels is trained in this profile", ha="center", color=TEXT)
        return figure
    axes = figure.subplots(2, len(maps), squeeze=False)
    lowest, highest = (pick([float(pick(energy.ravel())) for _, _, energy in maps]) for pick in (min, max))
    for (title, frame, energy), top, below in zip(maps, *axes):
        height, width = frame.shape[:2]
        top.imshow(frame)
        top.set_title(title.replace(": ", "\n"), fontsize=8)
        drawn = below.imshow(
            energy, cmap="magma", vmin=lowest, vmax=highest, extent=(0, width, height, 0), interpolation="nearest"
        )
        below.imshow(frame.mean(axis=-1), cmap="gray", alpha=0.25)
        for ax in (top, below):
            ax.set_xticks([])
            ax.set_yticks([])
    axes[0, 0].set_ylabel("frame")
    axes[1, 0].set_ylabel("asked for")
    bar = figure.colorbar(drawn, ax=axes, fraction=0.03, pad=0.02)
    bar.set_label("share of the mixture's energy", fontsize=8)
    return figure
