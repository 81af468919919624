"""Runs cases and turns them into rows; a case that breaks is a row that says so, and the others still run."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.case import Case, Pair
from benchmarks.timing import Measured, interleaved, limited_threads

ROOT = Path(__file__).resolve().parent.parent
Row = dict[str, object]


def chosen(cases: Sequence[Case], pattern: str) -> list[Case]:
    """Cases whose name matches somewhere, whatever the case of letters; ``ALL`` is every case, nothing every quick one.

    Raises
    ------
    SystemExit
        If no row matches.
    """
    if pattern == "ALL":
        return list(cases)
    if not pattern:
        return [case for case in cases if not case.long]
    found = [case for case in cases if re.search(pattern, case.name, re.IGNORECASE)]
    if not found:
        raise SystemExit(f"no row matches {pattern!r}; the rows are\n  " + "\n  ".join(case.name for case in cases))
    return found


def is_met(case: Case, ratio: float, ours: float) -> bool:
    """Whether the goal is reached."""
    value = ratio if case.goal_of == "ratio" else ours
    return value >= case.goal if case.direction == "at least" else value <= case.goal


def commit() -> str:
    """Short id of the commit, with ``+`` when tracked files differ from it; empty outside a checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno", "--", ".") else "")


def run_case(case: Case, budget_s: float) -> Row:
    """Measure one case; a failing preparation, check or action gives a row with status ``failed``."""
    with limited_threads(case.threads):
        try:
            pair = case.prepare()
            exactness = (pair.check() if pair.check else None) or ""
            measured = interleaved(case, pair, budget_s)
        except Exception as error:  # whatever it is, the other rows are measured
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return _header(case) | {"status": "failed", "exactness": reason[:300]}
    return _header(case) | _numbers(case, pair, measured) | {"exactness": exactness}


def _header(case: Case) -> Row:
    return {
        "row": case.name, "against": case.reference, "unit": case.unit, "goal": case.goal,
        "direction": case.direction, "goal_of": case.goal_of, "threads": case.threads,
    }  # fmt: skip


def _numbers(case: Case, pair: Pair, measured: Measured) -> Row:
    def shown(costs: np.ndarray | None) -> float:
        if costs is None:
            return np.nan
        return float(np.median(costs if pair.work is None else pair.work / costs))

    ratios = measured.ratios(case.direction)
    ratio, ours = float(np.median(ratios)), shown(measured.ours)
    low, high = np.quantile(ratios, [0.25, 0.75])
    status = "informs" if case.goal is None else "met" if is_met(case, ratio, ours) else "not met"
    return {
        "reference": shown(measured.reference), "ours": ours, "ratio": ratio, "low": float(low), "high": float(high),
        "status": status, "floor": pair.floor, "floor_note": pair.floor_note, "repeats": len(measured.ours),
    }  # fmt: skip


def run_cases(cases: Sequence[Case], budget_s: float) -> list[Row]:
    """Rows of all cases, each with date, commit, machine and the machine's rates."""
    stamp: Row = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), "commit": commit()}
    stamp |= {"machine": machine.description()} | machine.rates().columns()
    rows = []
    for case in cases:
        row = run_case(case, budget_s) | stamp
        print(line(row), flush=True)
        rows.append(row)
    return rows


def line(row: Row) -> str:
    """A row in one line of the terminal."""
    if row["status"] == "failed":
        return f"FAILED   {row['row']}: {row['exactness']}"
    goal = "" if row["goal"] is None else f", goal {row['direction']} {row['goal']:g} ({row['goal_of']})"
    compared, ratio = "", ""
    if np.isfinite(row["ratio"]):
        compared = f"{row['reference']:.4g} -> "
        ratio = f", ratio {row['ratio']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
    repeats = f"{row['repeats']} repeats" if row["repeats"] > 1 else "once"
    exactness = f"; {row['exactness']}" if row["exactness"] else ""
    return (
        f"{row['status']:8} {row['row']}: {compared}{row['ours']:.4g} {row['unit']}{ratio}{goal}, {repeats}{exactness}"
    )
