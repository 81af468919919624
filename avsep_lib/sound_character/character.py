"""What an instrument sounds like: medians of descriptors over its test solos, and the two indices made of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from avsep_lib.descriptors import DESCRIPTORS, INDICES, Descriptor
from avsep_lib.errors import DataError
from avsep_lib.inputs import require_analysis


def descriptors_file(profile: str, dataset: str = "music11") -> Path:
    """Path of the measured descriptors; DataError that says what to run if it is missing."""
    return require_analysis(profile, "descriptors-{dataset}.csv", dataset)


def load_descriptors(path: Path) -> pd.DataFrame:
    """Read what ``python -m avsep_lib.descriptors`` wrote: one row per clip.

    Raises
    ------
    DataError
        If a column is missing; the file is older than the catalogue of descriptors.
    """
    table = pd.read_csv(path, dtype={"clip_id": str, "instrument": str})
    expected = ["clip_id", "instrument", *(descriptor.column for descriptor in DESCRIPTORS)]
    if missing := [column for column in expected if column not in table]:
        raise DataError(f"{path} has no column {', '.join(missing)}; delete it and run `make figures` again")
    return table[expected]


def instrument_character(table: pd.DataFrame) -> pd.DataFrame:
    """Median of every descriptor per instrument, and the indices.

    Parameters
    ----------
    table : pandas.DataFrame
        From `load_descriptors`.

    Returns
    -------
    pandas.DataFrame
        Index `instrument`; one column per descriptor, as measured, then ``transience_index`` and
        ``complexity_index``: the mean of the signed z-scores of the index's descriptors, those that the instrument has.
    """
    medians = table.groupby("instrument")[[descriptor.column for descriptor in DESCRIPTORS]].median()
    indices = {}
    for index in INDICES:
        members = z_scores(medians, index.members)
        indices[index.column] = members.mul([member.sign for member in index.members], axis=1).mean(axis=1)
    return medians.assign(**indices)


def comparable_values(medians: pd.DataFrame, descriptors: Iterable[Descriptor] = DESCRIPTORS) -> pd.DataFrame:
    """Medians on the scale on which they are compared: log10 for times and frequencies."""
    return pd.DataFrame(
        {d.column: np.log10(medians[d.column]) if d.log else medians[d.column] for d in descriptors}, medians.index
    )


def z_scores(medians: pd.DataFrame, descriptors: Iterable[Descriptor] = DESCRIPTORS) -> pd.DataFrame:
    """Distance of each instrument from the mean of the instruments, in their standard deviations.

    NaN where an instrument lacks the descriptor, or all instruments have the same value.
    """
    values = comparable_values(medians, descriptors)
    spread = values.std(ddof=0)
    return (values - values.mean()) / spread.where(spread > 0)


def undefined_clips(table: pd.DataFrame) -> pd.DataFrame:
    """How many clips of each instrument lack a descriptor: index `instrument`, only descriptors that any clip lacks."""
    missing = table.drop(columns="clip_id").set_index("instrument").isna().groupby(level=0).sum()
    return missing.loc[:, missing.any()]
