"""Pitch and what it decides: the harmonic-to-noise ratio and how far partials lie from one harmonic series.

The autocorrelation of a windowed frame, divided by that of its window, has its largest value at the period; that value
is the share of the energy that repeats. Read on four times the sample rate, so that a period of ten samples is exact
enough.

References
----------
Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled sound",
IFA Proceedings 17, 1993.
Peeters, "A large set of audio features for sound description", IRCAM, 2004 (inharmonicity).
"""

from __future__ import annotations

from typing import NamedTuple

import librosa
import numpy as np
from numpy.typing import NDArray

from avsep_lib.descriptors.spectra import LONG_S, Peaks, Spectra, window_length

LOWEST_HZ, HIGHEST_HZ = 38.0, 2500.0
VOICED = 0.5  # of the energy repeats, or there is no pitch
OCTAVE_COST = 0.01  # per octave, in favour of the shorter of two periods that repeat equally well
FINENESS = 4
LARGEST_SHARE = 1 - 1e-6  # 60 dB: more cannot be told from rounding


class Periods(NamedTuple):
    """Of the active frames.

    Attributes
    ----------
    frequency_hz : ndarray, shape (frames,)
        NaN in a frame without pitch.
    repeated : ndarray, shape (frames,)
        Share of the energy that repeats with the best period, in [0, 1].
    """

    frequency_hz: NDArray[np.float64]
    repeated: NDArray[np.float64]


def periods(waveform: NDArray, sample_rate: int, long: Spectra) -> Periods:
    """Pitch of the active frames of `long`, frame by frame.

    Parameters
    ----------
    waveform : ndarray, shape (samples,)
    sample_rate : int
    long : Spectra
        From `avsep_lib.descriptors.spectra.long_spectra` of the same waveform; says which frames are active.
    """
    correlation = _autocorrelation(waveform, sample_rate, long)
    lags = np.arange(correlation.shape[1]) / (FINENESS * sample_rate)
    inside = (lags >= 1 / HIGHEST_HZ) & (lags <= 1 / LOWEST_HZ)
    peak = np.zeros_like(correlation, dtype=bool)
    peak[:, 1:-1] = (correlation[:, 1:-1] > correlation[:, :-2]) & (correlation[:, 1:-1] >= correlation[:, 2:])
    cost = OCTAVE_COST * np.log2(np.maximum(lags, 1 / HIGHEST_HZ) * HIGHEST_HZ)
    ranked = np.where(peak & inside, correlation - cost, -np.inf)
    best = ranked.argmax(axis=1)
    lag, height = _parabola(correlation, best)
    height = np.where(np.isfinite(ranked.max(axis=1, initial=-np.inf)), np.clip(height, 0.0, 1.0), 0.0)
    with np.errstate(divide="ignore"):
        frequency = FINENESS * sample_rate / lag
    return Periods(np.where(height >= VOICED, frequency, np.nan), height)


def _autocorrelation(waveform: NDArray, sample_rate: int, long: Spectra) -> NDArray:
    """Of every active frame, lags in steps of ``1 / (4 * sample_rate)``, one at lag 0."""
    length = window_length(LONG_S, sample_rate)
    padded = np.pad(np.asarray(waveform, dtype=float), length // 2)
    frames = librosa.util.frame(padded, frame_length=length, hop_length=long.hop, axis=0)[long.active]
    frames = frames - frames.mean(axis=1, keepdims=True)
    n_lags = int(FINENESS * sample_rate / LOWEST_HZ) + 2 * FINENESS
    of_window = _correlate(np.hanning(length)[None], n_lags)
    of_frames = _correlate(frames * np.hanning(length), n_lags)
    energy = np.maximum(of_frames[:, :1], np.finfo(float).tiny)
    return of_frames / energy / (of_window / of_window[:, :1])


def _correlate(frames: NDArray, n_lags: int) -> NDArray:
    n_fft = 2 * frames.shape[1]
    power = np.abs(np.fft.rfft(frames, n_fft, axis=1)) ** 2
    return np.fft.irfft(power, FINENESS * n_fft, axis=1)[:, :n_lags]


def _parabola(rows: NDArray, at: NDArray) -> tuple[NDArray, NDArray]:
    """Position and height of the top of a parabola through the three values around `at`."""
    at = np.clip(at, 1, rows.shape[1] - 2)
    left, middle, right = (rows[np.arange(len(rows)), at + k] for k in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1.0), 0.0)
    return at + shift, middle - 0.25 * (left - right) * shift


def median_pitch_hz(found: Periods) -> float:
    """Median over active frames with a pitch; NaN if there is none."""
    voiced = found.frequency_hz[np.isfinite(found.frequency_hz)]
    return float(np.median(voiced)) if voiced.size else float("nan")


def harmonic_to_noise_db(found: Periods) -> float:
    """Energy that repeats over energy that does not, in dB, averaged over active frames.

    Several notes at once repeat only with their common period, so chords lower it as noise does.
    """
    share = np.clip(found.repeated, 1 - LARGEST_SHARE, LARGEST_SHARE)
    return float(np.mean(10 * np.log10(share / (1 - share)))) if share.size else float("nan")


def inharmonicity_percent(peaks: Peaks, found: Periods) -> float:
    """Distance of partials from the nearest harmonic, weighted with power, averaged over active frames with a pitch.

    In percent of the largest possible, half the distance between harmonics: 0 for one harmonic series, 50 for peaks
    anywhere. The series is the one that fits the partials best (least squares, weighted with power) with the numbers
    that the pitch gives them. Notes that ring together are inharmonic, too. NaN without pitch or partials.
    """
    values = [
        _inharmonicity(peaks.frequency_hz[chosen], peaks.power[chosen], pitch)
        for frame, pitch in enumerate(found.frequency_hz)
        if np.isfinite(pitch) and (chosen := peaks.frame == frame).any()
    ]
    return float(100 * np.mean(values)) if values else float("nan")


def _inharmonicity(frequency: NDArray, power: NDArray, pitch: float) -> float:
    number = np.maximum(np.round(frequency / pitch), 1)
    fundamental = (power * number) @ frequency / ((power * number) @ number)
    deviation = np.minimum(np.abs(frequency - number * fundamental) / fundamental, 0.5)
    return float(2 * power @ deviation / power.sum())
