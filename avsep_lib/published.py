"""The paper's numbers, ``paper/published.csv``, strictly read; its claims are `avsep_lib.claims`'.

That file is the only copy of them in the repository. A published number is context: it was measured on other data, so
nothing here subtracts one from ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from avsep_lib.errors import ConfigError
from avsep_lib.paths import project_root
from avsep_lib.text_files import read_table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["table", "row", "column", "value", "unit", "page/section", "note"]
UNITS = ("dB", "%", "1")


def published_path() -> Path:
    """``paper/published.csv``."""
    return project_root() / "paper" / "published.csv"


def published_sgn_path() -> Path:
    """``paper/published_sgn.csv``: Tables 2 to 4 of the SGN paper (arXiv:2407.03736); its Table 1 is in ``audit.yaml``."""
    return project_root() / "paper" / "published_sgn.csv"


def load_published(path: Path | None = None) -> pd.DataFrame:
    """All published numbers, one per row, with the columns `COLUMNS`.

    Raises
    ------
    ConfigError
        Wrong columns, a value that is no number, an empty name, or a cell given twice; names the line.
    """
    import numpy as np
    import pandas as pd

    path = path or published_path()
    numbers = read_table(path, text=COLUMNS, missing=False, error=ConfigError)
    if list(numbers.columns) != COLUMNS:
        raise ConfigError(f"{path}: columns are {list(numbers.columns)}; expected {COLUMNS}")
    if numbers.empty:
        raise ConfigError(f"{path}: no number in it")
    value = pd.to_numeric(numbers["value"], errors="coerce")
    for problem, bad in {
        "value is no number": ~np.isfinite(value),
        "table is no number from 1 on": ~numbers["table"].str.fullmatch("[1-9][0-9]{0,2}"),
        f"unit is none of {', '.join(UNITS)}": ~numbers["unit"].isin(UNITS),
        "table, row, column and page/section must not be empty": (numbers[COLUMNS[:-1]] == "").any(axis=1),
        "this cell of the table is given twice": numbers.duplicated(["table", "row", "column"]),
    }.items():
        if bad.any():
            first = bad.idxmax()
            raise ConfigError(f"{path} line {first + 2}: {problem}: {list(numbers.loc[first])}")
    return numbers.assign(table=numbers["table"].astype(int), value=value)


def published_table(table: int, path: Path | None = None) -> pd.DataFrame:
    """One published table as printed: rows and columns in the paper's order, values in the paper's units.

    Raises
    ------
    ConfigError
        As `load_published`, or for a table that is not there.
    """
    numbers = load_published(path)
    if table not in set(numbers["table"]):
        raise ConfigError(f"no published Table {table}; there are: {sorted(set(numbers['table']))}")
    part = numbers[numbers["table"] == table]
    wide = part.pivot(index="row", columns="column", values="value")
    return wide.loc[part["row"].unique(), part["column"].unique()].rename_axis(columns=None)


def row_notes(table: int, path: Path | None = None) -> pd.Series:
    """Notes of a published table, one text per row."""
    numbers = load_published(path)
    part = numbers[(numbers["table"] == table) & (numbers["note"] != "")]
    return part.groupby("row", sort=False)["note"].agg(lambda notes: "; ".join(dict.fromkeys(notes)))
