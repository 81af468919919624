"""One function per kind of test: from a claim's `test` and a profile's `Evidence` to an `Outcome`.

What cannot be measured is a `DataError` with the reason; `avsep_lib.claims.verdicts` turns it into a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from avsep_lib.claims import schema
from avsep_lib.claims.evidence import Evidence
from avsep_lib.errors import DataError
from avsep_lib.intervals import Interval
from avsep_lib.outcomes import Outcome
from avsep_lib.plots.style import label_of, metric_label
from avsep_lib.tables import SEPARATION, TABLE_6, Comparable, differences

# The common set of a claim is that of the table in its notebook, so that both give the same digits.
SHOWN_WITH = {("04_separation_tables", dataset): rows for dataset, rows in SEPARATION.values()}
SHOWN_WITH["06_ablation", "music11"] = TABLE_6
TEACHER = "audio_encoder"  # the probe's name of the frozen encoder, which is no row of a table


def outcome(claim: schema.Claim, evidence: Evidence) -> Outcome:
    """Measure a claim.

    Raises
    ------
    DataError, ConfigError
        When it cannot be measured with what the profile has; says why.
    """
    return EVALUATORS[claim.test.kind](claim, evidence)


def described(test: schema.Test) -> str:
    """What a test compares, for a reader, also when it could not be made: ``"Hierarchical − Late, SDR"``."""
    if isinstance(test, schema.Untestable):
        return "–"
    where = "" if test.dataset == "music11" else f", {test.dataset}"
    if isinstance(test, schema.Best):
        return f"{label_of(test.candidate)} − best of the others, {_short(test.metric)}{where}"
    contrast = f"{label_of(test.candidate)} − {label_of(test.baseline)}"
    if isinstance(test, schema.Correlation):
        return f"Spearman ρ of {test.index} with {contrast}, {_short(test.metric)}{where}"
    if isinstance(test, schema.Groups):
        return f"{_names(test.greater)} against {_names(test.less)}: {contrast}, {_short(test.metric)}{where}"
    of = {"accuracy": f"probe accuracy on {getattr(test, 'inputs', '')}", "gap": "modality gap", "steps": "steps"}
    what = of.get(test.kind) or _short(test.metric)
    what += f", by {test.part}" if getattr(test, "part", "total") != "total" else ""
    instruments = getattr(test, "instruments", ())
    return f"{contrast}, {what}{f' of {_names(instruments)}' if instruments else ''}{where}"


def _difference(claim: schema.Claim, evidence: Evidence) -> Outcome:
    test = claim.test
    if test.instruments:
        return _instruments(claim, evidence)
    pair = (test.candidate, test.baseline)
    evidence.runs(test.dataset, pair)
    rows = _rows(claim, evidence, pair)
    evidence.require_trained(test.dataset, rows, pair)
    data = evidence.scores(test.dataset, rows)
    line = differences(data, [pair], test.metric, evidence.resampling).iloc[0]
    level = evidence.resampling.level
    over = _interval(line, "low", "high", level, "for these trained models")
    across = _interval(line, "seeds_low", "seeds_high", level, "for the methods trained again")
    note = _fewer(over.n, data, test.metric)
    runs = tuple(run.run_id for run in evidence.runs(test.dataset, pair))
    return Outcome(described(test), "dB", over, across, float(line["p_value"]), "mixtures", note, runs)


def _instruments(claim: schema.Claim, evidence: Evidence) -> Outcome:
    """A difference for some instruments: each counts once, by its own estimates."""
    from avsep_lib import sound_character

    test = claim.test
    pair = (test.candidate, test.baseline)
    _check_rows(claim, evidence)
    _require_sounds(evidence, test.dataset, pair, test.instruments)
    return sound_character.instrument_outcome(
        evidence.profile.name,
        test.instruments,
        metric=test.metric,
        candidate=test.candidate,
        baseline=test.baseline,
        dataset=test.dataset,
        resampling=evidence.resampling,
        mask=evidence.mask,
    )


def _require_sounds(evidence: Evidence, dataset: str, pair: tuple[str, str], names: Sequence[str]) -> None:
    """Sounds that a claim names must be in the test mixtures: what it says of them cannot be read off other sounds."""
    scored = set(evidence.scores(dataset, pair).scores["instrument"])
    if absent := [name for name in names if name not in scored]:
        raise DataError(f"no test mixture holds {_names(absent)}")


def _best(claim: schema.Claim, evidence: Evidence) -> Outcome:
    """Intersection-union test: the candidate is best if it exceeds each of the others, tested at the full level.

    The distance to the best other row is the least of the distances. It is above the least of their lower bounds with
    the full confidence; it is below the least of their upper bounds only after Bonferroni's correction, because there
    one bound that fails is enough. The p value is the largest (Berger, 1982, doi:10.1080/00401706.1982.10487790).
    """
    test, resampling = claim.test, evidence.resampling
    evidence.runs(test.dataset, (test.candidate,))
    others = tuple(evidence.present(test.dataset, test.others))
    if not others:
        raise DataError("none of the other rows is there")
    rows = _rows(claim, evidence, (test.candidate, *others))
    evidence.require_trained(test.dataset, rows, (test.candidate,))
    data = evidence.scores(test.dataset, rows)
    compared = [row for row in others if row not in evidence.failed(test.dataset, rows)]
    if not compared:
        raise DataError("none of the other rows is above the mixture")
    pairs = [(test.candidate, other) for other in compared]
    level = 1 - (1 - resampling.level) / len(pairs)
    strict = replace(resampling, level=level, n=max(resampling.n, math.ceil(2 / (1 - level))))
    lower = differences(data, pairs, test.metric, resampling)
    upper = differences(data, pairs, test.metric, strict)
    nearest = lower.loc[lower["difference"].idxmin()]
    line = nearest.to_dict() | {
        **{end: _least(lower[end]) for end in ("low", "seeds_low")},
        **{end: _least(upper[end]) for end in ("high", "seeds_high")},
        "p_value": lower["p_value"].max(skipna=False),
    }
    over = _interval(line, "low", "high", resampling.level, "for these trained models")
    across = _interval(line, "seeds_low", "seeds_high", resampling.level, "for the methods trained again")
    left = [label_of(row) for row in test.others if row not in compared]
    note = f"nearest: {label_of(nearest['baseline'])}" + (f"; without {', '.join(left)}" if left else "")
    runs = tuple(run.run_id for run in evidence.runs(test.dataset, (test.candidate, *compared)))
    return Outcome(described(test), "dB", over, across, float(line["p_value"]), "mixtures", note, runs)


def _least(values: pd.Series) -> float:
    """The minimum; NaN as soon as one is unknown."""
    return float(values.min(skipna=False))


def _rows(claim: schema.Claim, evidence: Evidence, compared: tuple[str, ...]) -> tuple[str, ...]:
    """Rows that decide the common set: those of the claim, and of the table beside which it is read."""
    shown = evidence.present(claim.test.dataset, SHOWN_WITH.get((claim.notebook, claim.test.dataset), ()))
    return tuple(dict.fromkeys((*shown, *compared)))


def _interval(line: dict | pd.Series, low: str, high: str, level: float, statement: str) -> Interval:
    n = 0 if np.isnan(line["n_mixtures"]) else int(line["n_mixtures"])
    reason = line["reason"] or "fewer than two seeds"
    effect = line["detectable_effect"] if low == "low" else math.nan
    return Interval(line["difference"], line[low], line[high], n, level, statement, effect, reason)


def _fewer(n: int, data: Comparable, metric: str) -> str:
    whole = data.scores["mixture_id"].nunique()
    return (
        f"over {n} of {whole} mixtures; in the others a row has an infinite {_short(metric)}" if 0 < n < whole else ""
    )


def _correlation(claim: schema.Claim, evidence: Evidence) -> Outcome:
    from avsep_lib import sound_character

    test = claim.test
    _check_rows(claim, evidence)
    return sound_character.correlation_outcome(
        evidence.profile.name,
        test.index,
        metric=test.metric,
        candidate=test.candidate,
        baseline=test.baseline,
        dataset=test.dataset,
        resampling=evidence.resampling,
        mask=evidence.mask,
    )


def _groups(claim: schema.Claim, evidence: Evidence) -> Outcome:
    from avsep_lib import sound_character

    test = claim.test
    _check_rows(claim, evidence)
    _require_sounds(evidence, test.dataset, (test.candidate, test.baseline), (*test.greater, *test.less))
    return sound_character.group_outcome(
        evidence.profile.name,
        test.greater,
        test.less,
        metric=test.metric,
        candidate=test.candidate,
        baseline=test.baseline,
        dataset=test.dataset,
        resampling=evidence.resampling,
        mask=evidence.mask,
    )


def _check_rows(claim: schema.Claim, evidence: Evidence) -> None:
    """The rows must be there and above the mixture, as for a plain difference; what is no row is passed over."""
    pair = tuple(row for row in (claim.test.candidate, claim.test.baseline) if row != TEACHER)
    evidence.runs(claim.test.dataset, pair)
    evidence.require_trained(claim.test.dataset, pair, pair)


def _accuracy(claim: schema.Claim, evidence: Evidence) -> Outcome:
    from avsep_lib.probe import accuracy

    test = claim.test
    _check_rows(claim, evidence)
    return accuracy.accuracy_outcome(
        evidence.profile.name,
        test.candidate,
        test.baseline,
        inputs=test.inputs,
        dataset=test.dataset,
        resampling=evidence.resampling,
    )


def _gap(claim: schema.Claim, evidence: Evidence) -> Outcome:
    from avsep_lib import modality_gap

    test = claim.test
    _check_rows(claim, evidence)
    return modality_gap.gap_outcome(
        evidence.profile.name,
        test.candidate,
        test.baseline,
        dataset=test.dataset,
        resampling=evidence.resampling,
        part=test.part,
    )


def _steps(claim: schema.Claim, evidence: Evidence) -> Outcome:
    from avsep_lib.training_speed import steps_outcome

    test = claim.test
    _check_rows(claim, evidence)
    return steps_outcome(
        evidence.profile.name, test.candidate, test.baseline, dataset=test.dataset, level=evidence.resampling.level
    )


def _untestable(claim: schema.Claim, evidence: Evidence) -> Outcome:
    raise DataError(claim.test.reason)


EVALUATORS: dict[str, Callable[[schema.Claim, Evidence], Outcome]] = {
    "difference": _difference,
    "best": _best,
    "correlation": _correlation,
    "groups": _groups,
    "accuracy": _accuracy,
    "gap": _gap,
    "steps": _steps,
    "untestable": _untestable,
}


def _short(metric: str) -> str:
    return metric_label(metric).split()[0]


def _names(instruments: tuple[str, ...] | list[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in instruments)
