"""Scores of a table's rows: means with intervals, every trained seed a dot, the floor and the ceiling beside them.

Data come from `avsep_lib.tables`: `summary` (one line per row) and `seed_means` (one line per seed).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from avsep_lib.plots.style import TEXT, color_of, label_of, metric_label, quiet_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REFERENCES = ("mixture", "ideal_binary", "ideal_ratio")
# Where a row stands: (group, with alignment). Groups from left to right.
GROUPS = {
    "resnet18_late": "ResNet-18 late\n(no ImageNet\nweights)",
    "late": "Late",
    "middle": "Middle",
    "hier": "Hierarchical",
}
SHORT = {"hier": "Hierarch.", "hier_align": "Hierarch.\n+ align", "mixture": "Mixture", "ideal_binary": "Ideal mask"}
MIN_SPAN = 1.0  # dB: an axis is never zoomed into noise
ROW, LINE, FRAME = 0.22, 0.165, 1.1  # inches: from row to row, a line of a row's name, title and axis and legend
HALF = 0.21  # half the distance between the two bars of a group


def rows_figure(
    figure: Figure,
    summaries: Mapping[str, pd.DataFrame],
    seeds: Mapping[str, pd.DataFrame],
    names: Mapping[str, str] | None = None,
) -> Figure:
    """Two panels of `rows_with_intervals`, one per mask type, on one scale; as high as the rows need."""
    axes = figure.subplots(1, len(summaries), sharex=True)
    for ax, (mask, summary) in zip(axes, summaries.items()):
        rows_with_intervals(ax, summary, seeds[mask], names=names).set_title(f"{mask.capitalize()} masks")
    _fit_height(figure)
    seed_legend(figure)
    return figure


def datasets_figure(figure: Figure, summaries: Mapping[str, pd.DataFrame], seeds: Mapping[str, pd.DataFrame]) -> Figure:
    """One panel of `rows_with_intervals` per dataset, by title; every panel has its own rows and its own scale.

    The figure gets as high as the longest of them needs.
    """
    axes = figure.subplots(1, len(summaries), squeeze=False)[0]
    for ax, (title, summary) in zip(axes, summaries.items()):
        names = {method: SHORT.get(method, label_of(method)) for method in summary["method"]}
        rows_with_intervals(ax, summary, seeds[title], names=names).set_title(title, fontsize=9)
    _fit_height(figure)
    seed_legend(figure)
    return figure


def _fit_height(figure: Figure) -> None:
    """Make a figure as high as its rows need: their names, some of two lines, stand under each other."""
    needed = 0.0
    for ax in figure.axes:
        lines = [1 + label.get_text().count("\n") for label in ax.get_yticklabels()]
        pitch = max([ROW, *(LINE * (one + next_) / 2 for one, next_ in itertools.pairwise(lines))])
        needed = max(needed, pitch * len(lines))
    figure.set_figheight(FRAME + needed)


def grid_figure(figure: Figure, summaries: Mapping[str, pd.DataFrame], seeds: Mapping[str, pd.DataFrame]) -> Figure:
    """Two panels of `ablation_grid`, one per mask type, on one scale."""
    axes = figure.subplots(1, len(summaries), sharey=True)
    for ax, (mask, summary) in zip(axes, summaries.items()):
        ablation_grid(ax, summary, seeds[mask]).set_title(f"{mask.capitalize()} masks")
        ax.label_outer()
    seed_legend(figure)
    return figure


def rows_with_intervals(
    ax: Axes,
    summary: pd.DataFrame,
    seeds: pd.DataFrame,
    metric: str = "sdr_db",
    names: Mapping[str, str] | None = None,
) -> Axes:
    """One line per row of a table, the first on top.

    Parameters
    ----------
    ax : Axes
    summary : DataFrame
        `method`, the metric, its ``_low`` and ``_high``; NaN is drawn as "left out".
    seeds : DataFrame
        `method`, `seed`, the metric.
    metric : str
        A column in dB.
    names : mapping, optional
        Other labels than the usual, by method.
    """
    for y, row in enumerate(summary.itertuples()):
        _interval(ax, row, metric, y, horizontal=True)
        values = seeds.loc[(seeds["method"] == row.method), metric]
        if row.method not in REFERENCES:
            _seeds(ax, values, np.full(len(values), y + 0.27), row.method)
        if np.isnan(getattr(row, metric)):
            ax.annotate("left out", (summary[metric].min(), y), fontsize=7, va="center", color=TEXT)
    labels = [(names or {}).get(method, label_of(method)).replace(" (", "\n(") for method in summary["method"]]
    ax.set_yticks(range(len(summary)), labels)
    ax.set_ylim(len(summary) - 0.4, -0.6)
    ax.set_xlabel(metric_label(metric))
    return quiet_axis(ax, "x")


def ablation_grid(ax: Axes, summary: pd.DataFrame, seeds: pd.DataFrame, metric: str = "sdr_db") -> Axes:
    """Fusion from left to right, without and with alignment side by side; floor and ceiling as lines.

    Parameters are those of `rows_with_intervals`. A ceiling far above the rows would flatten them: it is then written
    at the upper edge with an arrow and its value.
    """
    places = _places(summary["method"])
    for row in summary[summary["method"].isin(places)].itertuples():
        x = places[row.method]
        values = seeds.loc[seeds["method"] == row.method, metric]
        _interval(ax, row, metric, x, horizontal=False)
        _seeds(ax, np.full(len(values), x + 0.11), values, row.method)
        if np.isnan(getattr(row, metric)):
            ax.text(x, 0.03, "left out", transform=ax.get_xaxis_transform(), rotation=90, ha="center", fontsize=7)
    _grid_ticks(ax, places)
    ax.set_ylabel(metric_label(metric))
    floor, ceiling = (summary[summary["method"].isin(names)].iloc[0] for names in (REFERENCES[:1], REFERENCES[1:]))
    _references(ax, floor, ceiling, metric)
    return quiet_axis(ax, "y")


def _places(methods: Iterable[str]) -> dict[str, float]:
    """Where each trained row stands on the x axis; the groups that occur, without gaps."""
    methods = set(methods)
    groups = [group for group in GROUPS if {group, f"{group}_align"} & methods]
    places = {}
    for x, group in enumerate(groups):
        pair = [name for name in (group, f"{group}_align") if name in methods]
        offsets = (-HALF, HALF) if len(pair) == 2 else (0.0,)
        places |= {name: x + offset for name, offset in zip(pair, offsets)}
    return places


def _grid_ticks(ax: Axes, places: Mapping[str, float]) -> None:
    """Below each bar whether it is aligned; below each group its name."""
    words = ["+ align" if name.endswith("_align") else "–" for name in places]
    ax.set_xticks(list(places.values()), words, fontsize=7.5)
    for group, name in GROUPS.items():
        inside = [x for method, x in places.items() if method.removesuffix("_align") == group]
        if inside:
            ax.annotate(
                name,
                (np.mean(inside), 0),
                xycoords=ax.get_xaxis_transform(),
                xytext=(0, -18),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=8.5,
                color=TEXT,
                annotation_clip=False,
            )
    ax.set_xlim(min(places.values()) - 0.5, max(places.values()) + 0.5)


def _references(ax: Axes, floor: pd.Series, ceiling: pd.Series, metric: str) -> None:
    """The floor as a line; the ceiling as a line where the axis can afford it, else as an arrow."""
    bottom, top = ax.get_ylim()
    bottom, top = min(bottom, floor[metric]), max(top, floor[metric])
    span = max(top - bottom, MIN_SPAN)
    middle = (top + bottom) / 2
    bottom, top = middle - span / 2, middle + span / 2
    ax.set_ylim(bottom - 0.08 * span, top + 0.16 * span)
    _line(ax, floor, metric)
    if ceiling[metric] <= top + 0.5 * span:
        ax.set_ylim(top=ceiling[metric] + 0.16 * span)
        _line(ax, ceiling, metric)
        return
    text = f"↑ {label_of(ceiling['method'])}: {ceiling[metric]:.1f} dB"
    ax.text(0.99, 0.985, text, transform=ax.transAxes, ha="right", va="top", fontsize=8, color=TEXT)


def _line(ax: Axes, row: pd.Series, metric: str) -> None:
    ax.axhline(row[metric], color=color_of(row["method"]), ls="--", lw=1.1, zorder=1)
    ax.annotate(
        label_of(row["method"]),
        (0.99, row[metric]),
        xycoords=("axes fraction", "data"),
        xytext=(0, -3),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8,
        color=TEXT,
    )


def _interval(ax: Axes, row: tuple, metric: str, place: float, horizontal: bool) -> None:
    """A thick bar from low to high and the mean on it; nothing for NaN."""
    mean, low, high = (getattr(row, f"{metric}{end}") for end in ("", "_low", "_high"))
    color = color_of(row.method)
    draw = ax.hlines if horizontal else ax.vlines
    if np.isfinite([low, high]).all():
        draw(place, low, high, color=color, lw=3.6, alpha=0.6, zorder=2)
    if np.isfinite(mean):
        point = (mean, place) if horizontal else (place, mean)
        marker = "D" if row.method in REFERENCES else "o"
        ax.plot(*point, marker=marker, ms=6.5, color=color, mec=TEXT, mew=0.6, zorder=3)


def _seeds(ax: Axes, x: Sequence[float], y: Sequence[float], method: str) -> None:
    ax.plot(x, y, "o", ms=3.2, color=color_of(method), mec=TEXT, mew=0.6, zorder=4)


def seed_legend(figure: Figure) -> None:
    """Below a figure: what bars and dots mean."""
    from matplotlib.lines import Line2D

    grey, edge = "#8C8C8C", {"mec": TEXT, "mew": 0.6}
    bar = Line2D([], [], color=grey, lw=3.6, marker="o", ms=6.5, label="mean, 95 % interval over mixtures", **edge)
    dot = Line2D([], [], color=grey, ls="", marker="o", ms=3.2, label="one trained seed", **edge)
    figure.legend(handles=[bar, dot], loc="outside lower center", ncols=2)
