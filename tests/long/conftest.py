"""The report of `make test-long`: what each long test counted, how it ended, on which machine and when."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import time
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from avsep_lib.files import write_text
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
    tables : list of (str, pandas.DataFrame)
        Captions and numbers.
    """

    title: str
    counts: list[tuple[str, int, int]] = field(default_factory=list)
    tables: list[tuple[str, pd.DataFrame]] = field(default_factory=list)
    seconds: float = float("nan")
    outcome: str = "not finished"

    def count(self, what: str, tried: int, failed: int = 0) -> None:
        """Add a line to the summary."""
        self.counts.append((what, tried, failed))

    def table(self, caption: str, frame: pd.DataFrame) -> None:
        """Add a table below the summary."""
        self.tables.append((caption, frame))


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


def pytest_sessionstart(session: pytest.Session) -> None:
    session.started_at = time.time()


def pytest_sessionfinish(session: pytest.Session) -> None:
    path, parts = session.config.getoption("--long-report", default=None), session.config.stash.get(PARTS, [])
    if path and parts:
        write_text(Path(path), report(parts, time.time() - session.started_at))


def report(parts: list[Part], seconds: float) -> str:
    """The report as Markdown."""
    counted = [
        {"test": part.title, "counted": what, "number": f"{tried:,}", "failed": f"{failed:,}", "outcome": part.outcome,
         "seconds": f"{part.seconds:.0f}"}
        for part in parts
        for what, tried, failed in part.counts or [("", 0, 0)]
    ]  # fmt: skip
    summary = pd.DataFrame(counted).to_markdown(index=False, disable_numparse=True)
    return (
        "\n\n".join(["# Long tests", _about(seconds), summary, *(_tables(part) for part in parts if part.tables)])
        + "\n"
    )


def _tables(part: Part) -> str:
    text = [f"## {part.title}"]
    for caption, frame in part.tables:
        text += [caption, frame.to_markdown(index=False, disable_numparse=True)]
    return "\n\n".join(text)


def _about(seconds: float) -> str:
    machine = hardware()
    now = dt.datetime.now(dt.UTC)
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    head, _, changes = (commit() or "unknown").partition("+")
    return (
        f"Written by `make test-long` on {now:%Y-%m-%d %H:%M} UTC, in {seconds / 60:.1f} minutes, at commit "
        f"`{head[:12]}`{' with changes' if changes else ''}. {machine['cpu']}, {machine['cores']} cores, of which the "
        f"tests use one; {machine['system']}, {python_version()}, {packages}."
    )
