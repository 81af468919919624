"""``requirements.lock``, and whether what is installed is what it says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from avsep_lib.lineage.licences import installed, metadata_of
from avsep_lib.paths import project_root

LINE = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>[^\\\n]+?))? *\\?$", re.MULTILINE)
OWN = ("avsep-lib", "pip", "setuptools", "wheel")  # this suite, and what made the environment


@dataclass(frozen=True)
class Locked:
    """One line of the lock."""

    name: str  # canonical
    version: str
    marker: str  # empty: everywhere

    @property
    def here(self) -> bool:
        """Whether this Python on this system has it."""
        return not self.marker or Marker(self.marker).evaluate()


def lock_path() -> Path:
    """``requirements.lock``."""
    return project_root() / "requirements.lock"


def read_lock(text: str) -> list[Locked]:
    """Every line that pins a version, in order."""
    return [Locked(str(canonicalize_name(m["name"])), m["version"], m["marker"] or "") for m in LINE.finditer(text)]


def differences() -> tuple[list[str], list[str]]:
    """What is installed in another version than locked or missing, and what is installed beside the lock; sentences."""
    locked = {line.name: line.version for line in read_lock(lock_path().read_text()) if line.here}
    here = {name: metadata_of(found)["Version"] for name, found in installed().items()}
    wrong = [f"{name} {version} is locked and not installed" for name, version in locked.items() if name not in here]
    wrong += [
        f"{name} is {here[name]}, locked is {version}"
        for name, version in locked.items()
        if name in here and here[name].partition("+")[0] != version.partition("+")[0]
    ]
    beside = [f"{name} {version} is not in the lock" for name, version in here.items() if name not in {*locked, *OWN}]
    return wrong, beside
