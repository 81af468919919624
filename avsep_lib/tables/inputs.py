"""Reading what training and scoring left: score files and training costs of the rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from avsep_lib.common_set import METRICS, NO_MASK
from avsep_lib.config import Profile, Run, load_profile, profile_runs, resolve
from avsep_lib.errors import DataError
from avsep_lib.files import read_json
from avsep_lib.inputs import dataset_of
from avsep_lib.methods.settings import UNTRAINED
from avsep_lib.paths import results_root
from avsep_lib.tables.names import SEPARATION, TABLE_6, in_table_order
from avsep_lib.text_files import read_table
from avsep_lib.workflow import data_key

MASKS = ("soft", "binary")
NAMES = ("mixture_id", "clip_id", "instrument", "partner")  # columns of scores that are text, whatever they look like


def separation_tables(profile: Profile) -> dict[int, tuple[str, tuple[str, ...]]]:
    """`SEPARATION` with the datasets of a profile and the rows it trains; a table without either is left out."""
    places = {number: (dataset_of(profile, place), rows) for number, (place, rows) in SEPARATION.items()}
    found = {number: (dataset, rows_here(profile, rows, dataset)) for number, (dataset, rows) in places.items()}
    return {number: (dataset, rows) for number, (dataset, rows) in found.items() if rows}


def rows_here(profile: Profile, methods: Iterable[str], dataset: str = "music11") -> tuple[str, ...]:
    """Those of the table rows that a profile trains on a dataset, in their order."""
    dataset = dataset_of(profile, dataset)
    trained = {run.row for run in profile_runs(profile) if data_key(run) == dataset}
    return tuple(method for method in methods if method in trained)


def runs_of(profile: Profile, methods: Iterable[str], dataset: str = "music11") -> list[Run]:
    """Runs of a profile that are seeds of the given table rows, trained on the dataset without switched audio.

    Here and in the other functions of this module, a dataset may be named by its place; see `dataset_of`.

    Raises
    ------
    DataError
        For a row that ``config/runs.csv`` does not have in this profile.
    """
    methods, dataset = list(methods), dataset_of(profile, dataset)
    runs = [run for run in profile_runs(profile) if data_key(run) == dataset]
    known = sorted({run.row for run in runs})
    if unknown := [method for method in methods if method not in known]:
        raise DataError(
            f"table row {', '.join(map(repr, unknown))}: config/runs.csv has no such run on {dataset} in profile "
            f"{profile.name!r}; it has: {', '.join(known)}"
        )
    return [run for run in runs if run.row in methods]


def score_files(profile: str, methods: Iterable[str], dataset: str = "music11") -> list[Path]:
    """Score files of the table rows and of the references.

    Raises
    ------
    DataError
        For the first that is missing; says which command makes it.
    """
    settings = load_profile(profile)
    names = [run.run_id for run in runs_of(settings, methods, dataset)]
    names.append(f"references-{dataset_of(settings, dataset)}")
    return [_finished(profile, f"scores/{name}.csv") for name in names]


def load_scores(files: Iterable[Path]) -> pd.DataFrame:
    """Tidy scores of several runs in one frame; see `avsep_lib.score` for the columns."""
    return pd.concat([_scores(path) for path in files], ignore_index=True)


def _scores(path: Path) -> pd.DataFrame:
    """One file of scores; DataError for what is none."""
    way_out = "delete it and run `make figures`"
    key = ["run_id", "mixture_id", "source", "mask"]
    table = read_table(path, [*key, *METRICS], ("run_id", "mask", *NAMES), way_out=way_out, whole=True)
    masked = table["mask"].isna() | table["mask"].isin([*MASKS, *NO_MASK])
    if not len(table) or table[key[:-1]].isna().any(axis=None) or not masked.all():
        raise DataError(f"{path} holds no scores, or some without run, mixture, source or a known mask; {way_out}")
    for column in ("source", *METRICS):
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise DataError(f"{path}: a {column} is no number; {way_out}")
    if (twice := table.duplicated(key)).any():
        raise DataError(f"{path}: {' '.join(map(str, table.loc[twice, key].iloc[0]))} is scored twice; {way_out}")
    return table


def steps_of_rows(profile: str, methods: Iterable[str], dataset: str = "music11") -> dict[str, int]:
    """Training steps of each table row that learns."""
    settings = load_profile(profile)
    runs = [run for run in runs_of(settings, methods, dataset) if run.method not in UNTRAINED]
    return {run.row: resolve(settings, run).training.steps for run in runs}


def encoder_files(profile: str) -> list[Path]:
    """``sanity.csv`` of the frozen encoders of every dataset that the profile has in a separation table."""
    found = separation_tables(load_profile(profile)).values()
    return [_finished(profile, f"data/{dataset}/embeddings/sanity.csv") for dataset, _ in found]


def encoder_knowledge(files: Iterable[Path]) -> pd.DataFrame:
    """Zero-shot accuracy of the frozen encoders on the test clips of each dataset, for readers.

    Returns
    -------
    pandas.DataFrame
        `dataset`, `encoder`, `accuracy` with its 95 % Wilson interval, `chance`, `clips`.
    """
    found = {path.parents[1].name: pd.read_csv(path) for path in files}
    table = pd.concat(found, names=["dataset"]).reset_index("dataset")
    table = table[table["task"] == "zero-shot class"]
    cells = [f"{v:.3f} [{low:.3f}, {high:.3f}]" for v, low, high in zip(table["value"], table["low"], table["high"])]
    kept = {"dataset": table["dataset"], "encoder": table["encoder"], "accuracy": cells}
    chance = table["chance"].map("{:.3f}".format)
    return pd.DataFrame({**kept, "chance": chance, "clips": table["n"].astype(str)}).reset_index(drop=True)


def cost_files(profile: str, methods: Iterable[str] = TABLE_6, dataset: str = "music11") -> list[Path]:
    """The ``cost.json`` of every run of the rows; DataError as `score_files`."""
    runs = runs_of(load_profile(profile), methods, dataset)
    return [_finished(profile, f"runs/{run.run_id}/cost.json") for run in runs]


def training_cost(profile: str, methods: Iterable[str] = TABLE_6, dataset: str = "music11") -> pd.DataFrame:
    """What each row costs.

    Returns
    -------
    pandas.DataFrame
        `method`, `n_runs`, `parameters` (trained, one model), `seconds` (mean of a run), `steps`, `threads`, `device`.

    Raises
    ------
    DataError
        For a run without ``cost.json``; says which command makes it.
    """
    settings = load_profile(profile)
    lines = [_run_cost(settings, run) for run in runs_of(settings, methods, dataset)]
    constant = {name: (name, "first") for name in ("parameters", "steps", "threads", "device")}
    grouped = pd.DataFrame(lines).groupby("method")
    table = grouped.agg(n_runs=("seconds", "size"), seconds=("seconds", "mean"), **constant)
    return table.loc[in_table_order(table.index)].reset_index()


def _run_cost(profile: Profile, run: Run) -> dict:
    from avsep_lib.models.separator import count_parameters  # torch, only here

    cost = read_json(_finished(profile.name, f"runs/{run.run_id}/cost.json"))
    kept = {key: cost[key] for key in ("seconds", "steps", "threads", "device")}
    return {"method": run.row, "parameters": count_parameters(resolve(profile, run).model), **kept}


def _finished(profile: str, relative: str) -> Path:
    path = results_root(profile) / relative
    if not path.is_file():
        raise DataError(f"results/{profile}/{relative} is missing; run `make figures PROFILE={profile}` first")
    return path
