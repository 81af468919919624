"""Which results this process has opened: so that a sidecar names what a notebook read, not what its author remembered.

Python tells (an audit hook) of every file that it opens. Libraries that open files on their own, safetensors among them, do
not; the paths of those come from `avsep_lib.inputs.require`, through which notebooks ask for results.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from avsep_lib.paths import results_root

WRITTEN = ("artifacts", "logs", "notebooks", "report", "run")  # of results/<profile>: what comes after the reading
PART = f"{os.sep}results{os.sep}"

_opened: dict[str, None] = {}


def note(paths: Iterable[str | Path]) -> None:
    """Remember files that are about to be read."""
    _opened.update(dict.fromkeys(os.path.abspath(path) for path in paths))


def read_results(profile: str) -> list[Path]:
    """Files of a profile's results that were opened for reading until now, sorted."""
    folder = results_root(profile)
    found = set()
    for start in {str(folder), os.path.realpath(folder)}:
        below = (path.removeprefix(start + os.sep) for path in _opened if path.startswith(start + os.sep))
        found |= {folder / name for name in below if name.split(os.sep)[0] not in WRITTEN}
    return sorted(path for path in found if path.is_file())


def watch() -> None:
    """Begin to remember; once per process, and for its whole life."""
    global _watching
    if not _watching:
        _watching = True
        sys.addaudithook(_hear)


_watching = False


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not isinstance(arguments[0], str | os.PathLike):
        return
    path, mode, flags = arguments
    writes = (flags & os.O_ACCMODE) != os.O_RDONLY if mode is None else not mode.startswith("r") or "+" in mode
    if not writes and PART in (path := os.path.abspath(path)):
        _opened[path] = None
