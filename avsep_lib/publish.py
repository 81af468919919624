"""Copy what the notebooks made to ``figures/<profile>``: ``python -m avsep_lib.publish --profile demo``.

Only figures, tables and sidecars that a notebook of today writes are copied, and what is no longer written is removed:
present on disk is not the same as reproduced. The record of the run and the bill of materials
(`avsep_lib.lineage.record`) lie beside them. What a notebook made with other parameters than the workflow gives it (a
what-if run by hand lands at the same place) is refused. Running it twice changes nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avsep_lib.artifacts import hash_files
from avsep_lib.cli import run_main
from avsep_lib.errors import DataError
from avsep_lib.files import atomic_path, read_json, sha256_file, write_json
from avsep_lib.lineage.record import RECORDS, record_folder, write_records
from avsep_lib.paths import figures_root, project_root, received_root, results_root


def publish(profile: str, files: Mapping[str, list[str]], given: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Make ``figures/<profile>`` equal to the artefacts, and write ``published.json`` with their hashes.

    Parameters
    ----------
    profile : str
        Profile whose results are published.
    files : mapping of str to list of str
        Files below ``results/<profile>/artifacts``, by the notebook that writes them (its stem).
    given : mapping of str to mapping
        Parameters that the workflow gives to each of these notebooks.

    Returns
    -------
    dict
        Counts for the last line a user sees: artefacts, files copied, files removed.

    Raises
    ------
    DataError
        A name is missing among the artefacts, a file there differs from what its sidecar says, or it was made with
        other parameters. Nothing is copied then.
    """
    names = [name for of_notebook in files.values() for name in of_notebook]
    source, target = results_root(profile) / "artifacts", figures_root(profile)
    _check_complete(source, names)
    for stem, of_notebook in files.items():
        _check_parameters(profile, stem, of_notebook, given[stem])
    stale = [path for path in target.glob("*_*.*") if path.name.startswith(("fig_", "tab_")) and path.name not in names]
    for path in stale:
        path.unlink()
    copied = sum(_copy(source / name, target / name) for name in names)
    copied += _copy_tree(results_root(profile) / "report", target / "report")
    received = received_root(profile) / "provenance.json"
    if received.exists():  # where and by what the numbers were made: sidecars only know the machine that drew them
        copied += _copy(received, target / "received.json")
    else:
        (target / "received.json").unlink(missing_ok=True)
    hashes = {Path(path).name: digest for path, digest in hash_files(source / name for name in names).items()}
    write_json(results_root(profile) / "published.json", {"profile": profile, "files": hashes})
    return {
        "figures and tables": sum(n.endswith(".json") for n in names),
        "files copied": copied,
        "files removed": len(stale),
    }


def publish_records(profile: str) -> int:
    """Write the record of the run and the bill of materials, and copy them beside the figures; the files copied."""
    write_records(profile, read_json(results_root(profile) / "published.json")["files"])
    return sum(_copy(record_folder(profile) / name, figures_root(profile) / name) for name in RECORDS)


def _check_complete(folder: Path, names: list[str]) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}; run `make figures` again, or the notebook that saves it")
    for sidecar in (folder / name for name in names if name.endswith(".json")):
        for name, digest in read_json(sidecar)["outputs"].items():
            if not (folder / name).is_file() or sha256_file(folder / name) != digest:
                raise DataError(f"{folder / name} is not what {sidecar.name} describes; delete both and run again")


def _check_parameters(profile: str, stem: str, names: list[str], given: Mapping[str, Any]) -> None:
    sidecars = [results_root(profile) / "artifacts" / name for name in names if name.endswith(".json")]
    for sidecar in sidecars:
        used = read_json(sidecar)["parameters"]
        differing = [key for key in sorted(used | given) if used.get(key) != given.get(key)]
        if differing:
            told = "; ".join(f"{key} = {used.get(key)!r} instead of {given.get(key)!r}" for key in differing)
            # The sidecar and not the executed notebook: only a missing input of this very rule makes Snakemake act.
            raise DataError(
                f"{sidecar.stem} was made by notebook {stem} with {told}: a run by hand has overwritten the workflow's. "
                f"Delete {sidecar.relative_to(project_root())} and run `make figures PROFILE={profile}` again"
            )


def _copy(source: Path, target: Path) -> bool:
    """Copy atomically unless the bytes are already there; True when something was written."""
    if target.is_file() and sha256_file(target) == sha256_file(source):
        return False
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    return True


def _copy_tree(source: Path, target: Path) -> int:
    """Copy a folder's files and remove what it no longer has; the number of files written."""
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    for path in [path for path in target.rglob("*") if path.is_file()]:
        if path.relative_to(target) not in wanted:
            path.unlink()
    return sum(_copy(source / name, target / name) for name in sorted(wanted))


def main() -> None:
    """Command line."""
    from avsep_lib.borrowed.drawn import drawn_notebooks
    from avsep_lib.workflow import artifact_files, load_plan

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", required=True)
    parser.add_argument("--changes", action="store_true", help="show what the run has changed (avsep_lib.changes)")
    given = parser.parse_args()
    profile = given.profile
    artifact_files()  # two notebooks that save one name are an error
    plan = load_plan(profile)
    files = {stem: artifact_files((stem,)) for stem in drawn_notebooks(profile)}
    counts = publish(profile, files, {stem: json.loads(plan.notebook_json(stem)) for stem in files})
    counts["records copied"] = publish_records(profile)
    print(f"figures/{profile}: " + ", ".join(f"{number} {what}" for what, number in counts.items()))
    if given.changes:
        from avsep_lib.changes.__main__ import show

        print(show(profile))


if __name__ == "__main__":
    run_main(main)
