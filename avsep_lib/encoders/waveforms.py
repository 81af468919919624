"""Bringing a waveform to the rate and length that an audio encoder was trained on."""

from __future__ import annotations

import numpy as np
import soxr

from avsep_lib.encoders.settings import Padding
from avsep_lib.errors import DataError


def check_waveforms(waveforms: np.ndarray) -> None:
    """DataError unless `waveforms` is a finite float32 array (B, samples)."""
    if waveforms.ndim != 2 or waveforms.dtype != np.float32:
        raise DataError(f"waveforms are {waveforms.dtype} {waveforms.shape}; float32 (B, samples) is needed")
    if not waveforms.size:
        raise DataError(f"waveforms have the shape {waveforms.shape}: there is nothing to hear; check the clips")
    if not np.isfinite(waveforms).all():
        row = int(np.flatnonzero(~np.isfinite(waveforms).all(axis=1))[0])
        raise DataError(f"waveform {row} of the batch holds NaN or infinity; check the clip it came from")


def resample(waveform: np.ndarray, sample_rate: int, target: int) -> np.ndarray:
    """Mono waveform (samples,) from `sample_rate` to `target` Hz."""
    return waveform if sample_rate == target else soxr.resample(waveform, sample_rate, target, quality="VHQ")


def fill(waveform: np.ndarray, n_samples: int, padding: Padding = "repeat") -> np.ndarray:
    """Exactly `n_samples`: the middle of a longer clip, a shorter one filled up.

    Parameters
    ----------
    waveform : array, shape (samples,)
    n_samples : int
    padding : str
        ``repeat``: copies without any silence, the last one cut; ``repeatpad``: as many whole copies as fit, then
        zeros (laion_clap's default, 44 % of an HFRA clip); ``pad``: one copy, then zeros. The paper does not say
        which was used.
    """
    start = max(0, (len(waveform) - n_samples) // 2)
    waveform = waveform[start : start + n_samples]
    if padding == "repeat":
        return np.resize(waveform, n_samples)
    copies = n_samples // len(waveform) if padding == "repeatpad" else 1
    return np.pad(np.tile(waveform, copies), (0, n_samples - copies * len(waveform)))


def prepare(
    waveforms: np.ndarray, sample_rate: int, target: int, n_samples: int, padding: Padding = "repeat"
) -> np.ndarray:
    """Checked batch (B, samples) at `sample_rate` to (B, n_samples) at `target` Hz."""
    check_waveforms(waveforms)
    if sample_rate == target and waveforms.shape[1] == n_samples:
        return waveforms
    return np.stack([fill(resample(waveform, sample_rate, target), n_samples, padding) for waveform in waveforms])
