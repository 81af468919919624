"""Two CSV texts, cell by cell: numbers by value, words as they are, rows by what they are called."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from dataclasses import dataclass

from avsep_lib.changes.tolerances import STRICT, Tolerance, tolerance

# A number, not the digit of a name (hier-s0, ResNet-18) and not the count in "n = 56".
NUMBER = re.compile(r"(?<![\w.\-])(?<!n = )[-+−]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w])")
MAIN = ("value", "difference", "gain", "rho", "accuracy", "estimate")  # columns that ``low`` and ``high`` belong to
RESULTS = ("verdict", "found", "trained again", "trained_again", "result")
MISSING = ("", "–", "nan")


@dataclass(frozen=True)
class Difference:
    """Two values that should be the same."""

    file: str
    place: str
    committed: str
    here: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: committed {self.committed}, here {self.here}"


def compare_tables(file: str, committed: str, here: str, strict: bool = True) -> list[Difference]:
    """Every difference between two CSV texts beyond `avsep_lib.changes.tolerances`.

    Parameters
    ----------
    file : str
        Name of the file; chooses the tolerances.
    committed, here : str
        The two texts, with a header each.
    strict : bool
        The two were made on the same kind of machine.
    """
    if committed == here:
        return []
    (old_names, *old), (new_names, *new) = _rows(committed), _rows(here)
    found = _differing_names(file, "column", old_names, new_names)
    pairs, differing_rows = _paired(file, old, new, _name_columns(old_names))
    shared = [name for name in old_names if name in new_names]
    for called, (old_row, new_row) in pairs:
        before, after = _named(old_names, old_row), _named(new_names, new_row)
        for name in shared:
            line = tolerance(file, old_row[0], name)
            if not _close(before, after, name, line, strict):
                place = f"row {called[:160]}, column {name}"
                found.append(Difference(file, place, _shown(before[name]), _shown(after[name])))
    return found + differing_rows


def _rows(text: str) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text)) if row] or [[]]


def _named(names: list[str], row: list[str]) -> dict[str, str]:
    return dict.fromkeys(names, "") | dict(zip(names, row))


def _shown(cell: str) -> str:
    return "no value" if cell in MISSING else repr(cell) if len(cell) <= 160 else repr(f"{cell[:157]}...")


def _differing_names(file: str, kind: str, old: list[str], new: list[str]) -> list[Difference]:
    found = [Difference(file, f"{kind} {name}", "there", "missing") for name in old if name not in new]
    found += [Difference(file, f"{kind} {name}", "not there", "there") for name in new if name not in old]
    if not found and old != new:
        found.append(Difference(file, f"order of the {kind}s", ", ".join(old[:6]), ", ".join(new[:6])))
    return found


def _paired(
    file: str, old: list[list[str]], new: list[list[str]], n_names: int
) -> tuple[list[tuple[str, tuple[list[str], list[str]]]], list[Difference]]:
    """Rows that belong together, with what they are called, and what stands on one side only."""
    old_keys, new_keys = _keys(old, n_names), _keys(new, n_names)
    if set(old_keys) != set(new_keys) and len(old) == len(new):
        old_keys = new_keys = list(map(str, range(1, len(old) + 1)))  # renamed cells: compared where they stand
    at = dict(zip(new_keys, new))
    pairs = [(key, (row, at[key])) for key, row in zip(old_keys, old) if key in at]
    found = _differing_names(file, "row", old_keys, new_keys) if old_keys != new_keys else []
    return pairs, found


def _name_columns(names: list[str]) -> int:
    """How many leading columns may name a row: those before the first that holds a result in words."""
    results = (i for i, name in enumerate(names) if name in RESULTS)
    return max(1, next(results, len(names)))


def _keys(rows: list[list[str]], n_names: int) -> list[str]:
    """What rows are called: their cells before the first number; repeated ones are counted."""
    counts: Counter[str] = Counter()
    keys = []
    for row in rows:
        words = []
        for cell in row[:n_names]:
            if cell in MISSING or NUMBER.search(cell):
                break
            words.append(cell)
        name = " / ".join(words) or (row[0] if row else "")
        counts[name] += 1
        keys.append(name if counts[name] == 1 else f"{name} #{counts[name]}")
    return keys


def _close(before: dict[str, str], after: dict[str, str], name: str, line: Tolerance, strict: bool) -> bool:
    old, new = before[name], after[name]
    if old == new or line.kind == "duration":
        return True
    equal = strict or line.kind == "exact"
    if not equal:  # on how many values a mean rests depends on the trained network as well
        old, new = (re.sub(r"n = \d+", "n = many", cell) for cell in (old, new))
    if NUMBER.sub("#", old) != NUMBER.sub("#", new):
        return False  # other words, or a value on one side only
    numbers, others = _numbers(old), _numbers(new)
    if equal:
        return all(math.isclose(a, b, rel_tol=STRICT, abs_tol=0) for a, b in zip(numbers, others))
    limits = _limits(before, old, name, numbers, line)
    return all(low <= value <= high for value, (low, high) in zip(others, limits))


def _numbers(cell: str) -> list[float]:
    return [float(text.replace("−", "-")) for text in NUMBER.findall(cell)]


def _limits(
    row: dict[str, str], cell: str, name: str, numbers: list[float], line: Tolerance
) -> list[tuple[float, float]]:
    """Where each number of a cell may lie on another machine."""
    text = NUMBER.sub("#", cell)
    if match := re.search(r"(# )?\[#, #\]", text):
        first = text[: match.start()].count("#")
        ends = slice(first + 1, first + 3) if match[1] else slice(first, first + 2)
        limits = [_around(value, line) for value in numbers]
        low, high = numbers[ends]
        limits[ends] = [(low - (high - low), high), (low, high + (high - low))]
        if match[1]:
            limits[first] = (low, high)
        return limits
    low, high = _interval_of(row, name)
    if len(numbers) != 1 or not low <= high:
        return [_around(value, line) for value in numbers]
    if name.endswith("low"):
        return [(low - (high - low), high)]
    return [(low, high + (high - low))] if name.endswith("high") else [(low, high)]


def _interval_of(row: dict[str, str], name: str) -> tuple[float, float]:
    """The committed interval that a column belongs to; two NaN when it has none."""
    base = re.sub(r"_?(low|high)$", "", name)
    base = "" if base in MAIN else base
    cells = (row.get(f"{base}_{end}" if base else end, "") for end in ("low", "high"))
    low, high = (float(cell) if re.fullmatch(NUMBER, cell) else math.nan for cell in cells)
    return low, high


def _around(value: float, line: Tolerance) -> tuple[float, float]:
    reach = line.loose * abs(value) if line.relative else line.loose
    return value - reach, value + reach
