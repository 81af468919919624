"""Players for notebooks that tell the truth about level: nothing is normalised, and the levels stand beside them.

A panel is one HTML table. Its sounds are embedded (FLAC, 16 bit, lossless), so an executed notebook plays anywhere;
the panel keeps to a budget of bytes by resampling first and trimming second, and says so when it did.

Conventions
-----------
Waveforms are float in [-1, 1], shape (n_samples,). Levels are dB relative to full scale (dBFS): a sine of amplitude 1
has -3.01 dBFS RMS and a peak of 0 dBFS. A sample counts as clipped when 16-bit PCM cannot hold it.
"""

from __future__ import annotations

import html
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from avsep_lib.errors import DataError

if TYPE_CHECKING:
    from IPython.display import HTML, Audio

BUDGET_BYTES = 1_500_000  # of encoded sound per panel; base64 adds a third to it in the notebook
LOWEST_RATE = 8_000  # Hz; below this a panel is trimmed rather than resampled
FULL_SCALE = 32_767 / 32_768  # largest 16-bit sample
STYLE = "padding:2px 12px 2px 0;text-align:{align};vertical-align:middle"


@dataclass(frozen=True)
class Levels:
    """Levels of a waveform."""

    rms_dbfs: float
    peak_dbfs: float
    n_clipped: int


def levels(waveform: np.ndarray) -> Levels:
    """RMS and peak level in dBFS and the number of clipped samples; -inf dBFS for silence.

    Raises
    ------
    DataError
        When the waveform is not one-dimensional, empty, or not finite.
    """
    waveform = _checked(waveform, "waveform")
    peak = np.abs(waveform).max()
    with np.errstate(divide="ignore"):
        rms_db, peak_db = 20 * np.log10([np.sqrt(np.mean(waveform**2)), peak])
    clipped = (waveform > FULL_SCALE) | (waveform < -1.0)
    return Levels(float(rms_db), float(peak_db), int(clipped.sum()))


def encode_flac(waveform: np.ndarray, sample_rate: int) -> bytes:
    """16-bit FLAC of a waveform at its own level; what exceeds full scale is clipped, never scaled."""
    import soundfile

    stream = io.BytesIO()
    samples = np.clip(np.round(_checked(waveform, "waveform") * 32_768), -32_768, 32_767).astype(np.int16)
    soundfile.write(stream, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def player(waveform: np.ndarray, sample_rate: int) -> Audio:
    """One embedded player at true level."""
    from IPython.display import Audio

    audio = Audio(encode_flac(waveform, sample_rate), normalize=False)
    audio.mimetype = "audio/flac"
    return audio


def listening_panel(
    sounds: Mapping[str, np.ndarray], sample_rate: int, *, budget_bytes: int = BUDGET_BYTES, title: str = ""
) -> HTML:
    """A table of players with their levels.

    Parameters
    ----------
    sounds : mapping of str to ndarray, shape (n_samples,)
        Label and waveform of each row.
    sample_rate : int
        Hz, of all waveforms.
    budget_bytes : int
        Largest size of all encoded sounds together. Above it everything is resampled to half the rate until
        `LOWEST_RATE`, then trimmed; levels are always those of the waveforms as given.
    title : str
        Printed above the table.

    Raises
    ------
    DataError
        No sound, or one that is not a finite, non-empty vector (its label is named).
    """
    from IPython.display import HTML

    if not sounds:
        raise DataError("listening_panel: no sound given")
    sounds = {label: _checked(waveform, label) for label, waveform in sounds.items()}
    fitted, rate, note = _fit(sounds, sample_rate, budget_bytes)
    rows = "".join(_row(label, sounds[label], fitted[label], rate) for label in sounds)
    heading = "".join(_cell(text, "left") for text in ("", "", "RMS (dBFS)", "peak (dBFS)", "clipped samples"))
    parts = [f"<b>{html.escape(title)}</b>" if title else "", f"<table><tr>{heading}</tr>{rows}</table>", note]
    return HTML("".join(parts))


def _checked(waveform: np.ndarray, label: str) -> np.ndarray:
    waveform = np.asarray(waveform, dtype=np.float64)
    if waveform.ndim != 1 or not waveform.size:
        raise DataError(f"sound {label!r} has shape {waveform.shape}; one channel of samples is needed")
    if not np.isfinite(waveform).all():
        raise DataError(f"sound {label!r} holds samples that are not finite; the estimate is broken")
    return waveform


def _fit(sounds: dict[str, np.ndarray], sample_rate: int, budget_bytes: int) -> tuple[dict[str, np.ndarray], int, str]:
    """Waveforms, rate and a remark, such that the encoded sounds keep to the budget."""
    rate, notes = sample_rate, []
    while (size := _size(sounds, rate)) > budget_bytes and rate // 2 >= LOWEST_RATE:
        rate //= 2
        sounds = {label: _resample(waveform, 2 * rate, rate) for label, waveform in sounds.items()}
        notes = [f"resampled to {rate} Hz"]
    while (size := _size(sounds, rate)) > budget_bytes:
        share = 0.95 * budget_bytes / size
        sounds = {label: waveform[: max(1, int(share * len(waveform)))] for label, waveform in sounds.items()}
        longest = max(map(len, sounds.values()))
        notes = [*notes[:1], f"trimmed to {longest / rate:.1f} s"]
        if longest == 1:
            break
    note = f"<small>Players {' and '.join(notes)} to save space; levels are those of the whole sound.</small>"
    return sounds, rate, note if notes else ""


def _size(sounds: dict[str, np.ndarray], rate: int) -> int:
    return sum(len(encode_flac(waveform, rate)) for waveform in sounds.values())


def _resample(waveform: np.ndarray, rate_in: int, rate_out: int) -> np.ndarray:
    import soxr

    return soxr.resample(waveform, rate_in, rate_out, quality="VHQ")


def _row(label: str, original: np.ndarray, fitted: np.ndarray, rate: int) -> str:
    found = levels(original)
    numbers = (f"{found.rms_dbfs:.1f}", f"{found.peak_dbfs:.1f}", str(found.n_clipped))
    sound = player(fitted, rate)._repr_html_()
    cells = [_cell(html.escape(label), "left"), _cell(sound, "left"), *(_cell(text, "right") for text in numbers)]
    return f"<tr>{''.join(cells)}</tr>"


def _cell(content: str, align: str) -> str:
    return f'<td style="{STYLE.format(align=align)}">{content}</td>'
