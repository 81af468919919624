"""Bootstrap of gains and descriptors together: whoever draws a mixture also draws the solos that are in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from avsep_lib.descriptors import DESCRIPTORS, INDICES
from avsep_lib.errors import DataError
from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling
from avsep_lib.sound_character.gains import LEAST, OwnGains

ENOUGH = 0.9  # of the samples must have a rho, or its quantiles mean nothing


@dataclass(frozen=True)
class JointBootstrap:
    """Resampled gains and medians.

    Attributes
    ----------
    gains : ndarray, shape (samples, instruments)
    quantities : dict of str to ndarray, shape (samples, instruments)
        Medians of the descriptors on the scale on which they are compared, and the indices.
    reason : str
        Why no interval should be read from it; empty if one may.
    """

    gains: NDArray[np.float64]
    quantities: dict[str, NDArray[np.float64]]
    reason: str = ""

    @classmethod
    def draw(
        cls, gains: OwnGains, descriptors: pd.DataFrame, resampling: Resampling = DEFAULT_RESAMPLING
    ) -> JointBootstrap:
        """Resample mixtures; a solo counts as often as the mixtures it is in, a solo in no mixture is drawn alone.

        Parameters
        ----------
        gains : OwnGains
        descriptors : pandas.DataFrame
            `clip_id`, `instrument` and the descriptors.
        resampling : Resampling

        Raises
        ------
        DataError
            If a separated solo has no descriptors.
        """
        values, clips = gains.items.mean(axis=1), descriptors.set_index("clip_id")
        items = values.index.to_frame(index=False).assign(gain=values.to_numpy())
        if absent := sorted(set(items["clip_id"]) - set(clips.index)):
            raise DataError(
                f"{len(absent)} separated clips such as {absent[0]!r} have no descriptors; measure the descriptors of "
                "this dataset again"
            )
        names = sorted(clips["instrument"].unique())
        alone = [clip for clip in clips.index if clip not in set(items["clip_id"])]
        units = pd.Index([*items["mixture_id"].unique(), *alone])
        counts = resampling.generator().multinomial(len(units), np.full(len(units), 1 / len(units)), resampling.n)
        of_items = counts[:, units.get_indexer(items["mixture_id"])]
        incidence = pd.crosstab([*items["mixture_id"], *alone], [*items["clip_id"], *alone]).reindex(
            index=units, columns=clips.index
        )
        of_clips = counts @ (incidence / incidence.sum()).to_numpy()
        few = items.groupby("instrument").size().reindex(names, fill_value=0)
        reason = f"{few.min()} mixtures with {few.idxmin()} are too few" if few.min() < LEAST else ""
        drawn = _means(items, of_items, names)
        return cls(drawn, _with_indices(_medians(clips, of_clips, names)), reason)

    def interval(self, quantity: str, level: float) -> tuple[float, float]:
        """Percentile interval of Spearman's rho between the gains and a quantity; NaN for a `reason`."""
        rhos = row_rhos(self.gains, self.quantities[quantity])
        if self.reason or np.isfinite(rhos).mean() < ENOUGH:
            return float("nan"), float("nan")
        low, high = np.nanquantile(rhos, [0.5 - level / 2, 0.5 + level / 2])
        return float(low), float(high)


def _means(items: pd.DataFrame, weights: NDArray, names: list[str]) -> NDArray:
    member = (items["instrument"].to_numpy()[:, None] == np.array(names)).astype(float)
    with np.errstate(invalid="ignore"):
        return (weights * items["gain"].to_numpy()) @ member / (weights @ member)


def _medians(clips: pd.DataFrame, weights: NDArray, names: list[str]) -> dict[str, NDArray]:
    medians = {}
    for descriptor in DESCRIPTORS:
        columns = []
        for name in names:
            chosen = ((clips["instrument"] == name) & clips[descriptor.column].notna()).to_numpy()
            columns.append(weighted_median(clips[descriptor.column].to_numpy()[chosen], weights[:, chosen]))
        found = np.column_stack(columns)
        medians[descriptor.column] = np.log10(found) if descriptor.log else found
    return medians


def _with_indices(medians: dict[str, NDArray]) -> dict[str, NDArray]:
    """Add the indices, with z-scores over the instruments of each sample."""
    indices = {}
    for index in INDICES:
        stack = np.stack([member.sign * _z_rows(medians[member.column]) for member in index.members])
        present = np.isfinite(stack)
        with np.errstate(invalid="ignore"):
            indices[index.column] = np.where(present, stack, 0).sum(axis=0) / present.sum(axis=0)
    return medians | indices


def _z_rows(values: NDArray) -> NDArray:
    present = np.isfinite(values)
    n = np.maximum(present.sum(axis=1, keepdims=True), 1)
    centred = values - np.where(present, values, 0).sum(axis=1, keepdims=True) / n
    spread = np.sqrt((np.where(present, centred, 0) ** 2).sum(axis=1, keepdims=True) / n)
    return centred / np.where(spread > 0, spread, np.nan)


def weighted_median(values: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Median of values that count as often as their weight says.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Finite.
    weights : ndarray, shape (samples, n)
        Not negative.

    Returns
    -------
    ndarray, shape (samples,)
        The mean of the two middle values where they differ; NaN where all weights are zero.
    """
    if not values.size:
        return np.full(len(weights), np.nan)
    order = np.argsort(values)
    values, cumulated = values[order], weights[:, order].cumsum(axis=1)
    half = cumulated[:, -1:] / 2
    lower, upper = (cumulated >= half - 1e-9).argmax(axis=1), (cumulated > half + 1e-9).argmax(axis=1)
    return np.where(half[:, 0] > 0, (values[lower] + values[upper]) / 2, np.nan)


def row_rhos(x: NDArray, y: NDArray) -> NDArray[np.float64]:
    """Spearman's rho of each pair of rows, over the columns that both have; NaN for fewer than four or a constant."""
    missing = ~(np.isfinite(x) & np.isfinite(y))
    centred = []
    for values in (x, y):
        ranks = stats.rankdata(np.where(missing, np.nan, values), axis=1, nan_policy="omit")
        ranks = ranks - np.nanmean(np.where(missing.all(axis=1, keepdims=True), 0.0, ranks), axis=1, keepdims=True)
        centred.append(np.where(missing, 0.0, ranks))
    a, b = centred
    norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    enough = (norm > 0) & ((~missing).sum(axis=1) >= 4)
    return np.where(enough, (a * b).sum(axis=1) / np.where(norm > 0, norm, 1.0), np.nan)
