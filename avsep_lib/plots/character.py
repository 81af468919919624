"""Figure 1: gains of instruments, and whether their sound goes with them.

Data come from `avsep_lib.sound_character`: `instrument_gains`, `seed_gains`, `instrument_character`, `correlate`. The
appendix is in `avsep_lib.plots.descriptors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from avsep_lib.descriptors import COMPLEXITY, INDICES, TRANSIENCE, Index
from avsep_lib.plots.labels import place_labels
from avsep_lib.plots.names import MANY, shown_name
from avsep_lib.plots.names import ends as ends_of
from avsep_lib.plots.style import TEXT, color_of, label_of, metric_label, quiet_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOT_NAMED = "#B5B5B5"
BAR = "#8C8C8C"
MIN_HALF_WIDTH = 0.5  # dB: an axis is never zoomed into noise
CROWD = 16  # names in a panel with more points than can be named
TINT = 0.12  # of the side of zero on which a fusion is better


def fusion_figure(
    figure: Figure,
    gains: pd.DataFrame,
    seeds: pd.DataFrame,
    character: pd.DataFrame,
    correlations: pd.DataFrame,
    needed: float,
    rows: tuple[str, str] = ("middle", "late"),
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Figure:
    """Figure 1: gains of instruments in order, beside them gain against transience and against complexity.

    Parameters
    ----------
    figure : Figure
    gains : DataFrame
        From `instrument_gains`; the largest gain is drawn on top.
    seeds : DataFrame
        From `seed_gains`; may have no column.
    character : DataFrame
        From `instrument_character`.
    correlations : DataFrame
        From `correlate`; lines of the metric of `gains`.
    needed : float
        abs(rho) with p < 0.05.
    rows : (str, str)
        Candidate and baseline.
    groups : mapping of str to sequence of str, optional
        Which instruments the paper says suit a table row, such as ``{"middle": ("tuba",)}``; the rest is grey. Names
        that are not among the instruments are left out.

    Notes
    -----
    Of more than `MANY` instruments those with the largest and the smallest gains have a line, and the first and last of them a name.
    """
    axes = figure.subplot_mosaic([["gains", TRANSIENCE.column], ["gains", COMPLEXITY.column]], width_ratios=(1, 1.05))
    groups = {row: group for row, group in (groups or {}).items() if set(group) & set(gains["instrument"])}
    colors = _group_colors(gains["instrument"], groups)
    extremes = gains.iloc[ends_of(range(len(gains)))]
    gains_in_order(axes["gains"], extremes, seeds, rows, colors)
    if len(extremes) < len(gains):
        axes["gains"].set_title(f"Largest and smallest gains of {len(gains)} classes")
    for index in INDICES:
        line = correlations.set_index("quantity").loc[index.column]
        against_index(axes[index.column], gains, character[index.column], index, line, needed, rows, colors)
    axes[TRANSIENCE.column].set_title("Does its sound decide it?")
    _group_legend(figure, groups)
    named = gains if len(gains) <= MANY else gains.iloc[ends_of(range(len(gains)), CROWD)]
    figure.draw_without_rendering()  # labels are placed on the final layout
    for index in INDICES:
        _names(axes[index.column], named, character[index.column])
    return figure


def size_of(n: int) -> tuple[float, float]:
    """Width and height in inches of a `fusion_figure` with n instruments."""
    return 8.6, max(2.2 + 0.31 * min(n, MANY), 5.2)


def gains_in_order(
    ax: Axes, gains: pd.DataFrame, seeds: pd.DataFrame, rows: tuple[str, str], colors: Mapping[str, str]
) -> Axes:
    """One line per instrument: mean, interval over mixtures, single seeds; each side of zero says who is better."""
    half = _half_width(gains, seeds)
    for side, row in zip((1, -1), rows):
        ax.axvspan(0, side * half, color=color_of(row), alpha=TINT, lw=0, zorder=0)
    ax.axvline(0, color=TEXT, lw=0.9, zorder=1)
    for y, line in enumerate(gains.itertuples()):
        if np.isfinite([line.low, line.high]).all():
            ax.hlines(y, line.low, line.high, color=BAR, lw=3.4, alpha=0.75, zorder=2)
        ax.plot(line.gain, y, "o", ms=7.5, color=colors[line.instrument], mec=TEXT, mew=0.8, zorder=4)
        own = seeds.loc[line.instrument].to_numpy() if line.instrument in seeds.index else np.empty(0)
        ax.plot(own, np.full(own.size, y + 0.3), "|", ms=5.5, color=TEXT, mew=1.1, zorder=3)
    ax.set_yticks(range(len(gains)), [readable(name) for name in gains["instrument"]])
    ax.set_ylim(max(len(gains), 1) - 0.3, -1.3)
    ax.set_xlim(-half, half)
    ax.set_xlabel(f"{_contrast(rows)}: {_metric(gains)} of the instrument's own estimate (dB)")
    ax.set_title("Which fusion suits which instrument?")
    for side, row, align in ((0.02, rows[1], "left"), (0.98, rows[0], "right")):
        arrow = ("◀ {}\n    is better" if align == "left" else "{} ▶\nis better    ").format(_fusion(row))
        ax.text(side, 0.995, arrow, transform=ax.transAxes, ha=align, va="top", fontsize=8.5, weight="bold", color=TEXT)
    if gains.empty:
        ax.text(0, -0.8, "no instrument can be compared", ha="center", fontsize=8.5, color=TEXT)
    return quiet_axis(ax, "x")


def against_index(
    ax: Axes,
    gains: pd.DataFrame,
    values: pd.Series,
    index: Index,
    line: pd.Series,
    needed: float,
    rows: tuple[str, str],
    colors: Mapping[str, str],
) -> Axes:
    """Gain against an index, with the interval of each gain; rho and its permutation p are written in."""
    x = values.reindex(gains["instrument"]).to_numpy()
    bars = gains[["low", "high"]].to_numpy(float)
    ax.vlines(x, bars[:, 0], bars[:, 1], color=BAR, lw=1.2, alpha=0.45, zorder=2)
    ax.scatter(x, gains["gain"], s=42, c=[colors[name] for name in gains["instrument"]], ec=TEXT, lw=0.8, zorder=3)
    if np.isfinite(x).any():
        reach = np.nanmax(np.abs(x)) * 1.25 + 0.1
        ax.set_xlim(-reach, reach)
    low, high = ax.get_ylim()
    low, high = min(low, -MIN_HALF_WIDTH), max(high, MIN_HALF_WIDTH)
    ax.set_ylim(low - 0.13 * (high - low), high + 0.13 * (high - low))  # room for the words
    for edge, row in zip(ax.get_ylim()[::-1], rows):
        ax.axhspan(0, edge, color=color_of(row), alpha=TINT, lw=0, zorder=0)
    ax.axhline(0, color=TEXT, lw=0.9, zorder=1)
    corner = {"transform": ax.transAxes, "fontsize": 8, "color": TEXT}
    ax.text(0.98, 0.97, rho_words(line["rho"], line["p_value"], needed), ha="right", va="top", **corner)
    ax.text(0.02, 0.03, f"◀ {index.low}", ha="left", style="italic", **corner)
    ax.text(0.98, 0.03, f"{index.high} ▶", ha="right", style="italic", **corner)
    ax.set_xlabel(f"{index.label} (z)")
    ax.set_ylabel(f"{_contrast(rows)}: {_metric(gains)} (dB)")
    return quiet_axis(ax, "y")


def rho_words(rho: float, p_value: float, needed: float) -> str:
    """``"ρ = +0.55, p = 0.09 (p < 0.05 from |ρ| = 0.62)"``; says so where nothing can be said."""
    if not np.isfinite(rho):
        return "ρ cannot be computed"
    p_text = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2f}" if p_value >= 0.01 else f"p = {p_value:.3f}"
    enough = f"p < 0.05 from |ρ| = {needed:.2f}" if np.isfinite(needed) else "too few instruments for p < 0.05"
    return f"ρ = {rho:+.2f}, {p_text} ({enough})".replace("-", "−")


def readable(name: str) -> str:
    """``"acoustic guitar"`` for ``acoustic_guitar``; see `shown_name`."""
    return shown_name(name)


def _contrast(rows: tuple[str, str]) -> str:
    return f"{label_of(rows[0])} − {label_of(rows[1])}"


def _metric(gains: pd.DataFrame) -> str:
    return metric_label(gains["metric"].iloc[0]).split()[0] if len(gains) else "SDR"


def _fusion(row: str) -> str:
    """``"Late fusion"``, ``"Hierarchical + align"``."""
    return label_of(row) if "align" in row else f"{label_of(row)} fusion"


def _half_width(gains: pd.DataFrame, seeds: pd.DataFrame) -> float:
    ends = np.abs(np.concatenate([gains[["gain", "low", "high"]].to_numpy(float).ravel(), seeds.to_numpy().ravel()]))
    return 1.06 * max(np.nanmax(ends, initial=0.0), MIN_HALF_WIDTH)


def _group_colors(instruments: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, str]:
    colors = dict.fromkeys(instruments, NOT_NAMED)
    return colors | {name: color_of(row) for row, group in groups.items() for name in group if name in colors}


def _group_legend(figure: Figure, groups: Mapping[str, Sequence[str]]) -> None:
    from matplotlib.lines import Line2D

    bar = Line2D([], [], color=BAR, lw=3.4, alpha=0.75, label="95 % interval over mixtures")
    seed = Line2D([], [], ls="", marker="|", ms=6, color=TEXT, mew=1.1, label="one trained seed")
    dot = {"ls": "", "marker": "o", "ms": 7, "mec": TEXT, "mew": 0.8}
    dots = [
        Line2D([], [], color=color_of(row), label=f"the paper: suits {label_of(row).lower()}", **dot) for row in groups
    ]
    if dots:
        dots.append(Line2D([], [], color=NOT_NAMED, label="not named there", **dot))
    figure.legend(handles=[*dots, bar, seed], loc="outside lower center", ncols=5, columnspacing=1.4, handletextpad=0.5)


def _names(ax: Axes, gains: pd.DataFrame, values: pd.Series) -> None:
    """Names of the instruments beside their points; the bars and the words in the corners stay free."""
    there = gains[np.isfinite(values.reindex(gains["instrument"]).to_numpy()) & np.isfinite(gains["gain"].to_numpy())]
    x = values.reindex(there["instrument"]).to_numpy()
    bars = [line for line in zip(x, there["low"], x, there["high"]) if np.isfinite(line).all()]
    zero = (ax.get_xlim()[0], 0.0, ax.get_xlim()[1], 0.0)
    names = [readable(name) for name in there["instrument"]]
    place_labels(ax, x, there["gain"].to_numpy(), names, avoid=[*ax.texts], lines=[*bars, zero])
