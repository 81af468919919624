"""Remember what is published before a run: ``python -m avsep_lib.changes.snapshot --profile demo``.

``workflow/regenerate.py`` calls this before Snakemake starts. The snapshot stays until `avsep_lib.changes` has shown what
changed since; a run that is interrupted and taken up again is therefore compared with what was published before both.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from avsep_lib.changes.records import read_records
from avsep_lib.cli import run_main
from avsep_lib.files import read_json, sha256_file, write_json
from avsep_lib.paths import figures_root, results_root


def snapshot_path(profile: str) -> Path:
    """Where the snapshot of a profile lies."""
    return results_root(profile) / "before.json"


def state(folder: Path) -> dict[str, Any]:
    """Hashes of the figures and tables in a folder, and the text of their CSV files, by name."""
    files = [path for path in sorted(folder.glob("*_*.*")) if path.name.startswith(("fig_", "tab_"))]
    return {
        "hashes": {path.name: sha256_file(path) for path in files},
        "tables": {path.name: path.read_text() for path in files if path.suffix == ".csv"},
    }


def take(profile: str) -> None:
    """Write the snapshot, unless one is there whose changes nobody has been shown."""
    if not snapshot_path(profile).exists():
        published = state(figures_root(profile))
        write_json(snapshot_path(profile), published | {"taken": time.time(), "records": read_records(profile)})


def read_snapshot(profile: str) -> dict[str, Any] | None:
    """The snapshot; None when there is none."""
    return read_json(snapshot_path(profile)) if snapshot_path(profile).exists() else None


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", required=True)
    take(parser.parse_args().profile)


if __name__ == "__main__":
    run_main(main)
