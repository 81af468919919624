"""Make an artefact again from its sidecar, in a folder of its own, and compare.

The folder is a checkout made of links: code, notebooks and configuration of this one, and below ``results/<profile>`` the
inputs that sidecars name and nothing else. A notebook saves several artefacts in one go; what it needs for the others is
what their sidecars name. A file that is read and named by none of them is therefore missing, and the rebuild says so.
Nothing in ``results`` or ``figures`` is written.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_lib.changes.artefacts import compare_artefact, same_machine
from avsep_lib.errors import DataError
from avsep_lib.files import sha256_file
from avsep_lib.parameters import NOTEBOOKS
from avsep_lib.paths import project_root
from avsep_lib.recipe import ENVIRONMENT, command

LINKED = ("avsep_lib", "config", "notebooks", "paper", "workflow", "requirements.lock", "pyproject.toml")
RECEIVED = "received"  # of results of another machine: settings of the profile
MINUTES = 60.0


@dataclass(frozen=True)
class Rebuilt:
    """What came of one artefact."""

    stem: str
    equal: bool
    how: str  # a sentence


@contextmanager
def scratch_checkout(profile: str, inputs: Iterable[str]):
    """A temporary checkout in which only `inputs` (paths relative to this one) exist below ``results``."""
    root = project_root()
    with tempfile.TemporaryDirectory(prefix="avsep-rebuild-") as temporary:
        scratch = Path(temporary)
        (scratch / "results" / profile / "artifacts").mkdir(parents=True)
        linked = [name for name in LINKED if (root / name).exists()]
        received = f"results/{profile}/{RECEIVED}"
        for name in [*linked, *([received] if (root / received).exists() else []), *inputs]:
            target = scratch / name
            if not os.path.lexists(target) and not _is_linked(name):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(root / name)
        yield scratch


def _is_linked(name: str) -> bool:
    """Whether a path is there already, below a linked folder; one that leads out of the checkout is as it is."""
    parts = Path(name).parts
    return Path(name).is_absolute() or ".." in parts or (len(parts) > 1 and parts[0] in LINKED)


def rebuild(stem: str, folder: Path, sidecars: Mapping[str, dict[str, Any]]) -> list[Rebuilt]:
    """Run the notebook of an artefact and compare everything that it saves.

    Parameters
    ----------
    stem : str
        For example ``tab_table6``.
    folder : Path
        Where the artefacts lie.
    sidecars : mapping of str to dict
        All sidecars of the folder, by stem.

    Returns
    -------
    list of Rebuilt
        The artefact itself first, then the others of its notebook.

    Raises
    ------
    DataError
        The sidecar names no notebook of this checkout, or that stopped before it saved the artefact.
    """
    sidecar = sidecars[stem]
    notebook = str(sidecar.get("made_by", {}).get("notebook", ""))
    if notebook not in [f"notebooks/{known}.ipynb" for known in NOTEBOOKS]:
        raise DataError(f"{stem} cannot be made again: {notebook!r} is no notebook of this checkout")
    key = (notebook, sidecar["parameters"], sidecar["profile"])
    together = [s for s, other in sidecars.items() if _key(other) == key]
    inputs = sorted({path for s in together for path in sidecars[s]["inputs"]})
    with scratch_checkout(sidecar["profile"], inputs) as scratch:
        stopped = _run(sidecar, notebook, scratch)
        made = scratch / "results" / sidecar["profile"] / "artifacts"
        if stopped and not (made / f"{stem}.json").exists():
            raise DataError(f"{stem} cannot be made again from its sidecar: {stopped}")
        if stopped:  # after it was saved: what exercises read is nobody's input
            together = [s for s in together if (made / f"{s}.json").exists()]
        return [_compared(s, folder, made, sidecars[s]) for s in sorted(together, key=lambda s: (s != stem, s))]


def _key(sidecar: Mapping[str, Any]) -> tuple[Any, ...]:
    return (sidecar.get("made_by", {}).get("notebook"), sidecar["parameters"], sidecar["profile"])


def _run(sidecar: Mapping[str, Any], notebook: str, scratch: Path) -> str:
    """Execute the notebook; empty, or why it stopped."""
    told = sidecar["made_by"].get("environment", {})
    variables = {k: v for k, v in os.environ.items() if k not in (*ENVIRONMENT, "AVSEP_WARM")}
    variables |= {name: str(told[name]) for name in ENVIRONMENT if name in told}
    variables |= {"AVSEP_ROOT": str(scratch), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    variables["PYTHONPATH"] = os.pathsep.join([str(project_root()), os.environ.get("PYTHONPATH", "")]).rstrip(
        os.pathsep
    )
    words = command(notebook, sidecar["parameters"], Path("results") / sidecar["profile"])
    words = [sys.executable, *words, "--minutes", str(MINUTES)]
    done = subprocess.run(words, cwd=scratch, env=variables, capture_output=True, text=True)
    return " ".join(done.stderr.split())[-600:] if done.returncode else ""


def _compared(stem: str, folder: Path, made: Path, sidecar: Mapping[str, Any]) -> Rebuilt:
    """One artefact beside its new self; on another machine within the tolerances of ``make verify``."""
    names = sorted(sidecar["outputs"])
    missing = [name for name in names if not (made / name).is_file()]
    if missing:
        return Rebuilt(stem, False, f"the notebook no longer saves {', '.join(missing)}")
    differing = [name for name in names if sha256_file(made / name) != sidecar["outputs"][name]]
    if not differing:
        return Rebuilt(stem, True, f"{len(names)} files equal byte for byte")
    strict = same_machine(folder, made, stem)
    found, _ = compare_artefact(folder, made, stem, strict)
    words = f"{len(names) - len(differing)} of {len(names)} files equal byte for byte"
    if strict or found:
        told = str(found[0]) if found else f"{', '.join(differing)} differ"
        return Rebuilt(stem, False, f"{words}; {' '.join(told.split())}")
    return Rebuilt(stem, True, f"{words}, the others within the tolerances for another machine")
