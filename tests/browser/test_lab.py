"""JupyterLab as `make lab` starts it: a notebook opens, runs and shows its pictures, and nothing leaves the machine."""

from __future__ import annotations

import sys

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
