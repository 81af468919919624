"""A division of the instruments that somebody else made, tested: do the two groups differ as was said?

The paper names seven of its eleven instruments. Its grouping is data here, used for nothing but this test. Read as
acoustics it is odd: trumpet and flute, which sustain, stand under *transient*, and the xylophone, which is struck,
stands among the sustained and harmonically rich. `compare_groups` therefore also asks what our descriptors say.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from avsep_lib.descriptors import INDICES
from avsep_lib.intervals import DEFAULT_RESAMPLING, Interval, Resampling, no_interval
from avsep_lib.plots.style import metric_label
from avsep_lib.sound_character.gains import OwnGains, weighted_gain

PAPER_MIDDLE = ("trumpet", "flute", "tuba")
PAPER_LATE = ("saxophone", "cello", "acoustic_guitar", "xylophone")
PAPER_GROUPS = {"middle": PAPER_MIDDLE, "late": PAPER_LATE}
"""Section 3.2 of the paper: what middle fusion, and what late fusion, is said to suit."""


def group_difference(
    gains: OwnGains, greater: Sequence[str], less: Sequence[str], resampling: Resampling = DEFAULT_RESAMPLING
) -> tuple[Interval, Interval]:
    """Mean gain of one group of instruments minus that of another, each instrument counting once.

    Parameters
    ----------
    gains : OwnGains
    greater, less : sequence of str
        Instruments; those without any item are left out.
    resampling : Resampling

    Returns
    -------
    over_mixtures, across_seeds : Interval
        Of these named instruments; NaN bounds with a reason if a group is empty or an instrument has few mixtures.
    """
    present = set(gains.of_instruments.index)
    groups = [[name for name in group if name in present] for group in (greater, less)]
    if not all(groups):
        reason = f"no scores of {', '.join(greater if not groups[0] else less)}"
        return (no_interval(np.empty(0), resampling.level, "between groups of instruments", reason),) * 2
    weights = {name: sign / len(group) for group, sign in zip(groups, (1, -1)) for name in group}
    return weighted_gain(gains, weights, resampling)[:2]


def assignment_p_value(values: pd.Series, greater: Sequence[str], less: Sequence[str]) -> float:
    """Two-sided exact p value over all ways to divide the named instruments into two groups of these sizes.

    Instruments that the division does not name take no part: they may have been left out because they show nothing.
    Seven in groups of three and four have 35 divisions, so that p is never below 1/35 = 0.029. NaN if a group is empty.
    """
    named = values.reindex([*greater, *less]).dropna()
    first = named.index.isin(greater)
    if not 0 < first.sum() < first.size:
        return float("nan")
    numbers = named.to_numpy()
    differences = []
    for chosen in combinations(range(first.size), int(first.sum())):
        inside = np.isin(np.arange(first.size), chosen)
        differences.append(numbers[inside].mean() - numbers[~inside].mean())
    observed = numbers[first].mean() - numbers[~first].mean()
    return float(np.mean(np.abs(differences) >= abs(observed) - 1e-12))


def compare_groups(
    gains: Sequence[OwnGains],
    character: pd.DataFrame,
    greater: Sequence[str] = PAPER_MIDDLE,
    less: Sequence[str] = PAPER_LATE,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """The two groups by gain, and by what they sound like.

    Parameters
    ----------
    gains : sequence of OwnGains
        One per metric and mask.
    character : pandas.DataFrame
        From `avsep_lib.sound_character.instrument_character`; both indices are compared.
    greater, less : sequence of str
    resampling : Resampling

    Returns
    -------
    pandas.DataFrame
        `quantity`, `mask`, `unit`, `mean_greater`, `mean_less`, `difference`, `low`, `high`, `seeds_low`, `seeds_high`,
        `p_value` (over divisions), `n_mixtures`, `reason`. An index has no interval.
    """
    rows = []
    for one in gains:
        over, across = group_difference(one, greater, less, resampling)
        about = {"quantity": f"gain in {metric_label(one.metric).split()[0]}", "mask": one.mask, "unit": "dB"}
        ends = {"low": over.low, "high": over.high, "seeds_low": across.low, "seeds_high": across.high}
        rows.append(
            about | _means(one.of_instruments, greater, less) | ends | {"n_mixtures": over.n, "reason": over.reason}
        )
    for index in INDICES:
        rows.append({"quantity": index.label, "mask": "", "unit": "z"} | _means(character[index.column], greater, less))
    return pd.DataFrame(rows)


def _means(values: pd.Series, greater: Sequence[str], less: Sequence[str]) -> dict[str, float]:
    first, second = (values.reindex(list(group)).mean() for group in (greater, less))
    p_value = assignment_p_value(values, greater, less)
    return {"mean_greater": first, "mean_less": second, "difference": first - second, "p_value": p_value}
