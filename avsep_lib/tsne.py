"""Maps of representations (t-SNE) with numbers that do not depend on the map.

A t-SNE map shows neighbourhoods and nothing else: distances between groups and sizes of groups mean little, and every
perplexity gives another picture. Hence several perplexities, one seed, a start from principal components, and three
numbers beside each map. Silhouette and neighbour accuracy are computed in the original space; the same numbers of the
map say what the picture adds or loses.

References
----------
van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 9, 2008; Rousseeuw 1987,
doi:10.1016/0377-0427(87)90125-7 (silhouette); Venna and Kaski 2001, doi:10.1007/3-540-44668-0_68 (trustworthiness).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import pairwise_distances, silhouette_samples

from avsep_lib.encoders.sanity import wilson_interval
from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling, interval_over_mixtures
from avsep_lib.modality_gap.clouds import Clouds
from avsep_lib.modality_gap.text import number
from avsep_lib.probe.text import name_of, percent

VARIANTS = ("hier", "hier_align", "audio_encoder")
PERPLEXITIES = (5, 15, 30)
NEIGHBOURS = 5
COMPONENTS = 50  # of the principal components that t-SNE starts from
SEED = 0


def perplexities(n: int) -> tuple[int, ...]:
    """Those of `PERPLEXITIES` that n points allow: each point needs thrice as many neighbours."""
    return tuple(p for p in PERPLEXITIES if 3 * p < n) or (max(n // 4, 1),)


def first_seeds(clouds: Clouds, rows: tuple[str, ...] = VARIANTS) -> dict[str, np.ndarray]:
    """Unit vectors of the first seed of each row that is there, shape (clips, dimensions)."""
    return {row: clouds.of(row)[0] for row in rows if row in clouds.audio}


def embed(rows: np.ndarray, perplexity: float, seed: int = SEED) -> np.ndarray:
    """t-SNE of unit vectors (n, dimensions) after PCA, started from the first two components; shape (n, 2)."""
    components = PCA(min(COMPONENTS, len(rows) - 1, rows.shape[1]), svd_solver="full", random_state=seed)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(components.fit_transform(rows))


def embed_all(variants: Mapping[str, np.ndarray], seed: int = SEED) -> dict[tuple[int, str], np.ndarray]:
    """Maps by (perplexity, row)."""
    n = len(next(iter(variants.values())))
    return {(p, row): embed(rows, p, seed) for p in perplexities(n) for row, rows in variants.items()}


def neighbour_hits(distances: np.ndarray, labels: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Whether most of a point's k nearest others have its class; ties go to the nearer neighbour.

    Parameters
    ----------
    distances : ndarray, shape (n, n)
    labels : ndarray, shape (n,)
    """
    distances = distances + np.diag(np.full(len(distances), np.inf))
    k = min(k, len(distances) - 1)
    nearest = labels[np.argsort(distances, axis=1, kind="stable")[:, :k]]
    return np.array([_vote(near) == own for near, own in zip(nearest, labels)])


def _vote(near: np.ndarray) -> str:
    """The commonest label; of several, the one that comes first."""
    names, first, counts = np.unique(near, return_index=True, return_counts=True)
    return names[np.lexsort((first, -counts))[0]]


def separation(distances: np.ndarray, labels: np.ndarray, resampling: Resampling) -> dict[str, float]:
    """Silhouette with a bootstrap interval over points, neighbour accuracy (percent) with a Wilson interval."""
    values = silhouette_samples(distances, labels, metric="precomputed")
    over = interval_over_mixtures(values, resampling)
    hits = neighbour_hits(distances, labels)
    low, high = wilson_interval(int(hits.sum()), len(hits))
    return {"silhouette": over.mean, "silhouette_low": over.low, "silhouette_high": over.high,
            "knn": 100 * hits.mean(), "knn_low": 100 * low, "knn_high": 100 * high}  # fmt: skip


def chance_accuracy(labels: np.ndarray) -> float:
    """Accuracy, in percent, of naming a point by one other point drawn at random."""
    _, counts = np.unique(labels, return_counts=True)
    return float(100 * (counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))


def numbers(
    variants: Mapping[str, np.ndarray],
    maps: Mapping[tuple[int, str], np.ndarray],
    labels: np.ndarray,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Numbers beside the maps: one line per row in the original space (cosine), one per map (Euclidean).

    Returns
    -------
    DataFrame
        `row`, `space` (``"original"`` or ``"map, perplexity 15"``), the columns of `separation`, `trustworthiness` of
        a map (share of its neighbourhoods that exist in the original space, 1 at best) and `chance` (of `knn`).
    """
    lines = []
    for row, rows in variants.items():
        cosine = np.clip(pairwise_distances(rows, metric="cosine"), 0, None)
        np.fill_diagonal(cosine, 0)
        lines.append({"row": row, "space": "original", **separation(cosine, labels, resampling)})
        for (perplexity, name), points in maps.items():
            if name == row:
                found = separation(pairwise_distances(points), labels, resampling)
                trust = trustworthiness(rows, points, n_neighbors=min(NEIGHBOURS, len(rows) // 2 - 1), metric="cosine")
                lines.append({"row": row, "space": f"map, perplexity {perplexity}", **found, "trustworthiness": trust})
    return pd.DataFrame(lines).assign(chance=chance_accuracy(labels))


def points_table(maps: Mapping[tuple[int, str], np.ndarray], labels: np.ndarray) -> pd.DataFrame:
    """Coordinates of every map as one frame: `perplexity`, `row`, `label`, `x`, `y`."""
    parts = [
        pd.DataFrame({"perplexity": perplexity, "row": row, "label": labels, "x": points[:, 0], "y": points[:, 1]})
        for (perplexity, row), points in maps.items()
    ]
    return pd.concat(parts, ignore_index=True)


def numbers_text(table: pd.DataFrame) -> pd.DataFrame:
    """`numbers` for readers."""
    silhouettes = zip(table["silhouette"], table["silhouette_low"], table["silhouette_high"])
    shares = zip(table["knn"], table["knn_low"], table["knn_high"])
    return pd.DataFrame(
        {
            "representation": table["row"].map(name_of),
            "space": table["space"],
            "silhouette": [number(*values, sign="+") for values in silhouettes],
            f"{NEIGHBOURS} neighbours name the class (%)": [percent(*values) for values in shares],
            "chance (%)": table["chance"].map(percent),
            "trustworthiness": table["trustworthiness"].map(number),
        }
    )
