"""The tables of the benchmarks: `latest.csv` (one line per row, merged), `history.csv` (appended)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from avsep_lib.files import atomic_path

COLUMNS = [
    "row", "against", "reference", "ours", "unit", "ratio", "low", "high", "direction", "goal", "goal_of", "status",
    "floor", "floor_note", "exactness", "repeats", "threads", "date", "commit", "machine",
    "copy_gb_s", "float32_gflop_s", "bfloat16_gflop_s", "float64_gflop_s",
]  # fmt: skip
HISTORY = [column for column in COLUMNS if column not in ("floor_note", "exactness")]


def read(path: Path) -> pd.DataFrame:
    """A table written here, or an empty one."""
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=COLUMNS)


def merged(rows: Sequence[dict], earlier: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The new rows, and the earlier ones of cases that were not run now, in the order of `names`.

    Rows of cases that no longer exist are dropped. Every row keeps its own date and commit.
    """
    new = pd.DataFrame(rows).reindex(columns=COLUMNS)
    kept = earlier[earlier.row.isin(names) & ~earlier.row.isin(new.row)].reindex(columns=COLUMNS)
    tables = [table.astype(object) for table in (new, kept) if len(table)]
    if not tables:
        return new
    table = pd.concat(tables).set_index("row", drop=False)
    return table.loc[[name for name in names if name in table.index]].reset_index(drop=True)


def write(rows: Sequence[dict], names: Sequence[str], folder: Path) -> pd.DataFrame:
    """Write `latest.csv`, append to `history.csv`, say which rows are older; returns the merged table."""
    earlier = read(folder / "latest.csv")
    table = merged(rows, earlier, names)
    with atomic_path(folder / "latest.csv") as path:
        table.to_csv(path, index=False, float_format="%.5g")
    history = folder / "history.csv"
    new = pd.DataFrame(rows).reindex(columns=HISTORY)
    new.to_csv(history, mode="a", header=not history.exists(), index=False, float_format="%.5g")
    for row in table[~table.row.isin(new.row)].itertuples():
        print(f"kept     {row.row}: not run now, measured {row.date} at {row.commit}")
    for name in earlier.row[~earlier.row.isin(names)]:
        print(f"dropped  {name}: no such case any more")
    return table
