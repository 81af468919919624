"""Statistics of the probes: accuracies with intervals, paired differences, and the result a claim is judged by.

The item (a clip, or a mixture) is the unit. Of several seeds the share of seeds that named an item right is its value,
so that seeds add precision to an item and never items to the sample. Accuracies are in percent, differences in points.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest, t

from avsep_lib.comparisons import PairedDifference, holm, paired_difference
from avsep_lib.encoders.sanity import wilson_interval
from avsep_lib.errors import DataError
from avsep_lib.inputs import require_analysis
from avsep_lib.intervals import DEFAULT_RESAMPLING, Interval, Resampling, interval_across_seeds
from avsep_lib.manifest import label_list
from avsep_lib.outcomes import Outcome
from avsep_lib.probe.text import INPUT_NAMES, name_of, percent
from avsep_lib.tables.names import GRID

INPUTS = ("solos", "solos_plain", "mixtures")
REFERENCES = ("audio_encoder", "spectrum", "untrained", "majority")
ROWS = (*GRID, *REFERENCES)
ALIGNMENT = tuple((f"{row}_align", row) for row in ("late", "middle", "hier"))
PAIRS = (
    *ALIGNMENT,
    *((aligned, "audio_encoder") for aligned, _ in ALIGNMENT),
    ("late", "untrained"),
    ("hier_align", "spectrum"),
)


TEXT = ("item", "truth", "predicted", "preset_role")


def predictions_file(profile: str, dataset: str = "music11") -> Path:
    """Where the predictions of a dataset lie; DataError says which command makes them."""
    return require_analysis(profile, "probe-{dataset}.csv", dataset)


def load_predictions(profile: str, dataset: str = "music11") -> pd.DataFrame:
    """What ``python -m avsep_lib.probe`` wrote for a dataset; DataError says which command makes it."""
    return pd.read_csv(predictions_file(profile, dataset), dtype=dict.fromkeys(TEXT, str))


def part(predictions: pd.DataFrame, inputs: str, split: str = "test") -> pd.DataFrame:
    """Predictions of one input and split; DataError when there are none."""
    kept = predictions[(predictions["input"] == inputs) & (predictions["split"] == split)]
    if kept.empty:
        known = sorted(set(zip(predictions["input"], predictions["split"])))
        raise DataError(f"no probe predictions of {inputs} on {split}; there are: {known}")
    return kept


def rows_of(kept: pd.DataFrame) -> list[str]:
    """Representations that occur, in the table's order, without the control."""
    present = set(kept["representation"])
    return [name for name in ROWS if name in present]


def correct_matrix(kept: pd.DataFrame, representation: str) -> pd.DataFrame:
    """100 where an item was named right, else 0; seeds as index, items as columns."""
    rows = kept[kept["representation"] == representation]
    if rows.empty:
        known = ", ".join(sorted(set(kept["representation"])))
        raise DataError(f"the probe has no representation {representation!r}; it has: {known}")
    return rows.pivot(index="seed", columns="item", values="correct").astype(float) * 100


def chance(kept: pd.DataFrame) -> tuple[float, float]:
    """Accuracy and macro accuracy, in percent, of naming as many of the classes as an item has at random."""
    names = kept["truth"].map(label_list)
    n_labels = len(names.iloc[0])
    classes = len(set(names.explode()))
    return 100 / comb(classes, n_labels), 100 * n_labels / classes


def macro_accuracy(kept: pd.DataFrame) -> float:
    """Mean over classes of the share of a class's items in which it was named, in percent."""
    truth, predicted = kept["truth"].map(label_list), kept["predicted"].map(label_list)
    named = [(label, label in found) for labels, found in zip(truth, predicted) for label in labels]
    return float(100 * pd.DataFrame(named, columns=["label", "found"]).groupby("label")["found"].mean().mean())


def wilson(matrix: pd.DataFrame) -> tuple[float, float]:
    """95 % Wilson interval, in percent, of a matrix of `correct_matrix`; seeds averaged, items counted."""
    low, high = wilson_interval(matrix.to_numpy().mean(axis=0).sum() / 100, matrix.shape[1])
    return 100 * low, 100 * high


def accuracies(predictions: pd.DataFrame, inputs: str, split: str = "test") -> pd.DataFrame:
    """One line per representation.

    Returns
    -------
    DataFrame
        `representation`, `n_items`, `n_seeds`, `accuracy` with its Wilson interval `low` and `high` (these trained
        models), `seeds_low` and `seeds_high` (trained again; NaN where it cannot be said), `macro`, `chance`,
        `macro_chance`; all in percent.
    """
    kept = part(predictions, inputs, split)
    return pd.DataFrame([_accuracy_row(kept, name) for name in rows_of(kept)])


def seed_accuracies(predictions: pd.DataFrame, split: str = "test") -> pd.DataFrame:
    """Accuracy, in percent, of every probe: `input`, `representation`, `seed`, `accuracy`."""
    kept = predictions[(predictions["split"] == split) & predictions["representation"].isin(ROWS)]
    means = 100 * kept.groupby(["input", "representation", "seed"], sort=False)["correct"].mean()
    return means.rename("accuracy").reset_index()


def _accuracy_row(kept: pd.DataFrame, name: str) -> dict:
    rows, matrix = kept[kept["representation"] == name], correct_matrix(kept, name)
    low, high = wilson(matrix)
    again = interval_across_seeds(matrix)
    by_chance, macro_by_chance = chance(kept)
    return {
        "representation": name,
        "n_items": matrix.shape[1],
        "n_seeds": len(matrix),
        "accuracy": float(matrix.to_numpy().mean()),
        "low": low,
        "high": high,
        "seeds_low": again.low,
        "seeds_high": again.high,
        "macro": macro_accuracy(rows),
        "chance": by_chance,
        "macro_chance": macro_by_chance,
    }


def mcnemar(a: Sequence[float], b: Sequence[float]) -> float:
    """Exact two-sided McNemar test on which items two fixed models named right; 1 where they never disagree.

    References
    ----------
    McNemar 1947, doi:10.1007/BF02295996.
    """
    a, b = (np.asarray(values, dtype=bool) for values in (a, b))
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0


def mcnemar_by_seed(a: pd.DataFrame, b: pd.DataFrame) -> dict[int, float]:
    """`mcnemar` for each seed that both matrices have; a single row is compared with every seed of the other."""
    if len(b) == 1 and len(a) > 1:
        return {seed: mcnemar(a.loc[seed], b.iloc[0]) for seed in a.index}
    return {seed: mcnemar(a.loc[seed], b.loc[seed]) for seed in a.index.intersection(b.index)}


def accuracy_difference(
    kept: pd.DataFrame, candidate: str, baseline: str, resampling: Resampling = DEFAULT_RESAMPLING
) -> PairedDifference:
    """Candidate minus baseline in points, on the same items; see `avsep_lib.comparisons.paired_difference`."""
    difference = paired_difference(correct_matrix(kept, candidate), correct_matrix(kept, baseline), resampling)
    unit = "mixtures" if (kept["input"] == "mixtures").all() else "clips"
    over, across = (_about(i, unit) for i in (difference.over_mixtures, difference.across_seeds))
    return replace(difference, over_mixtures=over, across_seeds=across)


def _about(interval: Interval, unit: str) -> Interval:
    """The same interval with its sentences about `unit`."""
    statement, reason = (text.replace("mixtures", unit) for text in (interval.statement, interval.reason))
    return replace(interval, statement=statement, reason=reason)


def differences(
    predictions: pd.DataFrame,
    inputs: Iterable[str] = INPUTS,
    pairs: Iterable[tuple[str, str]] = PAIRS,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Paired differences on the test split, Holm's correction over all lines.

    Returns
    -------
    DataFrame
        `input`, `candidate`, `baseline`, `n_items`, `difference`, `low`, `high`, `seeds_low`, `seeds_high` (points),
        `p_value` (sign flips over items), `p_holm`, `mcnemar` (exact, a mapping by seed), `detectable_effect`, `reason`.
        Pairs with a representation that a dataset does not have are left out.
    """
    rows = []
    for name in inputs:
        kept = part(predictions, name)
        present = set(kept["representation"])
        for candidate, baseline in pairs:
            if {candidate, baseline} <= present:
                rows.append({"input": name} | _difference_row(kept, candidate, baseline, resampling))
    table = pd.DataFrame(rows)
    table.insert(table.columns.get_loc("p_value") + 1, "p_holm", holm(table["p_value"]))
    return table


def _difference_row(kept: pd.DataFrame, candidate: str, baseline: str, resampling: Resampling) -> dict:
    found = accuracy_difference(kept, candidate, baseline, resampling)
    over, across = found.over_mixtures, found.across_seeds
    by_seed = mcnemar_by_seed(correct_matrix(kept, candidate), correct_matrix(kept, baseline))
    return {
        "candidate": candidate,
        "baseline": baseline,
        "n_items": over.n,
        "difference": over.mean,
        "low": over.low,
        "high": over.high,
        "seeds_low": across.low,
        "seeds_high": across.high,
        "p_value": found.p_value,
        "mcnemar": by_seed,
        "detectable_effect": over.detectable_effect,
        "reason": over.reason,
    }


def accuracy_outcome(
    profile: str,
    candidate: str,
    baseline: str,
    inputs: str = "solos",
    dataset: str = "music11",
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> Outcome:
    """Probe accuracy of one representation minus another, for a claim.

    Parameters
    ----------
    profile : str
    candidate, baseline : str
        Table rows, or ``"audio_encoder"``.
    inputs : {"solos", "solos_plain", "mixtures"}
        Clips recorded once more (the headline), as recorded, or mixtures with both labels to be named.
    dataset : str
    resampling : Resampling

    Raises
    ------
    DataError
        When the predictions are missing or have no such representation.
    """
    predictions = load_predictions(profile, dataset)
    kept = part(predictions, inputs)
    found = accuracy_difference(kept, candidate, baseline, resampling)
    return Outcome(
        tested_as=f"{name_of(candidate)} − {name_of(baseline)}, probe accuracy, {INPUT_NAMES[inputs]}",
        unit="points",
        over_items=found.over_mixtures,
        across_seeds=found.across_seeds,
        p_value=found.p_value,
        items="mixtures" if inputs == "mixtures" else "clips",
        note=_elsewhere(predictions, candidate, baseline, inputs, resampling),
        runs=tuple(sorted(set(kept.loc[kept["representation"].isin((candidate, baseline)), "name"]))),
    )


def _elsewhere(predictions: pd.DataFrame, candidate: str, baseline: str, inputs: str, resampling: Resampling) -> str:
    """The same difference on the other inputs: a sign that changes there must not stay unseen."""
    notes = []
    for name in INPUTS:
        if name != inputs and (predictions["input"] == name).any():
            over = accuracy_difference(part(predictions, name), candidate, baseline, resampling).over_mixtures
            notes.append(f"{INPUT_NAMES[name]}: {percent(over.mean, over.low, over.high, sign='+')} points")
    return "; ".join(notes)


def control_interval(predictions: pd.DataFrame, inputs: str = "solos", level: float = 0.999) -> tuple[float, float]:
    """t interval, in percent, of the control's accuracy over its shuffles; chance must lie inside."""
    kept = part(predictions, inputs)
    values = correct_matrix(kept, "shuffled").mean(axis=1)
    half = t.ppf(0.5 + level / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def control_chance(predictions: pd.DataFrame, inputs: str = "solos") -> float:
    """Accuracy, in percent, of the control's own answers in random order: what a probe gets that knows nothing.

    One over the number of classes where the tested classes are equally large; more where the probe prefers large ones.
    """
    rows = part(predictions, inputs)
    rows = rows[rows["representation"] == "shuffled"]
    truth, named = (rows.groupby("seed")[column].value_counts(normalize=True) for column in ("truth", "predicted"))
    both = truth.rename_axis(["seed", "label"]) * named.rename_axis(["seed", "label"])
    return float(100 * both.groupby(level="seed").sum().mean())


def confusion(kept: pd.DataFrame, representation: str) -> pd.DataFrame:
    """Share of a class's clips, in percent, that were called each class; truth as index, seeds pooled."""
    rows = kept[kept["representation"] == representation]
    classes = sorted(set(kept["truth"]))
    counts = pd.crosstab(rows["truth"], rows["predicted"], normalize="index")
    return 100 * counts.reindex(index=classes, columns=classes, fill_value=0.0)
