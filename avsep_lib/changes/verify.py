"""Compare artefacts with the committed ones, value by value: ``python -m avsep_lib.changes.verify --profile demo``.

``make verify`` regenerates first. The tolerances are the table in `avsep_lib.changes.tolerances`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from avsep_lib.changes.artefacts import compare_artefact, same_machine
from avsep_lib.changes.values import Difference
from avsep_lib.cli import run_main
from avsep_lib.errors import DataError
from avsep_lib.paths import figures_root, project_root, results_root
from avsep_lib.workflow import artifact_files

MACHINES = {"same": True, "other": False}


def stems_in(folder: Path) -> set[str]:
    """Figures and tables of a folder."""
    return {path.stem for path in folder.glob("*_*.*") if path.name.startswith(("fig_", "tab_"))}


def verify(
    committed: Path, here: Path, machine: str = "", written: set[str] | None = None
) -> tuple[list[Difference], list[str], list[bool]]:
    """Compare two folders of artefacts.

    Parameters
    ----------
    committed, here : Path
        Folders with ``fig_*`` and ``tab_*`` files.
    machine : str
        ``same`` or ``other`` chooses the class of tolerances; empty: each artefact's sidecars do.
    written : set of str, optional
        What the notebooks of today save: anything else in `here` is a leftover and counts as missing.

    Returns
    -------
    tuple
        Differences; remarks; for each compared artefact whether it counts as made on the same kind of machine.

    Raises
    ------
    DataError
        A folder without artefacts.
    """
    for folder in (committed, here):
        if not stems_in(folder):
            raise DataError(
                f"{folder} holds no figure and no table; make them with `make figures`, or name another folder"
            )
    found: list[Difference] = []
    remarks: list[str] = []
    classes: list[bool] = []
    leftover = stems_in(here) - written if written is not None else set()
    for stem in sorted(stems_in(committed) | stems_in(here) - leftover):
        if stem in leftover:
            found.append(Difference(stem, "figure or table", "there", "saved by no notebook of today"))
            continue
        strict = MACHINES[machine] if machine else same_machine(committed, here, stem)
        differences, said = compare_artefact(committed, here, stem, strict)
        found, remarks = found + differences, remarks + said
        classes.append(strict)
    return found, remarks, classes


@contextlib.contextmanager
def committed_figures(profile: str) -> Iterator[tuple[Path, str]]:
    """``figures/<profile>`` of the last commit, and words for it; the folder as it lies when no commit holds it.

    The folder itself is no reference: ``make figures`` has just written it.
    """
    folder = figures_root(profile)
    name = folder.relative_to(project_root()).as_posix()
    packed = _git("archive", "HEAD", name)
    if not packed:
        yield folder, f"{name} as it lies here (no commit holds it, so this only shows that nothing changed since)"
        return
    with tempfile.TemporaryDirectory() as temporary:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(temporary, filter="data")
        yield Path(temporary) / name, f"{name} of commit {_git('rev-parse', '--short', 'HEAD').decode().strip()}"


def _git(*arguments: str) -> bytes:
    """What git prints; empty when it fails or is not there."""
    try:
        return subprocess.run(["git", "-C", str(project_root()), *arguments], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""


def report(found: list[Difference], remarks: list[str], classes: list[bool]) -> str:
    """What the command prints."""
    machines = f"{sum(classes)} as made on the same kind of machine, {classes.count(False)} as made on another"
    lines = [f"{len(classes)} figures and tables compared: {machines}."]
    lines += [f"  note: {remark}" for remark in remarks]
    lines += [f"  {difference}" for difference in found]
    number = f"{len(found)} difference{'s' * (len(found) > 1)}"
    lines.append(f"{number}." if found else "No difference beyond the stated tolerances.")
    return "\n".join(lines)


def main() -> None:
    """Command line; exit code 1 for any difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo", help="file in config/, without suffix")
    parser.add_argument(
        "--against", type=Path, help="folder to compare with; default: figures/PROFILE of the last commit"
    )
    parser.add_argument("--artifacts", type=Path, help="folder to compare; default: results/PROFILE/artifacts")
    parser.add_argument("--machine", choices=sorted(MACHINES), default="", help="tolerances; default: by the sidecars")
    given = parser.parse_args()
    here = given.artifacts or results_root(given.profile) / "artifacts"
    written = None if given.artifacts else {Path(name).stem for name in artifact_files()}
    named = contextlib.nullcontext((given.against, str(given.against))) if given.against else None
    with named or committed_figures(given.profile) as (committed, words):
        print(f"Against {words}.")
        found, *rest = verify(committed, here, given.machine, written)
        print(report(found, *rest))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    run_main(main)
