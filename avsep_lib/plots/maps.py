"""Maps of representations (t-SNE): points by class, with the numbers that do not depend on the map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from avsep_lib.plots.names import MANY, spoken
from avsep_lib.plots.style import OKABE_ITO, TEXT
from avsep_lib.probe.text import name_of
from avsep_lib.tsne import NEIGHBOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLASS_COLORS = [
    *(OKABE_ITO[name] for name in ("blue", "orange", "green", "vermillion", "purple", "sky_blue", "black", "yellow")),
    "#8C8C8C",
]
MARKERS = ("o", "s", "^", "v", "D", "P", "X", "<", ">", "p", "*")


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
