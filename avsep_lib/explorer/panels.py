"""Spectrograms, masks and a histogram as small SVG pictures: drawn in milliseconds, sharp at any width.

A panel is a paletted PNG (one pixel per time-frequency point) below axes of SVG text. Text has the colour of the page
around it, so that light and dark pages both work; every panel says in words what it shows.

Conventions
-----------
Levels are dB relative to the loudest point of the mixture, one scale for all. The frequency axis is the network's warp
(`avsep_lib.audio`), on which masks live.
"""

from __future__ import annotations

import base64
import html
import io
from functools import lru_cache

import numpy as np
from PIL import Image

from avsep_lib.audio import WARP_BASE
from avsep_lib.settings import AudioSettings

RANGE_DB = 60.0
TICKS_KHZ = (0, 0.25, 0.5, 1, 2, 4, 8, 16)
LEVELS, SHARES = "magma", "gray"  # colour maps of spectrograms and masks
ROWS = 128  # drawn of a spectrogram
WIDTH, HEIGHT, LEFT, TOP, BELOW = 236, 164, 32, 6, 30  # of a panel, in units of its view box


@lru_cache
def palette(name: str) -> bytes:
    """256 RGB colours of a colour map."""
    from matplotlib import colormaps

    return np.round(255 * colormaps[name](np.arange(256))[:, :3]).astype(np.uint8).tobytes()


def png(values: np.ndarray, colours: str) -> bytes:
    """Values in [0, 1], shape (rows, columns), lowest row first, as a paletted PNG."""
    image = Image.fromarray(np.round(255 * np.clip(values[::-1], 0, 1)).astype(np.uint8), "L")
    paletted = Image.frombytes("P", image.size, image.tobytes())
    paletted.putpalette(palette(colours))
    stream = io.BytesIO()
    paletted.save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def magnitude(waveform: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """STFT magnitude (ROWS, columns) of a waveform of any length, read at log-spaced frequencies."""
    import torch

    samples = torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32))
    window = torch.hann_window(audio.n_fft)
    spectrum = torch.stft(samples, audio.n_fft, audio.hop_length, window=window, return_complex=True).abs().numpy()
    u = np.linspace(0, 1, ROWS)
    bins = np.round((WARP_BASE**u - 1) / (WARP_BASE - 1) * (audio.n_bins - 1)).astype(int)
    return spectrum[bins]


def decibels(magnitudes: np.ndarray, reference: float) -> np.ndarray:
    """Level in [0, 1]: 1 is `reference`, 0 is `RANGE_DB` below it."""
    level = 20 * np.log10(np.maximum(magnitudes, 1e-12) / max(reference, 1e-12))
    return np.clip(1 + level / RANGE_DB, 0, 1)


def panel(values: np.ndarray, colours: str, audio: AudioSettings, described: str) -> str:
    """A picture with frequency and time axes.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        In [0, 1], on the warped axis, lowest row first.
    colours : str
        A colour map.
    audio : AudioSettings
    described : str
        What a reader who cannot see it is told.
    """
    width, height = WIDTH - LEFT - 4, HEIGHT - TOP - BELOW
    source = base64.b64encode(png(values, colours)).decode()
    image = (
        f'<image x="{LEFT}" y="{TOP}" width="{width}" height="{height}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{source}"/>'
    )
    return _svg(image + _axes(audio), described)


def _svg(inside: str, described: str, height: int = HEIGHT) -> str:
    label = html.escape(described, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}" class="avsep-panel">{inside}</svg>'


@lru_cache
def _axes(audio: AudioSettings) -> str:
    """Ticks and labels, the same for all panels."""
    top, width, height = audio.sample_rate / 2000, WIDTH - LEFT - 4, HEIGHT - TOP - BELOW
    parts = [f'<rect x="{LEFT}" y="{TOP}" width="{width}" height="{height}" fill="none" stroke="currentColor"/>']
    for khz in (tick for tick in TICKS_KHZ if tick <= top):
        y = TOP + height * (1 - np.log1p((WARP_BASE - 1) * khz / top) / np.log(WARP_BASE))
        parts.append(f'<path d="M{LEFT} {y:.1f}h-4" stroke="currentColor"/>')
        parts.append(_text(LEFT - 6, y + 3.5, f"{khz:g}", "end"))
    seconds = audio.n_output / audio.sample_rate
    step = next(step for step in (0.5, 1, 2, 5, 10, 60) if seconds / step < 4)
    for second in np.arange(0, seconds, step):
        x = LEFT + width * second / seconds
        parts.append(f'<path d="M{x:.1f} {TOP + height}v4" stroke="currentColor"/>')
        parts.append(_text(x, TOP + height + 15, f"{second:g}", "middle"))
    parts.append(_text(LEFT + width, TOP + height + 27, "seconds", "end"))
    parts.append(_text(2, TOP + height + 27, "kHz", "start"))
    return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="currentColor">{html.escape(text)}</text>'


def colour_bar(colours: str, low: str, high: str, described: str) -> str:
    """A small legend of a colour map."""
    source = base64.b64encode(png(np.linspace(0, 1, 256)[None], colours)).decode()
    return (
        f'<span class="avsep-bar">{html.escape(low)} <img alt="" src="data:image/png;base64,{source}"/> '
        f"{html.escape(high)}<span> {html.escape(described)}</span></span>"
    )


def histogram(values: np.ndarray, mark: float, label: str, described: str, bins: int = 24) -> str:
    """How a metric is distributed over the test pairs, with a line where this pair lies.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Finite, in dB.
    mark : float
        Of this pair; not drawn when it is not finite.
    label : str
        Of the axis.
    described : str
    """
    finite = np.isfinite(mark)
    low, high = float(values.min()), float(values.max())
    low, high = (min(low, mark), max(high, mark)) if finite else (low, high)
    pad = 0.04 * max(high - low, 1.0)
    low, high = low - pad, high + pad
    counts, edges = np.histogram(values, bins, (low, high))
    width, height, base = WIDTH - 12, 70, 84

    def at(value: float) -> float:
        return 6 + width * (value - low) / (high - low)

    bars = "".join(
        f'<rect x="{at(a) + 0.5:.1f}" y="{base - height * n / counts.max():.1f}" width="{max(at(b) - at(a) - 1, 0.5):.1f}" '
        f'height="{height * n / counts.max():.1f}" fill="#7a8aa0"/>'
        for n, a, b in zip(counts, edges, edges[1:])
        if n
    )
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, 50, 100, 500) if (high - low) / s < 7)
    ticks = "".join(
        f'<path d="M{at(t):.1f} {base}v4" stroke="currentColor"/>'
        + _text(at(t), base + 15, f"{t + 0.0:g}".replace("-", "−"), "middle")
        for t in np.arange(np.ceil(low / step) * step, high, step)
    )
    line = ""
    if finite:
        x, anchor = at(mark), "end" if at(mark) > WIDTH / 2 else "start"
        line = f'<path d="M{x:.1f} {base}V4" stroke="#D55E00" stroke-width="3"/>'
        line += _text(x + (-6 if anchor == "end" else 6), 13, "this pair", anchor)
    axis = f'<path d="M6 {base}h{width}" stroke="currentColor"/>' + _text(WIDTH - 6, base + 29, label, "end")
    return _svg(bars + axis + ticks + line, described, 118)
