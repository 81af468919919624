"""Maps of representations (t-SNE) with numbers that do not depend on the map.

A t-SNE map shows neighbourhoods and nothing else: distances between groups and sizes of groups mean little, and every
perplexity gives another picture. Hence several perplexities, one start from principal components, and three numbers
beside each map. Only the first seed of a row is drawn. Silhouette and neighbour accuracy need no map: they are computed
in the original space for every seed, and the same numbers of the map say what the picture adds or loses.

References
----------
van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 9, 2008; Rousseeuw 1987,
doi:10.1016/0377-0427(87)90125-7 (silhouette); Venna and Kaski 2001, doi:10.1007/3-540-44668-0_68 (trustworthiness).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import pairwise_distances, silhouette_samples

from avsep_lib.encoders.sanity import wilson_interval
from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling, interval_over_mixtures
from avsep_lib.modality_gap.clouds import Clouds
from avsep_lib.modality_gap.text import number
from avsep_lib.probe.text import MISSING, name_of, percent

VARIANTS = ("hier", "hier_align", "audio_encoder")
PERPLEXITIES = (5, 15, 30)
NEIGHBOURS = 5
LEAST = 6  # points of a map: fewer have no neighbourhood that could be true or false
COMPONENTS = 50  # of the principal components that t-SNE starts from
SEED = 0


def perplexities(n: int) -> tuple[int, ...]:
    """Those of `PERPLEXITIES` that n points allow: each point needs thrice as many neighbours; none for fewer than six."""
    if n < LEAST:
        return ()
    return tuple(p for p in PERPLEXITIES if 3 * p < n) or (max(n // 4, 1),)


def every_seed(clouds: Clouds, rows: tuple[str, ...] = VARIANTS) -> dict[str, np.ndarray]:
    """Unit vectors of each row that is there, shape (seeds, clips, dimensions)."""
    return {row: clouds.of(row) for row in rows if row in clouds.audio}


def embed(rows: np.ndarray, perplexity: float, seed: int = SEED) -> np.ndarray:
    """t-SNE of unit vectors (n, dimensions) after PCA, started from the first two components; shape (n, 2)."""
    components = PCA(min(COMPONENTS, len(rows) - 1, rows.shape[1]), svd_solver="full", random_state=seed)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(components.fit_transform(rows))


def embed_all(variants: Mapping[str, np.ndarray], seed: int = SEED) -> dict[tuple[int, str], np.ndarray]:
    """Maps of the first seed of each row of `every_seed`, by (perplexity, row)."""
    n = next(iter(variants.values())).shape[1]
    return {(p, row): embed(seeds[0], p, seed) for p in perplexities(n) for row, seeds in variants.items()}


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


def separation(distances: Sequence[np.ndarray], labels: np.ndarray, resampling: Resampling) -> dict[str, object]:
    """Silhouette with a bootstrap interval over points, neighbour accuracy (percent) with a Wilson interval.

    Both intervals count points as if each were a new observation. They are not: points have neighbours in common, and
    one that moves changes the values of others. The intervals are therefore often too short. Of simulated clouds of 11
    classes with 16 points each, 95 % intervals of the silhouette held its mean in 74 to 87 of 100, those of the
    neighbours in 83 to 99 (four settings, 300 clouds each). They are a guide for the eye, no test.

    Parameters
    ----------
    distances : sequence of ndarray, shape (n, n)
        One matrix per seed. The seeds' values of a point are averaged, so that seeds do not count as points.
    labels : ndarray, shape (n,)
    resampling : Resampling

    Returns
    -------
    dict
        `silhouette` and `knn`, each with ``_low``, ``_high`` and ``_seeds`` (a tuple, one value per seed).
    """
    values = np.stack([_silhouettes(matrix, labels) for matrix in distances])
    hits = np.stack([neighbour_hits(matrix, labels) for matrix in distances])
    over = interval_over_mixtures(values, resampling)
    low, high = wilson_interval(hits.mean(axis=0).sum(), len(labels))
    silhouettes, shares = tuple(values.mean(axis=1)), tuple(100 * hits.mean(axis=1))
    return {"silhouette": over.mean, "silhouette_low": over.low, "silhouette_high": over.high,
            "knn": 100 * hits.mean(), "knn_low": 100 * low, "knn_high": 100 * high,
            "silhouette_seeds": silhouettes, "knn_seeds": shares}  # fmt: skip


def _silhouettes(distances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Silhouette of every point; NaN where each point has a class of its own, or all have the same."""
    if not 1 < len(np.unique(labels)) < len(labels):
        return np.full(len(labels), np.nan)
    return silhouette_samples(distances, labels, metric="precomputed")


def chance_accuracy(labels: np.ndarray) -> float:
    """Accuracy, in percent, of naming a point by one other point drawn at random."""
    _, counts = np.unique(labels, return_counts=True)
    if len(labels) < 2:
        return float("nan")
    return float(100 * (counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))


def numbers(
    variants: Mapping[str, np.ndarray],
    maps: Mapping[tuple[int, str], np.ndarray],
    labels: np.ndarray,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Numbers beside the maps: one line per row in the original space (cosine), one per map (Euclidean).

    Parameters
    ----------
    variants : mapping of str to ndarray, shape (seeds, clips, dimensions)
        From `every_seed`; the line ``"original"`` is the mean over all seeds.
    maps : mapping of (perplexity, row) to ndarray, shape (clips, 2)
        From `embed_all`; a map is of the first seed.
    labels : ndarray, shape (clips,)
    resampling : Resampling

    Returns
    -------
    DataFrame
        `row`, `space` (``"original"`` or ``"map, perplexity 15"``), the columns of `separation`, `trustworthiness` of
        a map (share of its neighbourhoods that exist in the original space, 1 at best), `chance` (of `knn`) and
        `n_clips`.
    """
    lines = []
    for row, seeds in variants.items():
        lines.append({"row": row, "space": "original", **separation([*map(_cosine, seeds)], labels, resampling)})
        for (perplexity, name), points in maps.items():
            if name == row:
                found = separation([pairwise_distances(points)], labels, resampling)
                k = min(NEIGHBOURS, len(points) // 2 - 1)
                trust = trustworthiness(seeds[0], points, n_neighbors=k, metric="cosine")
                lines.append({"row": row, "space": f"map, perplexity {perplexity}", **found, "trustworthiness": trust})
    table = pd.DataFrame(lines)
    if "trustworthiness" not in table:
        table["trustworthiness"] = np.nan  # too few points for a map
    return table.assign(chance=chance_accuracy(labels), n_clips=len(labels))


def _cosine(rows: np.ndarray) -> np.ndarray:
    distances = np.clip(pairwise_distances(rows, metric="cosine"), 0, None)
    np.fill_diagonal(distances, 0)
    return distances


def points_table(maps: Mapping[tuple[int, str], np.ndarray], labels: np.ndarray) -> pd.DataFrame:
    """Coordinates of every map as one frame: `perplexity`, `row`, `label`, `x`, `y`."""
    parts = [
        pd.DataFrame({"perplexity": perplexity, "row": row, "label": labels, "x": points[:, 0], "y": points[:, 1]})
        for (perplexity, row), points in maps.items()
    ]
    columns = ["perplexity", "row", "label", "x", "y"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def numbers_text(table: pd.DataFrame) -> pd.DataFrame:
    """`numbers` for readers; a single seed is not repeated in the columns by seed."""
    silhouettes = zip(table["silhouette"], table["silhouette_low"], table["silhouette_high"])
    shares = zip(table["knn"], table["knn_low"], table["knn_high"])
    return pd.DataFrame(
        {
            "representation": table["row"].map(name_of),
            "space": [space if space == "original" else f"{space}, first seed" for space in table["space"]],
            "silhouette": [number(*values, sign="+") for values in silhouettes],
            "by seed": [_each(values, ".3f", "+") for values in table["silhouette_seeds"]],
            f"{NEIGHBOURS} neighbours name the class (%)": [percent(*values) for values in shares],
            "by seed (%)": [_each(values, ".1f") for values in table["knn_seeds"]],
            "chance (%)": table["chance"].map(percent),
            "trustworthiness": table["trustworthiness"].map(number),
            "clips": table["n_clips"].astype(str),
        }
    )


def _each(values: Sequence[float], digits: str, sign: str = "") -> str:
    return ", ".join(f"{value:{sign}{digits}}" for value in values) if len(values) > 1 else MISSING
