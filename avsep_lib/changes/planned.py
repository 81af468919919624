"""What Snakemake would run, and for each of these jobs everything that differs from its last run.

The graph, and whether a job runs, are Snakemake's (a dry run through its API). The causes are looked up here: Snakemake
stops at the first reason it finds, so that a job behind a rerun one never says that its own code was edited as well.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_lib.changes.causes import Cause, Job, job_name
from avsep_lib.changes.parameters import differing
from avsep_lib.errors import DataError
from avsep_lib.files import sha256_file
from avsep_lib.paths import project_root


@dataclass(frozen=True)
class Planned:
    """A dry run."""

    stale: dict[str, Job]  # by output file, relative to the checkout
    fresh: dict[str, float | None]  # when every other output file was made, in seconds since the epoch; None: unknown


def planned(profile: str) -> Planned:
    """Ask Snakemake what ``make figures`` would do.

    Parameters
    ----------
    profile : str
        A profile that loads (`avsep_lib.workflow.load_plan`).

    Raises
    ------
    DataError
        Snakemake cannot plan, e.g. because a file that no rule makes is missing.
    """
    from snakemake.exceptions import WorkflowError

    said = io.StringIO()
    try:
        with (
            contextlib.chdir(project_root()),
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(said),
            _dry_run(profile) as workflow,
        ):
            return _read(workflow)
    except WorkflowError as error:
        told = " ".join(f"{error} {said.getvalue()[-600:]}".split())
        raise DataError(f"Snakemake cannot plan the profile {profile!r}: {told}") from None


@contextlib.contextmanager
def _dry_run(profile: str) -> Iterator[Any]:
    """The workflow object of a finished dry run of everything."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        ExecutionSettings,
        OutputSettings,
        Quietness,
        ResourceSettings,
    )

    from avsep_lib.borrowed.drawn import targets_and_rules

    targets, rules = targets_and_rules(profile)
    with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config={"profile": profile}),
            snakefile=Path("workflow/Snakefile"),
        )
        what = DAGSettings(force_incomplete=True, targets=set(targets), allowed_rules=set(rules))
        graph = workflow.dag(dag_settings=what)
        graph.execute_workflow(executor="dryrun", execution_settings=ExecutionSettings(lock=False))
        yield workflow._workflow  # the API has no public way to the graph; tests/test_changes.py notices a change


def _read(workflow: Any) -> Planned:
    dag = workflow.dag
    running = {job for job in dag.needrun_jobs(exclude_finished=False) if job.output}
    jobs = {job: Job(job_name(job.log), _start(job)) for job in running}
    remade = {str(path) for job in running for path in job.output}
    hashes: dict[str, str] = {}
    for job, entry in jobs.items():
        entry.upstream = [jobs[before] for before in dag.dependencies[job] if before in jobs]
        entry.missing = [str(path) for path in job.output if not Path(path).exists()]
        entry.causes = _causes(job, workflow.persistence, remade, hashes) if not entry.missing else []
        if entry.missing:
            entry.causes.append(Cause("missing", ""))
        if not entry.causes and not entry.upstream:
            entry.causes.append(_as_snakemake_says(dag.reason(job)))
    stale = {str(path): entry for job, entry in jobs.items() for path in job.output}
    others = [path for job in dag.jobs if job not in running for path in job.output]
    fresh = {str(path): getattr(workflow.persistence.metadata(path), "endtime", None) for path in others}
    return Planned(stale, fresh)


def _start(job: Any) -> str:
    """What the job's command runs."""
    return start_of(job.rule.shellcmd or "", [str(path) for path in job.input])


def start_of(command: str, inputs: list[str]) -> str:
    """The notebook among a job's inputs, or the module after ``python -m`` in its command."""
    notebooks = [path for path in inputs if path.startswith("notebooks/")]
    module = re.search(r"python -m (\S+)", command)
    if notebooks:
        return notebooks[0]
    return module[1] if module else ""


def _causes(job: Any, records: Any, remade: set[str], hashes: dict[str, str]) -> list[Cause]:
    """Everything that differs from the last run of a job, results that are made again before it left out."""
    if not records.has_metadata(job):
        return [Cause("other", f"Snakemake has no record of how {job_name(job.log)} was made")]
    found = [Cause("edited" if _is_source(f) else "remade", _told(f)) for f in _updated(job, records, remade, hashes)]
    change = records.params_changed(job)
    found += [Cause("parameter", text) for text in differing(change.only_old, change.only_new)]
    if any(records.code_changed(job)):
        found.append(Cause("command", f"the command of rule {job.rule.name} changed (workflow/rules)"))
    if any(records.input_changed(job)):
        before, now = set(records.input(job.output[0]) or []), {str(path) for path in job.input}
        found += [Cause("inputs", f"{path} is a new input") for path in sorted(now - before)]
        found += [Cause("inputs", f"{path} is no longer an input") for path in sorted(before - now)]
    return found


def _is_source(file: str) -> bool:
    return not file.startswith("results/")


def _told(file: str) -> str:
    return file if _is_source(file) else f"{file} was written by something else than the workflow"


def _updated(job: Any, records: Any, remade: set[str], hashes: dict[str, str]) -> list[str]:
    """Inputs with other content than at the last run, as Snakemake judges it: newer, and not the recorded hash."""
    made = min(os.stat(path).st_mtime for path in job.output)
    found = []
    for path in map(str, job.input):
        if path in remade or not Path(path).exists() or os.stat(path).st_mtime <= made:
            continue
        recorded = records.input_checksums(job, path)
        if path not in hashes and None not in recorded:
            hashes[path] = f"sha256:{sha256_file(path)}"
        if recorded != {hashes.get(path)}:
            found.append(path)
    return found


def _as_snakemake_says(reason: Any) -> Cause:
    text = re.sub(r"^Finished \(was: (.*)\)$", r"\1", " ".join(str(reason).split()))
    return Cause("other", f"Snakemake says: {text[:200]}" if text else "Snakemake gives no reason")
