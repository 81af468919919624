"""Which classes look or sound alike to a frozen encoder: cosine similarities between classes, clip by clip.

Conventions
-----------
Embeddings are centred on the mean over classes first. Raw embeddings of one encoder share a large common direction, and
every cosine would be close to 1; what is left says how a clip differs from the average clip.
"""

from __future__ import annotations

import numpy as np

from avsep_lib.encoders.sanity import TestSet, unit
from avsep_lib.encoders.store import EmbeddingStore


def clip_vectors(store: EmbeddingStore, clip_ids: list[str]) -> np.ndarray:
    """One unit vector per clip, shape (n, 512): the mean over its rows (frames)."""
    return unit(np.stack([unit(store.frames(clip_id)).mean(0) for clip_id in clip_ids]))


def centred(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Unit vectors after the mean of the class means is taken away; classes count equally."""
    means = np.stack([vectors[labels == label].mean(0) for label in np.unique(labels)])
    return unit(vectors - means.mean(0))


def class_similarity(rows: np.ndarray, columns: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean cosine between the clips of two classes.

    Parameters
    ----------
    rows, columns : ndarray, shape (n, 512)
        Embeddings of the same clips by one encoder (the same array) or by two.
    labels : ndarray, shape (n,)
        Class index of each clip.

    Returns
    -------
    ndarray, shape (classes, classes)
        Entry (i, j) compares clips of class i in `rows` with clips of class j in `columns`. A clip is never compared
        with itself within one encoder; NaN on the diagonal for a class with one clip.
    """
    cosines = centred(rows, labels) @ centred(columns, labels).T
    if rows is columns:
        np.fill_diagonal(cosines, np.nan)
    classes = np.unique(labels)
    blocks = [[cosines[np.ix_(labels == a, labels == b)] for b in classes] for a in classes]
    return np.array([[np.nan if np.isnan(block).all() else np.nanmean(block) for block in line] for line in blocks])


def similarities(images: EmbeddingStore, sounds: EmbeddingStore, test: TestSet) -> dict[str, np.ndarray]:
    """The three maps of the notebook, each (classes, classes); see `class_similarity`."""
    seen, heard = clip_vectors(images, test.clip_ids), clip_vectors(sounds, test.clip_ids)
    return {
        "image and image": class_similarity(seen, seen, test.labels),
        "audio and audio": class_similarity(heard, heard, test.labels),
        "audio and image": class_similarity(heard, seen, test.labels),
    }


def contrast(similarity: np.ndarray) -> float:
    """Mean similarity within classes minus mean similarity between classes."""
    same = np.eye(len(similarity), dtype=bool)
    return float(np.nanmean(similarity[same]) - np.nanmean(similarity[~same]))
