"""Pictures of the tour: what is heard and seen, a mask as a stencil, and an interval on real data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from avsep_lib.plots.names import spoken
from avsep_lib.plots.spectrograms import magnitude, mask_map, spectrogram, warped_axis
from avsep_lib.plots.style import OKABE_ITO, TEXT, quiet_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from avsep_lib.examples import Example
    from avsep_lib.intervals import Interval
    from avsep_lib.settings import AudioSettings
    from avsep_lib.start_here import Stencils


def task_figure(figure: Figure, example: Example, audio: AudioSettings) -> Figure:
    """Two performers and the one sound that both make."""
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.9, 1))
    for ax, frame, name in zip((left, right), example.frames, example.instruments):
        ax.imshow(frame)
        ax.set_axis_off()
        ax.set_title(f"seen: {spoken(name)}", loc="center", fontweight="normal")
    _sound(middle, example.item.waveform, audio, _loudest(example, audio), labels=True)
    middle.set_title("heard: the mixture", loc="center", fontweight="normal")
    return figure


def stencil_figure(figure: Figure, example: Example, run_id: str, ideal: Stencils, audio: AudioSettings) -> Figure:
    """Mixture, mask, what the mask leaves, and the truth; above the ideal binary mask, below a model's soft mask."""
    axes = figure.subplots(2, 4, sharex=True)
    reference = _loudest(example, audio)
    rows = (
        (ideal.mask, ideal.estimate, "ideal binary mask"),
        (example.masks[run_id][0], example.estimates[run_id][0], "the model's soft mask"),
    )
    for line, (mask, estimate, name) in zip(axes, rows):
        _sound(line[0], example.item.waveform, audio, reference, labels=True)
        mask_map(line[1], mask, audio)
        _sound(line[2], estimate, audio, reference)
        _sound(line[3], example.item.sources[0], audio, reference)
        line[1].set_title(name, loc="center", fontweight="normal")
        warped_axis(line[1], audio, labels=False)
    for ax, title in zip(axes[0], ("mixture", "", "what it leaves", f"truth: {spoken(example.instruments[0], 14)}")):
        if title:
            ax.set_title(title, loc="center", fontweight="normal")
    for line in axes:
        for ax, sign in zip(line[:2], ("×", "=")):
            ax.annotate(sign, (1.05, 0.5), xycoords="axes fraction", ha="center", va="center", fontsize=15, color=TEXT)
    figure.supxlabel("time (s)", fontsize=8.5)
    return figure


def interval_figure(figure: Figure, gains: np.ndarray, interval: Interval, resamples: int = 2000) -> Figure:
    """Every mixture's gain as a dot, and below them the means of resampled mixtures with the interval."""
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.2, 1))
    rng = np.random.default_rng(0)
    above.scatter(gains, rng.uniform(-1, 1, len(gains)), s=14, color=OKABE_ITO["blue"], alpha=0.6, linewidth=0)
    above.axvline(interval.mean, color=OKABE_ITO["vermillion"])
    above.set(yticks=[], ylim=(-1.5, 1.5), title=f"Gain in each of {len(gains)} test mixtures, and their mean")
    means = rng.choice(gains, (resamples, len(gains))).mean(axis=1)
    below.hist(means, bins=40, color=OKABE_ITO["sky_blue"])
    if np.isfinite([interval.low, interval.high]).all():
        below.axvspan(interval.low, interval.high, color=OKABE_ITO["vermillion"], alpha=0.18)
    below.axvline(interval.mean, color=OKABE_ITO["vermillion"])
    below.set(yticks=[], xlabel="gain over the mixture, SDR (dB)")
    below.set_title("Means of as many mixtures, drawn with replacement; shaded: the interval")
    for ax in (above, below):
        ax.axvline(0, color=TEXT, linewidth=0.8, linestyle=":")
        quiet_axis(ax)
    return figure


def _loudest(example: Example, audio: AudioSettings) -> float:
    return float(magnitude(example.item.waveform, audio).max())


def _sound(ax: Axes, waveform: np.ndarray, audio: AudioSettings, reference: float, *, labels: bool = False) -> Axes:
    spectrogram(ax, waveform[: audio.n_output], audio, reference)
    warped_axis(ax, audio, labels=labels)
    if labels:
        ax.set_ylabel("kHz", labelpad=1)
    ax.set_xlim(0, audio.n_output / audio.sample_rate)
    return ax
