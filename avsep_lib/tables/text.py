"""Tables as readers see them: names instead of identifiers, a mean with its interval in one cell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from avsep_lib.comparisons import NOT_TESTABLE
from avsep_lib.plots.style import label_of, metric_label
from avsep_lib.published import published_table, row_notes
from avsep_lib.tables.names import AFTER_THE_ORIGINAL, FLOOR, METRICS, OTHER_METHODS, PAPER_ROWS, REFERENCES

MISSING = "–"
OWN_NAMES = (None, 6)  # tables whose rows have our names; the others' have the paper's
PAPER_COLUMN = "paper SDR / SIR / SAR"
INFINITE = "inf (a)"
FOOTNOTE = (
    "(a) infinite: nothing in the estimate lies outside the sources, so it has no artefacts. "
    "True of an unprocessed mixture by definition. "
    "n beside a SAR: the mixtures in which no row leaves the mixture unprocessed (infinite SAR), fewer than all."
)
NOT_HERE = "not in this profile"
UNVERIFIED = "after the original paper, details unverified"
COMPUTED, QUOTED, LEFT_OUT = "computed here", "quoted, not computed here", "left out: too few common mixtures"


def with_interval(mean: float, low: float = math.nan, high: float = math.nan, sign: str = "") -> str:
    """``"3.12 [2.90, 3.33]"``; without an interval just the mean; `sign` ``"+"`` shows the sign of differences.

    >>> with_interval(3.123, 2.9, 3.33)
    '3.12 [2.90, 3.33]'
    """
    if math.isnan(mean):
        return MISSING
    if math.isinf(mean):
        return INFINITE
    text, *ends = (f"{round(value, 2) + 0.0:{sign}.2f}" for value in (mean, low, high))  # + 0.0: no "-0.00"
    return f"{text} [{', '.join(ends)}]" if math.isfinite(low) and math.isfinite(high) else text


def interval_column(table: pd.DataFrame, mean: str, low: str, high: str, sign: str = "") -> list[str]:
    """`with_interval` of every line, from three columns."""
    return [with_interval(*values, sign=sign) for values in zip(table[mean], table[low], table[high])]


def separation_text(
    summary: pd.DataFrame, paper: int | None = None, steps: Mapping[str, int] | None = None
) -> pd.DataFrame:
    """A summary for readers, optionally with the published numbers of Table `paper` beside ours.

    Parameters
    ----------
    summary : pandas.DataFrame
        From `avsep_lib.tables.summary`.
    paper : int, optional
        The paper's table.
    steps : mapping, optional
        Training steps by row, from `avsep_lib.tables.steps_of_rows`.

    Returns
    -------
    pandas.DataFrame
        `row`, `source`, (`paper SDR / SIR / SAR`,) one column per metric with its interval over mixtures,
        `SDR, trained again` (interval across seeds), `mixtures`, `seeds`, (`steps`,) `silent` (estimates, of all
        items).
    """
    names = PAPER_ROWS.get(paper, {})
    shown = {
        "row": [
            label_of(method) if paper in OWN_NAMES else names.get(method, label_of(method))
            for method in summary["method"]
        ]
    }
    shown["source"] = [_source(*line) for line in zip(summary["method"], summary["n_mixtures"])]
    if paper:
        printed, notes = paper_cells(paper), row_notes(paper)
        told = {names[method]: notes[names[method]] for method in OTHER_METHODS if names.get(method) in notes}
        cells = {row: f"{cell} ({told[row]})" if row in told else cell for row, cell in printed.items()}
        shown[PAPER_COLUMN] = [cells.get(names.get(method), MISSING) for method in summary["method"]]
    for metric in METRICS:
        cells = interval_column(summary, metric, f"{metric}_low", f"{metric}_high")
        shown[metric_label(metric)] = [
            f"{cell}, n = {n}" if 0 < n < n_mixtures and math.isfinite(mean) else cell
            for cell, mean, n, n_mixtures in zip(cells, summary[metric], summary[f"{metric}_n"], summary["n_mixtures"])
        ]
    again = interval_column(summary, "sdr_db", "sdr_db_seeds_low", "sdr_db_seeds_high")
    shown["SDR, trained again"] = [text if "[" in text else MISSING for text in again]
    shown["mixtures"], shown["seeds"] = summary["n_mixtures"].astype(str), _seed_counts(summary)
    if steps:
        shown["steps"] = [str(steps.get(method, MISSING)) for method in summary["method"]]
    shown["silent"] = [f"{silent} of {items}" for silent, items in zip(summary["n_silent"], summary["n_items"])]
    return pd.DataFrame(shown)


def _source(method: str, n_mixtures: int) -> str:
    if method in REFERENCES:
        return "reference"
    computed = f"{COMPUTED}, {UNVERIFIED}" if method in AFTER_THE_ORIGINAL else COMPUTED
    return computed if n_mixtures else LEFT_OUT


def _seed_counts(summary: pd.DataFrame) -> list[str]:
    return [MISSING if method in REFERENCES else str(n) for method, n in zip(summary["method"], summary["n_seeds"])]


def paper_cells(table: int) -> dict[str, str]:
    """``"5.86 / 11.65 / 9.72"`` for every row of a published table."""
    return {row: " / ".join(f"{value:.2f}" for value in values) for row, values in published_table(table).T.items()}


def quoted_rows(table: int, computed: tuple[str, ...] = ()) -> pd.DataFrame:
    """Rows of a published table that are not computed here, shaped like `separation_text`."""
    ours = {PAPER_ROWS.get(table, {}).get(method) for method in computed}
    cells = {row: text for row, text in paper_cells(table).items() if row not in ours}
    notes = row_notes(table)
    sources = [f"{QUOTED} ({notes[row]})" if row in notes else QUOTED for row in cells]
    return pd.DataFrame({"row": cells.keys(), "source": sources, PAPER_COLUMN: cells.values()})


def with_quoted_rows(shown: pd.DataFrame, table: int, computed: tuple[str, ...]) -> pd.DataFrame:
    """The text of a summary with the paper's other rows after the floor, empty where we computed nothing."""
    floor = (shown["row"] == label_of(FLOOR)).to_numpy()
    whole = pd.concat([shown[floor], quoted_rows(table, computed), shown[~floor]], ignore_index=True)
    return whole.fillna(MISSING)


def only_quoted(table: int, place: str) -> pd.DataFrame:
    """A published table in whose place the profile has no dataset: its rows as quoted, and a line that says so."""
    quoted = quoted_rows(table)
    line = {"row": f"no dataset in the place of {place}", "source": NOT_HERE, PAPER_COLUMN: MISSING}
    return pd.concat([pd.DataFrame([line]), quoted], ignore_index=True)


def nothing_here(place: str) -> pd.DataFrame:
    """One line in the place of a summary of a dataset that the profile does not have."""
    return pd.DataFrame({"row": [f"no dataset in the place of {place}"], "source": [NOT_HERE]})


def not_trained(rows: Iterable[str], trained: Iterable[str]) -> str:
    """One sentence: which rows of a table the profile does not train; empty when it trains all."""
    absent = [label_of(row) for row in rows if row not in set(trained)]
    return f"Not trained in this profile, hence not in this table: {', '.join(absent)}." if absent else ""


def floor_text(checks: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """`trained_at_all` of both mask types for readers."""
    table = pd.concat(checks, ignore_index=True)
    return pd.DataFrame(
        {
            "mask": table["mask"],
            "row": table["candidate"].map(label_of),
            "above the mixture (dB)": interval_column(table, "difference", "low", "high", sign="+"),
            "found": table["found"],
            "below the ideal mask (dB)": table["to_ceiling"].map(with_interval),
        }
    )


def best_gain_text(checks: Iterable[pd.DataFrame]) -> str:
    """One sentence from `trained_at_all`: how far the best trained row of each mask type is above the mixture."""
    parts = []
    for table in checks:
        if table["difference"].isna().all():
            parts.append(f"{table['mask'].iloc[0]} masks: no row can be compared")
            continue
        best = table.loc[table["difference"].idxmax()]
        gain = with_interval(best["difference"], best["low"], best["high"], sign="+")
        parts.append(f"{best['mask']} masks: {label_of(best['candidate'])}, {gain} dB ({best['found']})")
    return (
        f"Best trained row above the mixture, {'; '.join(parts)}. It is best by having been picked: "
        "its interval does not know of the others."
    )


def contrast(candidate: str, baseline: str) -> str:
    """``"Hierarchical − Late"``."""
    return f"{label_of(candidate)} − {label_of(baseline)}"


def differences_text(table: pd.DataFrame) -> pd.DataFrame:
    """Paired differences for readers."""
    return pd.DataFrame(
        {
            "difference of": [contrast(*pair) for pair in zip(table["candidate"], table["baseline"])],
            "dB": interval_column(table, "difference", "low", "high", sign="+"),
            "found": table["found"],
            "dB, trained again": _bounds(table),
            "p (Holm)": _p_values(table["p_holm"]),
            "smallest detectable (dB)": table["detectable_effect"].map(with_interval),
            "mixtures": table["n_mixtures"].fillna(0).astype(int),
        }
    )


def switches_text(binary: pd.DataFrame, soft: pd.DataFrame) -> pd.DataFrame:
    """`avsep_lib.tables.switch_effects` of both mask types for readers; SDR improvement in dB."""
    return pd.DataFrame(
        {
            "switch": binary["topic"],
            "default": binary["default"],
            "flipped": binary["flipped"],
            "steps": _whole(binary["steps"]),
            "default SDRi": binary["default_sdri_db"].map(with_interval),
            "flipped SDRi": binary["sdri_db"].map(with_interval),
            "effect (dB)": interval_column(binary, "difference", "low", "high", sign="+"),
            "found": binary["found"],
            "p (Holm)": _p_values(binary["p_holm"]),
            "smallest detectable (dB)": binary["detectable_effect"].map(with_interval),
            "effect, soft masks (dB)": interval_column(soft, "difference", "low", "high", sign="+"),
            "ideal mask SDRi": binary["ceiling_db"].map(with_interval),
            "mixtures": _whole(binary["n_mixtures"]),
            "silent": _whole(binary["n_silent"]),
            "note": [MISSING if line.found != NOT_TESTABLE else line.reason for line in binary.itertuples()],
        }
    )


def _whole(column: pd.Series) -> list[str]:
    return [MISSING if math.isnan(value) else str(int(value)) for value in column.astype(float)]


def _p_values(column: pd.Series) -> list[str]:
    return [MISSING if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}" for p in column]


def _bounds(table: pd.DataFrame) -> list[str]:
    texts = interval_column(table, "difference", "seeds_low", "seeds_high", sign="+")
    return [text[text.index("[") :] if "[" in text else MISSING for text in texts]


def claims_text(table: pd.DataFrame) -> pd.DataFrame:
    """Claims and verdicts for readers; `note` says what keeps a claim from being tested, or its mixtures few."""
    shown = differences_text(table).rename(columns={"difference of": "tested as"}).drop(columns="found")
    shown.insert(0, "verdict", table["verdict"])
    shown.insert(0, "claim", table["sentence"])
    shown.insert(2, "trained again", table["verdict_trained_again"])
    shown["tested as"] += [f", {metric_label(metric).split()[0]}" for metric in table["metric"]]
    return shown.assign(section=table["section"], note=[_claim_note(line) for _, line in table.iterrows()])


def _claim_note(line: pd.Series) -> str:
    notes = [line["why"]] if line["verdict"] == NOT_TESTABLE else []
    if 0 < line["n_mixtures"] < line["n_common"]:
        metric = metric_label(line["metric"]).split()[0]
        cause = "leaves the mixture unprocessed: its SAR" if metric == "SAR" else f"has an estimate whose {metric}"
        notes.append(
            f"over {line['n_mixtures']:.0f} of {line['n_common']} mixtures; in the others a row {cause} is infinite"
        )
    return "; ".join(notes) or MISSING


def power_text(table: pd.DataFrame, paper: int) -> pd.DataFrame:
    """The paper's own difference for each claim, beside the smallest that our mixtures could have shown.

    Parameters
    ----------
    table : pandas.DataFrame
        Verdicts of `claim_verdicts`; a claim about a row that the paper's table does not have is left out.
    paper : int
        Published table.

    Returns
    -------
    pandas.DataFrame
        `tested as`, `in the paper (dB)`, `smallest detectable here (dB)`, `as large as the paper's would show here`.
    """
    printed, names = published_table(paper), PAPER_ROWS[paper]
    table = table[table["candidate"].isin(names) & table["baseline"].isin(names)]
    columns = table["metric"].str.removesuffix("_db").str.upper()
    theirs = [
        printed.loc[names[candidate], column] - printed.loc[names[baseline], column]
        for candidate, baseline, column in zip(table["candidate"], table["baseline"], columns)
    ]
    ours = table["detectable_effect"]
    return pd.DataFrame(
        {
            "tested as": [
                f"{contrast(*pair)}, {c}" for *pair, c in zip(table["candidate"], table["baseline"], columns)
            ],
            "in the paper (dB)": [with_interval(value, sign="+") for value in theirs],
            "smallest detectable here (dB)": ours.map(with_interval),
            "as large as the paper's would show here": [
                MISSING if math.isnan(least) else "yes" if abs(value) >= least else "no"
                for value, least in zip(theirs, ours)
            ],
        }
    )


def cost_text(cost: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Training cost beside quality; `summary` gives the quality."""
    quality = dict(zip(summary["method"], interval_column(summary, "sdr_db", "sdr_db_low", "sdr_db_high")))
    return pd.DataFrame(
        {
            "row": cost["method"].map(label_of),
            "parameters (M)": cost["parameters"] / 1e6,
            "seconds per run": cost["seconds"],
            "runs": cost["n_runs"],
            "steps": cost["steps"],
            "threads": cost["threads"],
            "device": cost["device"],
            "SDR (dB)": cost["method"].map(quality),
        }
    )
