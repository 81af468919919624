"""Does a row learn faster? Training steps until a fixed validation score, and the whole validation curve.

The paper says that alignment makes training easier and does not say how one would see it. Here: fewer steps until the
validation SI-SDR reaches a level that *every* compared run reaches, the lowest of their best scores. Validations are
few, so the curve between two of them is taken to be straight. Seeds are the items: per training one number, paired by
seed. The scores behind a validation are not kept per mixture, so there is no interval over mixtures.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import stats

from avsep_lib.config import load_profile
from avsep_lib.errors import DataError
from avsep_lib.inputs import require
from avsep_lib.intervals import LEVEL, Interval, detectable_effect, no_interval
from avsep_lib.outcomes import Outcome
from avsep_lib.plots.style import label_of
from avsep_lib.tables.inputs import rows_here, runs_of

SCORE = "val_si_sdr_db"


def validation_curves(profile: str, rows: Iterable[str], dataset: str = "music11") -> pd.DataFrame:
    """Validation scores of all runs of the rows.

    Returns
    -------
    pandas.DataFrame
        Columns `row`, `seed`, `run_id`, `step`, `val_si_sdr_db`, in order of steps.

    Raises
    ------
    DataError
        For a row or a history that is not there.
    """
    parts = []
    for run in runs_of(load_profile(profile), rows, dataset):
        (path,) = require(profile, f"runs/{run.run_id}/history.csv")
        curve = pd.read_csv(path)[["step", SCORE]].dropna()
        if curve.empty:
            raise DataError(f"runs/{run.run_id}/history.csv holds no validation")
        parts.append(curve.assign(row=run.row, seed=run.seed, run_id=run.run_id))
    if not parts:
        return pd.DataFrame(columns=["row", "seed", "run_id", "step", SCORE])
    return pd.concat(parts, ignore_index=True)[["row", "seed", "run_id", "step", SCORE]]


def pairs_here(profile: str, pairs: Iterable[tuple[str, str]], dataset: str = "music11") -> list[tuple[str, str]]:
    """Those of the pairs of which a profile trains both rows."""
    settings = load_profile(profile)
    return [pair for pair in pairs if len(rows_here(settings, pair, dataset)) == 2]


def common_level(curves: pd.DataFrame) -> float:
    """The highest validation score (dB) that every run reaches: the lowest of their best scores."""
    return float(curves.groupby("run_id")[SCORE].max().min())


def steps_to(curve: pd.DataFrame, level: float) -> float:
    """Steps until a curve first reaches a level, linear between validations.

    Parameters
    ----------
    curve : DataFrame
        `step` (increasing) and `val_si_sdr_db` of one run.
    level : float
        In dB.

    Returns
    -------
    float
        The first validation where it is there already (what came before is not known); NaN if it is never reached.
    """
    steps, scores = curve["step"].to_numpy(float), curve[SCORE].to_numpy(float)
    reached = np.flatnonzero(scores >= level)
    if not reached.size:
        return float("nan")
    after = reached[0]
    if after == 0:
        return float(steps[0])
    share = (level - scores[after - 1]) / (scores[after] - scores[after - 1])
    return float(steps[after - 1] + share * (steps[after] - steps[after - 1]))


def speeds(curves: pd.DataFrame, level: float | None = None) -> pd.DataFrame:
    """Per run, `steps` to the level (default `common_level`) and `mean_db`, the mean of its validation scores."""
    level = common_level(curves) if level is None else level
    lines = [
        {"row": row, "seed": seed, "run_id": run_id, "steps": steps_to(curve, level), "mean_db": curve[SCORE].mean()}
        for (row, seed, run_id), curve in curves.groupby(["row", "seed", "run_id"], sort=False)
    ]
    return pd.DataFrame(lines)


def speed_table(curves: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """`speeds` of each (candidate, baseline) for readers; every pair has its own `common_level`."""
    parts = []
    for pair in pairs:
        own = curves[curves["row"].isin(pair)]
        level = f"{common_level(own):.2f}"
        parts.append(speeds(own).assign(level=level, rows=" and ".join(map(label_of, pair))))
    if not parts:
        nothing = {"compared": "no pair of rows", "run": "–", "score to reach (dB)": "–", "steps": "–"}
        return pd.DataFrame([nothing | {"mean validation SI-SDR (dB)": float("nan")}])
    table = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(
        {
            "compared": table["rows"],
            "run": table["run_id"],
            "score to reach (dB)": table["level"],
            "steps": table["steps"].round().astype("Int64").astype(str),
            "mean validation SI-SDR (dB)": table["mean_db"],
        }
    )


def paired_by_seed(table: pd.DataFrame, candidate: str, baseline: str, column: str) -> np.ndarray:
    """Candidate minus baseline for every seed that both rows have."""
    wide = table.pivot(index="seed", columns="row", values=column)
    return (wide[candidate] - wide[baseline]).dropna().to_numpy()


def interval_over_seeds(differences: np.ndarray, level: float = LEVEL) -> Interval:
    """t interval of the mean of one number per seed; NaN bounds for fewer than 2 seeds or equal numbers."""
    n = differences.size
    statement = f"for the methods trained again, {n} seeds"
    if n < 2 or np.ptp(differences) == 0:
        reason = f"{n} paired seed(s): the spread between trainings is unknown" if n < 2 else f"all {n} are equal"
        return no_interval(differences, level, statement, reason)
    error = differences.std(ddof=1) / np.sqrt(n)
    half, mean = stats.t.ppf(0.5 + level / 2, n - 1) * error, differences.mean()
    effect = detectable_effect(error, n - 1, alpha=1 - level)
    return Interval(float(mean), float(mean - half), float(mean + half), n, level, statement, effect)


def steps_outcome(
    profile: str, candidate: str, baseline: str, *, dataset: str = "music11", level: float = LEVEL
) -> Outcome:
    """Steps of `candidate` minus steps of `baseline` until both reach a common validation score.

    Parameters
    ----------
    profile, candidate, baseline, dataset : str
        The two rows must validate at the same steps.
    level : float
        Nominal coverage.

    Returns
    -------
    Outcome
        `items` are seeds: its interval is that across seeds, and there is none over items. The note gives the score
        and, as a second look, the difference of the mean validation scores.

    Raises
    ------
    DataError
        For a missing row or history, or rows with different validations, whose curves cannot be compared.
    """
    curves = validation_curves(profile, (candidate, baseline), dataset)
    if curves.groupby("run_id")["step"].agg(tuple).nunique() > 1:
        raise DataError(f"{label_of(candidate)} and {label_of(baseline)} were not validated at the same steps")
    score, table = common_level(curves), speeds(curves)
    difference = paired_by_seed(table, candidate, baseline, "steps")
    across = interval_over_seeds(difference, level)
    mean = interval_over_seeds(paired_by_seed(table, candidate, baseline, "mean_db"), level)
    over = no_interval(difference, level, "", "validation scores are not kept per mixture")
    note = f"until {score:.2f} dB validation SI-SDR, the lowest best score of these runs; {_second_look(mean)}"
    p_value = float(stats.ttest_1samp(difference, 0.0).pvalue) if np.isfinite(across.low) else float("nan")
    tested_as = f"{label_of(candidate)} − {label_of(baseline)}, steps"
    return Outcome(tested_as, "steps", over, across, p_value, "seeds", note, tuple(table["run_id"]))


def _second_look(mean: Interval) -> str:
    bounds = f" [{mean.low:+.2f}, {mean.high:+.2f}]" if np.isfinite(mean.low) else ""
    return f"mean of the validation curve {mean.mean:+.2f}{bounds} dB"
