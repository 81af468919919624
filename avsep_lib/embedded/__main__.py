"""Command line of the embedded dataset."""

from __future__ import annotations

import argparse
from pathlib import Path

from avsep_lib.cli import json_argument, run_main
from avsep_lib.embedded.build import build_dataset
from avsep_lib.embedded.settings import EmbeddedSettings


def main() -> None:
    """Render the dataset that a JSON settings file describes."""
    parser = argparse.ArgumentParser(prog="python -m avsep_lib.embedded", description=main.__doc__)
    parser.add_argument(
        "--settings", type=json_argument, required=True, help="fields of EmbeddedSettings as JSON, or a JSON file"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    arguments = parser.parse_args()
    settings = EmbeddedSettings.from_dict(arguments.settings, "--settings")
    print(build_dataset(settings, arguments.out, arguments.workers))


if __name__ == "__main__":
    run_main(main)
