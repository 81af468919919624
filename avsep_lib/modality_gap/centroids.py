"""Means of clouds: the gap, what it is made of, and what each clip contributes. Pure functions on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.stats import beta

QUANTITIES = ("gap", "audio_norm", "image_norm", "cosine")
ATTRIBUTED = ("total", "spread", "direction")


def quantities(audio_mean: np.ndarray, image_mean: np.ndarray) -> dict[str, np.ndarray]:
    """Gap, norms and cosine of mean vectors (..., dimensions); see the head of this module."""
    audio_norm, image_norm = np.linalg.norm(audio_mean, axis=-1), np.linalg.norm(image_mean, axis=-1)
    return {
        "gap": np.linalg.norm(audio_mean - image_mean, axis=-1),
        "audio_norm": audio_norm,
        "image_norm": image_norm,
        "cosine": (audio_mean * image_mean).sum(axis=-1) / (audio_norm * image_norm),
    }


def gap_from(audio_norm: np.ndarray, image_norm: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """The gap that two norms and a cosine make."""
    squared = audio_norm**2 + image_norm**2 - 2 * audio_norm * image_norm * cosine
    return np.sqrt(np.maximum(squared, 0.0))


def leave_one_out(rows: np.ndarray) -> np.ndarray:
    """Means without each row in turn, same shape (..., n, dimensions)."""
    n = rows.shape[-2]
    return (rows.sum(axis=-2, keepdims=True) - rows) / (n - 1)


def influence(whole: np.ndarray, without: np.ndarray) -> np.ndarray:
    """Jackknife pseudo-values of a statistic, one per clip.

    A statistic of a cloud is no mean over clips, but to first order it is the mean of these: they let clips be
    resampled and paired like any other score, by `avsep_lib.intervals` and `avsep_lib.comparisons`. Their mean is the
    statistic without its bias of order 1/n, and there is one: the mean of n vectors is longer than that of many.

    Parameters
    ----------
    whole : ndarray, shape (...)
        The statistic of all clips.
    without : ndarray, shape (..., n)
        The statistic without each clip.

    References
    ----------
    Tukey, "Bias and confidence in not quite large samples", 1958; Efron 1982, doi:10.1137/1.9781611970319.
    """
    n = without.shape[-1]
    return n * np.asarray(whole)[..., None] - (n - 1) * without


def influences(audio: np.ndarray, images: np.ndarray) -> dict[str, np.ndarray]:
    """`influence` of each clip on each of `QUANTITIES`, shape (seeds, clips)."""
    whole = quantities(audio.mean(axis=-2), images.mean(axis=-2))
    without = quantities(leave_one_out(audio), leave_one_out(images))
    found = {name: influence(whole[name], without[name]) for name in QUANTITIES}
    return {name: np.broadcast_to(values, audio.shape[:-1]) for name, values in found.items()}


def cosine_range(dimensions: int, level: float = 0.95) -> float:
    """Half-width of the range of the cosine between a fixed direction and a random one.

    The cosine is ``2 B - 1`` with B beta distributed, both parameters ``(dimensions - 1) / 2``, so that no rotation
    needs to be drawn.
    """
    shape = (dimensions - 1) / 2
    return float(2 * beta.ppf(0.5 + level / 2, shape, shape) - 1)


def rotated(audio_norm: float, image_norm: float, dimensions: int, level: float = 0.95) -> tuple[float, float, float]:
    """Gap of a cloud of given concentration that a random orthogonal matrix has turned: median and range."""
    half = cosine_range(dimensions, level)
    return tuple(float(gap_from(audio_norm, image_norm, cosine)) for cosine in (0.0, half, -half))


def p_rotated(cosine: float, dimensions: int) -> float:
    """Two-sided probability that a random rotation gives a cosine at least as far from 0."""
    shape = (dimensions - 1) / 2
    return float(2 * beta.sf((1 + abs(cosine)) / 2, shape, shape))


def attribution(candidate: Mapping[str, np.ndarray], baseline: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Split a difference of gaps into what spreading and what direction did.

    Each part is the change of the gap when one quantity moves from baseline to candidate, averaged over both orders of
    moving (the Shapley value), so the two add up to the whole.

    Parameters
    ----------
    candidate, baseline : mapping
        From `quantities`; the pictures are the same, so that `image_norm` is.

    Returns
    -------
    dict
        `total` (candidate minus baseline), `spread` (by `audio_norm`), `direction` (by `cosine`).
    """
    norms, cosines = ((baseline[name], candidate[name]) for name in ("audio_norm", "cosine"))
    g = [[gap_from(norm, baseline["image_norm"], cosine) for cosine in cosines] for norm in norms]
    spread = ((g[1][0] - g[0][0]) + (g[1][1] - g[0][1])) / 2
    total = g[1][1] - g[0][0]
    return {"total": total, "spread": spread, "direction": total - spread}


def attribution_influences(candidate: np.ndarray, baseline: np.ndarray, images: np.ndarray) -> dict[str, np.ndarray]:
    """`influence` of each clip on each part of `attribution`, shape (seeds, clips)."""

    def parts(mean: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
        return attribution(*(quantities(mean(rows), mean(images)) for rows in (candidate, baseline)))

    whole, without = parts(lambda rows: rows.mean(axis=-2)), parts(leave_one_out)
    return {name: influence(whole[name], without[name]) for name in ATTRIBUTED}
