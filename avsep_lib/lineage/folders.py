"""A folder of figures and tables against its own sidecars and against the record of what was published.

Every file has a sidecar that holds its SHA-256, and every sidecar's own SHA-256 stands in a record: of
``figures/<profile>`` that is ``ro-crate-metadata.json`` beside it (tracked, and sealed itself), of
``results/<profile>/artifacts`` it is ``published.json``. An edit of one file, of a sidecar, or of the record is therefore
noticed; somebody who edits all three alike is found by git and by a rebuild (`avsep_lib.lineage.rebuild`), not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_lib.errors import AvsepError, DataError
from avsep_lib.files import read_json, sha256_file
from avsep_lib.lineage.crate import CRATE

ARTEFACT = re.compile(r"(fig|tab)_[a-z][a-z0-9_]*")
PARTS = {"kind": str, "name": str, "profile": str, "caption": str, "inputs": dict, "outputs": dict, "parameters": dict}
PARTS |= {"code": dict, "packages": dict}
RECIPE = ("notebook", "notebook_sha256", "command", "settings_sha256", "lock_sha256")
ELSE = (CRATE, "received.json")  # what may lie beside artefacts and is in no record


@dataclass(frozen=True)
class Folder:
    """What was found in a folder."""

    path: Path
    sidecars: dict[str, dict[str, Any]]  # by stem; those that can be read
    findings: list[str]  # one sentence per file that is not what it should be
    n_files: int


def read_sidecar(path: Path) -> dict[str, Any]:
    """A sidecar with every part of its form.

    Raises
    ------
    DataError
        It is missing, no JSON, or lacks a part.
    """
    try:
        sidecar = read_json(path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text ({error})") from None
    lacking = [k for k, kind in PARTS.items() if not isinstance(sidecar, dict) or not isinstance(sidecar.get(k), kind)]
    if lacking:
        raise DataError(f"{path} lacks {', '.join(lacking)}")
    return sidecar


def missing_parts(sidecar: Mapping[str, Any]) -> list[str]:
    """What a sidecar of an older format does not say and a rebuild needs; empty for one of today's."""
    recipe = sidecar.get("made_by", {})
    lacking = [part for part in RECIPE if part not in recipe]
    return lacking + ([] if isinstance(sidecar["code"].get("modules"), dict) else ["hash of every module"])


def check_folder(path: Path, recorded: Mapping[str, str] | None = None) -> Folder:
    """Compare every file of a folder with its sidecar, and every file with the record.

    Parameters
    ----------
    path : Path
    recorded : mapping of str to str, optional
        SHA-256 by name, of files and sidecars; without it an edit of a sidecar is only noticed if it breaks it.
    """
    here = {entry.name: entry for entry in sorted(path.iterdir()) if entry.is_file() and entry.name not in ELSE}
    sidecars, found, described = {}, [], set()
    for name in [name for name in here if name.endswith(".json") and ARTEFACT.fullmatch(name[:-5])]:
        try:
            sidecar = read_sidecar(here[name])
        except AvsepError as error:
            found.append(f"{name}: {_one_line(error)}")
            continue
        sidecars[name[:-5]] = sidecar
        described |= {name, *sidecar["outputs"]}
        found += _against_sidecar(here, name, sidecar)
    listed = recorded or {}
    found += [f"{name} belongs to no sidecar" for name in here if name not in described and name not in listed]
    found += [f"{name} is not there, but the record names it" for name in listed if name not in here]
    edited = [name for name, digest in listed.items() if name in here and sha256_file(here[name]) != digest]
    found += [f"{name} is not what the record names (edited by hand, or of another run)" for name in edited]
    found += [
        f"{n} is in no record" for n in sorted(described & here.keys()) if recorded is not None and n not in listed
    ]
    return Folder(path, sidecars, found, len(here))


def _against_sidecar(here: Mapping[str, Path], name: str, sidecar: dict[str, Any]) -> list[str]:
    stem = f"{'fig' if sidecar['kind'] == 'figure' else 'tab'}_{sidecar['name']}"
    found = [] if name == f"{stem}.json" else [f"{name} is the sidecar of {stem}: renamed or moved"]
    for output, digest in sidecar["outputs"].items():
        if output not in here:
            found.append(f"{output} is not there, but {name} describes it")
        elif sha256_file(here[output]) != digest:
            found.append(f"{output} is not what {name} describes (edited by hand, or of another run)")
    return found


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
