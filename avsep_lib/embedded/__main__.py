"""Command line of the embedded dataset."""

from __future__ import annotations

import argparse
from pathlib import Path

from avsep_lib.cli import run_main
from avsep_lib.embedded.build import build_dataset
from avsep_lib.embedded.settings import EmbeddedSettings
from avsep_lib.files import read_json


def main() -> None:
    """Render the dataset that a JSON settings file describes."""
    parser = argparse.ArgumentParser(prog="python -m avsep_lib.embedded", description=main.__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="JSON file with the fields of EmbeddedSettings")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    arguments = parser.parse_args()
    settings = EmbeddedSettings.from_dict(read_json(arguments.settings), str(arguments.settings))
    print(build_dataset(settings, arguments.out, arguments.workers))


if __name__ == "__main__":
    run_main(main)
