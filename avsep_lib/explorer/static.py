"""A view as a figure: for pages without a kernel, where widgets are still."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avsep_lib.explorer.panels import LEVELS, RANGE_DB, SHARES, TICKS_KHZ, decibels, magnitude
from avsep_lib.plots.names import shown_name

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from avsep_lib.explorer.session import View
    from avsep_lib.settings import AudioSettings

SIZE = (9.6, 6.6)  # inches


def view_figure(figure: Figure, view: View, audio: AudioSettings) -> Figure:
    """Draw a `View`: the mixture above, and for each source what its query saw, its mask, its estimate and its truth.

    Parameters
    ----------
    figure : Figure
        Empty, of `SIZE` inches.
    view : View
    audio : AudioSettings
        One scale of decibels for all, relative to the loudest point of the mixture; the network's frequency axis.
    """
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.04)
    grid = figure.add_gridspec(3, 4, width_ratios=(0.62, 1, 1, 1))
    loudness = [magnitude(w, audio) for w in (view.mixture[: audio.n_output], *view.estimates, *view.sources)]
    levels = [decibels(values, float(loudness[0].max())) for values in loudness]
    image = _map(figure.add_subplot(grid[0, 1]), levels[0], LEVELS, audio, "mixture")
    masks = None
    for i, name in enumerate(view.names, start=1):
        seen = figure.add_subplot(grid[i, 0])
        seen.imshow(view.pictures[i - 1])
        seen.set_title(shown_name(name), fontsize=9)
        seen.set_axis_off()
        masks = _map(figure.add_subplot(grid[i, 1]), view.masks[i - 1], SHARES, audio, f"{view.choice.mask} mask")
        _map(figure.add_subplot(grid[i, 2]), levels[i], LEVELS, audio, "estimate")
        _map(figure.add_subplot(grid[i, 3]), levels[2 + i], LEVELS, audio, "truth")
    legend = figure.add_subplot(grid[0, 2:])
    legend.set_axis_off()
    bar = figure.colorbar(image, cax=legend.inset_axes((0.02, 0.74, 0.62, 0.08)), orientation="horizontal")
    bar.set_ticks([0, 0.5, 1], labels=[f"−{RANGE_DB:g}", f"−{RANGE_DB / 2:g}", "0"])
    bar.set_label("dB re loudest point of the mixture", fontsize=8)
    bar = figure.colorbar(masks, cax=legend.inset_axes((0.02, 0.26, 0.62, 0.08)), orientation="horizontal")
    bar.set_label("mask: share of each point that goes to the source", fontsize=8)
    return figure


def _map(ax: Axes, values: np.ndarray, colours: str, audio: AudioSettings, title: str):
    """An image with axes in seconds and kHz."""
    import numpy as np

    from avsep_lib.audio import WARP_BASE

    seconds, top = audio.n_output / audio.sample_rate, audio.sample_rate / 2000
    image = ax.imshow(values, cmap=colours, vmin=0, vmax=1, origin="lower", aspect="auto", extent=(0, seconds, 0, 1))
    ticks = [tick for tick in TICKS_KHZ if tick <= top]
    at = [float(np.log1p((WARP_BASE - 1) * tick / top) / np.log(WARP_BASE)) for tick in ticks]
    ax.set_yticks(at, [f"{tick:g}" for tick in ticks])
    ax.set_ylabel("kHz", fontsize=8, labelpad=1)
    ax.set_xlabel("time (s)", fontsize=8, labelpad=1)
    ax.tick_params(labelsize=7.5, length=2)
    ax.set_title(title, fontsize=9, fontweight="normal", loc="center")
    return image
