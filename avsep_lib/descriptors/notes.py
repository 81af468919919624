"""Descriptors of notes: how often they start, how fast they rise, how fast they die away.

References
----------
Böck, Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013 (onsets, as librosa implements them).
Peeters, "A large set of audio features for sound description", IRCAM, 2004 (log attack time).
ISO 3382-1:2009 (a decay time is 60 dB over the slope of the level).
"""

from __future__ import annotations

from typing import NamedTuple

import librosa
import numpy as np
from numpy.typing import NDArray

from avsep_lib.descriptors.spectra import SHORT_S, smooth, window_length

ENVELOPE_S = 0.025  # the shortest smoothing that hides the period of the lowest notes
STEP_S = 0.002  # of the envelope
RISE_DB = 0.5  # an onset raises the mel levels by this much on average; of 0.5, 1, 1.5 and 2 dB the one whose counts
# follow the notated number of notes best (validation solos of the nine instruments with one voice: r = 0.98)
BEFORE_S = 0.1  # a rise begins at most this long before it is noticed
LEAST_RISE = 2.0  # 6 dB: a note that grows less out of the one before has no attack of its own
DECAY_RANGE_DB = 30.0  # below its peak, a note has given way to the floor
LEAST_FALL_S = 0.06  # a shorter stretch says nothing about a decay


class Envelope(NamedTuple):
    """Amplitude over time: `level` at the times ``k * step_s``, floored 60 dB below its maximum."""

    level: NDArray[np.float64]
    step_s: float


def onset_times(waveform: NDArray, sample_rate: int) -> NDArray[np.float64]:
    """Onsets in seconds: peaks of the rise of mel levels, with vibrato suppressed.

    The threshold is a level (`RISE_DB`), not a share of the largest rise in the clip: a drone has no onsets, however
    faint its ripples are.
    """
    n_fft = window_length(SHORT_S, sample_rate)
    hop = n_fft // 8
    mel = librosa.feature.melspectrogram(
        y=np.asarray(waveform, dtype=float), sr=sample_rate, n_fft=n_fft, hop_length=hop, n_mels=138, fmin=27.5,
        fmax=min(16000.0, sample_rate / 2),
    )  # fmt: skip
    rise = librosa.onset.onset_strength(
        S=librosa.power_to_db(mel, ref=np.max, top_db=60.0), sr=sample_rate, hop_length=hop, lag=2, max_size=3
    )
    return librosa.onset.onset_detect(
        onset_envelope=rise, sr=sample_rate, hop_length=hop, units="time", normalize=False, delta=RISE_DB
    )


def onset_rate_per_s(onsets: NDArray, duration_s: float) -> float:
    """Onsets per second of the clip."""
    return len(onsets) / duration_s


def envelope(waveform: NDArray, sample_rate: int) -> Envelope:
    """Root of the mean power in 25 ms (Hann), every 2 ms."""
    power = smooth(np.square(np.asarray(waveform, dtype=float)), round(ENVELOPE_S * sample_rate))
    step = max(round(STEP_S * sample_rate), 1)
    level = np.sqrt(np.maximum(power[::step], 0.0))
    return Envelope(np.maximum(level, 1e-3 * level.max(initial=0.0)), step / sample_rate)


def attack_time_log10_s(curve: Envelope, onsets: NDArray) -> float:
    """Mean over notes of log10 of the time from 10 to 90 % of the rise, in seconds.

    A note rises from the lowest level within 100 ms before its onset to its highest. Shorter than about 10 ms cannot be
    told apart (the envelope's own smoothing). NaN if no note rises by 6 dB.
    """
    times = [time for start, end in _notes(curve, onsets) if (time := _rise_time(curve, start, end)) > 0]
    return float(np.mean(np.log10(times))) if times else float("nan")


def decay_time_s(curve: Envelope, onsets: NDArray) -> float:
    """Seconds in which the level would fall by 60 dB, at the mean slope from the peak of a note to the next note.

    Slopes (least squares on the level in dB, down to 30 dB below the peak) are weighted with the length of their
    stretch. Includes the room. NaN if the notes do not fall, or none lasts long enough to say.
    """
    falls = [fall for start, end in _notes(curve, onsets) if (fall := _fall(curve, start, end))]
    if not falls:
        return float("nan")
    slopes, lengths = np.array(falls).T
    slope = np.average(slopes, weights=lengths)
    return float(-60 / slope) if slope < 0 else float("nan")


def _notes(curve: Envelope, onsets: NDArray) -> list[tuple[int, int]]:
    """Each note from the foot of its rise to the foot of the next, as indices of the envelope.

    Onsets are noticed up to 30 ms late, so the foot is looked for before them.
    """
    marks = np.round(np.asarray(onsets) / curve.step_s).astype(int)
    before = round(BEFORE_S / curve.step_s)
    earliest = np.maximum(marks - before, np.append(0, marks[:-1]))
    feet = [low + int(curve.level[low : mark + 1].argmin()) for low, mark in zip(earliest, marks)]
    return [(start, end) for start, end in zip(feet, [*feet[1:], len(curve.level)]) if end > start]


def _rise_time(curve: Envelope, start: int, end: int) -> float:
    """10-90 % rise time of one note in seconds; 0 for a note that does not rise by `LEAST_RISE`."""
    rise = curve.level[start : start + int(curve.level[start:end].argmax()) + 1]
    foot, top = rise[0], rise[-1]
    if rise.size < 2 or top < LEAST_RISE * foot:
        return 0.0
    low, high = foot + np.array([0.1, 0.9]) * (top - foot)
    first_above = int(np.argmax(rise >= high))
    last_below = int(np.flatnonzero(rise[:first_above] <= low)[-1])
    return (_crossing(rise, first_above - 1, high) - _crossing(rise, last_below, low)) * curve.step_s


def _crossing(values: NDArray, at: int, height: float) -> float:
    """Where the line between values `at` and ``at + 1`` reaches a height."""
    return float(at + (height - values[at]) / (values[at + 1] - values[at]))


def _fall(curve: Envelope, start: int, end: int) -> tuple[float, float] | None:
    """Slope in dB/s and length in seconds of one decay; None if it is too short."""
    top = start + int(curve.level[start:end].argmax())
    level = 20 * np.log10(np.maximum(curve.level[top:end], np.finfo(float).tiny))
    if (low := np.flatnonzero(level < level[0] - DECAY_RANGE_DB)).size:
        level = level[: low[0]]
    length = level.size * curve.step_s
    if length < LEAST_FALL_S:
        return None
    return float(np.polyfit(np.arange(level.size) * curve.step_s, level, 1)[0]), length
