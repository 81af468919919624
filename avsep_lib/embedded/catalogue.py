"""Every class by name, and the named sets that a profile may write instead of a list."""

from __future__ import annotations

from collections.abc import Iterable

from avsep_lib.embedded.instruments import INSTRUMENTS, MUSIC_CLASSES, Instrument
from avsep_lib.embedded.wild import WILD
from avsep_lib.errors import ConfigError

SETS: dict[str, tuple[str, ...]] = {
    "music": MUSIC_CLASSES,
    "music21": tuple(sorted(INSTRUMENTS)),
    "wild": tuple(sorted(WILD)),
}


def instrument(name: str) -> Instrument:
    """Look the class `name` up; an unknown one is a `ConfigError` that lists the known ones."""
    found = INSTRUMENTS.get(name) or WILD.get(name)
    if found is None:
        raise ConfigError(
            f"class {name!r} is not in the embedded dataset; known are {', '.join(sorted(INSTRUMENTS))}, the "
            f"{len(WILD)} of avsep_lib/embedded/wild.py, and the sets {', '.join(SETS)}"
        )
    return found


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Replace the name of a set by its classes: ``("music",)`` becomes the eleven instruments of MUSIC."""
    return tuple(member for name in names for member in SETS.get(name, (name,)))
