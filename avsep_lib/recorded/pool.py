"""Work on many files in several processes, of which any may die of a broken file."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from avsep_lib.jobs import with_progress


class Died(Exception):
    """The process that worked on a task ended without a word, e.g. by a fault inside a codec or for want of memory."""


def run_all(work: Callable[[Any], Any], tasks: Sequence[Any], workers: int, name: str) -> Iterator[tuple[int, Any]]:
    """Results of `work` for every task, in the order in which they are ready.

    A task whose process dies is tried once more, alone in a process of its own; if that dies too its result is a `Died`.
    An error that `work` raises is raised here.

    Parameters
    ----------
    work : callable
        Importable function of one task; both are pickled.
    tasks : sequence
        The tasks.
    workers : int
        Processes; 0 works in this one, without protection.
    name : str
        What the progress bar, or the lines of progress, begin with.

    Yields
    ------
    tuple
        Index of the task and its result.
    """
    if not tasks:
        return
    results = ((i, work(task)) for i, task in enumerate(tasks)) if workers == 0 else _in_pools(work, tasks, workers)
    yield from _with_progress(results, len(tasks), name)


def _in_pools(work: Callable[[Any], Any], tasks: Sequence[Any], workers: int) -> Iterator[tuple[int, Any]]:
    left = iter(range(len(tasks)))
    while suspects := (yield from _until_broken(work, tasks, left, min(workers, len(tasks)))):
        for i in suspects:
            yield i, _alone(work, tasks[i])


def _until_broken(work: Callable, tasks: Sequence[Any], left: Iterator[int], workers: int) -> Iterator[tuple[int, Any]]:
    """Work until nothing is left or a process dies; returns the tasks that were under way then."""
    running: dict[Future, int] = {}
    with _pool(workers) as pool:
        try:
            while True:
                while len(running) < 2 * workers and (i := next(left, None)) is not None:
                    # noted before the submission, which fails itself when the pool has just broken
                    running[marker := Future()] = i
                    running[pool.submit(work, tasks[i])] = running.pop(marker)
                if not running:
                    return []
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield running.pop(future), result
        except BrokenProcessPool:
            return sorted(running.values())


def _alone(work: Callable[[Any], Any], task: Any) -> Any:
    with _pool(1) as pool:
        try:
            return pool.submit(work, task).result()
        except BrokenProcessPool:
            return Died()


def _pool(workers: int) -> ProcessPoolExecutor:
    # Fresh interpreters, not forks: a parent that has started threads (torch, BLAS) cannot be forked safely.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Let a worker end when its parent is killed; it would wait for work for ever."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _with_progress(results: Iterator[tuple[int, Any]], total: int, name: str) -> Iterator[tuple[int, Any]]:
    """A bar on a terminal that has tqdm, else a line of text now and then."""
    if sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            pass
        else:
            yield from tqdm(results, name, total)
            return
    yield from with_progress(results, total, name)
