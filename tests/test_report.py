"""The report: numbers linked to cells and runs, pages that are safe, accessible and light; README tables with links."""

import importlib.util
import itertools
import json
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import soundfile
from bs4 import BeautifulSoup
from conftest import TOY_PROFILE
from report_fixture import AGAINST, CLAIM, TABLE, UNTESTED, build_toy_report, code, markdown, notebooks, shown

from avsep_lib import library
from avsep_lib.artifacts import markdown_table
from avsep_lib.config import check_profile, profile_runs
from avsep_lib.errors import DataError
from avsep_lib.paths import project_root
from avsep_lib.report import html_tables, theme, weights
from avsep_lib.report import notebooks as pages
from avsep_lib.report.claims import claim_entries, runs_by_row, verdict_counts
from avsep_lib.report.data import without_folders
from avsep_lib.report.markdown import renderer, slug
from avsep_lib.report.one_file import ONE_FILE
from avsep_lib.report.outputs import Files, cleaned
from avsep_lib.report.pictures import described
from avsep_lib.report.runs import curve, run_groups
from avsep_lib.report.site import SCRIPT, SHEET, TEMPLATES, Site, policy, signed
from avsep_lib.report.summary import sentences


@pytest.fixture(scope="module")
def report(project, tmp_path_factory) -> Path:
    """The built report of a toy project."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return build_toy_report(project, tmp_path_factory.mktemp("report") / "checkout", monkeypatch)


@pytest.fixture(scope="module")
def soups(report) -> dict[str, BeautifulSoup]:
    """All pages, parsed, by their path."""
    found = sorted(report.rglob("*.html"))
    return {p.relative_to(report).as_posix(): BeautifulSoup(p.read_text(), "html.parser") for p in found}


@pytest.fixture
def site(tmp_path) -> Site:
    return Site("toy", tmp_path / "results", tmp_path / "out", ())


@pytest.fixture
def claims(tmp_path):
    path = tmp_path / "tab_claims.csv"
    pd.DataFrame([CLAIM, UNTESTED, AGAINST]).to_csv(path, index=False)
    return claim_entries(path)


# --- the whole site -----------------------------------------------------------------------------------------------------


def test_every_kind_of_page_is_there(soups):
    assert set(soups) == {
        "index.html", "one-file.html", "listening.html", "runs.html", "data.html", "glossary.html", "notebooks/12_explorer.html",
        "notebooks/06_ablation.html", "notebooks/09_qualitative.html", "notebooks/11_audit.html",
    }  # fmt: skip


def test_one_file_needs_no_other(soups):
    soup = soups[ONE_FILE]
    assert soup.find(id="fig_grid").find("img")["src"].startswith("data:image/png;base64,")
    assert all(a["href"].startswith("#") for a in soup.find_all("a", href=True))
    assert soup.find(id="claim-1").get_text() == soups["index.html"].find(id="claim-1").get_text()


def test_every_link_leads_to_a_file_and_an_anchor(report, soups):
    ids = {page: {tag["id"] for tag in soup.find_all(id=True)} for page, soup in soups.items()}
    for page, soup in soups.items():
        for tag in soup.find_all(["a", "img", "audio"]):
            address = unquote(tag.get("href") or tag.get("src") or "")
            if address.startswith("data:image/") and page == ONE_FILE:
                continue
            assert not address.startswith(("http", "//", "/")), f"{page}: {address}"
            path, _, anchor = address.partition("#")
            target = (report / page).parent / path if path else report / page
            assert target.is_file(), f"{page}: {address}"
            name = target.resolve().relative_to(report.resolve()).as_posix()
            assert not anchor or anchor in ids[name], f"{page}: no anchor {address}"


def test_no_page_can_fetch_anything(soups):
    for page, soup in soups.items():
        rules = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
        assert rules.startswith("default-src 'none'"), page
        assert "http" not in rules
        assert "script-src 'sha256-" in rules
        assert not soup.find_all(["iframe", "object", "embed"])
        outside = ("http",) if page == ONE_FILE else ("http", "data:")
        assert not [tag for tag in soup.find_all(src=True) if tag["src"].startswith(outside)], page
        scripts = soup.find_all("script")
        assert len(scripts) == 1 + (page == "listening.html"), f"{page}: a script of a notebook is left"
        assert policy(*(script.string for script in scripts)) == rules


def test_pages_can_be_walked_by_a_screen_reader(soups):
    for page, soup in soups.items():
        levels = [int(tag.name[1]) for tag in soup.find_all(re.compile(r"^h[1-6]$"))]
        assert levels.count(1) == 1, page
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), f"{page}: headings {levels}"
        assert len(soup.find_all("main")) == 1
        assert soup.body.find("a")["href"] == "#main"
        assert all(tag.get("alt", "").strip() for tag in soup.find_all("img")), page
        assert all(tag.get("aria-label") for tag in soup.find_all("audio")), page
        assert all(tag.get("scope") in ("col", "row") for tag in soup.find_all("th")), page
        assert all(table.find("caption") for table in soup.find_all("table")), page
        identifiers = [tag["id"] for tag in soup.find_all(id=True)]
        assert len(identifiers) == len(set(identifiers)), page


def test_the_report_is_light(report):
    for weight in weights.weigh(report):
        assert weight.fits, weight


def test_a_site_over_its_budget_says_so(report, monkeypatch):
    monkeypatch.setitem(weights.BUDGETS, "whole site", 1000)
    found = {weight.what: weight for weight in weights.weigh(report)}
    assert not found["whole site"].fits
    assert "OVER" in str(found["whole site"])


def test_the_weights_stand_in_the_footer(soups):
    words = soups["index.html"].footer.get_text(" ", strip=True)
    assert all(what in words for what in weights.BUDGETS)


def test_a_claims_number_links_to_its_cell_and_every_run_to_its_line(soups):
    row = soups["index.html"].find(id="claim-1")
    links = [a["href"] for a in row.find_all("a")]
    assert links == ["notebooks/06_ablation.html#c7", "runs.html#run-late-s0", "runs.html#run-late-s1"]
    assert "Fusing twice is <better>." in row.get_text()
    assert not soups["index.html"].find(id="claim-2").find_all("a")


def test_a_table_has_caption_provenance_downloads_and_links_of_its_rows(soups):
    figure = soups["index.html"].find(id="tab_table6")
    links = {a.get_text(): a["href"] for a in figure.find_all("a")}
    assert links["Late"] == "runs.html#row-music11-late"
    assert links["Notebook cell"] == "notebooks/06_ablation.html#c3"
    assert {links[word] for word in ("CSV", "Markdown", "LaTeX")} == {
        f"assets/tab_table6.{e}" for e in ("csv", "md", "tex")
    }
    assert links["Where it comes from"] == "notebooks/06_ablation.html#from-tab_table6"
    words = soups["notebooks/06_ablation.html"].find("details", id="from-tab_table6").get_text(" ", strip=True)
    assert figure.figcaption.get_text(strip=True) == "Rows and their SDR."
    for part in ("late-s0", "parameters", "seed = 1", "cores", "CPython", "modules"):
        assert part in words
    assert figure.find("th", string="paper SDR / SIR / SAR")["class"] == ["context"]


def test_a_figure_says_its_data(soups):
    figure = soups["index.html"].find(id="fig_grid")
    image = figure.find("img")
    assert image["alt"] == "The grid. Drawn: 2 rows of row late, middle; sdr_db from 1 to 2.5."
    assert int(image["width"]) > int(image["height"]) > 100
    assert "middle" in figure.find("table").get_text()
    assert soups["notebooks/06_ablation.html"].find("img")["alt"] == image["alt"]


def test_the_first_page_says_what_came_out(soups):
    words = soups["index.html"].find(id="came-out").get_text(" ", strip=True)
    assert "Of 3 sentences of the paper 2 could be tested here: 1 supported, 1 contradicted, 0 inconclusive" in words
    assert "Late, reaches −0.12 [−1.19, 3.15] dB with binary masks, between 0.22 [0.18, 0.26] dB" in words


def test_notebook_pages_have_contents_neighbours_and_the_way_back(soups):
    soup = soups["notebooks/09_qualitative.html"]
    assert soup.find("a", rel="prev")["href"] == "06_ablation.html"
    assert soup.find("a", rel="next")["href"] == "11_audit.html"
    assert soup.find("a", href="../index.html#notebooks")
    assert soups["notebooks/06_ablation.html"].find("a", href="../index.html#06_ablation")
    contents = soups["notebooks/06_ablation.html"].find("nav", class_="contents")
    assert [a["href"] for a in contents.find_all("a")] == [
        "#table-6", "#the-grid", "#what-becomes-of-the-papers-claims", "#save", "#origins"
    ]  # fmt: skip


def test_words_can_be_looked_up_and_widgets_say_where_they_live(soups):
    book = soups["notebooks/12_explorer.html"]
    assert book.find("a", string="mask")["href"] == "../glossary.html#mask"
    assert "a running notebook" in book.find(id="c1").get_text()
    assert "VBox" not in book.get_text()
    assert book.find("details", class_="answer").find("th")["scope"] == "row"
    word = soups["glossary.html"].find(id="mask")
    assert (word.name, word.get_text()) == ("h2", "mask")
    assert soups["glossary.html"].find("main").find("a")["href"] == "notebooks/12_explorer.html"
    assert not soups["index.html"].find("section", id="12_explorer")


def test_sounds_and_pictures_of_a_notebook_become_files(report, soups):
    player = soups["notebooks/09_qualitative.html"].find("audio")
    assert player["preload"] == "none"
    assert player["aria-label"] == "mixture"
    assert (report / "notebooks" / player["src"]).read_bytes()[:4] == b"fLaC"
    assert "base64," not in (report / "notebooks" / "06_ablation.html").read_text()


def test_sounds_to_listen_to_keep_their_level(report, soups):
    players = soups["listening.html"].find_all("audio")
    lines = soups["listening.html"].select(".sounds tbody tr")
    assert len(players) == len(lines) >= 6  # of both sources: mixture, truth, an estimate
    for player, line in zip(players, lines):
        samples, _ = soundfile.read(report / player["src"])
        assert player["aria-label"] == line.th.get_text()
        told = float(line.td.get_text().replace("−", "-"))
        assert 10 * np.log10(np.mean(samples**2)) == pytest.approx(told, abs=0.2)


def test_runs_have_a_line_an_anchor_and_their_files(report, soups):
    for run_id in ("late-s0", "late-s1"):
        line = soups["runs.html"].find(id=f"run-{run_id}")
        assert {a["href"] for a in line.find_all("a")} == {
            f"runs/{run_id}/{name}" for name in ("config.json", "history.csv", "cost.json", "scores.csv")
        }
        assert "SI-SDR from" in line.find("svg")["aria-label"]
        assert json.loads((report / "runs" / run_id / "config.json").read_text())["seed"] == int(run_id[-1])
    assert soups["runs.html"].find(id="row-music11-late")


def test_the_marks_of_what_changed_are_filled_in_later(report):
    from avsep_lib.changes.shown import filled_in

    text = (report / "index.html").read_text()
    entry = {"artefact": "tab_table6", "status": "rerun", "changed": "values", "why": "an edit"}
    found = {"artefacts": [entry], "verdicts": [], "counts": {"rerun": 1}, "profile": "toy", "since": "then"}
    changed = filled_in(text, found)
    assert changed != text
    assert "an edit" in BeautifulSoup(changed, "html.parser").find(id="changes").get_text()


# --- parts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1])
def test_every_text_colour_can_be_read_on_every_ground(which):
    for ground in theme.GROUNDS:
        for text in theme.TEXT:
            found = theme.contrast(theme.COLORS[text][which], theme.COLORS[ground][which])
            assert found >= theme.CONTRAST, f"{text} on {ground}: {found:.2f}"
        edge = theme.contrast(theme.COLORS["focus"][which], theme.COLORS[ground][which])
        assert edge >= theme.EDGE_CONTRAST, f"focus on {ground}: {edge:.2f}"


def test_contrast_is_that_of_the_standard():
    assert theme.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert theme.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_a_verdict_has_a_sign_and_words_and_an_untestable_sentence_links_nowhere(claims):
    tested, untestable, _ = claims
    assert (tested["mark"], untestable["mark"]) == ("●", "–")
    assert tested["soft"] == {"verdict": "contradicted", "estimate": "-0.20 [-0.30, -0.10] dB"}
    assert untestable["soft"] == {"verdict": "–", "estimate": ""}
    assert (untestable["page"], untestable["rows"]) == ("", [])
    assert [count["n"] for count in verdict_counts(claims)] == [1, 1, 0, 1]


def test_runs_are_grouped_by_what_they_are_seeds_of():
    grouped = runs_by_row(["late-s0", "late-s1", "hier-music21-s0", "audio_encoder"])
    assert [row["row"] for row in grouped] == ["late", "hier-music21", "audio_encoder"]
    assert [run["seed"] for run in grouped[0]["runs"]] == ["s0", "s1"]


def test_sentences_follow_the_data(claims, tmp_path):
    texts = [sentence["text"] for sentence in sentences(claims, tmp_path)]
    assert len(texts) == 5
    assert texts[2].startswith("No trained row")
    assert "supported: “Fusing twice is <better>” (+1.00 [+0.50, +1.50] dB, p = 0.010)" in texts[3]
    assert "contradicted: “Late is worse” (-0.30 [-0.50, -0.10] dB, p < 0.001)" in texts[3]
    assert texts[4].startswith("1 sentences could not be tested here: 1 are no measurable")
    best = TABLE.assign(source=["reference", "computed here", "computed here"])
    best.to_csv(tmp_path / "tab_table6.csv", index=False)
    assert "Ideal binary mask, reaches 10.38" in sentences(claims, tmp_path)[2]["text"]


def test_an_artefact_is_looked_up_where_it_is_shown():
    cells = notebooks()["06_ablation"]
    assert pages.places_of_artefacts(cells) == {"tab_table6": "c3", "fig_grid": "c5"}
    alone = [code("save_table(whole[2], 'x', caption='c')", "s"), markdown("# a", "m")]
    assert pages.places_of_artefacts(alone) == {"tab_x": "s"}
    indexed = [code("whole[1]", "a", shown(text_html="<p>")), code("whole[2]", "b", shown(text_html="<p>")), alone[0]]
    assert pages.places_of_artefacts(indexed) == {"tab_x": "b"}


def test_a_claim_without_a_number_leads_to_the_section_on_claims(tmp_path):
    words = pages.Cell("c7", "code", "", words="– and −1.00  [-2.0, 0.5] dB")
    book = pages.Notebook("06_ablation", "t", [words], [("on-claims", "What becomes of the claims?")], {})
    assert book.place_of("-1.00 [-2.0, 0.5] dB") == "notebooks/06_ablation.html#c7"
    assert book.place_of("–") == "notebooks/06_ablation.html#on-claims"


def test_an_audit_says_nothing_of_the_machine_that_made_it(tmp_path):
    audit = pd.DataFrame(
        {"clip_id": ["a"], "source": ["/home/me/videos/a b.mp4"], "detail": ["broken: '/home/me/a.mp4' 1/2"], "n": [1]}
    )
    audit.to_csv(tmp_path / "audit.csv", index=False)
    assert without_folders(tmp_path / "audit.csv").splitlines()[1] == "a,a b.mp4,broken: 'a.mp4' 1/2,1"


def test_links_of_a_notebook_stay_inside_the_site():
    stems = {"06_ablation"}
    assert pages.moved("06_ablation.ipynb#save", stems) == "06_ablation.html#save"
    assert pages.moved("07_linear_probe.ipynb", stems) is None
    assert pages.moved("../paper/deviations.md", stems) == "../data/paper/deviations.md"
    assert pages.moved("../README.md", stems) is None
    assert pages.moved("https://doi.org/10.1", stems) == "https://doi.org/10.1"


def test_active_and_remote_content_is_removed(site):
    text = cleaned(
        '<p onclick="x()">a<script>b()</script><img src="https://elsewhere.example/x.png"><iframe src="y"></iframe>'
        '<a href="javascript:z()">c</a><style>p{}</style></p>',
        "label",
        Files(site, "nb"),
    )
    assert text == '<p>a<img alt="label"/><a>c</a></p>'


def test_a_data_frame_is_simplified_but_keeps_what_its_rows_are_called(site):
    counted = cleaned(TABLE.to_html(), "t", Files(site, "nb"))
    assert '<th scope="row">Late</th>' in counted
    named = cleaned(
        pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="method")).to_html(), "t", Files(site, "nb")
    )
    assert named.count("<tr") == 3
    assert '<th scope="col">method</th>' in named


def test_a_pipe_inside_a_cell_survives_and_a_note_is_no_row(tmp_path):
    frame = pd.DataFrame({"what": ["|rho| of 0.62", "plain"], "n": [11, 2]})
    path = tmp_path / "table.md"
    path.write_text(markdown_table(frame) + "\nGarden: 3 of 5 items used; 2 | silent.\n")
    rows, note = html_tables.read_markdown(path)
    assert rows[1] == ["|rho| of 0.62", "11"]
    assert len(rows) == 3
    assert note.startswith("Garden")
    assert html_tables.html_table(rows, "c").count("<tr>") == 3


def test_words_of_a_cell_become_links_and_intervals_stay_on_one_line():
    links = {"late-s0": "runs.html#run-late-s0", "Late + align": "x"}
    assert html_tables.linked("late-s0 <b>", links) == '<a href="runs.html#run-late-s0">late-s0</a> &lt;b&gt;'
    for address in ("javascript:alert(1)", "\n java\tscript:alert(1)", "data:text/html,x", "//elsewhere.org"):
        assert html_tables.linked("a b", {"a": address}) == "a b"
    assert html_tables.linked("Late + align", links) == '<a href="x">Late + align</a>'
    assert '<span class="interval">[−0.1, 2.0]</span>' in html_tables.linked("1.0 [-0.1, 2.0] dB", links)


def test_minus_signs_are_no_hyphens():
    assert signed("late-s0: -1.5 [-2, +1]; 1e-05") == "late-s0: −1.5 [−2, +1]; 1e-05"


def test_anchors_are_plain_words():
    assert slug("What's in <code>it</code>?") == "whats-in-it"
    assert slug("二") == "section"


def test_headings_are_never_skipped():
    pages_, to_html = renderer(lambda url: url)
    to_html("### a\n\n#### b\n\n### c\n\n# d\n\n#### e\n\n## f")
    assert [level for level, _, _ in pages_.headings] == [1, 2, 2, 2, 3, 2]


def test_an_alternative_text_without_data_is_the_caption(tmp_path):
    assert described("A picture.", None) == "A picture."
    (tmp_path / "x.csv").write_text("a\ninf\n")
    assert described("A.", tmp_path / "x.csv") == "A. Drawn: 1 rows; a infinite."


def test_a_curve_of_one_validation_is_drawn(tmp_path):
    (tmp_path / "history.csv").write_text("step,val_si_sdr_db\n10,1.5\n")
    assert curve(tmp_path / "history.csv")["points"].count(",") == 1
    (tmp_path / "history.csv").write_text("step,val_si_sdr_db\n")
    assert curve(tmp_path / "history.csv")["words"] == "no validation"


def test_a_policy_names_its_scripts():
    assert "script-src 'none'" in policy()
    assert policy("a") != policy("b")


def test_editing_a_template_reruns_the_report():
    inputs = {path.name for path in library.modules_of("avsep_lib.report")}
    assert {SHEET, SCRIPT, *TEMPLATES.values(), "__main__.py"} <= inputs


def test_a_run_that_is_missing_is_named(project_copy, site, monkeypatch):
    monkeypatch.setenv("AVSEP_ROOT", str(project_copy.root))
    (project_copy.results / "scores" / "late-s1.csv").unlink()
    profile = check_profile(TOY_PROFILE, "toy", "toy")
    assert len(profile_runs(profile)) == 2
    with pytest.raises(DataError, match=r"late-s1.csv is missing"):
        run_groups(profile, site)


# --- README -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def readme():
    spec = importlib.util.spec_from_file_location("readme", project_root() / "tools" / "readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_stems_and_run_ids_of_the_readme_become_links(readme):
    lines = (project_root() / "config" / "runs.csv").read_text().splitlines()
    text = readme.linked("| hier_align-s0 late-s0 | 06_ablation | late-s00 xlate-s0 |")
    for run_id in ("hier_align-s0", "late-s0"):
        (number,) = [n for n, line in enumerate(lines, start=1) if line.startswith(f"{run_id},")]
        assert f"[{run_id}](config/runs.csv#L{number})" in text
    assert "[06_ablation](notebooks/06_ablation.ipynb)" in text
    assert text.endswith("| late-s00 xlate-s0 |")
    assert readme.linked("| –  | unknown-s0 |") == "| –  | unknown-s0 |"


def test_only_the_table_of_claims_is_linked(readme, tmp_path, monkeypatch):
    columns = [*readme.SHOWN[:-2], "note", "evidence", "runs"]
    lines = [columns, [":---"] * len(columns)]
    lines += [[*"abcdefg", "left out", "06_ablation", "late-s0 late-s1 hier-s0"], [*"hijklmn", "x", "–", "–"]]
    claims = "".join(f"| {'  | '.join(cells)} |\n" for cells in lines)
    (tmp_path / "tab_claims.md").write_text(claims)
    (tmp_path / "tab_other.md").write_text("| runs    |\n|:-----|\n| late-s0 |\n")
    monkeypatch.setattr(readme, "figures_root", lambda profile: tmp_path)
    block = "<!-- begin {0} (made) -->\nold\n<!-- end {0} -->\n"
    text = readme.filled(block.format("tab_claims") + block.format("tab_other"))
    assert "[late-s0](config/runs.csv#L2) [1](config/runs.csv#L8) [hier-s0](config/runs.csv#L6) |" in text
    assert "[06_ablation](notebooks/06_ablation.ipynb)" in text
    assert "\n| late-s0 |\n" in text  # the other table as it is
    for gone in ("old", "| note |", "left out", "| h |"):
        assert gone not in text


def test_a_renamed_column_of_the_claims_stops_the_readme(readme):
    with pytest.raises(SystemExit, match="no column verdict"):
        readme.claims(["| claim | runs |", "|:---|:---|"])
