"""Commands of the library that run beside each other, each at most once: a finished one has left its output."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from avsep_lib.borrowed.clock import Clock
from avsep_lib.errors import AvsepError

TAIL = 12  # lines of a failed command's log that are shown


@dataclass(frozen=True)
class Job:
    """``python -m <module> <arguments>``, which writes `output` last and atomically."""

    name: str
    module: str
    arguments: tuple[str, ...]
    output: Path
    threads: int = 1

    @property
    def done(self) -> bool:
        """Whether its output is there."""
        return self.output.exists()


class Jobs:
    """Running commands.

    Parameters
    ----------
    logs : Path
        Folder of their logs.
    clock : Clock
        When it runs out, waiting ends with `OutOfTime`.
    one_process : bool
        Run each command in this process instead, one after the other (tests).
    """

    def __init__(self, logs: Path, clock: Clock, one_process: bool = False) -> None:
        self.logs, self.clock, self.one_process = logs, clock, one_process
        self.running: dict[Job, subprocess.Popen] = {}
        self.seconds: dict[str, float] = {}
        self._began: dict[Job, float] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, *jobs: Job) -> None:
        """Start what is neither done nor running; OutOfTime when time is up."""
        for job in jobs:
            if job.done or job in self.running:
                continue
            self.clock.check()
            job.output.parent.mkdir(parents=True, exist_ok=True)
            self._began[job] = time.monotonic()
            if self.one_process:
                self._run_here(job)
            else:
                self.running[job] = self._spawn(job)

    def _run_here(self, job: Job) -> None:
        words, sys.argv = sys.argv, [job.module, *job.arguments]
        try:
            runpy.run_module(job.module, run_name="__main__", alter_sys=True)
        finally:
            sys.argv = words
        self._finished(job)

    def _spawn(self, job: Job) -> subprocess.Popen:
        log = (self.logs / f"{job.name}.log").open("wb")
        environment = os.environ | {"OMP_NUM_THREADS": str(job.threads), "MKL_NUM_THREADS": str(job.threads)}
        # A group of its own: stopping it ends its workers, too.
        return subprocess.Popen(
            [sys.executable, "-m", job.module, *job.arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )

    def _finished(self, job: Job) -> None:
        self.seconds[job.name] = round(time.monotonic() - self._began[job], 1)
        print(f"{job.name}: {self.seconds[job.name]:.0f} s", flush=True)

    def poll(self) -> None:
        """Take note of what has ended; AvsepError with the end of its log when something failed."""
        for job, process in list(self.running.items()):
            code = process.poll()
            if code is None:
                continue
            del self.running[job]
            if code != 0 or not job.done:
                lines = (self.logs / f"{job.name}.log").read_text(errors="replace").splitlines()[-TAIL:]
                raise AvsepError("\n".join([f"{job.name} failed (exit code {code}); the end of its log:", *lines]))
            self._finished(job)

    def wait(self, *jobs: Job, keep: float = 0.0, every: float = 0.2) -> None:
        """Wait for the given jobs, until only `keep` seconds are left.

        Raises
        ------
        OutOfTime
        AvsepError
            One of those that run has failed.
        """
        while any(job in self.running for job in jobs):
            self.poll()
            self.clock.check(keep)
            time.sleep(every)

    def run(self, *jobs: Job) -> None:
        """Start and wait."""
        self.start(*jobs)
        self.wait(*jobs)

    def stop(self) -> None:
        """End everything that still runs; it will begin anew, or go on, in the next command."""
        for process in self.running.values():
            try:
                os.killpg(process.pid, 9)
            except ProcessLookupError:
                continue
            process.wait()
        self.running.clear()
