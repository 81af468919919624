"""The jobs behind the artefacts of a profile, as Snakemake recorded them, with the hashes of what they read and wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_lib.changes.records import read_records
from avsep_lib.files import sha256_file
from avsep_lib.paths import project_root
from avsep_lib.provenance import joint_hash


@dataclass(frozen=True)
class Job:
    """One job of the workflow."""

    name: str  # its log below logs/, without suffix: train/hier-s0
    rule: str
    command: str
    inputs: dict[str, str]  # SHA-256 by path relative to the checkout, as the job read it
    outputs: dict[str, str]
    started: float  # seconds since the epoch
    ended: float


def content_hash(path: Path) -> str:
    """SHA-256 of a file; of a folder, one hash for its files and their names; empty for what is not there."""
    if path.is_file():
        return sha256_file(path)
    files = {p.relative_to(path).as_posix(): sha256_file(p) for p in path.rglob("*") if p.is_file()}
    return joint_hash(files) if files else ""


class Hashes:
    """Hashes of files below the checkout, each computed once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __getitem__(self, path: str) -> str:
        if path not in self._known:
            self._known[path] = content_hash(project_root() / path)
        return self._known[path]


def jobs_behind(profile: str, wanted: Iterable[str], hashes: Hashes) -> list[Job]:
    """Jobs that made the `wanted` files, and all jobs before them; the first ones first.

    Parameters
    ----------
    profile : str
    wanted : iterable of str
        Paths relative to the checkout.
    hashes : Hashes

    Returns
    -------
    list of Job
        None for files that Snakemake has no record of, such as received results.
    """
    records = read_records(profile)
    found = [_job(name, records[name], hashes) for name in names_behind(records, wanted)]
    return sorted(found, key=lambda job: (job.started, job.name))


def names_behind(records: Mapping[str, dict[str, Any]], wanted: Iterable[str]) -> set[str]:
    """Names of the jobs that `wanted` files rest on."""
    made_by = {output: name for name, record in records.items() for output in record["outputs"]}
    reached: set[str] = set()
    waiting = {made_by[path] for path in wanted if path in made_by}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= {made_by[path] for path in records[name]["input"] or [] if path in made_by} - reached
    return reached


def _job(name: str, record: dict[str, Any], hashes: Hashes) -> Job:
    seen = {path: text.removeprefix("sha256:") for path, text in (record["input_checksums"] or {}).items() if text}
    return Job(
        name=name,
        rule=record["rule"] or "",
        command=record["shellcmd"] or "",
        # Snakemake notes the hashes of small files when a job runs; a large one cannot change without its maker.
        inputs={path: seen.get(path) or hashes[path] for path in sorted(record["input"] or [])},
        outputs={path: hashes[path] for path in sorted(record["outputs"])},
        started=record["starttime"] or 0.0,
        ended=record["endtime"] or 0.0,
    )
