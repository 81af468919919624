"""What a row of the benchmarks is: two ways to do the same thing, a goal for their ratio, and the least it can cost."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

Action = Callable[[], float | None]
"""Does the work once. The frame takes its time; an action that returns a number has measured itself (memory, say)."""


@dataclass(frozen=True)
class Pair:
    """A prepared case: inputs exist, nothing that is not part of the comparison is left to do.

    Attributes
    ----------
    reference, ours : callable
        Each does the work once; see `Action`.
    check : callable, optional
        Run once before anything is timed. Raises (AssertionError, say) when the two do not agree as the case promises;
        may return a few words on how closely they do.
    work : float, optional
        How much one call does, for rows that report a rate: the columns then hold ``work / seconds``.
    floor : float, optional
        The least `ours` can be on this machine, in the unit of the row; from `benchmarks.machine.rates`.
    floor_note : str
        What the floor counts: operations, bytes.
    """

    reference: Action | None
    ours: Action
    check: Callable[[], str | None] | None = None
    work: float | None = None
    floor: float | None = None
    floor_note: str = ""


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes
    ----------
    name : str
        Short, for people; also the key of the row in the tables.
    reference : str
        What the reference is, in a word or two.
    goal : float or None
        None for a row that only informs.
    direction : str
        ``at least``: the ratio is how many times quicker or smaller ours is. ``at most``: ours as a share of the
        reference.
    unit : str
        Of the columns `reference` and `ours`: ``s``, ``MiB``, ``s/s``.
    prepare : callable
        Makes the inputs and returns the `Pair`.
    goal_of : str
        ``ratio``, or ``ours`` when the goal is a value in `unit` (five seconds, fifteen minutes).
    threads : int
        That both may use; set for torch and for the BLAS libraries before `prepare` is called.
    repeats : int, optional
        Timed pairs; by default as many as fit into the run's budget, within bounds.
    warm_up : bool
        Run both once before timing.
    long : bool
        Minutes rather than seconds: run only when named.
    """

    name: str
    reference: str
    goal: float | None
    direction: Literal["at least", "at most"]
    unit: str
    prepare: Callable[[], Pair]
    goal_of: Literal["ratio", "ours"] = "ratio"
    threads: int = CORES
    repeats: int | None = None
    warm_up: bool = True
    long: bool = False
