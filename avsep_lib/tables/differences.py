"""Which row is better than which, what that says about the paper's claims, and whether the rows mean anything."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from avsep_lib.claims.schema import Claim
from avsep_lib.comparisons import INCONCLUSIVE, NOT_TESTABLE, Verdict
from avsep_lib.config import load_profile
from avsep_lib.inputs import dataset_of
from avsep_lib.intervals import DEFAULT_RESAMPLING, Interval, Resampling
from avsep_lib.plots.style import label_of, metric_label
from avsep_lib.stats import common_mixtures, compare, holm, mixture_means, verdict
from avsep_lib.tables.comparable import Comparable
from avsep_lib.tables.inputs import steps_of_rows
from avsep_lib.tables.names import CEILING, FLOOR, PAIRS, REFERENCES, in_table_order

_COLUMNS = [
    *("candidate", "baseline", "n_mixtures", "difference", "low", "high", "seeds_low", "seeds_high"),
    *("p_value", "p_holm", "detectable_effect", "reason"),
]

_CLAIMED = ("id", "sentence", "section", "metric", "direction")
_JUDGED = ("verdict", "why", "verdict_trained_again")
NOT_TRAINED = "a row is not trained in this profile"
LEFT_OUT = "a row was left out: with it no mixture is common to all rows"


def differences(
    data: Comparable,
    pairs: Iterable[tuple[str, str]] = PAIRS,
    metric: str = "sdr_db",
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Paired differences with Holm's correction over the lines, and what each says.

    Returns
    -------
    pandas.DataFrame
        The columns of `avsep_lib.stats.compare` and `found`: *higher*, *lower*, *inconclusive* or *not testable here*,
        from the interval over mixtures. A pair with a row that was left out has NaN. The interval across seeds is NaN
        where a trained row has one seed only: one training says nothing about the next.
    """
    pairs, present = list(pairs), set(data.scores["method"])
    none = common_mixtures(data.scores, (metric,)).mixtures.empty
    tested = [] if none else [pair for pair in pairs if set(pair) <= present]
    table = pd.DataFrame(columns=_COLUMNS)
    if tested:
        table = compare(data.scores, tested, metric, resampling=resampling)
    single = _trained_once(data.scores)
    table.loc[[not single.isdisjoint(pair) for pair in tested], ["seeds_low", "seeds_high"]] = np.nan
    table = pd.DataFrame(pairs, columns=_COLUMNS[:2]).merge(table, on=_COLUMNS[:2], how="left")
    numbers = [column for column in _COLUMNS[2:] if column != "reason"]
    table[numbers] = table[numbers].astype(float)
    why = f"no mixture has a finite {metric_label(metric).split()[0]} in every row" if none else LEFT_OUT
    untrained = [not set(pair) <= set(data.counts.index) for pair in pairs]
    table.loc[untrained, "reason"] = NOT_TRAINED
    table["reason"] = table["reason"].fillna(why)
    return table.assign(found=[_found(low, high) for low, high in zip(table["low"], table["high"])])


def _trained_once(scores: pd.DataFrame) -> set[str]:
    seeds = scores[~scores["method"].isin(REFERENCES)].groupby("method")["seed"].nunique()
    return set(seeds[seeds < 2].index)


def _found(low: float, high: float) -> str:
    if not np.isfinite([low, high]).all():
        return NOT_TESTABLE
    return "higher" if low > 0 else "lower" if high < 0 else INCONCLUSIVE


def claim_verdicts(
    data: Comparable | None, claims: Iterable[Claim], resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Verdict on each claim of kind *difference*, for these trained models and for the methods trained again.

    A claim about a row that is not above the mixture is *not testable here*: noise has signs, too.

    Returns
    -------
    pandas.DataFrame
        One line per claim: `id`, `sentence`, `section`, `metric`, `direction`, the columns of `differences` (Holm's
        correction over the claims), `verdict`, `why`, `verdict_trained_again`, and `n_common`: the mixtures of the
        common set, of which a claim about SAR may use fewer (`n_mixtures`). No line without claims, whatever `data` is.
    """
    claims = list(claims)
    if not claims:
        return pd.DataFrame(columns=[*_CLAIMED, *_COLUMNS, "found", *_JUDGED, "n_common"])
    floor = trained_at_all(data, resampling)
    failed = set(floor.loc[floor["found"] != "higher", "candidate"])
    table = pd.DataFrame([_judged(data, claim, failed, resampling) for claim in claims])
    return table.assign(p_holm=holm(table["p_value"]), n_common=data.scores["mixture_id"].nunique())


def _judged(data: Comparable, claim: Claim, failed: set[str], resampling: Resampling) -> dict:
    test = claim.test
    table = differences(data, [(test.candidate, test.baseline)], test.metric, resampling)
    line = table.iloc[0].to_dict()
    named = {key: getattr(claim, key) for key in ("id", "sentence", "section")}
    named |= {"metric": test.metric, "direction": test.direction}
    models = verdict(_interval(line, "low", "high", resampling.level), test.direction)
    again = verdict(_interval(line, "seeds_low", "seeds_high", resampling.level), test.direction)
    if untrained := [label_of(row) for row in (test.candidate, test.baseline) if row in failed]:
        models = again = Verdict(NOT_TESTABLE, f"not above the mixture: {', '.join(untrained)}")
    words = {"verdict": models.verdict, "why": models.reason, "verdict_trained_again": again.verdict}
    return named | line | words


def with_claims(table: pd.DataFrame, verdicts: pd.DataFrame, metric: str = "sdr_db") -> pd.DataFrame:
    """Differences with the `verdict` of `claim_verdicts` where a pair is a claim about `metric`, NaN elsewhere."""
    about = verdicts.loc[verdicts["metric"] == metric, ["candidate", "baseline", "verdict"]]
    return table.merge(about, on=["candidate", "baseline"], how="left")


def _interval(line: dict, low: str, high: str, level: float) -> Interval:
    n = 0 if np.isnan(line["n_mixtures"]) else int(line["n_mixtures"])
    statement = f"for these trained models, over mixtures like these {n}"
    reason = line["reason"] or "fewer than two seeds"
    return Interval(line["difference"], line[low], line[high], n, level, statement, line["detectable_effect"], reason)


def trained_at_all(data: Comparable, resampling: Resampling = DEFAULT_RESAMPLING) -> pd.DataFrame:
    """Every trained row against the floor, and its distance to the ceiling: is there anything to compare?

    Returns
    -------
    pandas.DataFrame
        `differences` of each trained row to the mixture, with `mask` and `to_ceiling`, the ceiling's mean minus the
        row's, in dB. Rows that were left out have NaN.
    """
    rows = [name for name in in_table_order(data.counts.index) if name not in REFERENCES]
    table = differences(data, [(name, FLOOR) for name in rows], resampling=resampling)
    means = {name: matrix.to_numpy().mean() for name, matrix in mixture_means(data.scores, "sdr_db").items()}
    ceiling = means[CEILING[data.mask]]
    return table.assign(mask=data.mask, to_ceiling=[ceiling - means.get(name, np.nan) for name in rows])


def meaning(profile: str, checks: Iterable[pd.DataFrame], dataset: str = "music11") -> str:
    """One plain sentence from `trained_at_all` of each mask type: whether the numbers of a profile mean anything."""
    settings = load_profile(profile)
    title = settings.title_of(dataset_of(settings, dataset))
    checks = list(checks)
    steps = sorted(set(steps_of_rows(profile, checks[0]["candidate"], dataset).values()))
    batch_size = settings.training.batch_size
    size = f"Profile {profile}, {title}: {' or '.join(map(str, steps))} steps of {batch_size} mixtures per run."
    found = pd.concat(checks)
    above = found.assign(above=found["found"] == "higher").pivot(index="candidate", columns="mask", values="above")
    if above.all(axis=None):
        return f"{size} Every trained row is above the mixture with either mask."
    if not above.any(axis=None):
        return (
            f"{size} None of the {len(above)} trained rows is above the mixture with any mask: THIS PROFILE IS NOT "
            "TRAINED TO MEAN ANYTHING. The order of its rows is chance; it shows that everything runs."
        )
    told = "; ".join(f"with {mask} masks {_failed(above[mask])}" for mask in above)
    return f"{size} Not above the mixture: {told}. Read those rows as failed trainings: their order says nothing."


def _failed(above: pd.Series) -> str:
    if not above.any():
        return "all rows"
    return ", ".join(map(label_of, in_table_order(above.index[~above]))) or "no row"
