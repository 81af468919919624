"""What an artefact was made from, computed again: inputs, code, notebook, settings and lock of today beside its sidecar's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avsep_lib.errors import AvsepError
from avsep_lib.files import sha256_file
from avsep_lib.lineage.crate import Record
from avsep_lib.lineage.folders import missing_parts
from avsep_lib.lineage.jobs import Hashes
from avsep_lib.lineage.sources import files_behind
from avsep_lib.paths import project_root
from avsep_lib.provenance import DIGITS, code_now, joint_hash
from avsep_lib.recipe import LOCK, notebook_hash, settings_of

SHOWN = 5  # names in one sentence


@dataclass
class Origins:
    """What came of computing again where one artefact comes from."""

    stem: str
    n_same: int = 0  # inputs that are what the sidecar says
    changed: list[str] = field(default_factory=list)  # inputs that are not
    absent: list[str] = field(default_factory=list)  # inputs that are not here, so that nothing can be said
    other: list[str] = field(default_factory=list)  # code, settings, environment that are other ones today; sentences
    lacking: list[str] = field(default_factory=list)  # what an older sidecar does not say
    n_behind: int = 0  # files further back that are what the record says
    n_jobs: int = 0

    @property
    def complete(self) -> bool:
        """Whether the artefact can be made again from what is here."""
        return not (self.changed or self.absent or self.lacking)


def origins(stem: str, sidecar: Mapping[str, Any], record: Record | None, hashes: Hashes) -> Origins:
    """Compute again what a sidecar names, and with a record everything that it rests on.

    Parameters
    ----------
    stem : str
    sidecar : mapping
    record : Record or None
        Of the run; None: only what the sidecar itself names.
    hashes : Hashes
    """
    found = Origins(stem, lacking=missing_parts(sidecar))
    for path, digest in sidecar["inputs"].items():
        _compare(found, path, digest, hashes[path], f"input {path}")
    found.n_same = len(sidecar["inputs"]) - len(found.changed) - len(found.absent)
    found.other = [*_code(sidecar), *_recipe(sidecar)]
    if record:
        _walk(found, sidecar, record, hashes)
    return found


def _compare(found: Origins, path: str, digest: str, now: str, what: str) -> bool:
    if not now:
        found.absent.append(path)
    elif now != digest:
        found.changed.append(f"{what} is another one than it was made from")
    return now == digest


def _walk(found: Origins, sidecar: Mapping[str, Any], record: Record, hashes: Hashes) -> None:
    """Everything behind the inputs: results have to be those of the record, sources that differ are other code."""
    own = sidecar["inputs"]
    behind, names = files_behind(own, record.jobs)
    found.n_jobs = len(names)
    edited = []
    for path in behind:
        if path in own or path not in record.files:
            if record.files.get(path, own.get(path)) != own.get(path):
                found.changed.append(f"input {path} is another one in the record of the run")
            continue
        if path.startswith("results/"):
            found.n_behind += _compare(found, path, record.files[path], hashes[path], f"{path}, further back,")
        elif hashes[path] == record.files[path]:
            found.n_behind += 1
        else:
            edited.append(path)
    if edited:
        found.other.append(f"what it rests on was made with other {_some(edited)}")


def _code(sidecar: Mapping[str, Any]) -> list[str]:
    told = sidecar["code"].get("modules")
    if not isinstance(told, dict):  # an older sidecar: only the joint hash
        now = code_now(told or [])
        return (
            []
            if joint_hash(now) == sidecar["code"].get("sha256")
            else ["made by other code; this older sidecar does not say which modules"]
        )
    now = code_now(told)
    differing = [name for name, digest in told.items() if now[name][:DIGITS] != digest]
    if not differing and joint_hash(now) != sidecar["code"].get("sha256"):
        return ["made by other code: the joint hash of its modules differs"]
    return [f"made by other code: {_some(differing)}"] if differing else []


def _recipe(sidecar: Mapping[str, Any]) -> list[str]:
    """Notebook, settings and lock."""
    recipe = sidecar.get("made_by", {})
    now: dict[str, str] = {}
    try:
        notebook = str(recipe.get("notebook", ""))
        now["notebook_sha256"] = notebook_hash(notebook)
        now["settings_sha256"] = settings_of(sidecar["profile"], Path(notebook).stem).get("settings_sha256", "")
    except (AvsepError, OSError, KeyError):
        pass  # said as another one below
    lock = project_root() / LOCK
    now["lock_sha256"] = sha256_file(lock) if lock.is_file() else ""
    words = {
        "notebook_sha256": f"made by another {recipe.get('notebook')}",
        "settings_sha256": f"made with other settings of the profile {sidecar['profile']}",
        "lock_sha256": f"made with another {LOCK}",
    }
    return [text for key, text in words.items() if key in recipe and recipe[key] != now.get(key)]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
