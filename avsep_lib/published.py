"""What the paper says: its numbers (``paper/published.csv``) and its claims (``paper/claims.yaml``), strictly read.

Those two files are the only copy of either in the repository. A published number is context: it was measured on other
data, so nothing here subtracts one from ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from avsep_lib.errors import ConfigError
from avsep_lib.paths import project_root
from avsep_lib.settings import from_dict

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["table", "row", "column", "value", "unit", "page/section", "note"]
UNITS = ("dB", "%", "1")


@dataclass(frozen=True)
class Claim:
    """A statement of the paper as one inequality between two rows of ``config/runs.csv``.

    Attributes
    ----------
    id, sentence, section : str
        Name, our wording, and where the paper says it.
    candidate, baseline : str
        Table rows; the claim is about candidate minus baseline.
    metric : str
        A column of the scores, in dB.
    direction : {"greater", "less"}
        The difference is greater, or less, than zero.
    notebook : str
        Where it is tested.
    """

    id: str
    sentence: str
    section: str
    candidate: str
    baseline: str
    metric: str
    direction: Literal["greater", "less"]
    notebook: str


def published_path() -> Path:
    """``paper/published.csv``."""
    return project_root() / "paper" / "published.csv"


def claims_path() -> Path:
    """``paper/claims.yaml``."""
    return project_root() / "paper" / "claims.yaml"


def load_published(path: Path | None = None) -> pd.DataFrame:
    """All published numbers, one per row, with the columns `COLUMNS`.

    Raises
    ------
    ConfigError
        Wrong columns, a value that is no number, an empty name, or a cell given twice; names the line.
    """
    import pandas as pd

    path = path or published_path()
    numbers = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(numbers.columns) != COLUMNS:
        raise ConfigError(f"{path}: columns are {list(numbers.columns)}; expected {COLUMNS}")
    value = pd.to_numeric(numbers["value"], errors="coerce")
    for problem, bad in {
        "value is no number": value.isna(),
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


def load_claims(notebook: str | None = None, path: Path | None = None) -> list[Claim]:
    """The claims, or those that one notebook tests.

    Raises
    ------
    ConfigError
        Unknown or missing key, wrong type or direction, or an id given twice.
    """
    import yaml

    path = path or claims_path()
    entries = yaml.safe_load(path.read_text()) or []
    claims = [from_dict(Claim, entry, f"{path} entry {number}") for number, entry in enumerate(entries, start=1)]
    ids = [claim.id for claim in claims]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ConfigError(f"{path}: id {', '.join(twice)} occurs twice")
    return [claim for claim in claims if notebook in (None, claim.notebook)]
