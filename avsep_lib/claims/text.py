"""The table of claims as a reader sees it."""

from __future__ import annotations

import math

import pandas as pd

from avsep_lib.comparisons import CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE, SUPPORTED
from avsep_lib.tables.text import MISSING

UNTESTABLE = "untestable"
DIGITS = {"dB": 2, "points": 1, "steps": 0, "1": 3}


def claims_text(table: pd.DataFrame) -> pd.DataFrame:
    """Claims and verdicts for readers, one line per sentence of the paper.

    Parameters
    ----------
    table : pandas.DataFrame
        From `avsep_lib.claims.verdicts.evaluate`.

    Returns
    -------
    pandas.DataFrame
        Text; `evidence` is the stem of a notebook, `runs` are run ids.
    """
    return pd.DataFrame(
        {
            "claim": table["claim"],
            "verdict": table["verdict"],
            "trained again": table["trained_again"],
            "tested as": table["tested_as"],
            "estimate": [_estimate(line) for line in table.to_dict("records")],
            "interval, trained again": [
                _bounds(line, "seeds_low", "seeds_high") or MISSING for line in table.to_dict("records")
            ],
            "with soft masks": [_soft(line) for line in table.to_dict("records")],
            "p (Holm)": table["p_holm"].map(_p_value),
            "smallest detectable": [
                _number(line["detectable_effect"], line["unit"]) for line in table.to_dict("records")
            ],
            "n": [f"{n} {items}" if n else MISSING for n, items in zip(table["n"], table["items"])],
            "section": table["section"],
            "note": table["note"].replace("", MISSING),
            "evidence": table["notebook"].replace("", MISSING),
            "runs": table["runs"].replace("", MISSING),
        }
    )


def summary_text(table: pd.DataFrame) -> str:
    """How many claims came to which verdict, in one sentence."""
    testable = table[table["kind"] != UNTESTABLE]
    counts = testable["verdict"].value_counts()
    told = ", ".join(f"{counts.get(word, 0)} {word}" for word in (SUPPORTED, CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE))
    again = testable["trained_again"].eq(SUPPORTED).sum()
    chance = "Of claims with no effect behind them about one in forty comes out supported"
    return (
        f"{len(table)} sentences, of which {len(testable)} say something that can be measured: {told}. Supported for the "
        f"methods trained again: {again}. {chance}; Holm's p values allow for the number of claims, verdicts do not."
    )


def suspicions(table: pd.DataFrame) -> pd.DataFrame:
    """Tested claims that are not supported, with what is known or suspected about why."""
    left = table[(table["kind"] != UNTESTABLE) & ~table["verdict"].isin([SUPPORTED])]
    return pd.DataFrame({"claim": left["label"], "verdict": left["verdict"], "note": left["note"].replace("", MISSING)})


def promises_text(table: pd.DataFrame) -> pd.DataFrame:
    """Simulated coverage, error rates and power for readers: the extremes over all simulated truths of one kind.

    Parameters
    ----------
    table : pandas.DataFrame
        From `avsep_lib.simulations.coverage_table`.

    Returns
    -------
    pandas.DataFrame
        `what`, `items`, `trainings`, `in theory`, `found, lowest to highest` (%), `good enough` (%), `truths`, `outside`
        (truths whose interval lies wholly outside of what is good enough) and `promised`.
    """
    grouped = table.groupby(["what", "n", "seeds", "promised"], sort=False)
    return pd.DataFrame(
        {
            "what": what,
            "items": n,
            "trainings": seeds,
            "in theory (%)": f"{100 * part['nominal'].iloc[0]:.0f}",
            "found, lowest to highest (%)": f"{100 * part['found'].min():.1f} to {100 * part['found'].max():.1f}",
            "good enough (%)": f"{100 * part['lowest'].iloc[0]:.0f} to {100 * part['highest'].iloc[0]:.0f}",
            "truths": len(part),
            "outside": int((part["verdict"] != "ok").sum()),
            "promised": "yes" if promised else "no, printed only",
        }
        for (what, n, seeds, promised), part in grouped
    )


def _estimate(line: dict) -> str:
    if math.isnan(line["estimate"]):
        return MISSING
    bounds = _bounds(line, "low", "high")
    unit = {"1": "", "(rho)": " (ρ)"}.get(line["unit"], f" {line['unit']}")
    return f"{_number(line['estimate'], line['unit'], sign='+')}{f' {bounds}' if bounds else ''}{unit}"


def _soft(line: dict) -> str:
    """Verdict and estimate with soft masks, where masks play a part."""
    if not line["soft_verdict"]:
        return MISSING
    estimate = {"estimate": line["soft_estimate"], "low": line["soft_low"], "high": line["soft_high"]}
    shown = _estimate(estimate | {"unit": line["soft_unit"]})
    return line["soft_verdict"] if shown == MISSING else f"{line['soft_verdict']}, {shown}"


def _bounds(line: dict, low: str, high: str) -> str:
    ends = [line[low], line[high]]
    if not all(map(math.isfinite, ends)):
        return ""
    return f"[{', '.join(_number(end, line['unit'], sign='+') for end in ends)}]"


def _number(value: float, unit: str, sign: str = "") -> str:
    """Rounded by the unit; an effect too small for the digits is not shown as zero."""
    if math.isnan(value):
        return MISSING
    digits = DIGITS.get(unit, 2)
    if not sign and 0 < value < 0.5 * 10**-digits:
        return f"< {10**-digits:.{digits}f}"
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}"


def _p_value(p: float) -> str:
    return MISSING if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
