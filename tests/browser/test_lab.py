"""JupyterLab as `make lab` starts it: a notebook opens, runs and shows its pictures, and nothing leaves the machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from browser.notebook import error_outputs, open_notebook, run_all, write_notebook

CELLS = (
    "import sys\nprint('kernel of', sys.executable)",
    "import matplotlib.pyplot as plt\nplt.plot([0, 1]);",
    "import ipywidgets\nslider = ipywidgets.IntSlider(3, description='seed')\nslider",
)


def test_a_notebook_runs_in_the_environment_of_the_tests(page, lab, shots) -> None:
    write_notebook(lab.folder / "small.ipynb", *CELLS)
    open_notebook(page, lab, "small.ipynb")
    run_all(page)
    page.wait_for_selector(".widget-slider")
    shots(page, "lab_small")
    assert error_outputs(page) == []
    assert sys.executable in page.locator(".jp-OutputArea-output").first.inner_text()
    assert page.locator(".jp-OutputArea-output img").count() == 1


def test_a_failing_cell_is_seen(page, lab) -> None:
    write_notebook(lab.folder / "broken.ipynb", "1 / 0", "2")
    open_notebook(page, lab, "broken.ipynb")
    run_all(page)
    assert "ZeroDivisionError" in error_outputs(page)[0]


def test_voila_shows_a_notebook_without_its_code(page, voila, shots) -> None:
    write_notebook(voila.folder / "small.ipynb", *CELLS)
    page.goto(voila.url("small.ipynb"))
    page.wait_for_selector(".widget-slider")
    shots(page, "voila_small")
    assert page.locator("text=import ipywidgets").count() == 0


def test_what_leaves_the_machine_is_refused_and_named(page, watch) -> None:
    page.goto("data:text/html,<img src='https://example.org/picture.png' alt=''>")
    page.wait_for_function("document.querySelector('img').complete")
    assert watch.refused == ["https://example.org/picture.png"]
    assert len(watch.errors) == 1
    watch.refused.clear()
    watch.errors.clear()


@pytest.fixture
def dataset_notebook(project_copy, lab_on, tmp_path):
    """JupyterLab on notebook 01, with the toy project as its checkout."""
    source = Path(__file__).resolve().parents[2] / "notebooks" / "01_dataset.ipynb"
    notebook = json.loads(source.read_text())
    parameters = next(cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", []))
    parameters["source"] = 'profile = "toy"\ndataset = "music11"'
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / source.name).write_text(json.dumps(notebook))
    with lab_on(folder, AVSEP_ROOT=str(project_copy.root)) as server:
        yield server


def test_a_notebook_of_the_suite_runs_whole(dataset_notebook, page, shots) -> None:
    open_notebook(page, dataset_notebook, "01_dataset.ipynb")
    run_all(page, 180)
    assert error_outputs(page) == []
    assert page.locator(".jp-OutputArea-output img").count() >= 3
    assert page.locator(".jp-OutputArea-output audio").count() >= 1
    page.locator(".jp-OutputArea-output img").first.scroll_into_view_if_needed()
    shots(page, "lab_01")
