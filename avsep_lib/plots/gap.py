"""Figures of the modality gap: what it is made of, and maps of the representations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from avsep_lib.modality_gap.text import PAPER_ROWS
from avsep_lib.plots.names import MANY, spoken
from avsep_lib.plots.probe import representation_color
from avsep_lib.plots.style import OKABE_ITO, TEXT, label_of, quiet_axis
from avsep_lib.probe.text import name_of
from avsep_lib.published import published_table
from avsep_lib.tsne import NEIGHBOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "gap": ("How wide", "modality gap (norm of Eq. 9)"),
    "audio_norm": ("How concentrated", "norm of the mean sound"),
    "cosine": ("Which way", "cosine, mean sound and picture"),
}
PART_COLORS = {"spread": OKABE_ITO["blue"], "direction": OKABE_ITO["orange"]}
CLASS_COLORS = [
    *(OKABE_ITO[name] for name in ("blue", "orange", "green", "vermillion", "purple", "sky_blue", "black", "yellow")),
    "#8C8C8C",
]
MARKERS = ("o", "s", "^", "v", "D", "P", "X", "<", ">", "p", "*")


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


def class_style(classes: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each class; no two classes share both up to 99 of them."""
    return {name: (CLASS_COLORS[i % len(CLASS_COLORS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(classes)}


def tsne_height(maps: Mapping[tuple[int, str], np.ndarray], labels: Iterable[str] = ()) -> float:
    """Height in inches that suits `tsne_figure` at a width of 7.5, with room for the names of many classes."""
    classes = sorted(set(labels))
    lines = -(-len(classes) // _columns(classes)) if len(classes) <= MANY else 1
    return 1.25 + 2.5 * max(len({perplexity for perplexity, _ in maps}), 1) + 0.17 * max(lines - 2, 0)


def _columns(classes: Sequence[str]) -> int:
    """Columns of names that fit below maps of the usual width."""
    return 6 if max((len(spoken(name)) for name in classes), default=0) <= 16 else 3


def tsne_figure(
    figure: Figure, maps: Mapping[tuple[int, str], np.ndarray], labels: np.ndarray, numbers: pd.DataFrame
) -> Figure:
    """Maps in a grid: representations from left to right, perplexities from top to bottom.

    Parameters
    ----------
    figure : Figure
    maps : mapping of (perplexity, row) to ndarray, shape (n, 2)
    labels : ndarray of str, shape (n,)
    numbers : DataFrame
        From `avsep_lib.tsne.numbers`; neighbour accuracy of each map is written into its corner.

    Notes
    -----
    Where there are no maps (too few clips), one sentence. More than `MANY` classes are not named.
    """
    if not maps:
        words = "no map: too few test solos, or all of classes of their own"
        figure.text(0.5, 0.5, words, ha="center", va="center", color=TEXT)
        return figure
    rows, columns = (list(dict.fromkeys(key[i] for key in maps)) for i in (0, 1))
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    styles = class_style(sorted(set(labels)))
    knn = numbers.set_index(["row", "space"])["knn"]
    for line, perplexity in zip(axes, rows):
        for ax, row in zip(line, columns):
            class_scatter(ax, maps[perplexity, row], labels, styles)
            share = knn[row, f"map, perplexity {perplexity}"]
            ax.set_xlabel(f"{NEIGHBOURS} neighbours name the class: {share:.0f} %", fontsize=7.5, labelpad=2)
        line[0].set_ylabel(f"perplexity {perplexity}")
    for ax, row in zip(axes[0], columns):
        ax.set_title(name_of(row).replace(" (", "\n("))
    if len(styles) > MANY:
        figure.supxlabel(f"{len(styles)} classes; several share a colour and a marker", fontsize=8.5)
        return figure
    handles, names = axes[0, 0].get_legend_handles_labels()
    columns = _columns(list(styles))
    figure.legend(handles, names, loc="outside lower center", ncols=columns, markerscale=1.3, handletextpad=0.2)
    return figure


def class_scatter(ax: Axes, points: np.ndarray, labels: np.ndarray, styles: Mapping[str, tuple[str, str]]) -> Axes:
    """Points of one map, class by colour and marker; a map has no axes worth reading."""
    for name, (color, marker) in styles.items():
        chosen = points[labels == name]
        size = 30 if marker == "*" else 15
        ax.scatter(*chosen.T, s=size, c=color, marker=marker, linewidths=0.3, edgecolors=TEXT, label=spoken(name))
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(True)
    ax.spines[:].set_color("#BFBFBF")
    ax.set_box_aspect(1)
    return ax
