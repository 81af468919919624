"""A player that compares: several sounds, one transport, and a switch that keeps the position and the level.

Mixture, estimate and truth are heard as they are; what differs in level, differs in loudness. Sounds travel to the page
as FLAC and nothing is fetched from anywhere.

Keys
----
Space plays and pauses, 1 to 9 choose a sound, the arrows left and right move half a second, Home goes to the start and
R repeats.

Conventions
-----------
As in `avsep_lib.listening`: waveforms are float in [-1, 1], shape (n_samples,); levels are dBFS.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from avsep_lib.errors import ConfigError, DataError
from avsep_lib.listening import Levels, encode_flac, levels

HERE = Path(__file__).parent
COLUMNS = 480  # of the drawn waveform
Sounds = Mapping[str, np.ndarray]


class ABPlayer(anywidget.AnyWidget):
    """Several sounds of one position.

    Parameters
    ----------
    sounds : mapping of str to ndarray, shape (n_samples,)
        Name and waveform; may be empty. Shorter ones end in silence.
    sample_rate : int
        Hz, of all waveforms.
    spectrograms : mapping of str to ndarray, shape (rows, columns), optional
        Pictures in [0, 1], lowest frequency first, drawn in place of the waveform of the sound of that name.

    Attributes
    ----------
    sounds : dict
        May be set at any time, also while playing: the choice stays by name, the position when the length agrees.
    active : int
        The sound that is heard.
    position : float
        Seconds; as of the last pause, switch or move.
    playing : bool
        Read only: a page may play only what its reader started.

    Raises
    ------
    DataError
        A sound that is not a finite, non-empty vector (its name is said).
    ConfigError
        A sample rate that is not a positive whole number.
    """

    _esm = HERE / "player.js"
    _css = HERE / "player.css"
    tracks = traitlets.List([]).tag(sync=True)
    sample_rate = traitlets.Int().tag(sync=True)
    duration = traitlets.Float(0.0).tag(sync=True)
    active = traitlets.Int(0).tag(sync=True)
    position = traitlets.Float(0.0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)

    def __init__(self, sounds: Sounds, sample_rate: int, spectrograms: Sounds | None = None) -> None:
        super().__init__(sample_rate=checked_rate(sample_rate))
        self._sounds: dict[str, np.ndarray] = {}
        self.show(sounds, spectrograms)

    @property
    def sounds(self) -> dict[str, np.ndarray]:
        """Name and waveform of each sound."""
        return dict(self._sounds)

    @sounds.setter
    def sounds(self, sounds: Sounds) -> None:
        self.show(sounds)

    def show(self, sounds: Sounds, spectrograms: Sounds | None = None) -> None:
        """Replace the sounds together with their pictures."""
        tracks = encoded(sounds, self.sample_rate, spectrograms)
        self._sounds = dict(sounds)
        with self.hold_sync():  # one message, or the page would see new sounds of the old length
            self.duration = seconds(sounds, self.sample_rate)
            self.tracks = tracks


def encoded(sounds: Sounds, sample_rate: int, spectrograms: Sounds | None = None) -> list[dict[str, Any]]:
    """What a page needs of each sound: `name`, `level` in words, `flac`, `peaks` (bytes) and `png` (bytes or None)."""
    pictures = {name: _png(values) for name, values in (spectrograms or {}).items()}
    return [
        {
            "name": name,
            "level": level_text(checked_levels(name, waveform)),
            "flac": encode_flac(waveform, sample_rate),
            "peaks": peaks(waveform, max(map(len, sounds.values()))).tobytes(),
            "png": pictures.get(name),
        }
        for name, waveform in sounds.items()
    ]


def seconds(sounds: Sounds, sample_rate: int) -> float:
    """Length of the longest sound."""
    return max(map(len, sounds.values()), default=0) / sample_rate


def checked_levels(name: str, waveform: np.ndarray) -> Levels:
    """Levels of a sound, or a `DataError` that names it."""
    try:
        return levels(waveform)
    except DataError as error:
        raise DataError(f"player, sound {name!r}: {error}") from None


def checked_rate(sample_rate: int) -> int:
    """A sample rate FLAC can hold."""
    if isinstance(sample_rate, bool) or int(sample_rate) != sample_rate or not 3000 <= sample_rate <= 655_350:
        raise ConfigError(f"player: sample_rate {sample_rate!r} must be a whole number of Hz from 3000 to 655350")
    return int(sample_rate)


def level_text(found: Levels) -> str:
    """``"−23.0 dBFS RMS, peak −6.0"``; clipped samples are said."""
    if found.peak_dbfs == -np.inf:
        return "silent"
    above = "+" * (found.peak_dbfs >= 0.05)
    text = f"{found.rms_dbfs:.1f} dBFS RMS, peak {above}{found.peak_dbfs:.1f}".replace("-", "−")
    clipped = f", {found.n_clipped} sample{'s' * (found.n_clipped > 1)} clipped"
    return text + clipped * bool(found.n_clipped)


def peaks(waveform: np.ndarray, length: int, columns: int = COLUMNS) -> np.ndarray:
    """Lowest and highest sample of each column.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,)
    length : int
        Samples the columns span, at least those of the waveform.
    columns : int

    Returns
    -------
    ndarray of int8, shape (columns, 2)
        In 1/127 of full scale.
    """
    columns = max(2, min(columns, length))
    samples = np.zeros(length)
    samples[: len(waveform)] = np.clip(waveform, -1, 1)
    starts = np.linspace(0, length, columns, endpoint=False).astype(int)
    found = [np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)]
    return np.round(127 * np.stack(found, axis=1)).astype(np.int8)


def _png(values: np.ndarray) -> bytes:
    from avsep_lib.explorer.panels import LEVELS, png

    return png(np.asarray(values, dtype=np.float64), LEVELS)
