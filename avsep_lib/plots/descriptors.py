"""Appendix of Figure 1: what every instrument sounds like, and which descriptor goes with the gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from avsep_lib.descriptors import INDICES, PITCH, Descriptor
from avsep_lib.plots.character import BAR, readable
from avsep_lib.plots.style import OKABE_ITO, TEXT, metric_label, quiet_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

NAMES_WIDTH = 130  # points that the names of the descriptors take up
SHADES = 2.5  # standard deviations to the ends of the colour scale


def descriptor_map(ax: Axes, character: pd.DataFrame, z: pd.DataFrame, instruments: Sequence[str]) -> Axes:
    """Heat map descriptor by instrument: colour is the z-score, the number the median in its unit.

    Parameters
    ----------
    ax : Axes
    character : DataFrame
        From `instrument_character`.
    z : DataFrame
        From `z_scores`.
    instruments : sequence of str
        From left to right.
    """
    lines = [(family, member) for family in INDICES for member in family.members] + [(None, PITCH)]
    scores = np.array([z.loc[list(instruments), member.column] for _, member in lines])
    image = ax.imshow(np.ma.masked_invalid(scores), cmap="PuOr_r", vmin=-SHADES, vmax=SHADES, aspect="auto")
    for y, (_, member) in enumerate(lines):
        for x, name in enumerate(instruments):
            words, color = shown_value(character.loc[name, member.column], member), _ink(image, scores[y, x])
            ax.text(x, y, words, ha="center", va="center", fontsize=7.5, color=color)
    _families(ax)
    arrows = {1: "↑", -1: "↓", 0: " "}
    ax.set_yticks(range(len(lines)), [f"{_with_unit(member)} {arrows[member.sign]}" for _, member in lines])
    ax.set_xticks(range(len(instruments)), [readable(name) for name in instruments], rotation=35, ha="right")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.03, pad=0.02)
    bar.set_label("standard deviations from the mean of the instruments")
    bar.outline.set_visible(False)
    return ax


def _families(ax: Axes) -> None:
    """A line below each family of descriptors and its name at the left."""
    top = -0.5
    for family in INDICES:
        bottom = top + len(family.members)
        ax.axhline(bottom, color=TEXT, lw=1.2)
        ax.annotate(
            family.label.removesuffix(" index"),
            (0, (top + bottom) / 2),
            xycoords=ax.get_yaxis_transform(),
            xytext=(-NAMES_WIDTH, 0),
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="center",
            weight="bold",
            color=TEXT,
        )
        top = bottom


def _ink(image: AxesImage, score: float) -> str:
    """Dark on light cells, white on dark ones."""
    if not np.isfinite(score):
        return TEXT
    red, green, blue, _ = image.cmap(image.norm(score))
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else "black"


def shown_value(value: float, descriptor: Descriptor) -> str:
    """A median as printed: ``"62"`` ms, ``"1.3"`` s; a dash for NaN."""
    if not np.isfinite(value):
        return "–"
    number = (10**value if descriptor.exponent else value) * descriptor.scale
    return f"{number:.0f}" if abs(number) >= 20 else f"{number:.1f}" if abs(number) >= 1 else f"{number:.2f}"


def correlation_figure(
    figure: Figure, binary: pd.DataFrame, soft: pd.DataFrame, needed: float, labels: Mapping[str, str]
) -> Figure:
    """Rho of every index and descriptor with the gains, one panel per metric.

    Parameters
    ----------
    figure : Figure
    binary, soft : DataFrame
        From `correlate`; binary masks with their intervals, soft masks as a second mark.
    needed : float
        abs(rho) with p < 0.05, drawn as lines.
    labels : mapping
        Names of the quantities.
    """
    metrics = list(dict.fromkeys(binary["metric"]))
    axes = figure.subplots(1, len(metrics), sharex=True, sharey=True, squeeze=False)[0]
    for ax, metric in zip(axes, metrics):
        lines, others = (table[table["metric"] == metric].reset_index(drop=True) for table in (binary, soft))
        _rhos(ax, lines, others, needed)
        ax.set_title(metric_label(metric).split()[0])
    quantities = binary.loc[binary["metric"] == metrics[0], "quantity"]
    axes[0].set_yticks(range(len(quantities)), [labels[name] for name in quantities])
    axes[0].set_ylim(len(quantities) - 0.4, -0.6)
    axes[len(axes) // 2].set_xlabel("Spearman's ρ between gain and descriptor")
    _correlation_legend(figure)
    return figure


def _rhos(ax: Axes, lines: pd.DataFrame, others: pd.DataFrame, needed: float) -> None:
    ax.axvline(0, color=TEXT, lw=0.9, zorder=1)
    if np.isfinite(needed):
        for side in (-1, 1):
            ax.axvline(side * needed, color=OKABE_ITO["vermillion"], ls="--", lw=1.0, zorder=1)
    for y, line in enumerate(lines.itertuples()):
        ax.hlines(y, line.among_low, line.among_high, color=BAR, lw=1.1, zorder=2)
        ax.hlines(y, line.low, line.high, color=OKABE_ITO["sky_blue"], lw=4, zorder=2)
        ax.plot(line.rho, y, "o", ms=5.5, color=OKABE_ITO["blue"], mec=TEXT, mew=0.6, zorder=4)
        ax.plot(others["rho"][y], y, "D", ms=4.6, mfc="white", mec=TEXT, mew=0.9, zorder=3)
    ax.set_xlim(-1, 1)
    ax.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "−½", "0", "½", "1"])
    ax.axhline(len(INDICES) - 0.5, color=TEXT, lw=0.6)
    quiet_axis(ax, "x")


def _correlation_legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    blue, light = OKABE_ITO["blue"], OKABE_ITO["sky_blue"]
    dot = {"ls": "", "mec": TEXT, "mew": 0.7}
    entries = [
        Line2D([], [], marker="o", ms=5.5, color=blue, label="ρ, binary masks", **dot),
        Line2D([], [], marker="D", ms=4.6, mfc="white", label="ρ, soft masks", **dot),
        Line2D([], [], color=light, lw=4, label="95 %, clips and mixtures drawn again"),
        Line2D([], [], color=BAR, lw=1.1, label="95 %, other instruments like these"),
        Line2D([], [], color=OKABE_ITO["vermillion"], ls="--", lw=1, label="p = 0.05, uncorrected"),
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=3)


def _with_unit(member: Descriptor) -> str:
    return f"{member.label} ({member.unit})" if member.unit else member.label
