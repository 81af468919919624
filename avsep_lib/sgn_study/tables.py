"""Frames and texts of notebook 14; published numbers are in ``paper/published_sgn.csv``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from avsep_lib.baselines.tables import by_number_text, gains_of, numbers_of_sources
from avsep_lib.config import Profile, load_profile, profile_runs
from avsep_lib.inputs import require
from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling
from avsep_lib.plots.style import label_of
from avsep_lib.published import published_sgn_path, published_table
from avsep_lib.tables.inputs import load_scores, rows_here
from avsep_lib.tables.names import REFERENCES, in_table_order
from avsep_lib.tables.text import MISSING, with_interval
from avsep_lib.workflow import audio_key, load_plan

ROW = "sgn"
# Our rows and what the SGN paper calls them, by its tables.
ABLATIONS: dict[int, dict[str, str]] = {
    3: {
        "sgn_none": "neither",
        "sgn_tokens": "tokens only",
        "sgn_grouping": "grouping only",
        ROW: "tokens and grouping",
    },
    4: {
        "sgn_depth1": "depth 1",
        "sgn_depth3": "depth 3",
        ROW: "depth 6",
        "sgn_depth12": "depth 12",
        "sgn_hard": "depth 6, hard",
    },
}
RECIPE = "sgn_recipe"
UNIVERSAL = ("universal_nmf", "universal_sgn")
PAPER = "SGN paper, SDR / SIR / SAR"
MEASURES = ("presence_precision", "presence_recall", "presence_f1", "token_f1")


def ablation_rows(profile: Profile) -> tuple[str, ...]:
    """Rows of both tables that a profile trains, and the row with SGN's own recipe."""
    wanted = dict.fromkeys(row for names in ABLATIONS.values() for row in names)
    return rows_here(profile, (*wanted, RECIPE), profile.main_dataset)


def ablation_text(shown: pd.DataFrame, summary: pd.DataFrame, number: int, depth: int) -> pd.DataFrame:
    """A table of the SGN paper: our rows with intervals, the paper's numbers beside them as context.

    Parameters
    ----------
    shown, summary : DataFrame
        `separation_text` and the summary that it was made from, line by line.
    number : int
        3 or 4.
    depth : int
        Layers of our row `ROW`: the reduced profiles have fewer than the paper's six.
    """
    names = ABLATIONS[number]
    keep = [method in names or method in REFERENCES for method in summary["method"]]
    table, methods = shown[keep].copy(), summary["method"][keep]
    printed = published_table(number, published_sgn_path())
    cells = {row: " / ".join(f"{value:.2f}" for value in printed.loc[row]) for row in printed.index}
    table.insert(2, PAPER, [cells.get(names.get(method), MISSING) for method in methods])
    if number == 4:
        table["row"] = [f"{label_of(m)} (depth {depth})" if m in (ROW, "sgn_hard") else label_of(m) for m in methods]
    absent = [label_of(row) for row in names if row not in set(methods)]
    if absent:
        printed_cells = [cells[names[row]] for row in names if row not in set(methods)]
        lines = pd.DataFrame({"row": absent, "source": "not trained in this profile", PAPER: printed_cells})
        table = pd.concat([table, lines], ignore_index=True)
    return table.fillna(MISSING)


def depth_of(profile: Profile) -> int:
    """Layers of the row `ROW` in a profile."""
    runs = [run for run in profile_runs(profile) if run.row == ROW]
    return load_plan(profile.name).config(runs[0].run_id).options.depth if runs else 0


def history_files(profile: Profile, rows: Sequence[str]) -> dict[str, Path]:
    """``history.csv`` of the first run of each row."""
    runs = {run.row: run for run in reversed(profile_runs(profile)) if run.row in rows}
    return {row: require(profile.name, f"runs/{runs[row].run_id}/history.csv")[0] for row in rows if row in runs}


def token_curves(files: dict[str, Path]) -> pd.DataFrame:
    """Precision, recall and F1 on validation mixtures over the steps: `row`, `step`, `epoch` and `MEASURES`.

    A measure that a row cannot have (class tokens' F1 without class tokens) is NaN.
    """
    tables = [pd.read_csv(path).assign(row=row) for row, path in files.items()]
    if not tables:
        return pd.DataFrame(columns=["row", "step", "epoch", *MEASURES])
    return pd.concat(tables, ignore_index=True).reindex(columns=["row", "step", "epoch", *MEASURES])


# --- the universal set --------------------------------------------------------------------------------------------------


def universal_runs(profile: str) -> dict[str, str]:
    """Run ids of the rows on mixtures of one to four sources, by row; empty where the profile has none."""
    runs = {run.row: run.run_id for run in reversed(profile_runs(load_profile(profile))) if run.row in UNIVERSAL}
    return {row: runs[row] for row in UNIVERSAL if row in runs}


def universal_files(profile: str) -> list[Path]:
    """Their score files and those of floor and ceilings."""
    runs = universal_runs(profile)
    if not runs:
        return []
    plan = load_plan(profile)
    key = audio_key(plan.runs[next(iter(runs.values()))])
    return require(profile, *(f"scores/{run_id}.csv" for run_id in runs.values()), f"scores/references-{key}.csv")


def universal(files: list[Path], mask: str, resampling: Resampling = DEFAULT_RESAMPLING) -> pd.DataFrame:
    """SDR and its improvement by the number of sources.

    Returns
    -------
    DataFrame
        `n_sources`, `method`, `sdr`, `sdr_low`, `sdr_high`, `gain`, `low`, `high`, `n_mixtures`, `ceiling`. One source
        alone has no improvement, since the mixture is the source; its line has the *median* SDR of what the method makes
        of it, and no interval.
    """
    columns = ["n_sources", "method", "sdr", "sdr_low", "sdr_high", "gain", "low", "high", "n_mixtures", "ceiling"]
    if not files:
        return pd.DataFrame(columns=columns)
    scores = load_scores(files)
    sources = numbers_of_sources(scores)
    tables = [
        _alone(of_n, mask) if n == 1 else _of_several(of_n, mask, resampling) for n, of_n in scores.groupby(sources)
    ]
    found = [table for table in tables if len(table)]
    return pd.concat(found, ignore_index=True).reindex(columns=columns) if found else pd.DataFrame(columns=columns)


def _alone(scores: pd.DataFrame, mask: str) -> pd.DataFrame:
    rows = scores[scores["mask"].isin([mask, "none"]) & ~scores["method"].isin(REFERENCES)]
    table = rows.groupby("method")["sdr_db"].agg(sdr="median", n_mixtures="size").reset_index()
    return table.assign(n_sources=1)


def _of_several(scores: pd.DataFrame, mask: str, resampling: Resampling) -> pd.DataFrame:
    gains = gains_of(scores, mask, resampling)
    if gains.empty:
        return gains
    names = {"gain": "sdr", "low": "sdr_low", "high": "sdr_high"}
    sdr = gains_of(scores, mask, resampling, "sdr_db").rename(columns=names)
    return sdr[["method", *names.values()]].merge(gains, on="method")


def universal_text(table: pd.DataFrame) -> pd.DataFrame:
    """One line per row, one column per number of sources; SDR, not its improvement."""
    if table.empty:
        return pd.DataFrame({"row": ["no universal set in this profile"]})
    methods = in_table_order(table["method"].unique())
    shown = {"row": [label_of(method) for method in methods]}
    for n, of_n in table.groupby("n_sources"):
        cells = {r.method: with_interval(r.sdr, r.sdr_low, r.sdr_high) for r in of_n.itertuples()}
        count = int(of_n["n_mixtures"].max())
        name = f"1 source, {count} clips (median)" if n == 1 else f"{n} sources, {count} mixtures"
        shown[name] = [cells.get(method, MISSING) for method in methods]
    return pd.DataFrame(shown)


def universal_gain_text(table: pd.DataFrame) -> pd.DataFrame:
    """As `universal_text`, the improvement over the own mixture."""
    several = table[table["n_sources"] > 1]
    if several.empty:
        return pd.DataFrame({"row": ["no universal set in this profile"]})
    return by_number_text(several)


# --- features -----------------------------------------------------------------------------------------------------------


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row of zeros stays one."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def feature_clouds(features: object) -> dict[str, np.ndarray]:
    """Unit vectors of `avsep_lib.sgn_features.SGNFeatures` as `avsep_lib.tsne` takes them, (1, clips, dimensions)."""
    return {
        "grouped feature (of the own class)": unit(features.grouped)[None],
        "presence (of all classes)": unit(features.presence - features.presence.mean(axis=0))[None],
        "U-Net bottleneck": unit(features.bottleneck)[None],
    }


def feature_files(profile: str) -> list[Path]:
    """Features of the profile's SGN run; empty where it trains none."""
    return require(profile, *(f"analysis/features-{run_id}.safetensors" for run_id in load_plan(profile).sgn_runs()))


def no_features() -> pd.DataFrame:
    """One line in the place of numbers about features."""
    return pd.DataFrame({"row": ["SGN is not trained in this profile"]})
