"""The jobs behind the artefacts of a profile, as Snakemake recorded them, with the hashes of what they read and wrote."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_lib.changes.records import read_records
from avsep_lib.files import sha256_file, sha256_text
from avsep_lib.paths import project_root
from avsep_lib.provenance import joint_hash
from avsep_lib.remembered import Remembered

SETTLED_NS = 2 * 10**9  # a younger file may change once more without another time: clocks of file systems are coarse


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
    """Hashes of files and folders below the checkout, each computed once.

    Parameters
    ----------
    remembered : Remembered, optional
        Hashes that another process has computed of what the file system says has not changed since. Without it all are
        computed here, as whoever verifies must.
    """

    def __init__(self, remembered: Remembered | None = None) -> None:
        self._known: dict[str, str] = {}
        self._remembered = remembered

    def __getitem__(self, path: str) -> str:
        if path not in self._known:
            self._known[path] = self._hash(project_root() / path)
        return self._known[path]

    def _hash(self, path: Path) -> str:
        computed = functools.partial(content_hash, path)
        if self._remembered is None:
            return computed()
        state, changed_ns = _state(path)
        if time.time_ns() - changed_ns < SETTLED_NS:
            return computed()
        return self._remembered.recall(str(path), state, found=computed)


def _state(path: Path) -> tuple[str, int]:
    """What the file system says of a file, or of each in a folder, that an edit changes; and when the last one was (ns).

    The time of the last change (ctime) cannot be set back, unlike that of the last modification.
    """
    files = [str(path)]
    if path.is_dir():
        files = sorted(os.path.join(place, name) for place, _, names in os.walk(path) for name in names)
    seen, changed = [], 0
    for name in files:
        with contextlib.suppress(FileNotFoundError):  # or a link to nowhere, of which there is no hash either
            found = os.stat(name)
            seen.append(f"{name} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}")
            changed = max(changed, found.st_ctime_ns)
    return sha256_text("\n".join(seen)), changed


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
