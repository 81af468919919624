"""Check what came back from a borrowed machine and lay it where the workflow looks for its own results.

``python -m avsep_lib.borrowed.receive --profile paper --scores FOLDER`` (``make figures PROFILE=paper SCORES=FOLDER`` calls
it). Every file must be the one that ``provenance.json`` describes, made by a commit of this repository, for runs, settings
and test pairs as they are here today; anything else is refused, and then nothing has changed. The other machine is not
trusted: no name in its files becomes a path before it is one that is expected, links are not followed, sizes are limited,
and nothing is unpickled. What was received is remembered below ``results/<profile>/received``; delete ``results/<profile>`` to train here instead.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from avsep_lib.borrowed.bundle import borrowed_sections, git_of_code, with_sections
from avsep_lib.borrowed.check import check_content, check_plan
from avsep_lib.borrowed.drawn import count_artifacts, drawn_notebooks, left_out
from avsep_lib.borrowed.export import (
    COSTS,
    DATA,
    DESCRIPTORS,
    FILE_BYTES,
    HISTORIES,
    N_FILES,
    PROVENANCE,
    SCORES,
    SMALL,
    STORES,
    merge_latent_parts,
)
from avsep_lib.borrowed.plan import Plan
from avsep_lib.cli import run_main
from avsep_lib.errors import DataError
from avsep_lib.files import read_json, sha256_file, write_json
from avsep_lib.paths import is_inside, received_root, results_root
from avsep_lib.settings import from_dict

UNPACKED_BYTES = 16 * FILE_BYTES  # of `DATA`: its tables shrink to a tenth
IN_DATA = {*SMALL, DESCRIPTORS, *(f"embeddings/{what}.safetensors" for what in STORES)}


def read_provenance(folder: Path) -> dict[str, Any]:
    """``provenance.json`` of a folder of received files, once all files are what it says.

    Raises
    ------
    DataError
        It is missing, or a file is missing, damaged, not described, a link, or larger than the machine could leave.
    """
    path = folder / PROVENANCE
    if not path.exists():
        raise DataError(f"{path} is missing; SCORES names the folder of files that a borrowed machine left")
    _check_file(path)
    told = read_json(path)
    if not isinstance(told, dict) or not isinstance(told.get("files"), dict):
        raise DataError(f"{path} describes no files; fetch it again")
    if len(told["files"]) >= N_FILES:
        raise DataError(f"{path} describes {len(told['files'])} files; at most {N_FILES - 1} come back beside it")
    for name, expected in told["files"].items():
        if not is_inside(name) or Path(name).name != name:
            raise DataError(f"{path}: {name!r} is no name of a file in {folder}; it is not from a borrowed machine")
        if not (folder / name).is_file():
            raise DataError(f"{folder / name} is missing, although {PROVENANCE} describes it; fetch it again")
        _check_file(folder / name)
        if sha256_file(folder / name) != expected:
            raise DataError(f"{folder / name} is not what {PROVENANCE} describes (SHA-256 differs); fetch it again")
    if missing := {SCORES, HISTORIES, COSTS, DATA} - set(told.get("files", {})):
        raise DataError(f"{path} does not describe {sorted(missing)[0]}; it is from an older bundle")
    return told


def _check_file(path: Path) -> None:
    if path.is_symlink():
        raise DataError(f"{path} is a link; only plain files come back: fetch it again")
    if (size := path.stat().st_size) > FILE_BYTES:
        raise DataError(f"{path} has {size:,} bytes; no file that comes back has more than {FILE_BYTES:,}")


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
    runs, references = set(told["runs"]), {"references": f"references-{dataset}"}
    _split(folder / SCORES, out / "scores", "{}.csv", runs, keep=True, names=references)
    _split(folder / HISTORIES, out / "runs", "{}/history.csv", runs, keep=False)
    for run_id, cost in read_json(folder / COSTS).items():
        _check_run(run_id, runs, folder / COSTS)
        write_json(out / "runs" / run_id / "cost.json", cost)
    with _opened(folder / DATA) as archive:
        _check_archive(archive, folder / DATA)
        archive.extractall(out / "data" / dataset)
    analysis = out / "analysis"
    analysis.mkdir()
    shutil.move(out / "data" / dataset / DESCRIPTORS, analysis / f"descriptors-{dataset}.csv")
    if parts := sorted(folder / name for name in told["files"] if name.startswith("latents-")):
        merge_latent_parts(parts, analysis / f"latents-{dataset}.safetensors")


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is no archive ({error}); fetch it again") from None


def _check_archive(archive: zipfile.ZipFile, path: Path) -> None:
    """DataError unless it holds what `avsep_lib.borrowed.export` packs, once each, and one clip's sound."""
    members = archive.infolist()
    for member in members:
        if not is_inside(member.filename):
            raise DataError(f"{path}: {member.filename!r} would lie outside of the results")
        if stat.S_ISLNK(member.external_attr >> 16) or member.is_dir():
            raise DataError(f"{path}: {member.filename!r} is no plain file; it is not from a borrowed machine")
    others = [name for name in archive.namelist() if name not in IN_DATA]
    if (
        len(others) > 1
        or len({*archive.namelist()}) < len(members)
        or not all(n.startswith("dataset/") for n in others)
    ):
        raise DataError(
            f"{path} holds {[*others, *archive.namelist()][0]!r}, which no borrowed machine packs like this"
        )
    if (size := sum(member.file_size for member in members)) > UNPACKED_BYTES:
        raise DataError(f"{path} would unpack to {size:,} bytes, more than the {UNPACKED_BYTES:,} that are possible")


def _check_run(run_id: str, runs: set[str], path: Path) -> None:
    if run_id not in runs:
        raise DataError(f"{path}: run {run_id!r} is not among the runs that {PROVENANCE} names")


def _split(
    path: Path, out: Path, pattern: str, runs: set[str], *, keep: bool, names: dict[str, str] | None = None
) -> None:
    """One file per run of a table whose first column is run_id, which must be one of `runs`; text stays as it is.

    Floor and ceilings, which have seed -1, go to one file.
    """
    with path.open(newline="") as stream:
        header, *rows = csv.reader(stream)
    seed = header.index("seed") if "seed" in header else None
    files: dict[str, list[list[str]]] = {}
    for row in rows:
        is_reference = names and row[seed] == "-1"
        if not is_reference:
            _check_run(row[0], runs, path)
        name = names["references"] if is_reference else row[0]
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
