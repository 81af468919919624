"""Command line of recorded datasets."""

from __future__ import annotations

import argparse
from pathlib import Path

from avsep_lib.cli import json_argument, run_main
from avsep_lib.recorded.build import build_recorded
from avsep_lib.recorded.settings import RecordedSettings
from avsep_lib.settings import from_dict


def main() -> None:
    """Read, measure and judge the recordings that a JSON settings file describes; write manifest and audit."""
    parser = argparse.ArgumentParser(prog="python -m avsep_lib.recorded", description=main.__doc__)
    parser.add_argument("--settings", type=json_argument, required=True, help="fields of RecordedSettings, or a file")
    parser.add_argument("--name", required=True, help="name of the dataset in results and tables")
    parser.add_argument("--min-seconds", type=float, required=True, help="length of a mixture in seconds")
    parser.add_argument("--media", type=Path, required=True, help="folder for decoded videos, kept from run to run")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    given = parser.parse_args()
    settings = from_dict(RecordedSettings, given.settings, "--settings")
    print(build_recorded(settings, given.name, given.min_seconds, given.media, given.out, given.workers))


if __name__ == "__main__":
    run_main(main)
