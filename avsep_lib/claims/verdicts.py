"""All claims of the paper, measured and judged together: one line each."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from avsep_lib.claims.evaluators import described, outcome
from avsep_lib.claims.evidence import Evidence
from avsep_lib.claims.schema import Claim, Untestable, load_claims
from avsep_lib.comparisons import NOT_TESTABLE, SUPPORTED, holm, verdict
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.intervals import DEFAULT_RESAMPLING, Interval, Resampling, no_interval
from avsep_lib.outcomes import Outcome
from avsep_lib.paths import project_root

MASKED = ("difference", "best", "correlation", "groups")  # kinds of tests that read separation scores


def evaluate(
    profile: str, claims: Iterable[Claim] | None = None, resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Verdict on each claim.

    Parameters
    ----------
    profile : str
        Profile whose results are read. What it does not hold makes a claim *not testable here*, with the reason.
    claims : iterable of Claim, optional
        By default all of ``paper/claims.yaml``. Holm's correction is over those that can be tested.
    resampling : Resampling
        Of all intervals.

    Returns
    -------
    pandas.DataFrame
        One line per claim: `id`, `label`, `claim`, `section`, `kind`, `direction`; `verdict` (for these trained
        models) and `trained_again` (for the methods); `tested_as`, `unit`, `estimate`, `low`, `high`, `seeds_low`,
        `seeds_high`, `p_value`, `p_holm`, `detectable_effect`; `n` of `items`; `note`; `notebook`; `runs` (ids,
        separated by spaces); `soft_verdict`, `soft_unit`, `soft_estimate`, `soft_low`, `soft_high`: the same with soft masks, where
        masks play a part.

    Notes
    -----
    Where the items are trainings themselves (steps to a score), there is one interval only, and both verdicts follow
    it.
    """
    claims = load_claims() if claims is None else list(claims)
    evidence, soft = Evidence(profile, resampling), Evidence(profile, resampling, "soft")
    table = pd.DataFrame([_line(claim, evidence) | _with_soft_masks(claim, soft) for claim in claims])
    table.insert(table.columns.get_loc("p_value") + 1, "p_holm", holm(table["p_value"]))
    return table


def _with_soft_masks(claim: Claim, evidence: Evidence) -> dict:
    """A second reading, never the headline: a threshold at one half costs a weak model more than a strong one."""
    if claim.test.kind not in MASKED:
        return {
            "soft_verdict": "",
            "soft_unit": "",
            **dict.fromkeys(("soft_estimate", "soft_low", "soft_high"), math.nan),
        }
    line = _line(claim, evidence)
    return {f"soft_{name}": line[name] for name in ("verdict", "unit", "estimate", "low", "high")}


def _line(claim: Claim, evidence: Evidence) -> dict:
    found, problem = _measured(claim, evidence)
    judged = found.across_seeds if found.items == "seeds" else found.over_items
    models = verdict(judged, _direction(claim), found.unit)
    again = verdict(found.across_seeds, _direction(claim), found.unit)
    tested = models.verdict != NOT_TESTABLE
    return {
        "id": claim.id,
        "label": claim.label,
        "claim": claim.sentence,
        "section": claim.section,
        "kind": claim.test.kind,
        "direction": "" if isinstance(claim.test, Untestable) else claim.test.direction,
        "verdict": models.verdict,
        "trained_again": again.verdict,
        "tested_as": found.tested_as,
        "unit": found.unit,
        "estimate": judged.mean,
        "low": judged.low,
        "high": judged.high,
        "seeds_low": found.across_seeds.low,
        "seeds_high": found.across_seeds.high,
        "p_value": found.p_value if tested else math.nan,
        "detectable_effect": judged.detectable_effect,
        "n": judged.n,
        "items": found.items,
        "note": "; ".join(_notes(claim, evidence, found, problem or ("" if tested else judged.reason), models.verdict)),
        "notebook": claim.notebook,
        "runs": " ".join(found.runs),
    }


def _measured(claim: Claim, evidence: Evidence) -> tuple[Outcome, str]:
    """The outcome of a claim; without numbers, and with the reason, where the profile has nothing to test it with."""
    try:
        return outcome(claim, evidence), ""
    except (ConfigError, DataError) as error:
        reason = str(error).replace(f"{project_root()}/", "").replace("`", "")
        return Outcome(described(claim.test), "", _nothing(reason), _nothing(reason), items=""), reason


def _nothing(reason: str) -> Interval:
    return no_interval(pd.Series(dtype=float).to_numpy(), math.nan, "", reason)


def _direction(claim: Claim) -> str:
    return "greater" if isinstance(claim.test, Untestable) else claim.test.direction


def _notes(claim: Claim, evidence: Evidence, found: Outcome, problem: str, word: str) -> list[str]:
    """Why it cannot be tested; or what the number rests on, what confounds it, and why it may not have come out."""
    if problem:
        return [problem]
    notes = [found.note, *evidence.training_notes(found.runs)]
    notes.append(f"confounded: {claim.confound}" if claim.confound else "")
    notes.append(f"suspected: {claim.suspicion}" if claim.suspicion and word != SUPPORTED else "")
    return [note for note in notes if note]
