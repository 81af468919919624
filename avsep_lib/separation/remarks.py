"""What a listener should know about a separation before trusting it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from avsep_lib.listening import levels
from avsep_lib.separation.inputs import Recording
from avsep_lib.settings import AudioSettings
from avsep_lib.signals import is_silent

SAME_PICTURE = 2.0  # of 255: mean difference of two pictures at 16 x 16 pixels
SAME_MASK = 0.01  # mean difference of two masks
QUIET_DBFS = -45.0  # RMS; clips of the embedded datasets mix at -29 to -25


def warnings_of(
    recording: Recording,
    samples: np.ndarray,
    estimates: np.ndarray,
    masks: np.ndarray,
    pictures: list[np.ndarray],
    names: list[str],
    audio: AudioSettings,
) -> list[str]:
    """Sentences about a recording, the pictures, and what the model made of them.

    Parameters
    ----------
    recording : Recording
        As it was read.
    samples : ndarray, shape (channels, n_samples)
        At the model's rate.
    estimates : ndarray, shape (n, channels, n_samples)
    masks : ndarray, shape (n, n_rows, n_columns)
    pictures : list of ndarray, shape (k, height, width, 3)
        What each source was shown as.
    names : list of str
    audio : AudioSettings
    """
    found = [*_of_number(len(names)), *_of_rate(recording, audio), *_of_length(samples.shape[1], audio)]
    if (rms := levels(samples.mean(axis=0)).rms_dbfs) < QUIET_DBFS:
        found.append(f"the mixture is quiet ({rms:.0f} dBFS RMS), and masks depend on level: raise it and try again")
    found += [f"{a} and {b} have nearly the same picture" for a, b in _same_pictures(pictures, names)]
    for i, k in combinations(range(len(names)), 2):
        if np.abs(masks[i] - masks[k]).mean() < SAME_MASK:
            found.append(f"the model does not tell {names[i]} and {names[k]} apart: their masks are nearly the same")
    return found + [f"the estimate of {n} is silent" for n, e in zip(names, estimates) if is_silent(e).all()]


def _of_number(count: int) -> Iterator[str]:
    if count != 2:
        yield f"{count} source{'s' if count > 1 else ''}: models are trained with 2 per mixture"


def _of_rate(recording: Recording, audio: AudioSettings) -> Iterator[str]:
    if recording.sample_rate == audio.sample_rate:
        return
    rates = f"mixture resampled from {recording.sample_rate:,} to {audio.sample_rate:,} Hz"
    if recording.sample_rate > audio.sample_rate:
        yield f"{rates}: nothing above {audio.sample_rate / 2000:.1f} kHz in the stems"
    else:
        yield f"{rates}: it holds nothing above {recording.sample_rate / 2000:.1f} kHz, which the model is used to"


def _of_length(n_samples: int, audio: AudioSettings) -> Iterator[str]:
    if n_samples < audio.n_samples:
        seconds = [count / audio.sample_rate for count in (n_samples, audio.n_samples)]
        yield (
            f"the mixture lasts {seconds[0]:.2f} s, shorter than the model's window of {seconds[1]:.2f} s: zeros followed it"
        )


def _same_pictures(pictures: list[np.ndarray], names: list[str]) -> Iterator[tuple[str, str]]:
    from PIL import Image

    small = [Image.fromarray(shown[len(shown) // 2]).resize((16, 16), Image.Resampling.BOX) for shown in pictures]
    arrays = [np.asarray(picture, dtype=float) for picture in small]
    for i, k in combinations(range(len(names)), 2):
        if np.abs(arrays[i] - arrays[k]).mean() < SAME_PICTURE:
            yield names[i], names[k]
