"""Make one case again and show how it ends: ``python -m fuzz "manifest CSV" 17``, or ``0:200`` for many."""

from __future__ import annotations

import sys
from collections import Counter

from fuzz.kinds import KINDS
from fuzz.watch import GOOD, run


def main() -> None:
    """Command line."""
    name, numbers = sys.argv[1:]
    first, _, stop = numbers.partition(":")
    wanted = range(int(first), int(stop) if stop else int(first) + 1)
    names = list(KINDS) if name == "all" else [name]
    counts: Counter = Counter()
    for result in run((n, i) for n in names for i in wanted):
        counts[result.kind, result.verdict] += 1
        if result.verdict not in GOOD or not stop:
            print(result, flush=True)
    for (kind, verdict), count in sorted(counts.items()):
        print(f"{kind}: {count} {verdict}")


if __name__ == "__main__":
    main()
