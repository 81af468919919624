"""Two folders of figures and tables: what differs in values, in words and in pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from avsep_lib.changes.tolerances import PIXELS, TOLERANCES
from avsep_lib.changes.values import NUMBER, Difference, compare_tables
from avsep_lib.files import read_json
from avsep_lib.media_file import open_picture

MACHINE = ("packages", "python")  # of a sidecar, beside the processor and the GPU


def same_machine(committed: Path, here: Path, stem: str) -> bool:
    """Whether two sidecars name the same kind of machine and the same packages; a missing one says nothing else."""
    paths = [folder / f"{stem}.json" for folder in (committed, here)]
    if not all(path.is_file() for path in paths):
        return True
    old, new = map(read_json, paths)
    return _machine(old) == _machine(new)


def _machine(sidecar: dict[str, Any]) -> tuple[Any, ...]:
    hardware = sidecar.get("hardware", {})
    return (hardware.get("cpu"), hardware.get("gpu"), *(sidecar.get(key) for key in MACHINE))


def compare_artefact(committed: Path, here: Path, stem: str, strict: bool) -> tuple[list[Difference], list[str]]:
    """Everything that differs between the files of one figure or table, and remarks that are no difference.

    Parameters
    ----------
    committed, here : Path
        The two folders.
    stem : str
        For example ``tab_table6``.
    strict : bool
        Both were made on the same kind of machine; see `avsep_lib.changes.tolerances`.
    """
    old, new = ({path.name: path for path in folder.glob(f"{stem}.*")} for folder in (committed, here))
    found = [Difference(name, "file", "there", "missing") for name in sorted(old.keys() - new)]
    found += [Difference(name, "file", "not there", "there") for name in sorted(new.keys() - old)]
    remarks: list[str] = []
    shared = [
        name for name in (f"{stem}{suffix}" for suffix in (".csv", ".json", ".md", ".tex")) if name in old & new.keys()
    ]
    for name in shared:
        if name.endswith(".csv"):
            found += compare_tables(name, old[name].read_text(), new[name].read_text(), strict)
        elif name.endswith(".json"):
            found += _sidecars(name, read_json(old[name]), read_json(new[name]))
        elif not found and not _has_durations(name):
            found += _texts(name, old[name].read_text(), new[name].read_text())
    picture = f"{stem}.png"
    if picture in old and picture in new and not found:
        differing = _pictures(picture, old[picture], new[picture])
        found += differing if strict else []
        remarks += [] if strict else [f"{difference} (reported only, another machine)" for difference in differing]
    return found, remarks


def _sidecars(file: str, old: dict[str, Any], new: dict[str, Any]) -> list[Difference]:
    """What a sidecar says about the artefact itself; hashes, times and commits are left out."""
    told = [(key, old.get(key), new.get(key)) for key in ("kind", "name", "caption", "profile")]
    before, after = old.get("parameters", {}), new.get("parameters", {})
    told += [(f"parameter {key}", before.get(key), after.get(key)) for key in sorted(before | after)]
    return [Difference(file, key, repr(a), repr(b)) for key, a, b in told if a != b]


def _has_durations(file: str) -> bool:
    return any(line.kind == "duration" and re.search(line.files, file) for line in TOLERANCES)


def _texts(file: str, old: str, new: str) -> list[Difference]:
    """First line of a Markdown or LaTeX table with other words; its numbers are those of the CSV file, rounded."""
    before, after = _words(old), _words(new)
    if before == after:
        return []
    at = next((i for i, (a, b) in enumerate(zip(before, after)) if a != b), min(len(before), len(after)))
    lines = [(texts[at] if at < len(texts) else "no such line")[:120] for texts in (before, after)]
    return [Difference(file, f"line {at + 1}", *map(repr, lines))]


def _words(text: str) -> list[str]:
    return [re.sub(r"[ \-:]+", " ", NUMBER.sub("#", line)).strip() for line in text.splitlines()]


def _pictures(file: str, old: Path, new: Path) -> list[Difference]:
    """Size, then the mean difference of the pixels."""
    if old.read_bytes() == new.read_bytes():
        return []
    import numpy as np

    with open_picture(old) as before, open_picture(new) as after:
        if before.size != after.size:
            return [Difference(file, "size in pixels", str(before.size), str(after.size))]
        a, b = (np.asarray(picture.convert("L"), dtype=np.float32) for picture in (before, after))
    mean = float(np.abs(a - b).mean())
    return [Difference(file, "pixels", "0", f"{mean:.2f} of 255 away on average")] if mean > PIXELS else []
