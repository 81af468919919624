"""What Snakemake recorded about every job of a profile, and what differs between the records of two runs.

The records are the files below ``.snakemake/metadata``, one per output, named by its path in base64.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import Any

from avsep_lib.changes.causes import Cause, Job, job_name
from avsep_lib.changes.parameters import differing
from avsep_lib.changes.planned import start_of
from avsep_lib.paths import project_root

KEPT = ("input", "params", "code", "input_checksums", "starttime", "endtime", "shellcmd", "rule")


def read_records(profile: str) -> dict[str, dict[str, Any]]:
    """Records of the jobs that made something in ``results/<profile>``, by job name (`avsep_lib.changes.causes`).

    Returns
    -------
    dict
        For each job what Snakemake recorded (inputs, their hashes, parameters, command, start in seconds since the
        epoch), its ``outputs`` and those of them that are ``missing`` now. Unreadable records are left out.
    """
    folder, found = project_root() / ".snakemake" / "metadata", {}
    for path in sorted(folder.rglob("*")):
        output = _named(path.relative_to(folder)) if path.is_file() else ""
        if not output.startswith(f"results/{profile}/"):
            continue
        try:
            record = json.loads(path.read_text())
            name = job_name(record["log"])
        except (ValueError, KeyError, TypeError):
            continue
        entry = found.setdefault(name, {key: record.get(key) for key in KEPT} | {"outputs": [], "missing": []})
        entry["outputs"].append(output)
        if not (project_root() / output).exists():
            entry["missing"].append(output)
    return found


def _named(path: Path) -> str:
    """The output that a record is about; long names are cut into folders that begin with ``@``."""
    try:
        return base64.urlsafe_b64decode("".join(part.removeprefix("@") for part in path.parts)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def rerun_jobs(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> dict[str, Job]:
    """Jobs that ran between two readings, with what differed, by output file."""
    ran = {name for name, record in after.items() if record["starttime"] != before.get(name, {}).get("starttime")}
    jobs = {name: Job(name, start_of(after[name]["shellcmd"] or "", after[name]["input"] or [])) for name in ran}
    made_by = {output: name for name in ran for output in after[name]["outputs"]}
    for name, job in jobs.items():
        inputs = after[name]["input"] or []
        job.upstream = [jobs[maker] for maker in dict.fromkeys(made_by[f] for f in inputs if f in made_by)]
        if name not in before:
            job.causes = [Cause("first", "made here for the first time")]
            continue
        job.missing = before[name]["missing"]
        job.causes = [Cause("missing", "")] if job.missing else _differences(before[name], after[name], set(made_by))
        if not job.causes and not job.upstream:
            job.causes = [Cause("other", "an output was incomplete, touched, or asked for by force")]
    return {output: jobs[name] for output, name in made_by.items()}


def _differences(old: dict[str, Any], new: dict[str, Any], remade: set[str]) -> list[Cause]:
    hashes, known = new["input_checksums"] or {}, old["input_checksums"] or {}
    edited = [f for f in sorted(hashes) if f in known and hashes[f] != known[f] and f not in remade]
    found = [Cause("edited", path) for path in edited]
    before, now = set(old["params"] or []), set(new["params"] or [])
    found += [Cause("parameter", text) for text in differing(before - now, now - before)]
    if old["code"] != new["code"]:
        found.append(Cause("command", f"the command of rule {new['rule']} changed (workflow/rules)"))
    before, now = set(old["input"] or []), set(new["input"] or [])
    found += [Cause("inputs", f"{path} is a new input") for path in sorted(now - before)]
    return found + [Cause("inputs", f"{path} is no longer an input") for path in sorted(before - now)]
