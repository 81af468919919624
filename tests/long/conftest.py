"""The report of `make test-long`: what each long test counted, how it ended, on which machine and when.

`long_report.json` holds the parts, `long_report.md` shows them. A run of some tests (``make test-long ONLY=killed``)
replaces their parts; the others keep their own date, commit and machine.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from avsep_lib.files import read_json, write_json, write_text
from avsep_lib.provenance import commit, hardware, python_version

PACKAGES = ("numpy", "scipy", "pandas")
PARTS = pytest.StashKey[list["Part"]]()


@dataclass
class Part:
    """One test's part of the report.

    Attributes
    ----------
    title : str
        First line of the test's docstring.
    counts : list of (str, int, int)
        What was tried, how often, and how often it failed.
    tables : list of (str, list of list of str)
        Captions, and lines of which the first is the head.
    run : dict
        When, at which commit and on what it was run.
    """

    title: str
    counts: list[tuple[str, int, int]] = field(default_factory=list)
    tables: list[tuple[str, list[list[str]]]] = field(default_factory=list)
    seconds: float = 0.0
    outcome: str = "not finished"
    run: dict[str, str] = field(default_factory=lambda: _run())

    def count(self, what: str, tried: int, failed: int = 0) -> None:
        """Add a line to the summary."""
        self.counts.append((what, tried, failed))

    def table(self, caption: str, frame: pd.DataFrame) -> None:
        """Add a table below the summary."""
        rows = frame.astype(object).map(str).to_numpy().tolist()
        self.tables.append((caption, [list(map(str, frame.columns)), *rows]))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long-report", metavar="FILE", help="write what the long tests counted to FILE")


@pytest.fixture
def long_report(request: pytest.FixtureRequest) -> Part:
    """Where a long test says what it counted; written by ``--long-report``, which `make test-long` gives."""
    title = (request.function.__doc__ or request.node.name).strip().splitlines()[0]
    part = Part(title.rstrip("."))
    request.config.stash.setdefault(PARTS, []).append(part)
    request.node.stash[PARTS] = [part]
    return part


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.when == "call":
        for part in item.stash.get(PARTS, []):
            part.seconds, part.outcome = report.duration, report.outcome
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    path, parts = session.config.getoption("--long-report", default=None), session.config.stash.get(PARTS, [])
    if path and parts:
        write_report(Path(path), parts)


def write_report(path: Path, parts: list[Part]) -> None:
    """Put `parts` in the place of the same tests' earlier ones, in the JSON file beside `path`, and show all of them."""
    store = path.with_suffix(".json")
    earlier = read_json(store) if store.exists() else []
    records = {part["title"]: part for part in (*earlier, *map(asdict, parts))}
    write_json(store, list(records.values()))
    write_text(path, report(list(records.values())))


def report(parts: list[dict[str, Any]]) -> str:
    """The report as Markdown."""
    counted = [
        {"test": part["title"], "counted": what, "number": f"{tried:,}", "failed": f"{failed:,}",
         "outcome": part["outcome"], "seconds": f"{part['seconds']:.0f}", "date": part["run"]["date"][:10],
         "commit": part["run"]["commit"]}
        for part in parts
        for what, tried, failed in part["counts"] or [("", 0, 0)]
    ]  # fmt: skip
    summary = pd.DataFrame(counted).to_markdown(index=False, disable_numparse=True)
    machines = {part["run"]["machine"]: None for part in parts}
    last, minutes = max(part["run"]["date"] for part in parts), sum(part["seconds"] for part in parts) / 60
    about = (
        f"Written by `make test-long` on {last}; {minutes:.0f} minutes in all. A part that was not run again keeps its own "
        f"date and commit. On: {' | '.join(machines)}"
    )
    return "\n\n".join(["# Long tests", about, summary, *(_tables(part) for part in parts if part["tables"])]) + "\n"


def _tables(part: dict[str, Any]) -> str:
    text = [f"## {part['title']}"]
    for caption, (head, *rows) in part["tables"]:
        text += [caption, pd.DataFrame(rows, columns=head).to_markdown(index=False, disable_numparse=True)]
    return "\n\n".join(text)


def _run() -> dict[str, str]:
    machine = hardware()
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    head, _, changes = (commit() or "unknown").partition("+")
    return {
        "date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        "commit": f"{head[:12]}{' with changes' if changes else ''}",
        "machine": f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {python_version()}, {packages}.",
    }
