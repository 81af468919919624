"""Every page, table and picture escapes what others named; no script of theirs runs, with and without the policy."""

import re

import matplotlib
import pandas as pd
import pytest
from hostile_tools import HOSTILE, HTML, SCRIPT, active_parts, hostile_report

from avsep_lib.artifacts import latex_table, markdown_table
from avsep_lib.explorer import player_static
from avsep_lib.plots.names import shown_name, spoken
from avsep_lib.report.html_tables import read_markdown
from avsep_lib.report.outputs import Files, cleaned
from avsep_lib.report.site import SCRIPT as OWN
from avsep_lib.report.site import Site

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def pages(project, tmp_path_factory):
    """Pages of a report full of hostile names, by path."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = hostile_report(project, tmp_path_factory.mktemp("hostile") / "checkout", monkeypatch)
        return folder, {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*.html"))}


def own_scripts():
    from avsep_lib.report import site

    return (site.HERE / OWN).read_text(), player_static.static_script()


def test_the_check_itself_sees_what_runs():
    assert len(active_parts(HTML)) >= 15
    assert active_parts(SCRIPT)
    assert active_parts(HOSTILE[1])
    assert not active_parts("<p>x</p>" + "&lt;script&gt;alert(1)")


def test_nothing_in_the_report_runs_but_its_own_scripts(pages):
    _, texts = pages
    assert {"index.html", "one-file.html", "listening.html", "data.html", "runs.html"} < set(texts)
    scripts = own_scripts()
    for path, text in texts.items():
        assert not active_parts(text, scripts), path
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
        assert "default-src 'none'" in policy
        assert "unsafe-eval" not in policy
        assert "script-src 'sha256-" in policy


def test_the_names_are_there_word_for_word(pages):
    from bs4 import BeautifulSoup

    _, texts = pages
    first = BeautifulSoup(texts["index.html"], "html.parser").get_text(" ")
    for name in HOSTILE:
        assert " ".join(name.split()) in " ".join(first.split()), name
    heard = BeautifulSoup(texts["listening.html"], "html.parser").get_text(" ")
    assert any(name in heard for name in HOSTILE[:4])


def test_no_file_of_the_report_is_a_page_or_drawing_of_a_stranger(pages):
    folder, _texts = pages
    saved = {path.suffix for path in (folder / "notebooks" / "files").iterdir()}
    assert saved <= {".png", ".flac", ".wav", ".jpeg", ".gif", ".webp"}


def test_outputs_lose_every_way_to_run(tmp_path):
    files = Files(Site("toy", tmp_path, tmp_path / "out", ()), "x")
    assert active_parts(cleaned(HTML, "x", files)) == []
    kept = cleaned(
        '<a href="https://doi.org/1">d</a><a href="#a">a</a><a href="b.html">b</a><details><p>x</p></details>',
        "x",
        files,
    )
    assert kept.count("href=") == 3
    assert "<details>" in kept


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_and_latex_tables_say_the_name_and_no_more(name, tmp_path):
    import mistune

    frame = pd.DataFrame({name: [name, "x\n\n<script>alert(1)</script>"], "b": ["| y", "-0.1 [1, 2]"]})
    text = markdown_table(frame)
    assert len(text.splitlines()) == 4
    rendered = mistune.create_markdown(plugins=["table"], escape=False)(text)
    assert active_parts(rendered) == []
    assert "<img" not in rendered
    (tmp_path / "t.md").write_text(text)
    rows, _ = read_markdown(tmp_path / "t.md")
    assert rows[1][0] == name
    assert rows[0][0] == name
    latex = latex_table(frame, "t", name)
    assert "\\input" not in latex
    bare = re.sub(r"\\text\w+\{\}|\\[&%$#_{}]", "", latex.partition("toprule")[2].partition("bottomrule")[0])
    assert not re.search(r"[%#_^~$]", bare)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_figure_draws_the_name_and_no_formula(name, tmp_path):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(2, 1))
    ax.set_title(shown_name(name))
    ax.set_yticks([0], [spoken(name)])
    figure.savefig(tmp_path / "x.svg")
    plt.close(figure)
    assert active_parts((tmp_path / "x.svg").read_text()) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_players_and_panels_escape(name):
    import numpy as np

    from avsep_lib.explorer import page, panels
    from avsep_lib.listening import listening_panel

    sounds = {name: np.sin(np.arange(8000) / 9).astype(np.float32) * 0.1, "b": np.zeros(8000, np.float32)}
    texts = [
        player_static.static_player(sounds, 8000, title=name, assets=False).data,
        listening_panel(sounds, 8000, title=name).data,
        panels.histogram(np.arange(9.0), 3.0, name, name),
        panels.colour_bar("magma", name, name, name),
        page.notes([name]) if hasattr(page, "notes") else "",
        page._figure("", name) + page._line(name, [0.0] * 4),
    ]
    for text in texts:
        assert active_parts(text) == []
