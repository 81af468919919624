"""Drive a notebook in a JupyterLab page as a reader would, and look at what it shows."""

from __future__ import annotations

import json
from pathlib import Path

from browser.servers import Server

# JupyterLab draws tracebacks like any other stderr, so they are asked of the notebook's model.
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells
    .flatMap(cell => cell.outputs ?? []).filter(output => output.output_type === 'error')
    .map(output => `${output.ename}: ${output.evalue}\\n${output.traceback.join('\\n')}`)"""
RAN = """() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells
    .every(cell => cell.cell_type !== 'code' || !cell.source.trim() || cell.execution_count)"""


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook of code cells."""
    code = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": s, "outputs": [], "execution_count": None}
        for i, s in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": code, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    return path


def open_notebook(page, lab: Server, name: str, theme: str | None = None) -> None:
    """Open a notebook and wait for its kernel; ``theme`` is ``"JupyterLab Dark"`` or ``"JupyterLab Light"``."""
    page.goto(lab.url(name))
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function("window.jupyterapp !== undefined")
    if theme is not None:
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    wait_idle(page)


def run_all(page, timeout_s: float = 120) -> None:
    """Run every cell with the menu's command and wait until all have ended."""
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    wait_cells(page, timeout_s)


def wait_cells(page, timeout_s: float = 120) -> None:
    """Wait until every code cell with a source has a number and the kernel rests, or one has failed."""
    page.wait_for_function(f"() => ({ERRORS})().length > 0 || ({RAN})()", timeout=1000 * timeout_s)
    wait_idle(page, timeout_s)


def wait_idle(page, timeout_s: float = 60) -> None:
    """Wait until the kernel is connected and idle (before that its state is "unknown" or "starting")."""
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
        timeout=1000 * timeout_s,
    )


def error_outputs(page) -> list[str]:
    """Name, message and traceback of every cell that failed."""
    return page.evaluate(ERRORS)


def run_code(page, code: str) -> None:
    """Run a line in the page's kernel without a cell, as another cell would."""
    page.evaluate(
        """async code => {
            const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
            const reply = await kernel.requestExecute({ code }).done;
            if (reply.content.status !== 'ok') throw new Error(reply.content.evalue);
        }""",
        code,
    )
