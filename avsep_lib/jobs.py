"""Long loops over many clips: work ahead in threads, results in order, a line of progress now and then."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

EVERY_S = 10.0  # between two lines of progress


def in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int = 1) -> Iterator[Result]:
    """``map(function, items)`` in threads that work a few items ahead: order kept, memory flat.

    For what releases Python's lock (decoding, resampling, hashing). The first error is raised in its turn, after all
    results before it.

    Parameters
    ----------
    function : callable
    items : iterable
        Read lazily.
    workers : int
        Threads; at most twice as many results wait at any time.
    """
    items = iter(items)
    pool = ThreadPoolExecutor(workers)
    try:
        waiting = deque(pool.submit(function, item) for item in islice(items, 2 * workers))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(items, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def with_progress(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """`items` as they are; every `EVERY_S` seconds prints how many of `total` are done and the time left."""
    started = printed = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - printed >= EVERY_S:
            printed, left = now, (now - started) / done * (total - done)
            print(f"{what}: {done:,} of {total:,}, {now - started:.0f} s, {left:.0f} s left", flush=True)
