"""What came out, in five sentences computed from the tables that the report shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from avsep_lib.comparisons import CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE, SUPPORTED
from avsep_lib.plots.style import label_of
from avsep_lib.tables.names import CEILING, FLOOR, MASKS

TABLES = ("tab_table6", "tab_table1", "tab_table2", "tab_table3")  # the first that has a trained row
ROW, SOURCE, SDR = "row", "source", "SDR (dB)"
COMPUTED = "computed here"


def sentences(claims: list[dict[str, Any]], artifacts: Path) -> list[dict[str, str]]:
    """Five sentences, each `text` and `link` (an address on the first page).

    Parameters
    ----------
    claims : list of dict
        From `avsep_lib.report.claims.claim_entries`.
    artifacts : Path
        Folder of the tables.
    """
    told = [_verdicts(claims), _again(claims), _best(artifacts), _surest(claims), _untested(claims)]
    return [{"text": text, "link": link} for text, link in told]


def _verdicts(claims: list[dict[str, Any]]) -> tuple[str, str]:
    tested = [line for line in claims if line["verdict"] != NOT_TESTABLE]
    counts = [sum(line["verdict"] == word for line in tested) for word in (SUPPORTED, CONTRADICTED, INCONCLUSIVE)]
    return (
        f"Of {len(claims)} sentences of the paper {len(tested)} could be tested here: {counts[0]} supported, "
        f"{counts[1]} contradicted, {counts[2]} inconclusive (the interval includes zero).",
        "#claims",
    )


def _again(claims: list[dict[str, Any]]) -> tuple[str, str]:
    again = [line for line in claims if line["trained_again"] in (SUPPORTED, CONTRADICTED)]
    supported = sum(line["trained_again"] == SUPPORTED for line in again)
    once = sum(line["verdict"] != NOT_TESTABLE and line["trained_again"] == NOT_TESTABLE for line in claims)
    tail = f" {once} rest on a single training and cannot say." if once else ""
    return (
        f"That is for these trained models; allowing for other random seeds as well, {supported} remain supported and "
        f"{len(again) - supported} contradicted.{tail}",
        "#claims",
    )


def _best(artifacts: Path) -> tuple[str, str]:
    """The best trained row between floor and ceiling."""
    for stem in TABLES:
        path = artifacts / f"{stem}.csv"
        table = pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else pd.DataFrame()
        if not {ROW, SOURCE, SDR} <= set(table.columns):
            continue
        rows = {line[ROW]: line[SDR] for line in table.to_dict("records")}
        trained = {line[ROW]: line[SDR] for line in table.to_dict("records") if line[SOURCE] == COMPUTED}
        trained = {row: value for row, value in trained.items() if re.match(r"-?\d", value)}
        floor, ceiling = (rows.get(label_of(name)) for name in (FLOOR, CEILING[MASKS[0]]))
        if trained and floor and ceiling:
            best = max(trained, key=lambda row: float(trained[row].split()[0]))
            return (
                f"The row with the highest mean SDR, {best}, reaches {trained[best]} dB with binary masks, between "
                f"{floor} dB of the mixture as it is and {ceiling} dB of the ideal mask; brackets are 95 % intervals "
                "over mixtures.",
                f"#{stem}",
            )
    return "No trained row has a score in any of the separation tables.", "#runs"


def _surest(claims: list[dict[str, Any]]) -> tuple[str, str]:
    """The clearest claim on either side, by Holm's p."""
    parts, link = [], "#claims"
    for verdict in (SUPPORTED, CONTRADICTED):
        tested = [line for line in claims if line["verdict"] == verdict and _p(line) <= 1]
        if tested:
            line = min(tested, key=_p)
            p = line["p_(Holm)"]
            value = f"p {p if p.startswith('<') else f'= {p}'}"
            parts.append(f"most clearly {verdict}: “{line['claim'].rstrip('.')}” ({line['estimate']}, {value})")
            link = f"#{line['id']}" if len(parts) == 1 else link
    text = "; ".join(parts) or "no tested claim is supported or contradicted"
    return f"{text[0].upper()}{text[1:]}; p is Holm’s, over all tested claims.", link


def _untested(claims: list[dict[str, Any]]) -> tuple[str, str]:
    left = [line for line in claims if line["verdict"] == NOT_TESTABLE]
    never = sum(not line["page"] for line in left)
    weak = sum(line["note"].startswith("not above the mixture") for line in left)
    reasons = [f"{never} are no measurable statement or need what cannot be had"] if never else []
    reasons += [f"for {weak} the trained rows do not separate at all with binary masks"] if weak else []
    rest = len(left) - never - weak
    reasons += [f"{rest} lack data or runs in this profile"] if rest else []
    told = f": {'; '.join(reasons)}" if reasons else ""
    return f"{len(left)} sentences could not be tested here{told}; the note of each says why.", "#claims"


def _p(line: dict[str, Any]) -> float:
    text = line["p_(Holm)"].removeprefix("<").strip()
    return float(text) if re.fullmatch(r"[\d.]+", text) else 2.0
