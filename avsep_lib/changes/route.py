"""By which imports a command or a notebook comes to depend on a library file."""

from __future__ import annotations

from collections import deque

from avsep_lib import library


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
    first = library.first_modules(start)
    paths = {name: (name,) for name in first}
    waiting = deque(first)
    while waiting:
        name = waiting.popleft()
        if file in map(str, library.files_of(name)):
            steps = paths[name] if start.endswith(".ipynb") else paths[name][1:]
            named = [str(library.files_of(step)[0]) for step in steps]
            return named if named and named[-1] == file else [*named, file]
        for other in sorted(library.next_modules(name)):
            if other not in paths:
                paths[other] = (*paths[name], other)
                waiting.append(other)
    return []
