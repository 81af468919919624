"""Interleaved measurements, reference and ours in turn: what else the machine does meets both alike."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.case import Action, Case, Pair

FEWEST, MOST = 5, 25  # timed pairs
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Measured:
    """Costs (seconds, or what the actions returned) of every repeat, shape (repeats,); `reference` may be absent."""

    reference: np.ndarray | None
    ours: np.ndarray

    def ratios(self, direction: str) -> np.ndarray:
        """Ratio of every pair: reference / ours for ``at least``, ours / reference for ``at most``."""
        if self.reference is None:
            return np.full(len(self.ours), np.nan)
        return self.reference / self.ours if direction == "at least" else self.ours / self.reference


def cost(action: Action) -> float:
    """Seconds of one call, or the number that it returns."""
    start = time.perf_counter()
    measured = action()
    seconds = time.perf_counter() - start
    return seconds if measured is None else float(measured)


def interleaved(case: Case, pair: Pair, budget_s: float) -> Measured:
    """Time reference and ours in turn; the number of pairs is the case's, or what fits into the budget."""
    actions = [pair.reference, pair.ours] if pair.reference else [pair.ours]
    gc.collect()
    start = time.perf_counter()
    if case.warm_up:
        for action in actions:
            cost(action)
    rows: list[list[float]] = []
    most = case.repeats or MOST
    fewest = case.repeats or FEWEST
    while len(rows) < most and (len(rows) < fewest or time.perf_counter() - start < budget_s):
        rows.append([cost(action) for action in actions])
    columns = np.array(rows).T
    return Measured(columns[0] if pair.reference else None, columns[-1])


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Torch and every loaded BLAS use this many threads within the block."""
    import scipy.linalg  # noqa: F401  (its BLAS must be loaded to be limited)
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with threadpool_limits(threads):
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def peak_memory(target: str, *arguments: str) -> float:
    """Peak memory in MiB of ``module:function(*arguments)`` in a fresh process, above the level after the import.

    Raises
    ------
    RuntimeError
        If the process fails; with the end of what it wrote.
    """
    command = [sys.executable, "-m", "benchmarks.memory", target, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{target} failed in its own process:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])
