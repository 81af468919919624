"""Put the published tables into README.md (``--check``: exit 1 when it is out of date).

Of the table of claims README.md shows the claims that have a notebook, and the columns `SHOWN`; notebooks and run ids
become links: to the notebook, and to the run's line of config/runs.csv. The table of benchmarks is made of
benchmarks/latest.csv, that of the long tests of tests/long_report.json.
"""

import argparse
import csv
import functools
import re
import sys

from avsep_lib.files import read_json, write_text
from avsep_lib.parameters import NOTEBOOKS
from avsep_lib.paths import figures_root, project_root

LINKED, BENCHMARKS, LONG_TESTS = "tab_claims", "benchmarks", "long_tests"
SHOWN = (
    *("claim", "verdict", "trained again", "estimate", "with soft masks", "smallest detectable", "n"),
    *("evidence", "runs"),
)
BLOCK = re.compile(r"(<!-- begin (\w+) [^\n]*-->\n).*?(<!-- end \2 -->)", re.DOTALL)


def filled(text: str) -> str:
    """`text` with every block replaced by the table it names."""

    def table(match: re.Match) -> str:
        if made := {BENCHMARKS: benchmarks, LONG_TESTS: long_tests}.get(match[2]):
            return match[1] + "\n".join(made()) + "\n" + match[3]
        lines = (figures_root("demo") / f"{match[2]}.md").read_text().splitlines()
        lines = [re.sub(r" {2,}", " ", line) for line in lines]
        shown = claims(lines) if match[2] == LINKED else lines
        return match[1] + "\n".join(shown) + "\n" + match[3]

    return BLOCK.sub(table, text)


def cells(line: str) -> list[str]:
    """Cells of a line of a Markdown table; an escaped pipe is no border."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def claims(lines: list[str]) -> list[str]:
    """The table of claims, shortened and linked; a line without a notebook says what no measurement can test."""
    head, *rest = map(cells, lines)
    if missing := [name for name in SHOWN if name not in head]:
        sys.exit(f"{LINKED}.md has no column {missing[0]}; adapt tools/readme.py")
    kept = [head, *(row for row in rest if row[head.index("evidence")] != "–")]
    short = [[row[head.index(name)] for name in SHOWN] for row in kept]
    return [linked(f"| {' | '.join([*row[:-1], seeds_together(row[-1])])} |") for row in short]


def benchmarks() -> list[str]:
    """The rows of benchmarks/latest.csv that have a goal."""
    with (project_root() / "benchmarks" / "latest.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["goal"]]
    head = ("what", "compared with", "there", "here", "ratio (middle half)", "goal", "floor")
    lines = [f"| {' | '.join(head)} |", "|---|---|---|---|---|---|---|"]
    return lines + [f"| {' | '.join(benchmark(row))} |" for row in rows]


def long_tests() -> list[str]:
    """What every part of tests/long_report.json counted."""
    parts = read_json(project_root() / "tests" / "long_report.json")
    head = ("long test", "counted", "failed", "outcome", "minutes", "date")
    lines = [f"| {' | '.join(head)} |", "|---|---|---|---|---|---|"]
    for part in parts:
        counted = "; ".join(f"{tried:,} {what}" for what, tried, _ in part["counts"]) or "–"
        failed = sum(failed for *_, failed in part["counts"])
        row = (
            part["title"],
            counted,
            f"{failed:,}",
            part["outcome"],
            f"{part['seconds'] / 60:.1f}",
            part["run"]["date"][:10],
        )
        lines.append(f"| {' | '.join(row)} |")
    return lines


def benchmark(row: dict[str, str]) -> list[str]:
    """Cells of one row; a goal for a value and not for a ratio has its unit."""

    def value(name: str) -> str:
        number = float(row[name] or "nan")
        return f"{number:{',.0f' if number >= 1000 else '.3g'}} {row['unit']}" if row[name] else "–"

    sign = {"at least": "≥", "at most": "≤"}[row["direction"]]
    goal = f"{sign} {float(row['goal']):g}" + ("x" if row["goal_of"] == "ratio" else f" {row['unit']}")
    ratio = f"{float(row['ratio']):.2f}x ({float(row['low']):.2f} to {float(row['high']):.2f})" if row["ratio"] else "–"
    status = "" if row["status"] == "met" else f" ({row['status']})"
    return [row["row"], row["against"], value("reference"), value("ours"), ratio, goal + status, value("floor")]


def seeds_together(runs: str) -> str:
    """``"late-s0 late-s1"`` with one name for all seeds of a row: ``"late-s0 1"``, both linked."""
    shown, row = [], None
    for run in runs.split():
        same, seed = run.rpartition("-s")[0], run.rpartition("-s")[2]
        shown.append(f"[{seed}]({targets()[run]})" if same == row and run in targets() else run)
        row = same
    return " ".join(shown)


@functools.cache
def targets() -> dict[str, str]:
    """Where a word of the table of claims leads: notebooks by their stem, runs by their id."""
    runs = (project_root() / "config" / "runs.csv").read_text().splitlines()
    lines = {
        line.partition(",")[0]: f"config/runs.csv#L{number}" for number, line in enumerate(runs, start=1) if number > 1
    }
    return {stem: f"notebooks/{stem}.ipynb" for stem in NOTEBOOKS} | lines


def linked(line: str) -> str:
    """A line of a Markdown table whose notebook stems and run ids are links."""
    known = targets()
    words = re.split(r"( +)", line)
    return "".join(f"[{word}]({known[word]})" if word in known else word for word in words)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    readme = project_root() / "README.md"
    current = readme.read_text()
    wanted = filled(current)
    if not parser.parse_args().check:
        write_text(readme, wanted)
    elif left := re.findall(r"@[A-Z]+@", wanted):
        sys.exit(f"README.md still has the placeholder {left[0]}")
    elif wanted != current:
        sys.exit("README.md does not show the tables of figures/demo; run `make readme`")


if __name__ == "__main__":
    main()
