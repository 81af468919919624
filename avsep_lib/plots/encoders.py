"""Figures about the frozen encoders: how they learned, what they know, and which classes they confuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avsep_lib.plots.names import MANY, spoken
from avsep_lib.plots.style import OKABE_ITO, TEXT, quiet_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENCODER_COLORS = {
    "image": OKABE_ITO["orange"],
    "audio": OKABE_ITO["blue"],
    "audio and image": "#7F7F7F",
}


def smoothed(values: pd.Series, span: int) -> pd.Series:
    """Running mean over `span` steps, centred; shorter at the ends."""
    return values.rolling(span, center=True, min_periods=1).mean()


def training_history(ax: Axes, histories: Mapping[str, pd.DataFrame], column: str) -> Axes:
    """A column of ``history.csv`` against the step, one curve per encoder: single steps pale, running mean strong."""
    for encoder, history in histories.items():
        color = ENCODER_COLORS[encoder]
        ax.plot(history.step, history[column], color=color, alpha=0.25, linewidth=0.8)
        ax.plot(history.step, smoothed(history[column], max(len(history) // 20, 1)), color=color, label=encoder)
    ax.set(xlabel="training step", title={"loss": "Contrastive loss", "accuracy": "Accuracy within a batch"}[column])
    return quiet_axis(ax, "y")


def sanity(ax: Axes, table: pd.DataFrame) -> Axes:
    """One line per sanity number: the proportion with its interval, and a tick where chance lies."""
    for i, row in enumerate(table.itertuples()):
        color = ENCODER_COLORS[row.encoder]
        ax.plot([row.low, row.high], [i, i], color=color, linewidth=2.5, solid_capstyle="butt")
        ax.plot(row.value, i, "o", color=color, markersize=6)
    ax.plot(table.chance, range(len(table)), "|", color=TEXT, markersize=15, markeredgewidth=1.3, label="chance")
    ax.set_yticks(range(len(table)), [_question(row) for row in table.itertuples()])
    ax.set(ylim=(len(table) - 0.5, -0.5), xlim=(-0.02, 1.02), xlabel="proportion correct (95 % interval)")
    ax.legend(loc="lower right", markerscale=0.6, handlelength=1)
    ax.set_title("What the encoders know")
    return quiet_axis(ax, "x")


def _question(row: tuple) -> str:
    return row.task if row.task.startswith(row.encoder.split()[0]) else f"{row.encoder}: {row.task}"


def knowledge_figure(figure: Figure, histories: Mapping[str, pd.DataFrame], table: pd.DataFrame) -> Figure:
    """Learning curves above, sanity numbers below; pretrained encoders have no curves here."""
    drawn = {name: history for name, history in histories.items() if len(history)}
    upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.25)) if drawn else (None, figure)
    if drawn:
        left, right = upper.subplots(1, 2)
        training_history(left, drawn, "loss").set_ylim(bottom=0)
        training_history(right, drawn, "accuracy").set_ylim(0, 1.02)
        left.legend(title="encoder", alignment="left")
    sanity(lower.subplots(), table)
    return figure


def similarity_map(ax: Axes, similarity: np.ndarray, classes: Sequence[str], limit: float, y_labels: bool) -> Axes:
    """A class-by-class map on a scale that is symmetric about zero; own class on the diagonal.

    More than `MANY` classes have no room for their names: they stand in the order of the alphabet.
    """
    ax.imshow(similarity, cmap="PuOr_r", vmin=-limit, vmax=limit)
    names = [spoken(name) for name in classes]
    if len(names) > MANY:
        ax.set_xlabel(f"{len(names)} classes, A to Z")
        names = []
    ax.set_xticks(range(len(names)), names, rotation=90)
    ax.set_yticks(range(len(names)), names if y_labels else [])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def similarity_figure(figure: Figure, maps: Mapping[str, np.ndarray], classes: Sequence[str]) -> Figure:
    """The maps side by side on one scale, titled by what is compared with what."""
    axes = figure.subplots(1, len(maps), squeeze=False)[0]
    limit = max(float(np.nanmax(np.abs(values))) for values in maps.values())
    for i, (ax, (title, values)) in enumerate(zip(axes, maps.items())):
        similarity_map(ax, values, classes, limit, y_labels=i == 0).set_title(title)
    figure.colorbar(axes[0].images[0], ax=axes, label="cosine, centred", shrink=0.6, aspect=18)
    return figure
