"""Masks over a whole recording: computed from what the network hears, applied to every channel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from avsep_lib.audio import unwarp, warp
from avsep_lib.methods.base import MASK_THRESHOLD, MaskType
from avsep_lib.separation.windows import join_masks, window_starts
from avsep_lib.settings import AudioSettings

MaskMaker = Callable[[int, np.ndarray], np.ndarray]


def recording_masks(mono: np.ndarray, audio: AudioSettings, make: MaskMaker) -> np.ndarray:
    """Masks of a recording of any length.

    Parameters
    ----------
    mono : ndarray, float32, shape (n_samples,)
        What the network hears; shorter than a window, zeros follow it.
    audio : AudioSettings
    make : callable
        ``make(k, window)`` gives the masks (n, n_rows, n_frames) of window k, a waveform (audio.n_samples,).

    Returns
    -------
    ndarray, float32, shape (n, n_rows, 1 + n_samples // hop_length)
    """
    heard = np.pad(mono, (0, max(audio.n_samples - len(mono), 0)))
    starts = window_starts(len(mono), audio)
    windows = (make(k, heard[start : start + audio.n_samples]) for k, start in enumerate(starts))
    return join_masks(windows, starts, 1 + len(mono) // audio.hop_length, audio)


def masked(channel: np.ndarray, masks: np.ndarray, audio: AudioSettings, mask: MaskType) -> np.ndarray:
    """Estimates (n, n_samples) of one channel (n_samples,) under masks (n, n_rows, n_columns); nothing is clipped.

    A binary mask is the soft mask above 0.5 after unwarping, as in `avsep_lib.audio.apply_mask`.
    """
    spectrum = _spectrum(channel, audio)
    held = np.pad(masks, ((0, 0), (0, 0), (0, spectrum.shape[-1] - masks.shape[-1])), mode="edge")
    estimates = []
    for one in torch.from_numpy(held):  # one source at a time: an hour of spectrogram has hundreds of megabytes
        linear = unwarp(one, audio)
        if (threshold := MASK_THRESHOLD[mask]) is not None:
            linear = (linear > threshold).to(linear.dtype)
        estimates.append(_waveform(spectrum * linear, len(channel), audio))
    return np.stack(estimates)


def _spectrum(channel: np.ndarray, audio: AudioSettings) -> torch.Tensor:
    """Spectrogram that reaches a window beyond the end, so that the inverse is exact up to the last sample.

    The end is mirrored as the centred STFT mirrors it; a single window then has the columns it was trained on.
    """
    whole = np.pad(channel, (0, max(audio.n_fft + 1 - len(channel), 0)))  # a mirror needs that many samples
    beyond = torch.from_numpy(np.pad(whole, (0, audio.n_fft), mode="reflect"))
    window = torch.hann_window(audio.n_fft)
    return torch.stft(beyond, audio.n_fft, audio.hop_length, window=window, return_complex=True)


def _waveform(spectrum: torch.Tensor, n_samples: int, audio: AudioSettings) -> np.ndarray:
    window = torch.hann_window(audio.n_fft)
    return torch.istft(spectrum, audio.n_fft, audio.hop_length, window=window, length=n_samples).numpy()


def warped_magnitude(waveform: np.ndarray, audio: AudioSettings) -> np.ndarray:
    """Linear magnitude (n_rows, n_columns) of a waveform of any length on the grid of its masks."""
    return warp(_spectrum(waveform, audio).abs(), audio).numpy()
