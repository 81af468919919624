"""A report full of hostile names in a browser: nothing of theirs runs, not even where the page's policy is taken away."""

from __future__ import annotations

import re

import pytest
from hostile_tools import SCRIPT, hostile_report

PAGES = ("index.html", "one-file.html", "listening.html", "runs.html", "data.html", "notebooks/06_ablation.html")
ALARM = "window.ran = []; window.alert = (what) => window.ran.push(String(what)); window.print = window.alert;"
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


@pytest.fixture(scope="module")
def folder(project, tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        return hostile_report(project, tmp_path_factory.mktemp("hostile") / "checkout", monkeypatch)


@pytest.fixture
def alarmed(page, watch):
    """A page on which every alert is noted; what the policy refuses is an error that is expected."""
    watch.expected.append("Content Security Policy|ERR_FILE_NOT_FOUND|Failed to load resource")
    page.add_init_script(ALARM)
    return page


def touched(page, address):
    """Open a page, unfold everything, point at and focus whatever can be; what was said to `alert`."""
    page.goto(address)
    page.evaluate("""() => {
      document.querySelectorAll('details').forEach((part) => { part.open = true; });
      for (const e of document.querySelectorAll('body *')) {
        e.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
        if (e.focus) e.focus();
        if (e.href && !/^(https?|file|data):/.test(e.href.baseVal ?? e.href)) e.dispatchEvent(new MouseEvent('click', { bubbles: true }));
      }
    }""")
    page.wait_for_timeout(150)
    return page.evaluate("window.ran")


@pytest.mark.parametrize("name", PAGES)
def test_no_script_of_a_name_runs(alarmed, folder, name):
    assert touched(alarmed, (folder / name).as_uri()) == []


@pytest.mark.parametrize("name", PAGES)
def test_nor_without_the_policy(alarmed, folder, name):
    bare = (folder / name).with_name(f"bare-{(folder / name).name}")
    bare.write_text(POLICY.sub("", (folder / name).read_text(), count=1))
    assert touched(alarmed, bare.as_uri()) == []
    assert SCRIPT in alarmed.evaluate("document.body.textContent") or name in ("runs.html", "data.html")


def test_the_policy_stops_what_escaping_would_let_through(alarmed, folder):
    """Each wall by itself: a script planted into a finished page does not run, and does run where there is no policy."""
    text = (folder / "runs.html").read_text().replace("</main>", f"{SCRIPT}<img src=x onerror=alert(1)></main>")
    planted = folder / "planted.html"
    planted.write_text(text)
    assert touched(alarmed, planted.as_uri()) == []
    planted.write_text(POLICY.sub("", text, count=1))
    assert touched(alarmed, planted.as_uri()) != []
