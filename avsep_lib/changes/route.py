"""By which imports a command or a notebook comes to depend on a library file."""

from __future__ import annotations

from collections import deque

from avsep_lib import library
from avsep_lib.paths import project_root


def route(start: str, file: str) -> list[str]:
    """The shortest way of imports from `start` to `file`.

    Parameters
    ----------
    start : str
        Dotted module (``"avsep_lib.train"``) or a notebook's path relative to the checkout.
    file : str
        Library file, relative to the checkout.

    Returns
    -------
    list of str
        Library files, `file` last, without the start itself; empty when no imports lead there.
    """
    first = _first(start)
    paths = {name: (name,) for name in first}
    waiting = deque(first)
    while waiting:
        name = waiting.popleft()
        if file in _files(name):
            steps = paths[name] if start.endswith(".ipynb") else paths[name][1:]
            named = [_files(step)[0] for step in steps]
            return named if named and named[-1] == file else [*named, file]
        for other in sorted(library._dependencies(name) | ({name.rpartition(".")[0]} - {""})):
            if other not in paths:
                paths[other] = (*paths[name], other)
                waiting.append(other)
    return []


def _first(start: str) -> list[str]:
    if start.endswith(".ipynb"):
        notebook = project_root() / start
        return sorted(library._imports(library.notebook_code(notebook), "", start))
    return [name for name in (start, f"{start}.__main__") if library._source(name) is not None]


def _files(module: str) -> list[str]:
    """The source of a module, then the files beside it that it names."""
    paths = [library._source(module), *library._named_files(module)]
    return [str(path.relative_to(project_root())) for path in paths]
