"""Check where published artefacts come from: ``python -m avsep_lib.lineage --profile demo`` (``make verify-provenance``)."""

from __future__ import annotations

import argparse
import secrets
import sys

from avsep_lib.cli import run_main
from avsep_lib.lineage.verify import verify


def main() -> None:
    """Command line; exit code 1 for every finding, 0 when all that could be checked is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo", help="file in config/, without suffix")
    parser.add_argument("--n", type=int, default=5, help="artefacts whose origins are computed again; 0: all")
    parser.add_argument("--seed", type=int, help="which ones; default: chance")
    parser.add_argument("--rebuild", type=int, default=1, help="of these, how many are made again")
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    print(f"{given.profile}, seed {seed}")
    result = verify(given.profile, given.n, seed, given.rebuild, say=lambda line: print(line, flush=True))
    sys.exit(1 if result.findings else 0)


if __name__ == "__main__":
    run_main(main)
