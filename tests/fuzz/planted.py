"""Faults planted into readers, one per number: what shows that each of them would be seen."""

from __future__ import annotations

import time

import numpy as np

from avsep_lib.errors import DataError
from fuzz.watch import Case, Kind


def _raise(error: BaseException) -> None:
    raise error


def _work_for_ever() -> None:
    while True:
        pass


def _die() -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGSEGV)


PLANTED = {  # name: (case, the verdict it must get)
    "a bug": (Case("x", lambda: {}["key"], ("a.csv",)), "crashed"),
    "waiting": (Case("x", lambda: time.sleep(1000), ("a.csv",)), "hung"),
    "working": (Case("x", _work_for_ever, ("a.csv",)), "hung"),
    "a fault in a codec": (Case("x", _die, ("a.csv",)), "crashed"),
    "memory": (Case("x", lambda: np.ones(1 << 29), ("a.csv",)), "crashed"),
    "no file named": (Case("x", lambda: _raise(DataError("something is wrong")), ("a.csv",)), "nameless"),
    "a flood": (Case("x", lambda: _raise(DataError("a.csv" + 10**6 * "x")), ("a.csv",)), "refused"),
    "forbidden": (Case("x", lambda: 1, ("a.csv",), must="refuse"), "wrong"),
    "harmless": (Case("x", lambda: _raise(DataError("a.csv is bad")), ("a.csv",), must="accept"), "wrong"),
    "zero-filled": (Case("x", lambda: np.zeros(3), ("a.csv",), lambda v: _assert(v.any())), "wrong"),
    "refused": (Case("x", lambda: _raise(DataError("a.csv line 3: no number")), ("a.csv",)), "refused"),
    "accepted": (Case("x", lambda: 1, ("a.csv",)), "accepted"),
}


def _assert(true: bool) -> None:
    assert true


def make(name: str) -> Kind:
    """The kind of one fault."""
    return Kind(f"planted: {name}", lambda folder, rng: PLANTED[name][0])


KINDS = {kind.name: kind for kind in map(make, PLANTED)}
