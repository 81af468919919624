"""Spectrograms and masks of separated mixtures, all on the same scales.

Conventions
-----------
Levels are dB relative to the loudest point of the example's mixture. The frequency axis is the warp that the network
works on (`avsep_lib.audio`), labelled in kHz, so that a mask lies on its spectrogram point by point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from avsep_lib.audio import WARP_BASE
from avsep_lib.plots.dataset import spoken
from avsep_lib.plots.style import TEXT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from avsep_lib.examples import Example
    from avsep_lib.settings import AudioSettings

RANGE_DB = 60.0
TICKS_KHZ = (0, 0.25, 0.5, 1, 2, 4, 8)
MASK_COLORS = "gray"


def magnitude(waveform: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """STFT magnitude (n_bins, frames) of a waveform of any length, with the network's window and hop."""
    import torch

    samples = torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32))
    window = torch.hann_window(audio.n_fft)
    return torch.stft(samples, audio.n_fft, audio.hop_length, window=window, return_complex=True).abs().numpy()


def warped_axis(ax: Axes, audio: AudioSettings, *, labels: bool) -> Axes:
    """Log-frequency axis in kHz, as the network sees it."""
    top = audio.sample_rate / 2000
    ax.set_yscale(
        "function",
        functions=(
            lambda khz: np.log1p((WARP_BASE - 1) * np.clip(khz, 0, None) / top) / np.log(WARP_BASE),
            lambda u: (WARP_BASE**u - 1) / (WARP_BASE - 1) * top,
        ),
    )
    ticks = [tick for tick in TICKS_KHZ if tick <= top]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks] if labels else [])
    ax.set_ylim(0, top)
    ax.minorticks_off()
    return ax


def _time_axis(ax: Axes, audio: AudioSettings, *, labels: bool) -> Axes:
    seconds = audio.n_output / audio.sample_rate
    ax.set_xlim(0, seconds)
    ticks = np.arange(0, seconds, 1 if seconds < 8 else 2)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks] if labels else [])
    ax.tick_params(length=2, labelsize=7.5)
    ax.spines[:].set_visible(True)
    return ax


def spectrogram(ax: Axes, waveform: np.ndarray, audio: AudioSettings, reference: float) -> Axes:
    """Draw a waveform's spectrogram; `reference` is the magnitude that counts as 0 dB."""
    values = magnitude(waveform, audio)
    level = 20 * np.log10(np.maximum(values / reference, 10 ** (-RANGE_DB / 20)))
    hertz = np.arange(values.shape[0]) * audio.sample_rate / audio.n_fft
    seconds = np.arange(values.shape[1]) * audio.hop_length / audio.sample_rate
    ax.pcolormesh(seconds, hertz / 1000, level, vmin=-RANGE_DB, vmax=0, shading="nearest", rasterized=True)
    return ax


def mask_map(ax: Axes, mask: np.ndarray, audio: AudioSettings) -> Axes:
    """Draw a mask (n_rows, n_frames) on the warped axis, black 0 to white 1."""
    u = np.linspace(0, 1, mask.shape[0])
    khz = (WARP_BASE**u - 1) / (WARP_BASE - 1) * audio.sample_rate / 2000
    seconds = np.arange(mask.shape[1]) * audio.hop_length / audio.sample_rate
    ax.pcolormesh(seconds, khz, mask, vmin=0, vmax=1, cmap=MASK_COLORS, shading="nearest", rasterized=True)
    return ax


def qualitative_figure(
    figure: Figure, examples: Sequence[Example], heads: Sequence[str], names: Mapping[str, str], audio: AudioSettings
) -> Figure:
    """Mixture between its performers, then truth, estimates and masks, one column per source.

    Parameters
    ----------
    figure : Figure
        Without a layout engine.
    examples : sequence of Example
    heads : sequence of str
        A title per example.
    names : mapping of str to str
        Runs to draw, in order, and what to call them.
    audio : AudioSettings
    """
    rows = ["truth", *(kind for run in names for kind in (run, f"mask {run}"))]
    ratios = [1.25, *(0.8 if row.startswith("mask ") else 1.0 for row in rows)]
    grid = figure.add_gridspec(
        len(rows) + 1, len(examples), height_ratios=ratios,
        left=0.085, right=0.925, top=0.93, bottom=0.055, hspace=0.3, wspace=0.1,
    )  # fmt: skip
    for k, (example, head) in enumerate(zip(examples, heads)):
        reference = float(magnitude(example.item.waveform, audio).max())
        _head_row(figure, grid[0, k], example, head, audio, reference)
        for r, row in enumerate(rows):
            axes = [figure.add_subplot(cell) for cell in grid[r + 1, k].subgridspec(1, 2, wspace=0.08)]
            for i, ax in enumerate(axes):
                _panel(ax, example, row, i, audio, reference)
                warped_axis(ax, audio, labels=k == 0 and i == 0)
                _time_axis(ax, audio, labels=r == len(rows) - 1)
            if k == 0:
                _row_label(axes[0], row, names)
            if r == len(rows) - 1:
                axes[0].set_xlabel("time (s)", x=1.04, fontsize=8)
    _colour_bars(figure)
    return figure


def _head_row(
    figure: Figure, cell: object, example: Example, head: str, audio: AudioSettings, reference: float
) -> None:
    """The mixture's spectrogram between the frames of the two performers."""
    left, middle, right = (figure.add_subplot(c) for c in cell.subgridspec(1, 3, width_ratios=(1, 1.35, 1), wspace=0.1))
    spectrogram(middle, example.item.waveform[: audio.n_output], audio, reference)
    warped_axis(middle, audio, labels=False)
    _time_axis(middle, audio, labels=False).set_yticks([])
    middle.set_title(head, fontsize=9, loc="center", pad=17)
    middle.text(0.5, 1.03, "mixture", transform=middle.transAxes, ha="center", va="bottom", fontsize=8)
    for ax, frame, instrument in zip((left, right), example.frames, example.instruments):
        ax.imshow(frame)
        ax.set_axis_off()
        ax.text(0.5, 1.03, spoken(instrument), transform=ax.transAxes, ha="center", va="bottom", fontsize=8)


def _panel(ax: Axes, example: Example, row: str, source: int, audio: AudioSettings, reference: float) -> None:
    if row == "truth":
        spectrogram(ax, example.item.sources[source, : audio.n_output], audio, reference)
    elif row.startswith("mask "):
        mask_map(ax, example.masks[row.removeprefix("mask ")][source], audio)
    else:
        spectrogram(ax, example.estimates[row][source], audio, reference)
        score = example.scores[(example.scores.run_id == row) & (example.scores.source == source)].iloc[0]
        title = f"SDR {score.sdr_db:.1f} dB ({score.sdri_db:+.1f})"
        ax.set_title(title, fontsize=7.5, fontweight="normal", loc="center", pad=2.5)


def _row_label(ax: Axes, row: str, names: Mapping[str, str]) -> None:
    label = "Truth" if row == "truth" else "mask" if row.startswith("mask ") else names[row]
    weight = "normal" if label == "mask" else "bold"
    ax.set_ylabel("kHz", fontsize=7.5, labelpad=1)
    ax.text(-0.62, 0.5, label, transform=ax.transAxes, rotation=90, ha="center", va="center", fontsize=8.5, fontweight=weight, color=TEXT)  # fmt: skip


def _colour_bars(figure: Figure) -> None:
    """One bar for all spectrograms and one for all masks, at the right edge."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    for box, colors, limits, label in (
        ((0.94, 0.5, 0.011, 0.3), None, (-RANGE_DB, 0), "dB re loudest point of the mixture"),
        ((0.94, 0.12, 0.011, 0.2), MASK_COLORS, (0, 1), "mask"),
    ):
        bar = figure.colorbar(ScalarMappable(Normalize(*limits), colors), cax=figure.add_axes(box))
        bar.set_label(label, fontsize=8)
        bar.ax.tick_params(labelsize=7.5)
