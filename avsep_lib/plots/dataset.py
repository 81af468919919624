"""Figures of the data card: how many, how loud, and what a performer looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avsep_lib.plots.style import OKABE_ITO, TEXT, quiet_axis

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


def spoken(name: str) -> str:
    """``acoustic_guitar`` as a reader says it; the parts of a duet on two lines."""
    return name.replace("_", " ").replace("|", " and\n")


def class_axis(ax: Axes, classes: Sequence[str]) -> Axes:
    """One row per class, the first on top."""
    ax.set_yticks(range(len(classes)), [spoken(name) for name in classes])
    ax.set_ylim(len(classes) - 0.5, -0.5)
    return quiet_axis(ax, "x")


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
    """Counts, levels and rests of all solo clips, class by class."""
    classes = list(counts.index)
    solos = levels[levels.solo].assign(quiet_percent=lambda t: 100 * t.quiet_share)
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(1.15, 1, 1))
    clip_counts(axes[0], counts)
    clip_strip(axes[1], solos, "level_dbfs", classes)
    axes[1].set(xlabel="RMS level (dBFS)", title="How loud")
    clip_strip(axes[2], solos, "quiet_percent", classes)
    axes[2].set(xlabel="time at rest (%)", title="How often silent")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=counts.shape[1])
    return figure


def contact_sheet(figure: Figure, pictures: Mapping[str, np.ndarray], columns: int = 6) -> Figure:
    """Frames with their labels.

    Parameters
    ----------
    figure : Figure
    pictures : mapping of str to ndarray, shape (height, width, 3), uint8
        Label and picture, in order.
    columns : int
        Pictures per row.
    """
    rows = -(-len(pictures) // columns)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for (label, picture), ax in zip(pictures.items(), axes):  # pictures first: zip takes one more of what comes first
        ax.imshow(picture, interpolation="lanczos")
        ax.set_xlabel(spoken(label), fontsize=8, labelpad=3)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    for ax in axes:  # what is left of the grid
        ax.set_axis_off()
    return figure
