"""``python -m avsep_lib.descriptors``: measure the test solos of a manifest."""

from __future__ import annotations

import argparse
from pathlib import Path

from avsep_lib.cli import run_main
from avsep_lib.descriptors.measure import describe_solos, undefined
from avsep_lib.files import atomic_path


def main() -> None:
    """Measure acoustic descriptors of the test solos of a manifest, one row per clip."""
    parser = argparse.ArgumentParser(prog="python -m avsep_lib.descriptors", description=main.__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="CSV to write")
    arguments = parser.parse_args()
    table = describe_solos(arguments.manifest)
    with atomic_path(arguments.out) as path:
        table.to_csv(path, index=False, float_format="%.6g")
    missing = ", ".join(f"{name} in {count}" for name, count in undefined(table).items())
    print(f"{len(table)} test solos of {table['instrument'].nunique()} classes; undefined: {missing or 'nothing'}")


if __name__ == "__main__":
    run_main(main)
