"""A separated recording: the mixture's spectrogram, and for each source its picture, its mask and its estimate.

Conventions
-----------
Levels are dB relative to the loudest point of the mixture, one scale for all spectrograms. The vertical axis is the
warp that the network works on, where masks live; an hour is drawn as readily as a second, because columns and masks
are averaged down to what a picture can hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from avsep_lib.audio import WARP_BASE
from avsep_lib.plots.spectrograms import MASK_COLORS, RANGE_DB
from avsep_lib.plots.style import TEXT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from avsep_lib.separation.result import Separation
    from avsep_lib.settings import AudioSettings

COLUMNS = 1200  # drawn at most
TICKS_HZ = (0, 250, 500, 1000, 2000, 4000, 8000, 16000)
ROW = 1.55  # inches


def height_of(count: int) -> float:
    """Height of the picture of `count` sources, in inches."""
    return ROW * (count + 1) + 0.6


def separation_figure(figure: Figure, result: Separation) -> Figure:
    """Draw a `Separation` into an empty figure of `height_of(n)` inches."""
    count = len(result.names)
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.03)
    grid = figure.add_gridspec(count + 1, 3, width_ratios=(0.55, 1, 1))
    loudness, reference = _magnitudes(result)
    top = figure.add_subplot(grid[0, 2])
    image = _decibels(top, loudness[0], reference, result, title="mixture")
    masks, bottom = None, count
    for i, name in enumerate(result.names, start=1):
        _picture(figure.add_subplot(grid[i, 0]), result.pictures[i - 1], name)
        left, right = (figure.add_subplot(grid[i, k]) for k in (1, 2))
        masks = _mask(left, result.masks[i - 1], result)
        _decibels(right, loudness[i], reference, result, title=f"{name}: estimate")
        for ax in (left, right):
            _axes(ax, result, last=i == bottom, first=ax is left)
    _axes(top, result, last=False, first=True)
    _bars(figure, figure.add_subplot(grid[0, 1]), image, masks, result)
    return figure


def _magnitudes(result: Separation) -> tuple[list[np.ndarray], float]:
    """Warped magnitudes of mixture and estimates (channels averaged), and the mixture's largest."""
    from avsep_lib.separation.apply import warped_magnitude

    sounds = [result.mixture, *result.estimates]
    n_columns = result.masks.shape[-1]
    found = [warped_magnitude(sound.mean(axis=0), result.audio)[:, :n_columns] for sound in sounds]
    return found, float(found[0].max())


def thinned(values: np.ndarray, columns: int = COLUMNS) -> np.ndarray:
    """Values (rows, n) averaged over neighbouring columns, at most `columns` of them."""
    n = values.shape[1]
    if n <= columns:
        return values
    edges = np.linspace(0, n, columns + 1).astype(int)[:-1]
    return np.add.reduceat(values, edges, axis=1) / np.diff([*edges, n])


def _draw(ax: Axes, values: np.ndarray, result: Separation, **style: object) -> object:
    seconds = result.mixture.shape[1] / result.audio.sample_rate
    return ax.imshow(
        thinned(values), origin="lower", aspect="auto", extent=(0, seconds, 0, 1), interpolation="nearest", **style
    )


def _decibels(ax: Axes, magnitude: np.ndarray, reference: float, result: Separation, *, title: str) -> object:
    level = 20 * np.log10(np.maximum(thinned(magnitude) / reference, 10 ** (-RANGE_DB / 20)))
    ax.set_title(title, fontsize=8.5, fontweight="normal")
    return _draw(ax, level, result, vmin=-RANGE_DB, vmax=0, cmap="magma")


def _mask(ax: Axes, mask: np.ndarray, result: Separation) -> object:
    drawn = mask if result.mask == "soft" else (mask > 0.5).astype(float)
    ax.set_title(f"{result.mask} mask", fontsize=8.5, fontweight="normal")
    return _draw(ax, drawn, result, vmin=0, vmax=1, cmap=MASK_COLORS)


def _picture(ax: Axes, picture: np.ndarray, name: str) -> None:
    step = max(1, max(picture.shape[:2]) // 400)
    ax.imshow(picture[::step, ::step])
    ax.set_title(name, fontsize=8.5, loc="center")
    ax.set_axis_off()


def _axes(ax: Axes, result: Separation, *, last: bool, first: bool) -> None:
    """Frequency in Hz at the left panel, time in s below the last one."""
    positions, labels = frequency_ticks(result.audio)
    ax.set_yticks(positions, labels if first else [])
    ax.set_ylabel("frequency (Hz)" if first else "", fontsize=8)
    ax.tick_params(length=2, labelsize=7.5, labelbottom=last)
    ax.set_xlabel("time (s)" if last else "", fontsize=8)
    ax.spines[:].set_visible(True)


def frequency_ticks(audio: AudioSettings) -> tuple[list[float], list[str]]:
    """Positions on the warped axis, from 0 to 1, and their labels in Hz."""
    ticks = [tick for tick in TICKS_HZ if tick <= audio.sample_rate / 2]
    positions = [float(np.log1p((WARP_BASE - 1) * 2 * f / audio.sample_rate) / np.log(WARP_BASE)) for f in ticks]
    return positions, [f"{tick:,}" for tick in ticks]


def _bars(figure: Figure, ax: Axes, image: object, masks: object, result: Separation) -> None:
    """Both colour scales, in the free panel beside the mixture, with the run's name."""
    ax.set_axis_off()
    lines = [text if len(text) <= 40 else f"…{text[-39:]}" for text in (f"run {result.run}", result.source)]
    ax.text(0, 1, "\n".join(lines), fontsize=8, color=TEXT, va="top", transform=ax.transAxes)
    for y, scale, label in ((0.52, masks, "mask"), (0.14, image, "dB re loudest point of the mixture")):
        bar = figure.colorbar(scale, cax=ax.inset_axes((0, y, 0.9, 0.07)), orientation="horizontal")
        bar.set_label(label, fontsize=7.5, labelpad=1)
        bar.ax.tick_params(labelsize=7, length=2)
