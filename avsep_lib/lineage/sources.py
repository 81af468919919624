"""Walking back from a file through the jobs that made it, to the sources that no job made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from avsep_lib.lineage.crate import Made
from avsep_lib.lineage.jobs import Job


def lost_inputs(jobs: Iterable[Job]) -> list[str]:
    """Inputs whose job read something else than what the job before it left; sentences."""
    jobs = list(jobs)
    written = {path: digest for job in jobs for path, digest in job.outputs.items()}
    return [
        f"{job.name} read another {path} than is there now"
        for job in jobs
        for path, digest in job.inputs.items()
        if path in written and written[path] != digest
    ]


def files_behind(paths: Iterable[str], jobs: Mapping[str, Made]) -> tuple[list[str], list[str]]:
    """All files that `paths` rest on, themselves included, and the names of the jobs on the way; both sorted."""
    reached: set[str] = set()
    names: set[str] = set()
    waiting = set(paths)
    while waiting:
        path = waiting.pop()
        reached.add(path)
        if made := jobs.get(path) or next((jobs[str(p)] for p in Path(path).parents if str(p) in jobs), None):
            names.add(made.name)  # a folder is one output
            waiting |= set(made.read) - reached
    return sorted(reached), sorted(names)
