"""Curves of one training run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avsep_lib.plots.style import TEXT, color_of, quiet_axis
from avsep_lib.train import learning_rate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from avsep_lib.settings import RunConfig, TrainingSettings


def schedule(ax: Axes, training: TrainingSettings, color: str) -> Axes:
    """Learning rate of every step."""
    steps = range(training.steps)
    ax.plot(steps, [1e3 * learning_rate(step, training) for step in steps], color=color)
    ax.set(title="Learning rate", ylabel="x 0.001", xlabel="step", ylim=(0, None))
    return quiet_axis(ax, "y")


def loss(ax: Axes, history: pd.DataFrame, column: str, color: str) -> Axes:
    """A loss: each point is the mean since the point before."""
    ax.plot(history.step, history[column], "o-", color=color, markersize=3.5)
    ax.margins(y=0.15)
    ax.set_xlabel("step")
    return quiet_axis(ax, "y")


def validation(ax: Axes, history: pd.DataFrame, best_step: int, mixture_db: float, color: str) -> Axes:
    """Validation SI-SDR, the chosen checkpoint, and the mixture as the floor."""
    ax.plot(history.step, history.val_si_sdr_db, "o-", color=color, markersize=3.5)
    best = history[history.step == best_step].iloc[0]
    ax.plot(best.step, best.val_si_sdr_db, "o", color="white", markeredgecolor=color, markeredgewidth=2, markersize=9)
    ax.annotate("chosen", (best.step, best.val_si_sdr_db), (0, 9), textcoords="offset points", ha="center", fontsize=8)
    ax.axhline(mixture_db, color=TEXT, linestyle="--", linewidth=1)
    ax.annotate(
        "mixture",
        (1, mixture_db),
        (0, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    low, high = min(mixture_db, history.val_si_sdr_db.min()), max(mixture_db, history.val_si_sdr_db.max())
    margin = max(0.2 * (high - low), 0.5)  # differences far below a decibel shall not look large
    ax.set_ylim(low - margin, high + margin)
    ax.set(title="Validation SI-SDR", ylabel="dB", xlabel="step")
    return quiet_axis(ax, "y")


def training_figure(
    figure: Figure, config: RunConfig, history: pd.DataFrame, best_step: int, mixture_db: float
) -> Figure:
    """Schedule, both losses and validation of one run."""
    axes = figure.subplots(2, 2, sharex=True)
    color = color_of(config.run_id.removesuffix(f"-s{config.seed}"))
    schedule(axes[0, 0], config.training, color)
    validation(axes[0, 1], history, best_step, mixture_db, color)
    loss(axes[1, 0], history, "loss_separation", color).set_title("Separation loss")
    aligned = "" if config.alignment else " (watched, not trained)"
    loss(axes[1, 1], history, "loss_alignment", color).set_title(f"Alignment loss{aligned}")
    for ax in axes[0]:
        ax.set_xlabel("")
    return figure
