"""``python -m benchmarks`` (`make bench`): measure the rows, write latest.csv and latest.png, append to history.csv."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.cases import all_cases
from benchmarks.picture import draw
from benchmarks.report import write
from benchmarks.run import chosen, run_cases


def main() -> int:
    """Exit code 1 when a row failed: an unmet goal is a result, a broken promise of exactness is not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--rows", default="", help="pattern that names of rows match; ALL for the long ones too; default: the quick"
    )
    parser.add_argument("--budget", type=float, default=30.0, help="seconds per row (five repeats at least)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    arguments = parser.parse_args()
    cases = all_cases()
    if arguments.list:
        print("\n".join(case.name + (" (long: only when named)" if case.long else "") for case in cases))
        return 0
    rows = run_cases(chosen(cases, arguments.rows), arguments.budget)
    arguments.out.mkdir(parents=True, exist_ok=True)
    table = write(rows, [case.name for case in cases], arguments.out)
    draw(table, arguments.out / "latest.png")
    failed = [row["row"] for row in rows if row["status"] == "failed"]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
