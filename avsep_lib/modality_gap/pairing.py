"""What means cannot see: whether a sound lies nearer to its own picture, and how large a gap would be by chance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from avsep_lib.modality_gap.clouds import Clouds

N_PERMUTATIONS = 2000


def pairing(clouds: Clouds, row: str, n_permutations: int = N_PERMUTATIONS, seed: int = 0) -> dict[str, float]:
    """Do sounds lie nearer to their own pictures? The gap cannot know: means forget who belongs to whom.

    Returns
    -------
    dict
        Mean cosines with the own picture (`own`), with those of other clips of the class (`class`) and with those of
        other classes (`other`), seeds averaged; `p_own`, from exchanging pictures within a class, and `p_class`, from
        exchanging whole classes. NaN where there is nothing to exchange.
    """
    cosines = np.mean(clouds.of(row) @ clouds.images.T, axis=0)
    same = clouds.labels[:, None] == clouds.labels[None]
    own = np.eye(len(same), dtype=bool)
    rng = np.random.default_rng(seed)
    means = {name: _mean(cosines[mask]) for name, mask in (("own", own), ("class", same & ~own), ("other", ~same))}
    p_own, p_class = (test(cosines, clouds.labels, n_permutations, rng) for test in (_p_own, _p_class))
    return {**means, "p_own": p_own, "p_class": p_class}


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _p_own(cosines: np.ndarray, labels: np.ndarray, n: int, rng: np.random.Generator) -> float:
    """One-sided permutation test of the mean cosine with the own picture, pictures exchanged within classes."""
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if max(map(len, groups)) < 2:
        return float("nan")
    drawn = np.zeros(n)
    for group in groups:
        block, order = cosines[np.ix_(group, group)], rng.permuted(np.tile(np.arange(len(group)), (n, 1)), axis=1)
        drawn += block[np.arange(len(group)), order].sum(axis=1)
    return float((1 + (drawn >= np.trace(cosines) - 1e-9).sum()) / (n + 1))


def _p_class(cosines: np.ndarray, labels: np.ndarray, n: int, rng: np.random.Generator) -> float:
    """One-sided permutation test of the mean cosine within classes, picture classes exchanged as wholes."""
    classes, index = np.unique(labels, return_inverse=True)
    member = np.eye(len(classes))[index]
    blocks = member.T @ cosines @ member / np.outer(member.sum(axis=0), member.sum(axis=0))
    order = rng.permuted(np.tile(np.arange(len(classes)), (n, 1)), axis=1)
    drawn = blocks[np.arange(len(classes)), order].mean(axis=1)
    return float((1 + (drawn >= np.trace(blocks) / len(classes) - 1e-9).sum()) / (n + 1))


def no_gap(clouds: Clouds, row: str, n_permutations: int = N_PERMUTATIONS, seed: int = 0) -> float:
    """Gap left when each clip's sound and picture change places at random: the size of a gap that is none."""
    difference = clouds.of(row) - clouds.images
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), (n_permutations, difference.shape[1]))
    return float(np.linalg.norm(signs @ difference / difference.shape[1], axis=-1).mean())


def pairing_table(clouds: Clouds) -> pd.DataFrame:
    """`pairing` and `no_gap` of every row."""
    return pd.DataFrame([{"row": row, **pairing(clouds, row), "no_gap": no_gap(clouds, row)} for row in clouds.audio])
