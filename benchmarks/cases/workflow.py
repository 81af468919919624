"""The whole workflow in a copy of the checkout: from nothing, with nothing changed, after the edit of one figure.

The reference runs in a second copy that sees the first one's results and has a folder of artefacts of its own: notebooks
write there, and what they write over would be a change.

`AVSEP_BENCH_PROFILE` names another profile than demo. The last two start from the results of this checkout, if it has
any; they run as commands, as ``make figures`` runs them, with the environment that is installed.
"""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.case import CORES, Case, Pair
from benchmarks.timing import ROOT

PROFILE = os.environ.get("AVSEP_BENCH_PROFILE", "demo")
EDITED = "avsep_lib/plots/gap.py"  # draws figures of one notebook


class Workspace:
    """A clone of the last commit in a folder that goes with this object."""

    def __init__(self) -> None:
        self._place = TemporaryDirectory(prefix="avsep-bench-")
        self.folder, self._beside = (self._clone(name) for name in ("suite", "loop"))

    def _clone(self, name: str) -> Path:
        folder = Path(self._place.name) / name
        subprocess.run(
            ["git", "-c", "advice.detachedHead=false", "clone", "--quiet", str(ROOT), str(folder)], check=True
        )
        return folder

    def _run(self, *words: str, folder: Path | None = None) -> None:
        folder = folder or self.folder
        environment = os.environ | {"PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} failed:\n{(done.stdout + done.stderr)[-3000:]}")

    def figures(self) -> None:
        """What ``make figures`` runs once its environment is there."""
        self._run(sys.executable, "workflow/regenerate.py", "--profile", PROFILE, "--cores", str(CORES))
        self._run(sys.executable, "-m", "avsep_lib.publish", "--profile", PROFILE, "--changes")

    def from_nothing(self) -> None:
        """As after a fresh clone."""
        for name in ("results", ".snakemake"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.figures()

    @functools.cached_property
    def finished(self) -> bool:
        """Bring everything up to date, once; from the results of the checkout if there are any."""
        if (ROOT / "results" / PROFILE).is_dir() and not (self.folder / "results").exists():
            for name in (f"results/{PROFILE}", ".snakemake"):
                shutil.copytree(ROOT / name, self.folder / name, symlinks=True)
        self.figures()
        return True

    def papermill_loop(self) -> None:
        """The reference."""
        seen = self._beside / "results" / PROFILE
        if not seen.exists():
            (seen / "artifacts").mkdir(parents=True)
            for path in (self.folder / "results" / PROFILE).iterdir():
                if path.name != "artifacts":
                    (seen / path.name).symlink_to(path)
        words = [sys.executable, "-m", "benchmarks.references.workflow", PROFILE, f"{self._place.name}/executed"]
        self._run(*words, folder=self._beside)

    def edit_and_regenerate(self, number: int) -> None:
        """Another text of a module that draws, then everything that depends on it."""
        with (self.folder / EDITED).open("a") as stream:
            stream.write(f"# edit {number}\n")
        self.figures()


@functools.cache
def workspace() -> Workspace:
    """One clone for all rows."""
    return Workspace()


def from_nothing() -> Pair:
    """No reference: the goal is a time."""
    return Pair(None, workspace().from_nothing)


def nothing_changed() -> Pair:
    """Asking again."""
    assert workspace().finished
    return Pair(workspace().papermill_loop, workspace().figures)


def one_edit() -> Pair:
    """Another text each time."""
    assert workspace().finished
    numbers = itertools.count()
    return Pair(workspace().papermill_loop, lambda: workspace().edit_and_regenerate(next(numbers)))


LONG = {"direction": "at most", "unit": "s", "goal_of": "ours", "warm_up": False, "long": True}
CASES = [
    Case(f"{PROFILE} profile from nothing", "none", 900.0, prepare=from_nothing, repeats=1, **LONG),
    Case(
        f"{PROFILE} profile again, nothing changed",
        "papermill in a loop",
        5.0,
        prepare=nothing_changed,
        repeats=3,
        **LONG,
    ),
    Case(
        f"{PROFILE} profile after the edit of one figure",
        "papermill in a loop",
        20.0,
        prepare=one_edit,
        repeats=3,
        **LONG,
    ),
]
