"""A browser and the servers it visits: fixtures of the tests in this folder.

``page``
    A fresh page. A request that leaves this machine is refused and fails the test, and so does an error in the
    console; `watch` says what was seen, for a test that expects it.
``lab``, ``voila``
    JupyterLab and Voila on a copy of ``notebooks/`` (`Server`: ``.folder``, ``.url("01_dataset.ipynb")``), started
    once for all tests. A test may write notebooks of its own into the folder. `open_notebook`, `run_all` and
    `wait_idle` (in ``browser.notebook``) drive a JupyterLab page.
``lab_on``, ``voila_on``
    The same on another folder or with other environment variables: ``with lab_on(folder, AVSEP_ROOT=...) as lab:``.
    In a fixture of one's own it comes before ``page`` among a test's arguments: pages close before their server.

All are of package scope at most: Playwright's event loop would be in the way of the other tests' loops.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from browser.servers import Server, jupyter_lab, voila_server

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
LOCAL_SCHEMES = ("file", "data", "blob", "about")
TIMEOUT_MS = 60_000


@dataclass
class Watch:
    """What a page did.

    Attributes
    ----------
    refused : list of str
        Addresses of requests that left this machine.
    errors : list of str
        Console errors and uncaught exceptions.
    expected : list of str
        Regular expressions of errors that are no fault; a test may add its own.
    """

    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Errors that nobody expected."""
        return [error for error in self.errors if not any(re.search(pattern, error) for pattern in self.expected)]


def is_local(url: str) -> bool:
    """Whether an address stays on this machine."""
    parts = urlsplit(url)
    return parts.scheme in LOCAL_SCHEMES or parts.hostname in ("127.0.0.1", "localhost")


@pytest.fixture(scope="package")
def browser() -> Iterator:
    """Chromium without a window, with a profile of its own."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("chromium is not installed (Debian, Ubuntu: apt install chromium); no page is tested")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install .[dev]")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def watch() -> Watch:
    """What the test's `page` does."""
    return Watch()


@contextmanager
def guarded_context(browser, watch: Watch, **options) -> Iterator:
    """A browser context whose pages reach this machine only and report to ``watch``."""
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
    context.set_default_timeout(TIMEOUT_MS)

    def decide(route) -> None:
        if is_local(route.request.url):
            route.continue_()
        else:
            watch.refused.append(route.request.url)
            route.abort("internetdisconnected")

    def listen(page) -> None:
        page.on("console", lambda m: watch.errors.append(f"{m.text} {_place(m)}") if m.type == "error" else None)
        page.on("pageerror", lambda error: watch.errors.append(str(error)))
        page.on("websocket", lambda s: None if is_local(s.url) else watch.refused.append(s.url))

    context.route("**/*", decide)
    context.on("page", listen)
    try:
        yield context
    finally:
        context.close()


def _place(message) -> str:
    return message.location.get("url", "").split("?")[0]


@pytest.fixture
def page(browser, watch: Watch) -> Iterator:
    """A fresh page of 1280 x 900 px; ends in failure after a console error or a request to another machine."""
    with guarded_context(browser, watch) as context:
        yield context.new_page()
    assert watch.refused == []
    assert watch.faults() == []


@pytest.fixture(scope="package")
def lab_on(browser, tmp_path_factory) -> Callable:
    """``lab_on(folder, **environment)``: context manager of a JupyterLab of one's own."""
    return partial(_served, jupyter_lab, tmp_path_factory)


@pytest.fixture(scope="package")
def voila_on(browser, tmp_path_factory) -> Callable:
    """``voila_on(folder, **environment)``: context manager of a Voila of one's own."""
    return partial(_served, voila_server, tmp_path_factory)


@pytest.fixture(scope="package")
def lab(lab_on, tmp_path_factory) -> Iterator[Server]:
    """JupyterLab on a copy of ``notebooks/``."""
    with lab_on(_copied_notebooks(tmp_path_factory)) as server:
        yield server


@pytest.fixture(scope="package")
def voila(voila_on, tmp_path_factory) -> Iterator[Server]:
    """Voila on a copy of ``notebooks/``."""
    with voila_on(_copied_notebooks(tmp_path_factory)) as server:
        yield server


@contextmanager
def _served(start: Callable, tmp_path_factory, folder: Path, **environment: str) -> Iterator[Server]:
    with start(folder, tmp_path_factory.mktemp("jupyter"), **environment) as server:
        yield server


def _copied_notebooks(tmp_path_factory) -> Path:
    ignore = shutil.ignore_patterns(".*", "__pycache__")
    return Path(shutil.copytree(NOTEBOOKS, tmp_path_factory.mktemp("served") / "notebooks", ignore=ignore))


@pytest.fixture
def shots(request, tmp_path) -> Callable[[object, str], Path]:
    """``shots(page, "name")``: a screenshot, kept in ``$AVSEP_SHOTS`` when that is set and dropped otherwise."""
    folder = Path(os.environ.get("AVSEP_SHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)

    def shoot(page, name: str) -> Path:
        path = folder / f"{name}.png"
        page.screenshot(path=path)
        return path

    return shoot
