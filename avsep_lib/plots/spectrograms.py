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
from avsep_lib.plots.names import spoken
from avsep_lib.plots.style import TEXT, label_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from avsep_lib.examples import Example
    from avsep_lib.settings import AudioSettings

RANGE_DB = 60.0
TICKS_KHZ = (0, 0.25, 0.5, 1, 2, 4, 8)
MASK_COLORS = "gray"
NAMES_IN_PAPER = {
    "late": "CLIPSep\nlate fusion",
    "middle": "CLIPSep\nmiddle fusion",
    "hier_align": "HFRA\nhierarchical + align",
    "resnet18_late": "Sound-of-Pixels\nlate fusion",
}


def name_in_paper(row: str) -> str:
    """What a table row is called where it was published, on two lines; its own label for a row of the ablation."""
    return NAMES_IN_PAPER.get(row, label_of(row))


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
    """Mixture between its performers, then truth, and estimates with their masks below; one column per source.

    Parameters
    ----------
    figure : Figure
        Empty; its layout engine is replaced, because panels must line up across examples.
    examples : sequence of Example
    heads : sequence of str
        A title per example.
    names : mapping of str to str
        Runs to draw, in order, and what to call them.
    audio : AudioSettings
    """
    from matplotlib.layout_engine import PlaceHolderLayoutEngine

    # Not "none": matplotlib restores that as the default engine after a tight save.
    figure.set_layout_engine(PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=False))
    grid = figure.add_gridspec(
        2 + len(names), len(examples), height_ratios=(0.92, 1, *[1.72] * len(names)),
        left=0.095, right=0.92, top=0.925, bottom=0.055, hspace=0.17, wspace=0.09,
    )  # fmt: skip
    for k, (example, head) in enumerate(zip(examples, heads)):
        reference = float(magnitude(example.item.waveform, audio).max())
        _head_row(figure, grid[0, k], example, head, audio, reference)
        rows = {"Truth": _pair(figure, grid[1, k])}
        for i, ax in enumerate(rows["Truth"]):
            spectrogram(ax, example.item.sources[i, : audio.n_output], audio, reference)
            ax.set_title(spoken(example.instruments[i]), fontsize=8, fontweight="normal", loc="center", pad=2.5)
        for r, (run_id, name) in enumerate(names.items(), start=2):
            above, below = grid[r, k].subgridspec(2, 1, height_ratios=(1, 0.72), hspace=0.07)
            rows |= {name: _pair(figure, above), f"Mask of {name}": _pair(figure, below)}
            _estimates(rows[name], rows[f"Mask of {name}"], example, run_id, audio, reference)
        _axes_of_rows(rows, audio, first=k == 0)
    _colour_bars(figure)
    return figure


def _pair(figure: Figure, cell: object) -> list[Axes]:
    return [figure.add_subplot(part) for part in cell.subgridspec(1, 2, wspace=0.07)]


def _axes_of_rows(rows: Mapping[str, list[Axes]], audio: AudioSettings, *, first: bool) -> None:
    """Scales of all panels of an example; labels only at the left and the lower edge of the figure."""
    for r, (label, axes) in enumerate(rows.items(), start=1):
        for i, ax in enumerate(axes):
            warped_axis(ax, audio, labels=first and i == 0)
            _time_axis(ax, audio, labels=r == len(rows))
        if first:
            mask = label.startswith("Mask of ")
            axes[0].set_ylabel("kHz", fontsize=7.5, labelpad=1)
            style = {"rotation": 90, "ha": "center", "va": "center", "fontsize": 8.5, "color": TEXT}
            text, weight = ("mask", "normal") if mask else (label, "bold")
            axes[0].text(-0.5, 0.5, text, transform=axes[0].transAxes, fontweight=weight, **style)
    axes[0].set_xlabel("time (s)", x=1.035, fontsize=8)


def _head_row(
    figure: Figure, cell: object, example: Example, head: str, audio: AudioSettings, reference: float
) -> None:
    """The mixture's spectrogram between the frames of the two performers."""
    parts = cell.subgridspec(1, 3, width_ratios=(1, 1.25, 1), wspace=0.06)
    left, middle, right = (figure.add_subplot(part) for part in parts)
    spectrogram(middle, example.item.waveform[: audio.n_output], audio, reference)
    warped_axis(middle, audio, labels=False).set_yticks([])
    _time_axis(middle, audio, labels=False).set_xticks([])
    middle.set_title(head, fontsize=9.5, loc="center", pad=17)
    for ax, label in ((left, example.instruments[0]), (middle, "mixture"), (right, example.instruments[1])):
        ax.text(0.5, 1.03, spoken(label, longest=16), transform=ax.transAxes, ha="center", va="bottom", fontsize=8.5)
    for ax, frame in zip((left, right), example.frames):
        ax.imshow(frame)
        ax.set_anchor("N")
        ax.set_axis_off()


def _estimates(
    above: list[Axes], below: list[Axes], example: Example, run_id: str, audio: AudioSettings, reference: float
) -> None:
    """Estimates of a run with their scores, and the masks that made them."""
    scores = example.scores[example.scores.run_id == run_id].set_index("source")
    for i, (ax, mask_ax) in enumerate(zip(above, below)):
        spectrogram(ax, example.estimates[run_id][i], audio, reference)
        mask_map(mask_ax, example.masks[run_id][i], audio)
        sdr, gain = (round(float(scores.loc[i, column]), 1) + 0.0 for column in ("sdr_db", "sdri_db"))
        title = f"SDR {sdr:.1f} dB ({gain:+.1f})".replace("-", "−")
        ax.set_title(title, fontsize=8, fontweight="normal", loc="center", pad=2.5)


def _colour_bars(figure: Figure) -> None:
    """One bar for all spectrograms and one for all masks, at the right edge."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    for box, colors, limits, label in (
        ((0.937, 0.52, 0.011, 0.24), None, (-RANGE_DB, 0), "dB re loudest point of the mixture"),
        ((0.937, 0.12, 0.011, 0.2), MASK_COLORS, (0, 1), "mask"),
    ):
        bar = figure.colorbar(ScalarMappable(Normalize(*limits), colors), cax=figure.add_axes(box))
        bar.set_label(label, fontsize=8)
        bar.ax.tick_params(labelsize=7.5)
