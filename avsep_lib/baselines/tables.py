"""Frames and texts of notebook 13."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from avsep_lib.baselines.facts import FACTS, ROWS, TOLD, is_unverified, told_of
from avsep_lib.config import Profile, load_profile
from avsep_lib.errors import DataError
from avsep_lib.files import read_json
from avsep_lib.inputs import dataset_of, require
from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling, interval_over_mixtures
from avsep_lib.plots.style import label_of
from avsep_lib.stats import mixture_means
from avsep_lib.tables.comparable import comparable
from avsep_lib.tables.inputs import load_scores, rows_here, runs_of
from avsep_lib.tables.names import CEILING, FLOOR, in_table_order
from avsep_lib.tables.text import MISSING, UNVERIFIED, interval_column, with_interval

GAIN = "sdri_db"
MOST_LOST = 0.25  # of the mixtures: a row whose silent estimates cost more is left out by name, or all would lose them
SHOWN = "SDR improvement (dB)"


def rows_of(profile: Profile) -> tuple[str, ...]:
    """The rows of `FACTS` that a profile has on its main dataset, in table order."""
    return tuple(in_table_order(rows_here(profile, ROWS)))


def about_rows(rows: Iterable[str]) -> pd.DataFrame:
    """What each row is: `row`, `year`, `learns from`, `is told`, `follows`."""
    facts = [(row, FACTS[row]) for row in rows]
    return pd.DataFrame(
        {
            "row": [label_of(row) for row, _ in facts],
            "year": [str(fact.year) for _, fact in facts],
            "learns from": [fact.learns for _, fact in facts],
            "is told": [TOLD[fact.told] for _, fact in facts],
            "follows": [f"{fact.follows}; {UNVERIFIED}" if is_unverified(row) else fact.follows for row, fact in facts],
        }
    )


# --- cost ---------------------------------------------------------------------------------------------------------------


def cost_files(profile: str) -> list[Path]:
    """``method_costs.csv`` and the ``cost.json`` of its runs; DataError names the command that makes a missing one."""
    (measured,) = require(profile, "analysis/method_costs.csv")
    table = pd.read_csv(measured)
    return [measured, *require(profile, *(f"runs/{run_id}/cost.json" for run_id in table.run_id))]


def costs(profile: str, rows: Sequence[str]) -> pd.DataFrame:
    """One line per row: `method`, `parameters`, `multiply_adds_per_s`, `seconds_per_minute`, `low`, `high`, `n`, `steps`,
    `minutes` of training."""
    measured, *_ = cost_files(profile)
    table = pd.read_csv(measured).set_index("method")
    table = table.loc[[row for row in rows if row in table.index]].reset_index()
    found = [read_json(measured.parents[1] / "runs" / run_id / "cost.json") for run_id in table.run_id]
    return table.assign(steps=[cost["steps"] for cost in found], minutes=[cost["seconds"] / 60 for cost in found])


def cost_text(table: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Costs for readers, beside the SDR that they buy (binary masks, or none)."""
    quality = dict(zip(summary["method"], interval_column(summary, "sdr_db", "sdr_db_low", "sdr_db_high")))
    macs = table["multiply_adds_per_s"] / 1e9
    return pd.DataFrame(
        {
            "row": table["method"].map(label_of),
            "SDR (dB)": [quality.get(method, MISSING) for method in table["method"]],
            "parameters (M)": [f"{n / 1e6:.2f}" if n else MISSING for n in table["parameters"]],
            "multiply-adds (G) per second": [MISSING if np.isnan(v) else f"{v:.2f}" for v in macs],
            "seconds per separated minute": [
                f"{v:.2f} [{low:.2f}, {high:.2f}]"
                for v, low, high in table[["seconds_per_minute", "low", "high"]].to_numpy()
            ],
            "training (minutes)": [f"{v:.1f}" if n else MISSING for v, n in zip(table["minutes"], table["steps"])],
            "steps": [str(n) if n else MISSING for n in table["steps"]],
        }
    )


# --- naming -------------------------------------------------------------------------------------------------------------


def naming_files(profile: str) -> list[Path]:
    """``naming.csv``; DataError names the command that makes it."""
    return require(profile, "analysis/naming.csv")


def naming(profile: str, resampling: Resampling = DEFAULT_RESAMPLING) -> pd.DataFrame:
    """SI-SDR improvement of rows that the truth names: with the best of all ways to name, and with the median way.

    Returns
    -------
    DataFrame
        `method`, `n_outputs`, `n_ways`, `n` (mixtures), and `best`, `median` (dB), each with ``_low`` and ``_high``;
        empty where the profile has no such row.
    """
    (path,) = naming_files(profile)
    table, lines = pd.read_csv(path), []
    for method in in_table_order(table["method"].unique()):
        rows = table[table["method"] == method]
        line = {"method": method, "n_outputs": rows["n_outputs"].max(), "n_ways": rows["n_ways"].max(), "n": len(rows)}
        for name in ("best", "median"):
            found = interval_over_mixtures(rows[f"{name}_db"].to_numpy(), resampling)
            line |= {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
        lines.append(line)
    return pd.DataFrame(lines)


def naming_text(table: pd.DataFrame) -> pd.DataFrame:
    """For readers."""
    if table.empty:
        return pd.DataFrame({"row": ["this profile has no row whose outputs the true sources name"]})
    return pd.DataFrame(
        {
            "row": table["method"].map(label_of),
            "outputs": table["n_outputs"].map(str),
            "ways to name them": table["n_ways"].map(str),
            "named by the truth (dB)": interval_column(table, "best", "best_low", "best_high", sign="+"),
            "the median way (dB)": interval_column(table, "median", "median_low", "median_high", sign="+"),
            "mixtures": table["n"].map(str),
        }
    )


# --- more sources -------------------------------------------------------------------------------------------------------


def larger_files(profile: str) -> list[Path]:
    """Scores of the mixtures of three and four sources."""
    return require(profile, "analysis/scores_larger.csv")


def larger_scores(profile: str) -> pd.DataFrame:
    """All of them; empty where the dataset has too few classes for a larger mixture."""
    (path,) = larger_files(profile)
    return load_scores([path]) if len(pd.read_csv(path, nrows=1)) else pd.DataFrame()


def by_number(
    pairs: pd.DataFrame, larger: pd.DataFrame, mask: str, resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """SDR improvement by the number of sources, with intervals over mixtures.

    Parameters
    ----------
    pairs, larger : DataFrame
        Tidy scores of the test pairs and of the larger mixtures.
    mask : str
        Rows without masks stand beside either type.

    Returns
    -------
    DataFrame
        `n_sources`, `method`, `gain`, `low`, `high`, `n_mixtures`, `ceiling` (gain of the ideal mask there).
    """
    columns = ["n_sources", "method", "gain", "low", "high", "n_mixtures", "ceiling"]
    if not len(larger):
        return pd.DataFrame(columns=columns)
    both = pd.concat([pairs[pairs["method"].isin(set(larger["method"]))], larger], ignore_index=True)
    tables = [gains_of(of_n, mask, resampling) for _, of_n in both.groupby(numbers_of_sources(both))]
    found = [table for table in tables if len(table)]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def numbers_of_sources(scores: pd.DataFrame) -> pd.Series:
    """Of each row's mixture."""
    return scores.groupby("mixture_id")["source"].transform("nunique")


def gains_of(
    scores: pd.DataFrame, mask: str, resampling: Resampling = DEFAULT_RESAMPLING, metric: str = GAIN
) -> pd.DataFrame:
    """Mean of each row over the mixtures of one size that all rows share, with its interval.

    Empty, and the reason printed, where nothing can be compared: too few test mixtures, or none that all rows separate.
    """
    n = int(numbers_of_sources(scores).iloc[0])
    try:
        data = comparable(scores, mask, MOST_LOST)
    except DataError as reason:
        print(f"mixtures of {n} sources: {reason}")
        return pd.DataFrame()
    rows = []
    for method, matrix in mixture_means(data.scores, metric).items():
        found = interval_over_mixtures(matrix.to_numpy().mean(axis=0), resampling)
        rows.append((method, found.mean, found.low, found.high, found.n))
    table = pd.DataFrame(rows, columns=["method", "gain", "low", "high", "n_mixtures"]).set_index("method")
    table = table.loc[in_table_order(table.index)].reset_index()
    return table.assign(n_sources=n, ceiling=table.loc[table["method"] == CEILING[mask], "gain"].max())


def by_number_text(table: pd.DataFrame) -> pd.DataFrame:
    """One line per row, one column per number of sources."""
    if table.empty:
        return pd.DataFrame({"row": ["this dataset has too few classes for mixtures of more than two sources"]})
    cells = {
        n: dict(zip(of_n["method"], interval_column(of_n, "gain", "low", "high", sign="+")))
        for n, of_n in table.groupby("n_sources")
    }
    counts = table.groupby("n_sources")["n_mixtures"].max()
    methods = [m for m in in_table_order(table["method"].unique()) if m != FLOOR]
    shown = {"row": [label_of(m) for m in methods]}
    for n, found in cells.items():
        shown[f"{n} sources, {counts[n]} mixtures"] = [found.get(m, MISSING) for m in methods]
    return pd.DataFrame(shown)


# --- does it learn ------------------------------------------------------------------------------------------------------


def learning(profile: str, rows: Sequence[str]) -> pd.DataFrame:
    """What became of each training: `method`, `run_id`, `steps`, first and last loss, first, best and last validation.

    Raises
    ------
    DataError
        A history is missing.
    """
    suite = load_profile(profile)
    lines = []
    for run in runs_of(suite, rows, dataset_of(suite, "music11")):
        history, cost = require(profile, f"runs/{run.run_id}/history.csv", f"runs/{run.run_id}/cost.json")
        table = pd.read_csv(history)
        if table.empty:
            continue
        if table["val_si_sdr_db"].isna().any():
            raise DataError(f"{history} has a validation without a score; delete the run's folder and train again")
        loss, score = table["loss_separation"], table["val_si_sdr_db"]
        lines.append(
            (run.row, run.run_id, read_json(cost)["steps"], loss.iloc[0], loss.iloc[-1], score.iloc[0], score.max(),
             score.iloc[-1])
        )  # fmt: skip
    columns = ["method", "run_id", "steps", "first_loss", "last_loss", "first_val", "best_val", "last_val"]
    return pd.DataFrame(lines, columns=columns)


def diagnosis(summary: pd.DataFrame, learnt: pd.DataFrame, floors: pd.DataFrame) -> pd.DataFrame:
    """One sentence about each trained row that is not above the mixture: what its training did.

    Parameters
    ----------
    summary : DataFrame
        `avsep_lib.tables.summary`.
    learnt : DataFrame
        `learning`.
    floors : DataFrame
        `avsep_lib.tables.trained_at_all`: `method` and `found`.
    """
    below = set(floors.loc[floors["found"] != "higher", "candidate"])
    lines = []
    for row in learnt[learnt["method"].isin(below)].itertuples():
        fell = 1 - row.last_loss / row.first_loss if row.first_loss > 0 else row.first_loss - row.last_loss
        if not np.isfinite(fell):
            words = "its loss is not finite"
        elif row.last_val - row.first_val > 1.0:
            words = "it was still getting better when the steps ran out"
        elif abs(fell) < 0.02:
            words = "its loss hardly moved: the learning rate is too small for so few steps"
        elif fell < 0:
            words = "its loss rose from the first part of the training to the last"
        else:
            words = "its loss fell, and its estimates did not come nearer to the sources on validation mixtures"
        sdr = with_interval(*summary.set_index("method").loc[row.method, ["sdr_db", "sdr_db_low", "sdr_db_high"]])
        lines.append(
            {
                "row": label_of(row.method),
                "run": row.run_id,
                "SDR (dB)": sdr,
                "loss, first to last part": f"{row.first_loss:.3f} to {row.last_loss:.3f}",
                "validation SI-SDR (dB)": f"{row.first_val:.2f} to {row.last_val:.2f}",
                "what happened": words,
            }
        )
    return pd.DataFrame(lines) if lines else pd.DataFrame({"row": ["every trained row is above the mixture"]})


def told_groups(methods: Iterable[str]) -> dict[str, list[str]]:
    """Methods by what they are told, in table order."""
    groups: dict[str, list[str]] = {}
    for method in in_table_order(methods):
        groups.setdefault(told_of(method), []).append(method)
    return groups
