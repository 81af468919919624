"""What the short and the long test of provenance share: hand edits of a published folder, chosen by chance."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

from avsep_lib.files import sha256_file
from avsep_lib.lineage.crate import CRATE, read_crate
from avsep_lib.lineage.folders import check_folder


def noticed(folder: Path, profile: str) -> list[str]:
    """What `make verify-provenance` finds in a published folder, by its files alone."""
    record = read_crate(folder / CRATE, profile)
    broken = [] if record.intact else [f"{CRATE} is not as it was written"]
    return [*check_folder(folder, record.published).findings, *broken]


def _files(folder: Path, *suffixes: str) -> list[Path]:
    return sorted(p for p in folder.glob("*_*.*") if p.name.startswith(("fig_", "tab_")) and p.suffix in suffixes)


def flip_a_byte(folder: Path, chance: random.Random, suffixes=(".csv", ".md", ".tex", ".png", ".svg")) -> str:
    """One bit of one byte."""
    path = chance.choice(_files(folder, *suffixes))
    content = bytearray(path.read_bytes())
    place = chance.randrange(len(content))
    content[place] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return f"{path.name}, byte {place}"


def nudge_a_number(folder: Path, chance: random.Random) -> str:
    """The last digit of a number in a table, as somebody would who wants another result."""
    tables = [path for path in _files(folder, ".csv", ".md", ".tex") if re.search(r"\d", path.read_text())]
    path = chance.choice(tables)
    text = path.read_text()
    place = chance.choice([m.start() for m in re.finditer(r"\d", text)])
    path.write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])
    return f"{path.name}, digit {place}"


def shorten(folder: Path, chance: random.Random) -> str:
    """The end of a file is gone."""
    path = chance.choice(_files(folder, ".csv", ".md", ".tex", ".png", ".svg", ".json"))
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])
    return path.name


def add_a_line(folder: Path, chance: random.Random) -> str:
    """Nothing but a line break more."""
    path = chance.choice(_files(folder, ".csv", ".md", ".tex", ".svg", ".json"))
    path.write_bytes(path.read_bytes() + b"\n")
    return path.name


def delete(folder: Path, chance: random.Random) -> str:
    """A file is gone."""
    path = chance.choice(_files(folder, ".csv", ".md", ".tex", ".png", ".svg", ".json"))
    path.unlink()
    return path.name


def rename(folder: Path, chance: random.Random) -> str:
    """A file has another name."""
    path = chance.choice(_files(folder, ".csv", ".md", ".tex", ".png", ".svg", ".json"))
    path.rename(path.with_stem(f"{path.stem}_old"))
    return path.name


def swap(folder: Path, chance: random.Random) -> str:
    """Two files of one kind have each other's content."""
    suffix = chance.choice([s for s in (".csv", ".md", ".png", ".json") if len(_files(folder, s)) > 1])
    one, other = chance.sample(_files(folder, suffix), 2)
    first, second = one.read_bytes(), other.read_bytes()
    if first == second:
        return delete(folder, chance)
    one.write_bytes(second)
    other.write_bytes(first)
    return f"{one.name} and {other.name}"


def add_a_file(folder: Path, chance: random.Random) -> str:
    """A picture or a table that nothing made."""
    path = chance.choice(_files(folder, ".csv", ".png"))
    new = path.with_stem(f"{path.stem}_better")
    new.write_bytes(path.read_bytes())
    return new.name


def edit_a_sidecar(folder: Path, chance: random.Random) -> str:
    """One value of a sidecar."""
    path = chance.choice(_files(folder, ".json"))
    sidecar = json.loads(path.read_text())
    key = chance.choice(["caption", "inputs", "parameters", "code", "packages", "commit", "wall_time_s"])
    if isinstance(sidecar[key], dict):
        sidecar[key]["added"] = "0" * 64
    else:
        sidecar[key] = f"{sidecar[key]}0"
    path.write_text(json.dumps(sidecar, indent=1, sort_keys=True) + "\n")
    return f"{path.name}, {key}"


def edit_file_and_sidecar(folder: Path, chance: random.Random) -> str:
    """A number, and its new hash in the sidecar."""
    told = nudge_a_number(folder, chance)
    name = told.partition(",")[0]
    path = folder / f"{Path(name).stem}.json"
    sidecar = json.loads(path.read_text())
    sidecar["outputs"][name] = sha256_file(folder / name)
    path.write_text(json.dumps(sidecar, indent=1, sort_keys=True) + "\n")
    return f"{told}, and its sidecar"


def edit_file_sidecar_and_record(folder: Path, chance: random.Random) -> str:
    """As before, and the new hashes in the record of the run, whose seal does not fit then."""
    told = edit_file_and_sidecar(folder, chance)
    name = told.partition(",")[0]
    record = json.loads((folder / CRATE).read_text())
    for entity in record["@graph"]:
        if entity["@id"] in (name, f"{Path(name).stem}.json"):
            entity["sha256"] = sha256_file(folder / entity["@id"])
    (folder / CRATE).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    return f"{told}, and the record"


def edit_the_record(folder: Path, chance: random.Random) -> str:
    """One value of the record of the run."""
    record = json.loads((folder / CRATE).read_text())
    entity = chance.choice([e for e in record["@graph"] if "sha256" in e or e["@type"] == "PropertyValue"])
    key = "sha256" if "sha256" in entity else "value"
    entity[key] = f"{entity[key]}0"
    (folder / CRATE).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    return f"{CRATE}, {entity['@id']}"


EDITS: tuple[Callable[[Path, random.Random], str], ...] = (
    *(flip_a_byte, nudge_a_number, shorten, add_a_line, delete, rename, swap, add_a_file),
    *(edit_a_sidecar, edit_file_and_sidecar, edit_file_sidecar_and_record, edit_the_record),
)
