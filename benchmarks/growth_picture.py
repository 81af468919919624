"""The picture of growth: time of each stage against the number of clips, and memory beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from avsep_lib.files import atomic_path
from avsep_lib.plots.style import OKABE_ITO, TEXT, WIDTH, apply_style

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def with_constant(clips: np.ndarray, seconds: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """``a + b n`` through the measured times, least squares of the relative error, neither below 0."""
    from scipy.optimize import nnls

    matrix = np.c_[np.ones_like(seconds), clips] / seconds[:, None]
    constant, slope = nnls(matrix, np.ones_like(seconds))[0]
    return constant + slope * drawn


def draw(table: pd.DataFrame, path: Path) -> None:
    """Write the picture of a table of `growth_fit.stages_table`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    apply_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH * 1.45, 4.2), width_ratios=(1.25, 1))
    colors = [*OKABE_ITO.values()]
    for i, (stage, found) in enumerate(table.groupby("stage", sort=False)):
        look = {"color": colors[i % len(colors)], "marker": MARKERS[i % len(MARKERS)]}
        clips, seconds = found.clips.to_numpy(float), found.cpu_s.to_numpy()
        drawn = np.geomspace(clips[0], clips[-1], 50)
        left.plot(drawn, with_constant(clips, seconds, drawn), color=look["color"], linewidth=1)
        left.plot(clips, seconds, **look, linestyle="none", label=f"{stage}: {in_words(found.iloc[0])}")
        right.plot(clips, found.anonymous_mib, **look, label=stage)
        right.plot(clips, found.resident_mib, **look, linestyle=":", linewidth=1, markerfacecolor="white")
    low, high = table.clips.min() / 1.3, table.clips.max() * 1.2
    guide = np.array([table.clips.min() * 2.0, table.clips.max()])
    left.plot(guide, guide / guide[1] * left.get_ylim()[1] * 0.8, color="#7F7F7F", linestyle="--", linewidth=1)
    left.text(guide[1] * 0.95, left.get_ylim()[1] * 0.78, "slope 1", color=TEXT, ha="right", va="bottom", fontsize=8)
    left.set(xscale="log", yscale="log", ylabel="processor seconds, one core", title="Time", xlim=(low, high))
    right.set(xscale="log", ylim=(0, None), ylabel="MiB", title="Peak memory of the largest job")
    for ax in (left, right):
        ax.set_xlabel("clips")
        ax.set_xticks(sorted(table.clips.unique()), [str(n) for n in sorted(table.clips.unique())])
        ax.minorticks_off()
        ax.grid(axis="y", which="major")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    note = "Left: points are measured, lines a constant (starting processes) plus a linear part.\n"
    note += "Right: filled, memory of their own; hollow, with pages of mapped files."
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), title=note, title_fontsize=7, ncols=2, fontsize=7)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    plt.close(figure)


def in_words(row: pd.Series) -> str:
    """The exponent with its interval, or that there is none."""
    if np.isnan(row.exponent):
        return row.verdict
    return f"n^{row.exponent:.2f} ({row.low:.2f} to {row.high:.2f})"
