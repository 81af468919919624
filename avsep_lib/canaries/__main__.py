"""Command line: ``python -m avsep_lib.canaries --profile P --out canaries.json``; exit code 1 when a canary falls."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from avsep_lib.canaries import check_all, raise_first
from avsep_lib.canaries.evidence import gather
from avsep_lib.cli import run_main
from avsep_lib.files import write_json
from avsep_lib.paths import results_root
from avsep_lib.workflow import load_plan


def main() -> None:
    """Check every data key of a profile, print all results, and write them when all passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    evidence = gather(load_plan(arguments.profile), results_root(arguments.profile))
    results = [result for one in evidence for result in check_all(one)]
    print(*results, sep="\n", flush=True)
    raise_first(results)
    checks = [result.to_dict() for result in results]
    write_json(arguments.out, {"profile": arguments.profile, "passed": True, "checks": checks})


if __name__ == "__main__":
    run_main(main)
