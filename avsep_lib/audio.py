"""Short-time Fourier transform, log-frequency warp and masks; pure functions on torch tensors.

Conventions
-----------
Waveforms are ``(..., n_samples)`` in [-1, 1]; spectrograms ``(..., n_bins, n_frames)``; warped spectrograms and masks
``(..., n_rows, n_frames)``. Magnitudes are linear. The mixture of a training item is the sum of its sources, each
divided by their number, so the mixture spectrogram is the sum of the source spectrograms, phase included.

References
----------
Zhao et al., "The Sound of Pixels", ECCV 2018 (warp, targets, weights); HFRA section 3.1 and 4.1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from avsep_lib.errors import DataError
from avsep_lib.settings import AudioSettings

LOG_FLOOR = 1e-10  # added to the mixture magnitude before the warp
WARP_BASE = 21.0  # output row u in [0, 1] reads the linear-frequency position (21^u - 1) / 20


def stft(waveform: torch.Tensor, audio: AudioSettings) -> torch.Tensor:
    """Centred Hann STFT.

    Parameters
    ----------
    waveform : Tensor, shape (..., audio.n_samples)
    audio : AudioSettings

    Returns
    -------
    Tensor, complex, shape (..., audio.n_bins, audio.n_frames)

    Raises
    ------
    DataError
        For another number of samples: a wrong crop must not become a spectrogram with another number of frames.
    """
    if waveform.shape[-1] != audio.n_samples:
        raise DataError(
            f"stft: expected {audio.n_samples} samples (audio.n_samples), got {waveform.shape[-1]}; crop the clip first"
        )
    flat = waveform.reshape(-1, audio.n_samples)
    window = torch.hann_window(audio.n_fft, dtype=waveform.dtype, device=waveform.device)
    spectrum = torch.stft(flat, audio.n_fft, audio.hop_length, window=window, return_complex=True)
    return spectrum.reshape(*waveform.shape[:-1], *spectrum.shape[-2:])


def istft(spectrum: torch.Tensor, audio: AudioSettings) -> torch.Tensor:
    """Inverse of `stft`: ``(..., n_bins, n_frames)`` to ``(..., audio.n_output)`` samples."""
    flat = spectrum.reshape(-1, *spectrum.shape[-2:])
    window = torch.hann_window(audio.n_fft, dtype=flat.real.dtype, device=flat.device)
    waveform = torch.istft(flat, audio.n_fft, audio.hop_length, window=window, length=audio.n_output)
    return waveform.reshape(*spectrum.shape[:-2], audio.n_output)


def _interpolation(positions: np.ndarray, n_in: int) -> torch.Tensor:
    """Linear interpolation at `positions` (in units of input rows) as a matrix ``(len(positions), n_in)``."""
    positions = np.clip(positions, 0, n_in - 1)
    low = np.minimum(positions.astype(int), n_in - 2)
    matrix = np.zeros((len(positions), n_in))
    rows = np.arange(len(positions))
    matrix[rows, low] = 1 - (positions - low)
    matrix[rows, low + 1] = positions - low
    return torch.from_numpy(matrix)


@lru_cache
def warp_matrix(n_bins: int, n_rows: int) -> torch.Tensor:
    """Matrix ``(n_rows, n_bins)`` that reads linear frequency at log-spaced rows.

    The time axis is untouched, hence the lineage's bilinear `grid_sample` (``align_corners=True``) is exactly this
    product. There is no anti-alias filter: at high frequency most bins are never read, and warp followed by unwarp
    is not the identity.
    """
    u = np.linspace(0, 1, n_rows)
    return _interpolation((WARP_BASE**u - 1) / (WARP_BASE - 1) * (n_bins - 1), n_bins)


@lru_cache
def unwarp_matrix(n_bins: int, n_rows: int) -> torch.Tensor:
    """Matrix ``(n_bins, n_rows)`` that reads warped rows at linear frequencies."""
    v = np.linspace(0, 1, n_bins)
    return _interpolation(np.log1p((WARP_BASE - 1) * v) / np.log(WARP_BASE) * (n_rows - 1), n_rows)


def warp(magnitude: torch.Tensor, audio: AudioSettings) -> torch.Tensor:
    """``(..., n_bins, n_frames)`` to ``(..., n_rows, n_frames)``."""
    return warp_matrix(audio.n_bins, audio.n_rows).to(magnitude) @ magnitude


def unwarp(mask: torch.Tensor, audio: AudioSettings) -> torch.Tensor:
    """``(..., n_rows, n_frames)`` to ``(..., n_bins, n_frames)``."""
    return unwarp_matrix(audio.n_bins, audio.n_rows).to(mask) @ mask


def warped_magnitudes(waveform: torch.Tensor, audio: AudioSettings, floor: float = 0.0) -> torch.Tensor:
    """Warped linear magnitude of a waveform; `floor` is added before the warp (`LOG_FLOOR` for mixtures)."""
    return warp(stft(waveform, audio).abs() + floor, audio)


def loss_weight(mixture: torch.Tensor) -> torch.Tensor:
    """Weight of each time-frequency point: clamp(log(1 + |X|), 1e-3, 10) on the warped mixture magnitude."""
    return torch.log1p(mixture).clamp(1e-3, 10)


def binary_target(sources: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
    """1 where a source's magnitude exceeds half of the mixture's; both sources can be 1, or neither."""
    return (sources > 0.5 * mixture).to(mixture.dtype)


def ratio_target(sources: torch.Tensor, mixture: torch.Tensor) -> torch.Tensor:
    """|S_n| / |X| clamped to [0, 1]."""
    return (sources / mixture.clamp_min(LOG_FLOOR)).clamp(0, 1)


def apply_mask(
    mixture: torch.Tensor,
    mask: torch.Tensor,
    audio: AudioSettings,
    *,
    threshold: float | None = None,
    linear: bool = False,
) -> torch.Tensor:
    """Separated waveforms from masks and the mixture's complex spectrogram.

    Parameters
    ----------
    mixture : Tensor, complex, shape (..., n_bins, n_frames)
    mask : Tensor, shape (..., n_rows, n_frames)
        Values in [0, 1] on the warped grid; broadcast against the mixture. Where they were found on the linear grid
        (`linear`), shape (..., n_bins, n_frames).
    threshold : float, optional
        Binarise at this value *after* unwarping (0.5 in the lineage); None keeps the soft mask.

    Returns
    -------
    Tensor, shape (..., audio.n_output)
        The mixture's phase, clipped to [-1, 1].
    """
    mask = mask if linear else unwarp(mask, audio)
    if threshold is not None:
        mask = (mask > threshold).to(mask.dtype)
    return istft(mixture * mask, audio).clamp(-1, 1)


def mix(sources: torch.Tensor, n_present: np.ndarray | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale sources ``(..., n, samples)`` by 1/n and add them: (mixture ``(..., samples)``, scaled sources).

    Where some of the n slots are empty (silent), `n_present` ``(...)`` says how many are not, and is divided by instead.
    """
    n = sources.shape[-2] if n_present is None else torch.as_tensor(n_present)[..., None, None].to(sources)
    scaled = sources / n
    return scaled.sum(dim=-2), scaled
