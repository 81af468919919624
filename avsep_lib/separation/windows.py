"""How the network's windows lie over a recording of any length, and how their masks become one.

The network hears windows of exactly ``n_samples``. Windows start at whole STFT hops, so that each of their columns is a
column of the recording's own spectrogram: masks are cross-faded there, column by column, and applied to the recording
once. A mask of ones therefore gives the recording back, whatever the windows are, and nothing is heard twice.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from avsep_lib.settings import AudioSettings


def window_starts(n_samples: int, audio: AudioSettings) -> list[int]:
    """First samples of the windows over a recording of `n_samples`.

    Windows overlap by half. The last one ends within the recording, less than a hop before its end; hence no window
    hears padding unless the recording is shorter than one.
    """
    step = max(audio.n_frames // 2, 1) * audio.hop_length
    last = max(n_samples - audio.n_samples, 0) // audio.hop_length * audio.hop_length
    return [*range(0, last, step), last]


def fade(n_frames: int) -> np.ndarray:
    """Weights (n_frames,) of a window's columns: a raised cosine that stays above 0, so that any sum of them does."""
    return np.sin(np.pi * (np.arange(n_frames) + 0.5) / n_frames) ** 2


def join_masks(masks: Iterable[np.ndarray], starts: list[int], n_columns: int, audio: AudioSettings) -> np.ndarray:
    """One mask for the whole recording.

    Parameters
    ----------
    masks : iterable of ndarray, shape (n, n_rows, n_frames)
        A window's masks, in the order of `starts`.
    starts : list of int
        From `window_starts`.
    n_columns : int
        Columns of the recording's spectrogram.

    Returns
    -------
    ndarray, float32, shape (n, n_rows, n_columns)
        Weighted mean of the windows that hear a column. The one or two columns behind the last window keep its last
        mask.
    """
    weights, total, joined = fade(audio.n_frames), np.zeros(n_columns), None
    for start, mask in zip(starts, masks, strict=True):
        first = start // audio.hop_length
        if joined is None:
            joined = np.zeros((*mask.shape[:2], n_columns), dtype=np.float64)
        count = min(audio.n_frames, n_columns - first)
        joined[..., first : first + count] += mask[..., :count] * weights[:count]
        total[first : first + count] += weights[:count]
    reached = int(np.flatnonzero(total)[-1]) + 1
    joined[..., :reached] /= total[:reached]
    joined[..., reached:] = joined[..., reached - 1 : reached]
    return joined.astype(np.float32)
