"""The record of a run: the crate and the bill of materials, written when a profile is published.

Both lie in ``results/<profile>/run`` and are copied to ``figures/<profile>``. An unchanged run is recognised by the jobs'
start times and the published hashes, so that an unchanged ``make figures`` hashes nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avsep_lib.changes.records import read_records
from avsep_lib.files import read_json, sha256_file, sha256_text, write_json
from avsep_lib.lineage.crate import CRATE, crate, write_crate
from avsep_lib.lineage.jobs import Hashes, Job, jobs_behind, names_behind
from avsep_lib.lineage.lock import lock_path
from avsep_lib.lineage.sbom import bill_of_materials
from avsep_lib.lineage.sources import lost_inputs
from avsep_lib.paths import results_root
from avsep_lib.provenance import commit, hardware, joint_hash, python_version
from avsep_lib.recorded.notes import noted_files
from avsep_lib.remembered import Remembered

SBOM = "sbom.json"
RECORDS = (CRATE, SBOM)
CHECKED = ("canaries.json", "report/index.html")  # what else a published profile consists of


def record_folder(profile: str) -> Path:
    """Where the records of a profile are written."""
    return results_root(profile) / "run"


def write_records(profile: str, published: Mapping[str, str]) -> bool:
    """Write the records of a published profile; False when they are those of this very run already.

    Parameters
    ----------
    profile : str
    published : mapping of str to str
        SHA-256 of the published artefacts and sidecars, by name.
    """
    folder = record_folder(profile)
    wanted = [f"results/{profile}/{name}" for name in (*(f"artifacts/{n}" for n in published), *CHECKED)]
    same = fingerprint(profile, published, wanted)
    if all((folder / name).exists() for name in RECORDS) and _fingerprint_of(folder) == same:
        return False
    hashes = Hashes(Remembered("hashes_of_results"))  # tens of thousands of files, of which a run changes few
    jobs = jobs_behind(profile, wanted, hashes)
    write_json(folder / SBOM, bill_of_materials())
    beside = dict(published) | {SBOM: sha256_file(folder / SBOM)}
    write_crate(folder / CRATE, crate(profile, beside, jobs, facts(profile, jobs) | {"fingerprint": same}))
    return True


def fingerprint(profile: str, published: Mapping[str, str], wanted: list[str]) -> str:
    """A hash that another job, another result or another environment changes."""
    records = read_records(profile)
    started = {name: str(records[name]["starttime"]) for name in names_behind(records, wanted)}
    writers = {path.name: sha256_file(path) for path in Path(__file__).parent.glob("*.py")}
    return joint_hash(dict(published) | started | writers | {"lock": sha256_file(lock_path())})


def _fingerprint_of(folder: Path) -> str:
    graph = read_json(folder / CRATE)["@graph"]
    return next((entity["value"] for entity in graph if entity["@id"] == "#fact/fingerprint"), "")


def facts(profile: str, jobs: list[Job]) -> dict[str, Any]:
    """About the run as a whole: settings, code, machine, what the checks said and what was left out."""
    from avsep_lib.workflow import load_plan

    plan, machine = load_plan(profile), hardware()
    told: dict[str, Any] = {
        "profile": profile,
        "settings sha256": sha256_text(plan.everything_json()),
        "runs": len(plan.runs),
        "jobs": len(jobs),
        "inputs that are not what their job wrote": len(lost_inputs(jobs)),
        "commit": commit() or "not in git",
        "lock sha256": sha256_file(lock_path()),
        "python": python_version(),
    }
    told |= {f"hardware: {name}": value for name, value in machine.items()}
    canaries = results_root(profile) / "canaries.json"
    if canaries.exists():
        checks = read_json(canaries)["checks"]
        told["canaries passed"] = sum(check["passed"] for check in checks)
        told["canaries"] = len(checks)
    for path in sorted(results_root(profile).glob("data/*/mixtures/mixtures.json")):
        lists, name = read_json(path), path.parent.parent.name
        told[f"{name}: test mixtures"] = lists["n_mixtures"]["test"]
        told[f"{name}: test solos without a partner"] = len(lists["unpaired"]["test"])
    for path in noted_files(profile):
        audit, name = read_json(path), path.parent.parent.name
        told[f"{name}: items"] = audit["n_items"]
        told[f"{name}: items dropped"] = audit["n_items"] - audit["n_kept"]
    return told
