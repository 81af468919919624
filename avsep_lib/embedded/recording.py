"""The recording of a performance: room, microphone colour, background noise, level. Every video has its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from avsep_lib.embedded.settings import NOISE_DB

LEVEL_DBFS = (-27.0, -21.0)
KNEE = 0.6
CEILING = 0.98


@dataclass(frozen=True)
class Recording:
    """Recording condition of one video.

    Attributes
    ----------
    rt60 : float
        Reverberation time in seconds.
    wet_db : float
        Energy of the reverberation relative to the direct sound.
    tilt_db : float
        Spectral tilt in dB per octave around 1 kHz.
    low_cut_hz : float
        Corner of the microphone's low cut (12 dB per octave).
    noise_db : float
        Background noise relative to the music.
    noise_colour : float
        Exponent of the noise: power falls as 1 / f**colour.
    level_dbfs : float
        RMS of the clip. It is drawn alike for every class, so that level does not give the class away.
    seed : int
        Seed of the room's echoes and of the noise.
    """

    rt60: float
    wet_db: float
    tilt_db: float
    low_cut_hz: float
    noise_db: float
    noise_colour: float
    level_dbfs: float
    seed: int


def choose_recording(seed: int, noise_db: tuple[float, float] = NOISE_DB) -> Recording:
    """Draw a recording condition with background noise between the two levels `noise_db`."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return Recording(
        rt60=float(np.exp(rng.uniform(np.log(0.12), np.log(0.9)))),
        wet_db=float(rng.uniform(-20, -6)),
        tilt_db=float(rng.uniform(-2.0, 2.0)),
        low_cut_hz=float(rng.uniform(20, 60)),
        noise_db=float(rng.uniform(*noise_db)),
        noise_colour=float(rng.uniform(0.3, 1.7)),
        level_dbfs=float(rng.uniform(*LEVEL_DBFS)),
        seed=seed,
    )


def record(dry: np.ndarray, recording: Recording, sample_rate: int) -> np.ndarray:
    """Record the dry sound: convolve with the room, colour, add noise, set the level.

    Parameters
    ----------
    dry : numpy.ndarray, shape (n_samples,)
        What was played.
    recording : Recording
        The condition.
    sample_rate : int
        In Hz.

    Returns
    -------
    numpy.ndarray, shape (n_samples,), float64
        Sound within ``-CEILING .. CEILING``.
    """
    rng = np.random.Generator(np.random.PCG64(recording.seed))
    room = impulse_response(recording, sample_rate, rng)
    size = fast_length(len(dry) + len(room))
    spectrum = fft.rfft(dry, size) * fft.rfft(room, size) * _colour(recording, size, sample_rate)
    wet = fft.irfft(spectrum, size)[: len(dry)]
    wet /= rms(wet)
    noise = coloured_noise(len(dry), recording.noise_colour, sample_rate, rng)
    return set_level(wet + noise * 10 ** (recording.noise_db / 20), recording.level_dbfs)


def set_level(sound: np.ndarray, level_dbfs: float) -> np.ndarray:
    """Scale to an RMS of `level_dbfs` and bend the rare peak above the knee softly below full scale."""
    scaled = sound * (10 ** (level_dbfs / 20) / rms(sound))
    loud = np.abs(scaled) > KNEE
    room, peaks = CEILING - KNEE, scaled[loud]
    scaled[loud] = np.sign(peaks) * (KNEE + room * np.tanh((np.abs(peaks) - KNEE) / room))
    return scaled


def impulse_response(recording: Recording, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Direct sound, then noise that decays by 60 dB in `rt60` seconds after a short gap."""
    length = int(recording.rt60 * sample_rate)
    decay = 10 ** (-3 * np.arange(length) / length)
    tail = rng.standard_normal(length) * decay
    tail[: int(0.004 * sample_rate)] = 0.0
    tail *= 10 ** (recording.wet_db / 20) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    return tail


def coloured_noise(length: int, colour: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit RMS whose power falls as 1 / f**colour."""
    size = fast_length(length)
    frequency = np.maximum(fft.rfftfreq(size, 1 / sample_rate), 30.0)
    noise = fft.irfft(fft.rfft(rng.standard_normal(size)) * frequency ** (-colour / 2), size)[:length]
    return noise / rms(noise)


def rms(sound: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(sound**2)))


def fast_length(least: int) -> int:
    """Smallest 2**a * 3**b not below `least`: a quick FFT size."""
    sizes = [2**a * 3**b for a in range(4, 24) for b in range(4)]
    return min(size for size in sizes if size >= least)


def _colour(recording: Recording, size: int, sample_rate: int) -> np.ndarray:
    """Magnitude response of microphone and equaliser, zero phase."""
    frequency = np.maximum(fft.rfftfreq(size, 1 / sample_rate), 1.0)
    octaves = np.clip(np.log2(frequency / 1000.0), -4, 4)
    low_cut = 1 / np.sqrt(1 + (recording.low_cut_hz / frequency) ** 4)
    return 10 ** (recording.tilt_db * octaves / 20) * low_cut
