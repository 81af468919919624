"""Descriptors of short-time spectra: flux, percussive share, entropy, centroid, and the peaks that are partials.

Two resolutions. *Short* frames (93 ms, every 23 ms) see when something changes, and are just long enough that the
partials of a tuba do not beat within one bin, which would look like change; *long* frames (186 ms, every 93 ms) tell
partials apart, down to the 41 Hz of the lowest string of a bass. Powers are linear, arrays ``(bins, frames)``.

References
----------
Peeters, "A large set of audio features for sound description", IRCAM, 2004 (centroid, spectral shape).
Dixon, "Onset detection revisited", DAFx 2006 (half-wave rectified flux).
FitzGerald, "Harmonic/percussive separation using median filtering", DAFx 2010; the soft masks of librosa.
Misra et al., "Spectral entropy based feature for robust ASR", 2004, doi:10.1109/ICASSP.2004.1325955.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

SHORT_S, LONG_S = 0.093, 0.186  # at 22,050 Hz: 2048 and 4096 samples
ACTIVE_DB = 30.0  # below the loudest frame, a frame is silence or the tail of the room
PARTIAL_DB = 30.0  # below the strongest peak of its frame, a peak is not counted
PROMINENCE_DB = 15.0  # a partial stands this far above the median around it; the peaks of noise hardly ever do
NEIGHBOURHOOD_HZ = 400.0  # the width of that "around it"


@dataclass(frozen=True)
class Spectra:
    """Short-time power of one clip at one resolution.

    Attributes
    ----------
    power : ndarray, shape (bins, frames)
    sample_rate : int
    hop : int
        In samples; frame t is centred on sample ``t * hop``.
    """

    power: NDArray[np.float64]
    sample_rate: int
    hop: int

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """Of the bins, in Hz."""
        return np.linspace(0, self.sample_rate / 2, len(self.power))

    @cached_property
    def active(self) -> NDArray[np.bool_]:
        """Frames within `ACTIVE_DB` of the loudest."""
        energy = self.power.sum(axis=0)
        return energy > energy.max(initial=0.0) * 10 ** (-ACTIVE_DB / 10)


@dataclass(frozen=True)
class Peaks:
    """Partials of the active frames, one entry per partial.

    Attributes
    ----------
    frame : ndarray of int
        Index among the active frames.
    frequency_hz, power : ndarray
        At the top of a parabola through the log power of three bins.
    n_frames : int
    """

    frame: NDArray[np.intp]
    frequency_hz: NDArray[np.float64]
    power: NDArray[np.float64]
    n_frames: int


def window_length(seconds: float, sample_rate: int) -> int:
    """The power of two nearest to a duration, in samples."""
    return 2 ** round(np.log2(seconds * sample_rate))


def short_spectra(waveform: NDArray, sample_rate: int) -> Spectra:
    """93 ms Hann windows, a quarter apart."""
    return _spectra(waveform, sample_rate, window_length(SHORT_S, sample_rate), 4)


def long_spectra(waveform: NDArray, sample_rate: int) -> Spectra:
    """186 ms Hann windows, half apart."""
    return _spectra(waveform, sample_rate, window_length(LONG_S, sample_rate), 2)


def _spectra(waveform: NDArray, sample_rate: int, n_fft: int, overlap: int) -> Spectra:
    hop = n_fft // overlap
    spectrum = librosa.stft(np.asarray(waveform, dtype=float), n_fft=n_fft, hop_length=hop)
    return Spectra(np.abs(spectrum) ** 2, sample_rate, hop)


def spectral_flux_percent(short: Spectra) -> float:
    """Share of a frame's magnitude that was not there one frame earlier, averaged over active frames.

    Rises of the magnitude of each bin are added and falls ignored, then divided by the frame's magnitudes: 0 for a
    steady tone, 100 for a click after silence. Levels cancel. NaN if no frame is active.
    """
    magnitude = np.sqrt(short.power)
    rises = np.maximum(np.diff(magnitude, axis=1), 0).sum(axis=0)
    active = short.active[1:]
    return _mean(100 * rises[active] / magnitude[:, 1:][:, active].sum(axis=0))


def percussive_energy_percent(short: Spectra) -> float:
    """Energy that median filtering calls percussive (vertical in the spectrogram), of the energy of active frames.

    Energy is divided between harmonic and percussive by soft masks over 31 bins and 31 frames (330 Hz, 0.7 s), so
    the two shares add up to 100.
    """
    magnitude = np.sqrt(short.power).astype(np.float32)
    harmonic, vertical = (running_median(magnitude, 31, axis, "symmetric") for axis in (1, 0))
    percussive = librosa.util.softmask(vertical, harmonic, power=2, split_zeros=True)  # as librosa.decompose.hpss
    active = short.power[:, short.active]
    total = active.sum()
    return float(100 * (percussive[:, short.active] * active).sum() / total) if total > 0 else float("nan")


def spectral_entropy_bit(long: Spectra) -> float:
    """Shannon entropy of the frame's power over its bins, in bits, averaged over active frames.

    Near 1 for one sinusoid, ``log2(bins) - 0.61`` (10.4 bit at 22,050 Hz) for white noise.
    """
    share = long.power[:, long.active]
    share = share / share.sum(axis=0)
    terms = -share * np.log2(share, out=np.zeros_like(share), where=share > 0)
    return _mean(terms.sum(axis=0))


def spectral_centroid_hz(long: Spectra) -> float:
    """Mean frequency, weighted with power, averaged over active frames.

    Power rather than magnitude, so that a noise floor 45 dB down, spread over two thousand bins, does not set the value.
    """
    power = long.power[:, long.active]
    return _mean(long.frequencies @ power / power.sum(axis=0))


def partials(long: Spectra) -> Peaks:
    """Peaks of the active frames that are within 30 dB of the strongest and stand 15 dB above the median around them.

    Returns
    -------
    Peaks
        Frequencies are read off a parabola, to about a twentieth of a bin (0.3 Hz).
    """
    power = long.power[:, long.active] + np.finfo(float).tiny
    level = 10 * np.log10(power)
    width = int(NEIGHBOURHOOD_HZ / long.frequencies[1])
    floor = _floor_level(level, width)
    found = (level[1:-1] > level[:-2]) & (level[1:-1] >= level[2:])
    found &= level[1:-1] > level.max(axis=0, initial=-np.inf) - PARTIAL_DB
    found &= level[1:-1] > floor[1:-1] + PROMINENCE_DB
    frame, bin_ = np.nonzero(found.T)
    left, middle, right = (level[bin_ + k, frame] for k in range(3))
    shift = 0.5 * (left - right) / (left - 2 * middle + right)
    frequency = (bin_ + 1 + shift) * long.frequencies[1]
    top = 10 ** ((middle - 0.25 * (left - right) * shift) / 10)
    return Peaks(frame, frequency, top, int(long.active.sum()))


def number_of_partials(peaks: Peaks) -> float:
    """Partials per active frame; 1 for a pure tone, 0 for noise, NaN if no frame is active."""
    return peaks.frame.size / peaks.n_frames if peaks.n_frames else float("nan")


def _floor_level(level: NDArray, width: int) -> NDArray:
    """Median over frequency, of every fourth bin, which is enough for a floor and four times as fast."""
    coarse = running_median(level[::4], max(width // 4, 3), 0, "edge")
    return np.repeat(coarse, 4, axis=0)[: len(level)]


def running_median(values: NDArray, width: int, axis: int, mode: str) -> NDArray:
    """Median of a window of `width` along one axis of a matrix; `mode` is that of `numpy.pad` at the ends.

    The lines are filtered one after the other as a single long signal, their padding in between: SciPy has a fast
    filter for one dimension only, twelve times faster here than its general one and the same to the bit.
    """
    lines = values if axis == 1 else values.T
    half = width // 2
    padded = np.pad(lines, ((0, 0), (half, half)), mode=mode)
    filtered = ndimage.median_filter(padded.ravel(), size=width).reshape(padded.shape)[:, half : half + lines.shape[1]]
    return filtered if axis == 1 else filtered.T


def _mean(values: NDArray) -> float:
    return float(values.mean()) if values.size else float("nan")


def smooth(values: NDArray, length: int) -> NDArray:
    """Moving average with a Hann window of unit sum, centred; `length` in samples."""
    window = signal.windows.hann(length | 1)
    return signal.fftconvolve(values, window / window.sum(), mode="same")
