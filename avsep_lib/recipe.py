"""How an artefact is made again: what its sidecar says under ``made_by``, and the command that follows from it.

A notebook is named by its path and the hash of its code cells: outputs, counts and prose change no figure. Settings are
those that the notebook can look up by the profile's name, so that a new row of ``config/runs.csv`` touches the artefacts
that read it and no others.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avsep_lib.errors import AvsepError
from avsep_lib.files import canonical_json, read_json, sha256_file, sha256_text
from avsep_lib.paths import project_root

LOCK = "requirements.lock"
ENVIRONMENT = ("OMP_NUM_THREADS", "PYTHONHASHSEED")  # variables that a number could depend on


def made_by(stem: str, profile: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Notebook, command, settings and lock behind an artefact.

    Parameters
    ----------
    stem : str
        For example ``tab_table6``.
    profile : str
    parameters : mapping
        Of the notebook.

    Returns
    -------
    dict
        ``notebook``, ``notebook_sha256`` (of its code), ``command``, ``environment``; ``settings_sha256``, ``datasets``
        and ``runs`` (none where the notebook deals with no runs); ``lock_sha256``. What cannot be known, because no
        notebook of this checkout saves the artefact or the profile is not there, is left out.
    """
    found: dict[str, Any] = {"environment": {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}}
    lock = project_root() / LOCK
    if lock.is_file():
        found["lock_sha256"] = sha256_file(lock)
    notebook = notebook_of(stem)
    if notebook:
        path = f"notebooks/{notebook}.ipynb"
        found |= {"notebook": path, "notebook_sha256": notebook_hash(path)}
        found["command"] = shlex.join(["python", *command(path, parameters, Path("results") / profile)])
        found |= settings_of(profile, notebook)
    return found


def notebook_of(stem: str) -> str:
    """The notebook that saves an artefact, as its code says; empty when none does."""
    from avsep_lib.workflow import READS, notebook_artifacts, notebook_path

    name = stem.partition("_")[2]
    for notebook in READS:
        path = project_root() / notebook_path(notebook)
        named = path.is_file() and name in path.read_text()  # parsing takes longer
        if named and any(artifact.stem == stem for artifact in notebook_artifacts(notebook)):
            return notebook
    return ""


def notebook_hash(path: str) -> str:
    """Hash of a notebook's code cells; `path` is relative to the checkout."""
    cells = read_json(project_root() / path)["cells"]
    return sha256_text(canonical_json(["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]))


def settings_of(profile: str, notebook: str) -> dict[str, Any]:
    """Hash of the settings that a notebook can look up, with the datasets and the runs among them."""
    from avsep_lib.workflow import load_plan

    try:
        plan = load_plan(profile)
    except AvsepError:
        return {}
    seen = plan.seen_by_notebook_json(notebook)
    runs = list(plan.runs) if seen == plan.everything_json() else []
    return {"settings_sha256": sha256_text(seen), "datasets": list(plan.profile.datasets), "runs": runs}


def command(notebook: str, parameters: Mapping[str, Any], out: Path) -> list[str]:
    """Arguments for Python that execute a notebook as the workflow does; executed copies go below `out`."""
    stem = Path(notebook).stem
    words = ["-m", "avsep_lib.runner", notebook, "--parameters", canonical_json(dict(parameters))]
    return [*words, "--log", f"{out}/logs/notebooks/{stem}.ipynb", "--output", f"{out}/notebooks/{stem}.ipynb"]
