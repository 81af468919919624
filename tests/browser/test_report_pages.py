"""The report as a reader opens it: from disk, without a network, in light and dark, on a phone, by keyboard, printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_fixture import build_toy_report

from browser.conftest import guarded_context

PAGES = (  # all kinds
    "index.html",
    "listening.html",
    "runs.html",
    "data.html",
    "glossary.html",
    "one-file.html",
    "notebooks/06_ablation.html",
    "notebooks/09_qualitative.html",
)
PHONE = {"width": 390, "height": 844}
# Elements that are not reachable, named or described as they should be; what axe would say, in a few lines.
FAULTS = """() => {
  const faults = [], shown = (e) => e.checkVisibility({ visibilityProperty: true });
  const named = (e) => (e.getAttribute('aria-label') || e.textContent || e.title).trim() || e.querySelector('img[alt]:not([alt=""])');
  for (const e of document.querySelectorAll('img')) if (!(e.alt || '').trim()) faults.push('no alt: ' + e.src);
  for (const e of document.querySelectorAll('img')) if (e.complete && !e.naturalWidth) faults.push('not loaded: ' + e.src);
  for (const e of document.querySelectorAll('input,select,textarea'))
    if (!e.labels.length && !e.getAttribute('aria-label')) faults.push('no label: ' + e.outerHTML);
  for (const e of document.querySelectorAll('a[href],button,summary')) if (!named(e)) faults.push('no name: ' + e.outerHTML);
  for (const e of document.querySelectorAll('[role=region]')) if (!named(e) || e.tabIndex < 0) faults.push('region: ' + e.outerHTML.slice(0, 99));
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  if (new Set(ids).size < ids.length) faults.push('an id occurs twice');
  let before = 0;
  for (const e of document.querySelectorAll('h1,h2,h3,h4,h5,h6')) {
    const level = Number(e.tagName[1]);
    if (level > before + 1) faults.push('heading jumps: ' + e.textContent);
    before = level;
  }
  for (const mark of ['main', 'header', 'footer', 'nav'])
    if (!document.querySelector(mark)) faults.push('no landmark ' + mark);
  if (document.documentElement.lang !== 'en') faults.push('no language');
  return faults;
}"""
# Lowest contrast of the words on the page against the ground they stand on, with the words.
CONTRAST = """() => {
  const parts = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = parts(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  let worst = [21, ''];
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = words.nextNode(); node; node = words.nextNode()) {
    const e = node.parentElement;
    if (!node.textContent.trim() || !e.checkVisibility() || e.closest('script,style,.hidden')) continue;
    const pair = [light(parts(getComputedStyle(e).color)), light(ground(e))].sort((a, b) => b - a);
    const found = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (found < worst[0]) worst = [found, e.outerHTML.slice(0, 120)];
  }
  return worst;
}"""


@pytest.fixture(scope="module")
def report(project, tmp_path_factory) -> Path:
    """The built report of a toy project."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return build_toy_report(project, tmp_path_factory.mktemp("pages") / "checkout", monkeypatch)


@pytest.fixture
def visit(browser, watch):
    """``visit(path, **options)``: a page of its own context; every fault of the page fails the test."""
    from contextlib import ExitStack

    with ExitStack() as open_contexts:

        def opened(path: Path, **options):
            page = open_contexts.enter_context(guarded_context(browser, watch, **options)).new_page()
            page.goto(path.as_uri())
            return page

        yield opened
    assert watch.refused == []
    assert watch.faults() == []


def open_all(page) -> None:
    """Unfold everything, and load what waits for its reader."""
    page.evaluate("""() => {
      document.querySelectorAll('details').forEach((e) => { e.open = true; });
      document.querySelectorAll('img').forEach((e) => { e.loading = 'eager'; });
      return Promise.all([...document.images].map((e) => e.decode().catch(() => null)));
    }""")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_pages_open_from_disk_and_can_be_read(report, visit, shots, name, scheme):
    page = visit(report / name, color_scheme=scheme)
    open_all(page)
    assert page.evaluate(FAULTS) == []
    found, where = page.evaluate(CONTRAST)
    assert found >= 4.5, f"{found:.2f} in {where}"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shots(page, f"{name.replace('/', '-')}-{scheme}")


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_in_one_direction(report, visit, shots, name):
    page = visit(report / name, viewport=PHONE, device_scale_factor=2, is_mobile=True, has_touch=True)
    shots(page, f"{name.replace('/', '-')}-phone")
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
    assert page.evaluate("visualViewport.scale") == 1
    small = page.locator("header a, #filter label").evaluate_all("all => all.filter((e) => e.offsetHeight < 24).length")
    assert small == 0, "targets of less than 24 px"


def test_the_keyboard_reaches_the_filter_and_the_players(report, visit):
    page = visit(report / "index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    for _ in range(30):
        if page.evaluate("document.activeElement.name === 'verdict'"):
            break
        page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    page.keyboard.press("Space")  # supported: off
    assert page.locator(".claims tbody tr:visible").count() == 2
    assert page.locator("#filter output").inner_text() == "2 of 3 claims"
    page.goto((report / "listening.html").as_uri())
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.avsep-player') !== null"):
            break
    else:
        pytest.fail("no player within 40 steps of the keyboard")


def test_claims_are_filtered_by_verdict_and_by_words(report, visit):
    page = visit(report / "index.html")
    page.locator("#filter input[type=search]").fill("late worse")
    assert page.locator(".claims tbody tr:visible").count() == 1
    page.locator("#filter input[value=contradicted]").uncheck()
    assert page.locator(".claims tbody tr:visible").count() == 0
    page.evaluate("location.hash = '#claim-3'")
    page.locator("#claim-3").wait_for(state="visible")
    assert page.locator("#filter output").inner_text() == "3 of 3 claims"


def test_without_scripts_the_claims_are_a_plain_table(report, visit):
    page = visit(report / "index.html", java_script_enabled=False)
    assert page.locator(".claims tbody tr:visible").count() == 3
    assert not page.locator("#filter").is_visible()
    assert not page.locator("#theme").is_visible()
    page.goto((report / "listening.html").as_uri())
    assert page.locator("audio:visible").count() >= 6


def test_a_reader_may_choose_light_or_dark(report, visit):
    page = visit(report / "index.html", color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.get_by_role("button", name="Dark colours").click()
    assert page.evaluate(ground) != before
    page.get_by_role("button", name="Light colours").click()
    assert page.evaluate(ground) == before


def test_a_number_leads_to_its_cell_and_the_code_unfolds(report, visit):
    page = visit(report / "index.html")
    page.locator("#claim-1 td[data-head=estimate] a").click()
    page.wait_for_url("**/06_ablation.html#c7")
    assert page.evaluate("document.querySelector(':target').textContent.includes('+0.50, +1.50')")
    assert page.locator("details.code[open]").count() == 0
    page.get_by_role("button", name="Show all code").click()
    assert page.locator("pre.source:visible").count() == page.locator("pre.source").count() > 3


def test_sounds_play_from_disk(report, visit):
    page = visit(report / "listening.html")
    player = page.locator(".avsep-player").first
    player.get_by_role("button", name="Play").click()
    position = player.locator(".avsep-position")
    for _ in range(100):
        if float(position.input_value()) > 0.05:
            break
        page.wait_for_timeout(50)
    else:
        pytest.fail("the sound does not move on")
    page.goto((report / "notebooks" / "09_qualitative.html").as_uri())
    page.evaluate("document.querySelector('audio').play()")
    for _ in range(100):
        if page.evaluate("document.querySelector('audio').currentTime > 0.02"):
            break
        page.wait_for_timeout(50)
    else:
        pytest.fail("the notebook's sound does not move on")


def test_in_print_are_claims_and_figures_with_their_links(report, visit, shots):
    page = visit(report / "index.html")
    page.emulate_media(media="print", color_scheme="dark")
    for gone in (".top", ".contents", "#filter", "#theme"):
        assert not page.locator(gone).is_visible(), gone
    assert page.locator(".claims tbody tr:visible").count() == 3
    assert page.locator("#fig_grid img").is_visible()
    after = "getComputedStyle(document.querySelector('#claim-1 td a'), '::after').content"
    assert "notebooks/06_ablation.html" in page.evaluate(after)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    shots(page, "print")
