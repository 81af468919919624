"""Runs cases in a process of its own, which may hang, die or ask for too much memory, and says how each one ended.

A case is (kind, number): its files are made from that seed alone, so that a failing one can be made again by hand with
``python -m fuzz KIND NUMBER`` from ``tests``.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from avsep_lib.errors import AvsepError

LIMIT_S = 10.0  # seconds of a case
MEMORY = 2 << 30  # bytes that a case may ask for, beyond what the process has
GOOD = ("accepted", "refused")


@dataclass
class Case:
    """One bad (or harmless) input, written to disk, and how the library reads it.

    Attributes
    ----------
    what : str
        The mutation, in words.
    read : callable
        Asks the library; what it returns goes to `check`.
    names : tuple of str
        A refusal has to name one of them: a file, or a key.
    check : callable
        Raises AssertionError when what was accepted is not right: wrong shape, not finite, out of range.
    must : str
        ``refuse``: the schema forbids it; ``accept``: the change means nothing; ``any``: either, if it is right.
    """

    what: str
    read: Callable[[], Any]
    names: tuple[str, ...]
    check: Callable[[Any], None] = lambda value: None
    must: str = "any"


@dataclass(frozen=True)
class Kind:
    """A kind of input; `make` writes the files of one case into an empty folder."""

    name: str
    make: Callable[[Path, Random], Case]


@dataclass(frozen=True)
class Result:
    """How a case ended: accepted, refused, or one of crashed, nameless, wrong and hung."""

    kind: str
    number: int
    verdict: str
    what: str = ""
    message: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind} {self.number} ({self.what}) {self.verdict}: {self.message}"


def judge(case: Case) -> tuple[str, str]:
    """Verdict of one case, and the message that goes with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = case.read()
            case.check(value)
    except AvsepError as error:
        return _of_refusal(case, f"{type(error).__name__}: {error}")
    except AssertionError as error:
        return "wrong", f"accepted with {error}"
    except Exception:
        return "crashed", "".join(traceback.format_exc().splitlines(keepends=True)[-9:])
    return ("wrong", f"accepted although it is forbidden: {str(value)[:200]}") if case.must == "refuse" else (
        "accepted", "")  # fmt: skip


def _of_refusal(case: Case, message: str) -> tuple[str, str]:
    if case.must == "accept":
        return "wrong", f"refused although the change means nothing: {message}"
    if len(message) > 3000:
        return "nameless", f"a message of {len(message)} characters: {message[:200]}"
    named = any(name in message for name in case.names)
    return ("refused" if named else "nameless"), message


def make(kind: Kind, number: int, folder: Path) -> Case:
    """The case of a number."""
    return kind.make(folder, Random(f"{kind.name}/{number}"))


def run(cases: Iterable[tuple[str, int]], limit_s: float = LIMIT_S) -> Iterator[Result]:
    """Results of the cases (name in `fuzz.kinds`, number), in their order."""
    worker = None
    try:
        for name, number in cases:
            worker = worker or _Worker()
            worker.ask(name, number)
            result = worker.answer(name, number, limit_s)
            if result.verdict in ("hung", "crashed") and not worker.alive():
                worker = None
            yield result
    finally:
        if worker:
            worker.stop()


@dataclass
class _Worker:
    """The other process and the pipe to it."""

    process: Any = field(init=False)
    pipe: Any = field(init=False)
    home: str = field(init=False)

    def __post_init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.home = tempfile.mkdtemp(prefix="bad-inputs-")  # outlives a process that is killed, hence removed here
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, list(sys.path), self.home), daemon=True)
        self.process.start()
        theirs.close()
        self.pipe.recv()  # everything is imported

    def ask(self, name: str, number: int) -> None:
        self.pipe.send((name, number))

    def answer(self, name: str, number: int, limit_s: float) -> Result:
        what = "while its files were made"
        try:
            if not self.pipe.poll(300):
                return self._hung(name, number, what, 300)
            what = self.pipe.recv()
            if not self._in_time(limit_s):
                return self._hung(name, number, what, limit_s)
            return Result(name, number, **self.pipe.recv())
        except EOFError:
            self.process.join(5)
            code = self.process.exitcode
            self.stop()
            return Result(name, number, "crashed", what, f"the process ended with code {code}")

    def _in_time(self, limit_s: float) -> bool:
        """Whether an answer comes before the process has worked, or waited for something, for too long.

        On a crowded machine a process that could work has to wait; that is not its fault.
        """
        began, worked = time.monotonic(), self._worked()
        while not self.pipe.poll(0.5):
            waiting = self._state() == "S"
            if self._worked() - worked > limit_s or time.monotonic() - began > (limit_s if waiting else 30 * limit_s):
                return False
        return True

    def _stat(self) -> list[str]:
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()

    def _state(self) -> str:
        return self._stat()[0]

    def _worked(self) -> float:
        return sum(map(int, self._stat()[11:13])) / os.sysconf("SC_CLK_TCK")

    def _hung(self, name: str, number: int, what: str, limit_s: float) -> Result:
        self.stop()
        return Result(name, number, "hung", what, f"more than {limit_s:g} s", limit_s)

    def alive(self) -> bool:
        return self.process.is_alive()

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        shutil.rmtree(self.home, ignore_errors=True)


def _work(pipe: Any, path: list[str], home: str) -> None:
    """The other process; all that it writes lies in `home`."""
    sys.path[:], tempfile.tempdir = path, home
    from fuzz.kinds import KINDS, PLANTED

    _limit_memory()
    with open(os.devnull, "w") as nothing:  # what codecs print of every broken file
        os.dup2(nothing.fileno(), 2)
    pipe.send("ready")
    while True:
        try:
            name, number = pipe.recv()
        except EOFError:
            return
        folder = Path(tempfile.mkdtemp())
        case = make((KINDS | PLANTED)[name], number, folder)
        pipe.send(case.what)
        began = time.monotonic()
        verdict, message = judge(case)
        seconds = time.monotonic() - began
        shutil.rmtree(folder, ignore_errors=True)
        pipe.send({"verdict": verdict, "what": case.what, "message": message, "seconds": seconds})


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
