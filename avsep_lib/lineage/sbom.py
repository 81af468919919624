"""The software bill of materials: ``python -m avsep_lib.lineage.sbom --out sbom.json`` (``make sbom``).

CycloneDX 1.6 as JSON, of what is installed and not of what was asked for: name, version, package URL and licence of every
distribution this Python sees, which of them need which, the interpreter, and the SoundFont. Hashes of packages are not
repeated: pip installs from ``requirements.lock`` with ``--require-hashes``, does not note which of the allowed archives it
chose, and the lock's own SHA-256 stands in the list. Without a clock and a serial number: equal environments give equal
bytes.
"""

from __future__ import annotations

import argparse
import platform
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from avsep_lib.cli import run_main
from avsep_lib.files import sha256_file, write_json
from avsep_lib.lineage.licences import UNKNOWN, installed, licence_of, metadata_of
from avsep_lib.lineage.lock import differences, lock_path

SOUNDFONT = ("pretty_midi", "TimGM6mb.sf2", "GPL-2.0-only")  # package, file, licence as distributions of Linux say


def bill_of_materials() -> dict[str, Any]:
    """The list as CycloneDX 1.6; ``avsep:lock`` properties say whether it is what the lock asks for."""
    found = installed()
    own = found.pop("avsep-lib", None)
    wrong, beside = differences()
    facts = {"avsep:lock:sha256": sha256_file(lock_path()), "avsep:lock:differences": str(len(wrong))}
    facts |= {"avsep:lock:beside": str(len(beside)), "avsep:system": f"{platform.system()} {platform.machine()}"}
    python = {"type": "platform", "bom-ref": "python", "name": platform.python_implementation()}
    parts = [python | {"version": platform.python_version()}, *map(_component, found.values()), *_soundfont()]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "avsep-lib",
                "name": "avsep_lib",
                "version": own.version if own else "0",
                "licenses": [{"license": {"id": "MIT"}}],
            },
            "properties": [{"name": name, "value": value} for name, value in sorted(facts.items())],
        },
        "components": parts,
        "dependencies": [_dependency(name, part, found) for name, part in ({"avsep-lib": own} | found).items() if part],
    }


def _component(part: Distribution) -> dict[str, Any]:
    name, licence, metadata = _name(part), licence_of(part), metadata_of(part)
    entry = {"type": "library", "bom-ref": name, "name": metadata["Name"], "version": metadata["Version"]}
    entry["purl"] = f"pkg:pypi/{name}@{metadata['Version'].replace('+', '%2B')}"
    if licence.name != UNKNOWN:
        spdx = licence.spdx
        entry["licenses"] = [{"expression": spdx}] if spdx else [{"license": {"name": licence.name}}]
    return entry


def _soundfont() -> list[dict[str, Any]]:
    package, name, licence = SOUNDFONT
    try:
        path = Path(str(distribution(package).locate_file(f"{package}/{name}")))
    except PackageNotFoundError:
        return []
    if not path.is_file():
        return []
    hashes = [{"alg": "SHA-256", "content": sha256_file(path)}]
    entry = {"type": "data", "bom-ref": f"{canonicalize_name(package)}/{name}", "name": name, "hashes": hashes}
    return [entry | {"licenses": [{"expression": licence}]}]


def _dependency(name: str, part: Distribution, found: dict[str, Distribution]) -> dict[str, Any]:
    wanted = map(Requirement, metadata_of(part).get_all("Requires-Dist") or [])
    needed = {canonicalize_name(r.name) for r in wanted if not r.marker or r.marker.evaluate({"extra": ""})}
    return {"ref": name, "dependsOn": sorted(needed & found.keys())}


def _name(part: Distribution) -> str:
    return str(canonicalize_name(metadata_of(part)["Name"]))


def summary(bill: dict[str, Any]) -> str:
    """Counts, and every difference from the lock."""
    packages = [entry for entry in bill["components"] if entry["type"] == "library"]
    unknown = [entry["name"] for entry in packages if "licenses" not in entry]
    wrong, beside = differences()
    words = f"{len(packages)} packages, {len(unknown)} without a stated licence{': ' if unknown else ''}"
    lines = [words + ", ".join(unknown), f"{len(wrong)} differ from requirements.lock, {len(beside)} are not in it"]
    return "\n".join([*lines, *(f"  {line}" for line in wrong + beside)])


def main() -> None:
    """Command line; exit code 1 when something locked is missing or another version."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/sbom.json"))
    given = parser.parse_args()
    bill = bill_of_materials()
    write_json(given.out, bill)
    print(f"{given.out}: {summary(bill)}")
    sys.exit(1 if differences()[0] else 0)


if __name__ == "__main__":
    run_main(main)
