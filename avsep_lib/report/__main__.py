"""Command line: ``python -m avsep_lib.report --profile P`` writes ``results/P/report/index.html``."""

from __future__ import annotations

import argparse

from avsep_lib.cli import run_main
from avsep_lib.paths import project_root
from avsep_lib.report.build import build_report


def main() -> None:
    """Build the site and print its weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", required=True)
    print(build_report(parser.parse_args().profile).relative_to(project_root()))


if __name__ == "__main__":
    run_main(main)
