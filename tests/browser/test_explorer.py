"""The explorer in a browser: choose, toggle, swap and listen; pictures and numbers follow, and no error appears."""

import json
import re

import pytest
from explorer_fixture import explorer_project

from avsep_lib.explorer.__main__ import page_notebook
from avsep_lib.paths import project_root
from browser.notebook import error_outputs, open_notebook, run_all, write_notebook

READY_MS = 120_000
CELLS = (
    "from avsep_lib.explorer.app import Explorer\nfrom avsep_lib.explorer.session import Session",
    "app = Explorer(Session.open('toy', 'music11'))\napp.widget",
)


@pytest.fixture(scope="module")
def root(browser, project, tmp_path_factory):
    return explorer_project(project.root, tmp_path_factory.mktemp("explorer") / "project")


@pytest.fixture(scope="module")
def served(voila_on, root, tmp_path_factory):
    """Voila on notebook 12, as `make explore` serves it."""
    folder = tmp_path_factory.mktemp("page")
    source = json.loads((project_root() / "notebooks" / "12_explorer.ipynb").read_text())
    (folder / "12_explorer.ipynb").write_text(json.dumps(page_notebook(source, "toy", "music11")))
    with voila_on(folder, AVSEP_ROOT=str(root)) as server:
        yield server


def shown(page):
    """Every picture and number of the first tab, as text."""
    return page.eval_on_selector_all(".avsep-row", "rows => rows.map(row => row.outerHTML)")


def wait_change(page, before):
    """Wait until the pictures are others and the numbers have followed; returns what is shown then."""
    page.wait_for_function(
        """before => {
            const rows = [...document.querySelectorAll('.avsep-row')].map(row => row.outerHTML);
            return JSON.stringify(rows) !== JSON.stringify(before) && document.querySelector('.avsep-says, .avsep-error');
        }""",
        arg=before,
        timeout=READY_MS,
    )
    page.wait_for_timeout(400)
    assert page.locator(".avsep-error").count() == 0, page.locator(".avsep-error").inner_text()
    return shown(page)


def drive(page):
    """Use every kind of control once; each must change what is shown."""
    seen = shown(page)
    assert len(seen) >= 4
    page.get_by_label("swap the two pictures").check()
    swapped = wait_change(page, seen)
    page.get_by_label("swap the two pictures").uncheck()
    assert wait_change(page, swapped) == seen
    page.get_by_label("Fusion").select_option("hierarchical")
    other = wait_change(page, seen)
    assert "hierarchical fusion" in page.locator(".avsep-x", has_text="hierarchical fusion").first.inner_text()
    page.get_by_label("Mask", exact=True).select_option("binary")
    binary = wait_change(page, other)
    slider = page.get_by_role("slider", name="Threshold")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert any("binary mask" in row for row in wait_change(page, binary))


def choose_clip(page):
    """Choose the next clip of source A by keyboard."""
    before = shown(page)
    strip = page.locator(".avsep-picker").first
    strip.locator("input:checked").focus()
    page.keyboard.press("ArrowRight")
    wait_change(page, before)
    assert strip.locator("input:checked").count() == 1


def test_the_voila_page_explores(page, served, shots):
    page.goto(served.url("12_explorer.ipynb"))
    page.wait_for_selector(".avsep-says", timeout=READY_MS)
    page.wait_for_selector(".avsep-picker input:checked", state="attached")
    assert page.locator(".avsep-picker input:checked").count() == 2  # one per source: two groups, not one
    drive(page)
    choose_clip(page)
    shots(page, "explorer-voila")
    assert "Traceback" not in page.inner_text("body")
    assert page.locator(".jp-InputArea-editor").count() == 0  # no code to edit


def test_an_error_stands_in_the_status_line(page, served):
    page.goto(served.url("12_explorer.ipynb"))
    page.wait_for_selector(".avsep-says", timeout=READY_MS)
    page.get_by_label("Source A").select_option("own files …")
    page.get_by_role("button", name="use them").first.click()
    page.wait_for_selector(".avsep-error")
    assert "choose a recording and a picture first" in page.locator(".avsep-error").inner_text()
    assert page.locator("[role=alert]").count() == 1


def test_figure_1_opens_a_mixture(page, served, root, shots):
    import pandas as pd

    scores = root / "results" / "toy" / "scores"
    late = pd.read_csv(scores / "late-s0.csv").assign(run_id="middle-s0", method="middle")
    late.assign(sdr_db=late.sdr_db + 1.5).to_csv(scores / "middle-s0.csv", index=False)
    page.goto(served.url("12_explorer.ipynb"))
    page.wait_for_selector(".avsep-says", timeout=READY_MS)
    page.get_by_role("tab", name="Open Figure 1").click()
    page.wait_for_selector(".avsep-bars button", timeout=READY_MS)
    page.locator(".avsep-bars button").first.click()
    mixture = page.locator(".avsep-bars").nth(1).locator("button").first
    partner = re.match(r"with (.+) \(", mixture.inner_text())[1]
    shots(page, "explorer-figure1")
    mixture.click()
    page.wait_for_selector(".avsep-row", state="visible")
    assert partner in page.locator(".avsep-x h3:visible").all_inner_texts()[-1] + page.inner_text("body")


def test_a_narrow_screen_scrolls_in_one_direction_only(page, served, shots):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(served.url("12_explorer.ipynb"))
    page.wait_for_selector(".avsep-says", timeout=READY_MS)
    page.wait_for_selector(".avsep-picker input", state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    widest = page.eval_on_selector_all(
        ".avsep-panel", "all => Math.max(...all.map(e => e.getBoundingClientRect().right))"
    )
    assert widest <= 390
    shots(page, "explorer-narrow")


@pytest.fixture(scope="module")
def lab_here(lab_on, root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "explore.ipynb", *CELLS)
    with lab_on(folder, AVSEP_ROOT=str(root)) as lab:
        yield lab


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_the_explorer_works_in_jupyterlab(page, lab_here, shots, theme):
    open_notebook(page, lab_here, "explore.ipynb", theme)
    run_all(page)
    page.wait_for_selector(".avsep-says", timeout=READY_MS)
    assert error_outputs(page) == []
    before = shown(page)
    page.get_by_label("swap the two pictures").check()
    wait_change(page, before)
    page.locator(".avsep-row").first.scroll_into_view_if_needed()
    shots(page, f"explorer-{theme.split()[-1].lower()}")
    colour = page.eval_on_selector(".avsep-x", "e => getComputedStyle(e).color")
    bright = sum(map(int, re.findall(r"\d+", colour)[:3])) > 380
    assert bright == theme.endswith("Dark")  # text in the colour of the page around it
