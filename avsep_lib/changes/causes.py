"""Jobs and the causes that make them run: from an artefact back to what changed first.

Two sources fill the same classes: a dry run of Snakemake (`avsep_lib.changes.planned`, before) and the records of two
runs (`avsep_lib.changes.records`, after).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from avsep_lib.changes.route import route

JOBS = {
    "dataset": "dataset {}",
    "clips": "clips of {}",
    "encoder": "encoder {}",
    "embed": "embeddings {}",
    "sanity": "check of the encoders of {}",
    "mixtures": "mixtures of {}",
    "features": "features of {}",
    "train": "training of {}",
    "score": "scores of {}",
    "references": "floor and ceilings of {}",
    "analysis": "analysis {}",
    "notebooks": "notebook {}",
}  # by the folder of a job's log


@dataclass(frozen=True)
class Cause:
    """One thing that differs from the last time a job ran."""

    kind: str  # edited, remade, parameter, inputs, command, missing, first, other
    what: str  # a file, "training.steps 480 -> 600", or words; empty for `missing`: see `Job.missing`


@dataclass(eq=False)
class Job:
    """A job that runs (or ran) again."""

    name: str  # its log below logs/, without suffix: train/hier-s0
    start: str  # dotted module that it runs, or the notebook that it executes
    causes: list[Cause] = field(default_factory=list)
    upstream: list[Job] = field(default_factory=list)  # those that run again before it
    missing: list[str] = field(default_factory=list)  # outputs that are not there

    @property
    def label(self) -> str:
        """For example ``training of hier-s0``."""
        folder, _, rest = self.name.partition("/")
        return JOBS[folder].format(rest) if rest and folder in JOBS else self.name


@dataclass(frozen=True)
class Chain:
    """A first cause, and the jobs between it and what was asked for."""

    cause: Cause
    jobs: tuple[Job, ...]  # from the job that the cause starts to the one that was asked for
    alike: int  # further jobs on the way with the same cause of their own


def job_name(logs: Iterable[str]) -> str:
    """``train/hier-s0`` of ``results/demo/logs/train/hier-s0.log``."""
    log = min(logs, key=lambda path: (not path.endswith(".log"), path))
    return log.partition("/logs/")[2].rpartition(".")[0]


def chains(job: Job) -> list[Chain]:
    """One chain for each cause in or before `job`, starting where the cause acts first; the fewest steps first."""
    paths = _paths(job)
    acting: dict[Cause, list[Job]] = {}
    for other in paths:
        for cause in other.causes:
            acting.setdefault(cause, []).append(other)
    found = []
    for cause, jobs in acting.items():
        first = min(jobs, key=lambda j: (-len(paths[j]), j.name))
        found.append(Chain(cause, paths[first], len(jobs) - 1))
    # What is missing because of another cause is a consequence, not a cause, but Snakemake cannot tell; it comes last.
    return sorted(found, key=lambda c: (c.cause.kind == "missing", len(c.jobs), c.cause.what))


def _paths(job: Job) -> dict[Job, tuple[Job, ...]]:
    """Shortest way from every job upstream to `job`, both included."""
    paths = {job: (job,)}
    waiting = deque([job])
    while waiting:
        here = waiting.popleft()
        for before in sorted(here.upstream, key=lambda j: j.name):
            if before not in paths:
                paths[before] = (before, *paths[here])
                waiting.append(before)
    return paths


def cause_in_words(chain: Chain) -> str:
    """The cause of a chain as a sentence without its full stop."""
    cause, first = chain.cause, chain.jobs[0]
    if cause.kind == "missing":
        return _missing_in_words(first, chain.alike)
    if cause.kind == "parameter":
        return f"parameter {cause.what}"
    if cause.kind != "edited":
        return cause.what
    if cause.what == "requirements.lock":
        return "the environment's lock changed (requirements.lock)"
    return f"{cause.what} was edited{_imported(first, cause.what)}"


def _missing_in_words(job: Job, alike: int) -> str:
    if alike:
        return f"outputs of {alike + 1} jobs are missing, those of {job.label} first"
    names = ", ".join(job.missing[:3]) + (f" and {len(job.missing) - 3} more" if len(job.missing) > 3 else "")
    return f"{names} {'is' if len(job.missing) == 1 else 'are'} missing"


def _imported(job: Job, file: str) -> str:
    """How a job comes to depend on a library file: ``; notebook 06_ablation imports it through tables/text.py``."""
    if not file.startswith("avsep_lib/"):
        return ""
    between = route(job.start, file)[:-1]
    return f"; {job.label} imports it" + (f" through {' and '.join(between)}" if between else "")


def why_in_words(chain: Chain) -> str:
    """Cause and way in one line: ``parameter training.steps 480 -> 600 (training of hier-s0 -> scores of hier-s0)``."""
    way = [job.label for job in chain.jobs]
    told = f"{way[0]} -> ... -> {way[-1]}" if len(way) > 3 else " -> ".join(way)
    return f"{cause_in_words(chain)} ({told})"
