"""Golden values of every metric and statistic: say what changed, and with ``--write`` keep it.

``python tools/golden.py`` prints the numbers that differ from ``tests/golden/values.json`` and ends with 1 if any does.
Write only what you can explain: a golden value that moves is a published number that moves.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
from pathlib import Path

import numpy as np

from avsep_lib.files import read_json, write_text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
CASES, computed = (getattr(importlib.import_module("golden_cases"), name) for name in ("CASES", "computed"))
VALUES = ROOT / "tests" / "golden" / "values.json"
DIGITS = 12


def plain(value: list[float] | float) -> list[float | None] | float | None:
    """A number with `DIGITS` significant digits, NaN as null: JSON knows no NaN."""
    if isinstance(value, list):
        return [plain(v) for v in value]
    return None if math.isnan(value) else float(f"{value:.{DIGITS}g}")


def changes(old: dict, new: dict) -> list[str]:
    """One line for every number that is new, gone or different."""
    lines = []
    for case in sorted(old.keys() | new):
        before, after = old.get(case, {}), new.get(case, {})
        for key in sorted(before.keys() | after):
            a, b = (np.atleast_1d(np.array(values.get(key, []), dtype=float)) for values in (before, after))
            rtol = CASES[case].rtol if case in CASES else 0.0
            if a.shape != b.shape:
                lines.append(f"{case}: {key}: {a.size} numbers before, {b.size} now")
            elif not np.allclose(a, b, rtol=rtol, atol=1e-9, equal_nan=True):
                worst = int(np.nanargmax(np.abs(a - b)))
                lines.append(f"{case}: {key}[{worst}]: {a[worst]:.10g} before, {b[worst]:.10g} now")
    return lines


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the new values")
    arguments = parser.parse_args()
    old = read_json(VALUES) if VALUES.exists() else {}
    new = {name: {key: plain(value) for key, value in computed(name).items()} for name in CASES}
    found = changes(old, new)
    print(*found or ["no golden value has changed"], sep="\n")
    if arguments.write and found:
        lines = [f" {json.dumps(name)}: {json.dumps(values)}" for name, values in sorted(new.items())]
        write_text(VALUES, "{\n" + ",\n".join(lines) + "\n}\n")
    return 1 if found and not arguments.write else 0


if __name__ == "__main__":
    sys.exit(main())
