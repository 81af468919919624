"""Estimates behind the claims about sound character, from the files of a profile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from avsep_lib import tables
from avsep_lib.descriptors import DESCRIPTORS, INDICES
from avsep_lib.errors import DataError
from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling, no_interval
from avsep_lib.outcomes import Outcome
from avsep_lib.plots.style import label_of, metric_label
from avsep_lib.sound_character.character import descriptors_file, instrument_character, load_descriptors
from avsep_lib.sound_character.correlations import (
    interval_across_trainings,
    interval_over_instruments,
    permutation_p_value,
    rho_needed,
    spearman,
)
from avsep_lib.sound_character.gains import OwnGains, own_gains, weighted_gain
from avsep_lib.sound_character.groups import assignment_p_value, group_difference
from avsep_lib.sound_character.joint import JointBootstrap

LABELS = {index.column: index.label for index in INDICES} | {d.column: d.label for d in DESCRIPTORS}


def load_gains(profile: str, metric: str, candidate: str, baseline: str, dataset: str, mask: str) -> OwnGains:
    """Gains of one metric and mask from the score files of a profile."""
    scores = tables.load_scores(tables.score_files(profile, (candidate, baseline), dataset))
    return own_gains(tables.comparable(scores, mask), candidate, baseline, metric)


def correlation_outcome(
    profile: str,
    descriptor: str,
    metric: str = "sdr_db",
    candidate: str = "middle",
    baseline: str = "late",
    dataset: str = "music11",
    resampling: Resampling = DEFAULT_RESAMPLING,
    mask: str = "binary",
) -> Outcome:
    """Spearman's rho between the instruments' gains and an index or a descriptor.

    Parameters
    ----------
    profile : str
    descriptor : str
        Column of the descriptors, or ``"transience_index"``, ``"complexity_index"``.
    metric : str
        A column in dB.
    candidate, baseline : str
        Table rows.
    dataset : str
    resampling : Resampling
    mask : str

    Returns
    -------
    Outcome
        The interval is over *instruments*, because the claim is about sounds in general; the note has the narrower
        one over clips and mixtures, and the rho that would be needed.

    Raises
    ------
    DataError
        For an unknown descriptor, or a missing file.
    """
    if descriptor not in LABELS:
        raise DataError(f"descriptor {descriptor!r} is unknown; known: {', '.join(LABELS)}")
    gains = load_gains(profile, metric, candidate, baseline, dataset, mask)
    table = load_descriptors(descriptors_file(profile, dataset))
    values = instrument_character(table)[descriptor]
    observed = gains.of_instruments.reindex(values.index)
    rho, n = spearman(observed, values), int((observed.notna() & values.notna()).sum())
    low, high = JointBootstrap.draw(gains, table, resampling).interval(descriptor, resampling.level)
    of_these = (
        f"; these instruments, clips and mixtures resampled: {low:+.2f} to {high:+.2f}" if np.isfinite(low) else ""
    )
    return Outcome(
        tested_as=f"Spearman's rho of {_gain_name(gains)} with {LABELS[descriptor]}",
        unit="(rho)",
        over_items=interval_over_instruments(rho, n, resampling.level),
        across_seeds=interval_across_trainings(gains, values, resampling.level),
        p_value=permutation_p_value(observed, values, resampling),
        items="instruments",
        note=f"exploratory: {n} instruments, p < 0.05 needs |rho| of {_needed(n, resampling)}{of_these}",
        runs=gains.runs,
    )


def group_outcome(
    profile: str,
    greater: Sequence[str],
    less: Sequence[str],
    metric: str = "sdr_db",
    candidate: str = "middle",
    baseline: str = "late",
    dataset: str = "music11",
    resampling: Resampling = DEFAULT_RESAMPLING,
    mask: str = "binary",
) -> Outcome:
    """Mean gain of one named group of instruments minus that of another.

    Parameters
    ----------
    profile : str
    greater, less : sequence of str
        Instruments.
    metric, candidate, baseline, dataset, resampling, mask
        As in `correlation_outcome`.

    Returns
    -------
    Outcome
        The interval is over mixtures, for the named instruments; p is over divisions of them into two such groups.
    """
    gains = load_gains(profile, metric, candidate, baseline, dataset, mask)
    over, across = group_difference(gains, greater, less, resampling)
    return Outcome(
        tested_as=f"{_gain_name(gains)}: {_names(greater)} minus {_names(less)}",
        unit="dB",
        over_items=over,
        across_seeds=across,
        p_value=assignment_p_value(gains.of_instruments, greater, less),
        note=f"p over the divisions of these {len(greater) + len(less)} instruments, the interval and the verdict over mixtures: "
        "they can disagree, and p cannot fall below one over the number of divisions",
        runs=gains.runs,
    )


def instrument_outcome(
    profile: str,
    instruments: Sequence[str],
    metric: str = "sdr_db",
    candidate: str = "middle",
    baseline: str = "late",
    dataset: str = "music11",
    resampling: Resampling = DEFAULT_RESAMPLING,
    mask: str = "binary",
) -> Outcome:
    """Mean gain of one group of instruments, each counting once, against zero.

    Parameters and intervals are those of `group_outcome`; p is of sign flips over mixtures.
    """
    gains = load_gains(profile, metric, candidate, baseline, dataset, mask)
    known = [name for name in instruments if name in gains.of_instruments.index]
    if known:
        over, across, p_value = weighted_gain(gains, dict.fromkeys(known, 1 / len(known)), resampling)
    else:
        missing = no_interval(np.empty(0), resampling.level, "", f"no scores of {_names(instruments)}")
        over, across, p_value = missing, missing, float("nan")
    return Outcome(
        tested_as=f"{_gain_name(gains)}: {_names(instruments)}",
        unit="dB",
        over_items=over,
        across_seeds=across,
        p_value=p_value,
        runs=gains.runs,
    )


def _gain_name(gains: OwnGains) -> str:
    return f"{label_of(gains.candidate)} − {label_of(gains.baseline)}, {metric_label(gains.metric).split()[0]}"


def _names(instruments: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in instruments)


def _needed(n: int, resampling: Resampling) -> str:
    needed = rho_needed(n, 1 - resampling.level, resampling)
    return "more than 1" if pd.isna(needed) else f"{needed:.2f}"
