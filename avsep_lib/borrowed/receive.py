"""Check what came back from a borrowed machine and lay it where the workflow looks for its own results.

``python -m avsep_lib.borrowed.receive --profile paper --scores FOLDER`` (``make figures PROFILE=paper SCORES=FOLDER`` calls
it). Every file must be the one that ``provenance.json`` describes, made by a commit of this repository, for runs, settings
and test pairs as they are here today; anything else is refused, and then nothing has changed. What was received is
remembered below ``results/<profile>/received``; delete ``results/<profile>`` to train here instead.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from avsep_lib.borrowed.bundle import borrowed_sections, git_of_code, with_sections
from avsep_lib.borrowed.check import check_content, check_plan
from avsep_lib.borrowed.drawn import count_artifacts, drawn_notebooks, left_out
from avsep_lib.borrowed.export import COSTS, DATA, DESCRIPTORS, HISTORIES, PROVENANCE, SCORES, merge_latent_parts
from avsep_lib.borrowed.plan import Plan
from avsep_lib.cli import run_main
from avsep_lib.errors import DataError
from avsep_lib.files import read_json, sha256_file, write_json
from avsep_lib.paths import received_root, results_root
from avsep_lib.settings import from_dict


def read_provenance(folder: Path) -> dict[str, Any]:
    """``provenance.json`` of a folder of received files, once all files are what it says.

    Raises
    ------
    DataError
        It is missing, or a file is missing, damaged or not described.
    """
    path = folder / PROVENANCE
    if not path.exists():
        raise DataError(f"{path} is missing; SCORES names the folder of files that a borrowed machine left")
    told = read_json(path)
    for name, expected in told.get("files", {}).items():
        if Path(name).name != name or not (folder / name).is_file():
            raise DataError(f"{folder / name} is missing, although {PROVENANCE} describes it; fetch it again")
        if sha256_file(folder / name) != expected:
            raise DataError(f"{folder / name} is not what {PROVENANCE} describes (SHA-256 differs); fetch it again")
    if missing := {SCORES, HISTORIES, COSTS, DATA} - set(told.get("files", {})):
        raise DataError(f"{path} does not describe {sorted(missing)[0]}; it is from an older bundle")
    return told


def check_commit(commit: str) -> None:
    """DataError unless the commit is one that today's code descends from; without git nothing can be said."""
    try:
        in_git = git_of_code("rev-parse", "--is-inside-work-tree").returncode == 0
    except OSError:
        in_git = False
    if not in_git:
        print(f"this is no git checkout: whether commit {commit[:12]} belongs to it is not checked")
    elif git_of_code("merge-base", "--is-ancestor", commit, "HEAD").returncode:
        raise DataError(f"the results were made by commit {commit[:12]}, which today's code does not descend from")


def sections_of(plan: Plan, told: dict[str, Any]) -> dict[str, Any]:
    """Sections of the profile as the results were made: those of the plan, with the steps and seeds that came of it."""
    sections = json.loads(plan.sections)
    training = {"training": sections.get("training", {}) | {"steps": told["steps"]}}
    return sections | training | {"seeds": told["seeds"]}


def unpack(folder: Path, told: dict[str, Any], out: Path, dataset: str) -> None:
    """Lay the files out as below ``results/<profile>``."""
    _split(folder / SCORES, out / "scores", "{}.csv", keep=True, names={"references": f"references-{dataset}"})
    _split(folder / HISTORIES, out / "runs", "{}/history.csv", keep=False)
    for run_id, cost in read_json(folder / COSTS).items():
        write_json(out / "runs" / run_id / "cost.json", cost)
    with zipfile.ZipFile(folder / DATA) as archive:
        for name in archive.namelist():
            if name.startswith("/") or ".." in Path(name).parts:
                raise DataError(f"{folder / DATA}: {name!r} would lie outside of the results")
        archive.extractall(out / "data" / dataset)
    analysis = out / "analysis"
    analysis.mkdir()
    shutil.move(out / "data" / dataset / DESCRIPTORS, analysis / f"descriptors-{dataset}.csv")
    if parts := sorted(folder / name for name in told["files"] if name.startswith("latents-")):
        merge_latent_parts(parts, analysis / f"latents-{dataset}.safetensors")


def _split(path: Path, out: Path, pattern: str, *, keep: bool, names: dict[str, str] | None = None) -> None:
    """One file per run of a table whose first column is run_id; text stays as it is.

    Floor and ceilings, which have seed -1, go to one file.
    """
    with path.open(newline="") as stream:
        header, *rows = csv.reader(stream)
    seed = header.index("seed") if "seed" in header else None
    files: dict[str, list[list[str]]] = {}
    for row in rows:
        name = names["references"] if names and row[seed] == "-1" else row[0]
        files.setdefault(name, []).append(row if keep else row[1:])
    for name, own in files.items():
        target = out / pattern.format(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("w", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([header if keep else header[1:], *own])


def place(source: Path, target: Path) -> int:
    """Copy what differs, file by file, so that what depends on the same files is not made again; how many did."""
    n_copied = 0
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        to = target / path.relative_to(source)
        if to.exists() and sha256_file(to) == sha256_file(path):
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
        n_copied += 1
    return n_copied


def receive(profile: str, folder: Path) -> dict[str, Any]:
    """Check and lay out; see the module.

    Returns
    -------
    dict
        The provenance.

    Raises
    ------
    DataError, ConfigError
        Anything that is missing, damaged, foreign or of other settings; nothing has changed then.
    """
    told = read_provenance(folder)
    plan = from_dict(Plan, told["plan"], str(folder / PROVENANCE))
    if plan.profile != profile:
        raise DataError(f"{folder} holds results of profile {plan.profile!r}, not of {profile!r}")
    check_commit(plan.commit)
    target = results_root(profile)
    if not received_root(profile).exists() and any((target / "runs").glob("*/model.safetensors")):
        raise DataError(f"{target} holds runs that were trained here; move it away to draw from received results")
    sections = sections_of(plan, told)
    suite = with_sections(profile, sections, str(folder / PROVENANCE))
    check_plan(plan, told, suite, borrowed_sections(profile)[0])
    with tempfile.TemporaryDirectory() as temporary:
        laid_out = Path(temporary)
        unpack(folder, told, laid_out, plan.dataset)
        check_content(plan, told, suite, laid_out)
        write_json(laid_out / "received" / "sections.json", sections)
        write_json(laid_out / "received" / PROVENANCE, told)
        place(laid_out, target)
    return told


def summary(told: dict[str, Any], drawn: list[str], missing: dict[str, str]) -> str:
    """What was received, and what will be drawn from it."""
    plan, machine = told["plan"], told["machine"]
    lines = [
        f"received {len(told['runs'])} runs of {plan['dataset']}, seeds {told['seeds']}, {told['steps']} steps each, "
        f"trained on {machine['device']} by commit {plan['commit'][:12]}; encoders: "
        + ", ".join(f"{name} {kind}" for name, kind in told["encoders"].items()),
        f"drawn from it, {count_artifacts(drawn)} figures and tables: {', '.join(drawn)}",
        f"NOT drawn, {count_artifacts(missing)} figures and tables: "
        + "; ".join(f"{stem} (needs {why})" for stem, why in missing.items()),
    ]
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--scores", type=Path, required=True, help="folder of the files that came back")
    given = parser.parse_args()
    told = receive(given.profile, given.scores)
    print(summary(told, drawn_notebooks(given.profile), left_out(given.profile)))


if __name__ == "__main__":
    run_main(main)
