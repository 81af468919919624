"""Figures of the data card: how many, how loud, and what a performer looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avsep_lib.plots.names import MANY, ends, spoken
from avsep_lib.plots.style import OKABE_ITO, TEXT, WIDTH, quiet_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPLIT_COLORS = {
    "train": OKABE_ITO["blue"],
    "val": OKABE_ITO["sky_blue"],
    "test": OKABE_ITO["vermillion"],
    "pretrain": "#BFBFBF",
}


def class_axis(ax: Axes, classes: Sequence[str]) -> Axes:
    """One row per class, the first on top."""
    ax.set_yticks(range(len(classes)), [spoken(name) for name in classes])
    ax.set_ylim(len(classes) - 0.5, -0.5)
    return quiet_axis(ax, "x")


def card_size(n: int) -> tuple[float, float]:
    """Width and height in inches of a `data_card_figure` with n classes, of which it shows `MANY` at most."""
    return WIDTH * 1.35, 4.0 + 0.26 * max(min(n, MANY) - 11, 0)


def clip_counts(ax: Axes, counts: pd.DataFrame) -> Axes:
    """Stacked bars of solo clips; `counts` has classes as rows and splits as columns."""
    left = np.zeros(len(counts))
    for split in counts:
        ax.barh(range(len(counts)), counts[split], left=left, height=0.72, color=SPLIT_COLORS[split], label=split)
        left += counts[split].to_numpy()
    ax.set(xlabel="solo clips", title="How many")
    return class_axis(ax, list(counts.index))


def clip_strip(ax: Axes, clips: pd.DataFrame, column: str, classes: Sequence[str], seed: int = 0) -> Axes:
    """One dot per solo clip and a bar at the median of each class; the vertical scatter is jitter."""
    jitter = np.random.default_rng(seed)
    for i, name in enumerate(classes):
        values = clips.loc[clips.labels == name, column]
        colors = [SPLIT_COLORS[split] for split in clips.loc[values.index, "split"]]
        ax.scatter(values, i + jitter.uniform(-0.25, 0.25, len(values)), s=7, c=colors, alpha=0.75, linewidths=0)
        ax.plot([values.median()] * 2, [i - 0.38, i + 0.38], color=TEXT, linewidth=1.8)
    return class_axis(ax, classes)


def data_card_figure(figure: Figure, counts: pd.DataFrame, levels: pd.DataFrame) -> Figure:
    """Counts, levels and rests of all solo clips, class by class.

    Of more than `MANY` classes those with the most and those with the fewest solos are drawn, and it says so.
    """
    counts, n_classes = _ends_by_number(counts), len(counts)
    classes = list(counts.index)
    solos = levels[levels.solo].assign(quiet_percent=lambda t: 100 * t.quiet_share)
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(1.15, 1, 1))
    clip_counts(axes[0], counts)
    clip_strip(axes[1], solos, "level_dbfs", classes)
    axes[1].set(xlabel="RMS level (dBFS)", title="How loud")
    clip_strip(axes[2], solos, "quiet_percent", classes)
    axes[2].set(xlabel="time at rest (%)", title="How often silent")
    if len(classes) < n_classes:
        note = f"{len(classes)} of {n_classes} classes: those with the most and with the fewest solos"
        figure.suptitle(note, fontsize=9, x=0.01, ha="left")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=counts.shape[1])
    return figure


def _ends_by_number(counts: pd.DataFrame) -> pd.DataFrame:
    """All classes in their order; of too many those with the most clips above those with the fewest."""
    if len(counts) <= MANY:
        return counts
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return counts.loc[ends(list(order))]


def sheet_height(pictures: Mapping[str, np.ndarray], row: float = 1.4, columns: int = 6) -> float:
    """Height in inches of a `contact_sheet` of the usual width, from that of a row."""
    return row * max(-(-len(pictures) // columns), 1)


def contact_sheet(figure: Figure, pictures: Mapping[str, np.ndarray], columns: int = 6, line: int = 18) -> Figure:
    """Frames with their labels; one sentence where there are none.

    Parameters
    ----------
    figure : Figure
    pictures : mapping of str to ndarray, shape (height, width, 3), uint8
        Label and picture, in order.
    columns : int
        Pictures per row.
    line : int
        Characters of a label that stand on one line.
    """
    if not pictures:
        figure.text(
            0.5, 0.5, "nothing to show: this profile has no other dataset", ha="center", va="center", color=TEXT
        )
        return figure
    rows = -(-len(pictures) // columns)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for (label, picture), ax in zip(pictures.items(), axes):  # pictures first: zip takes one more of what comes first
        ax.imshow(picture, interpolation="lanczos")
        ax.set_xlabel(spoken(label, line=line), fontsize=8, labelpad=3)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    for ax in axes:  # what is left of the grid
        ax.set_axis_off()
    return figure
