"""The report's first page: every claim linked to its evidence, every run with its files; README tables with links."""

import importlib.util
import json

import jinja2
import pandas as pd
import pytest
from conftest import TOY_PROFILE

from avsep_lib import report, report_evidence
from avsep_lib.artifacts import markdown_table
from avsep_lib.config import check_profile
from avsep_lib.errors import DataError
from avsep_lib.paths import project_root

LINE = {
    "claim": "Fusing twice is <better>.",
    "verdict": "supported",
    "trained again": "not testable here",
    "tested as": "Hierarchical − Late, SDR",
    "estimate": "+1.00 [+0.50, +1.50] dB",
    "interval, trained again": "–",
    "with soft masks": "contradicted, -0.20 [-0.30, -0.10] dB",
    "p (Holm)": "0.010",
    "smallest detectable": "0.70",
    "n": "88 mixtures",
    "section": "4.4, Table 6",
    "note": "one |training|",
    "evidence": "06_ablation",
    "runs": "late-s0 late-s1 hier-music21-s0",
}
EMPTY = dict.fromkeys(LINE, "–") | {"claim": "First.", "verdict": "not testable here", "section": "1"}


@pytest.fixture
def claims(tmp_path):
    path = tmp_path / "tab_claims.csv"
    pd.DataFrame([LINE, EMPTY]).to_csv(path, index=False)
    return report_evidence.claim_entries(path)


def page(claims, runs=()):
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(report.TEMPLATE.read_text()).render(
        policy=report.POLICY, profile="toy", claims=claims, claims_table=report_evidence.CLAIMS_TABLE,
        sections=[], runs=runs, checks=[], n_runs=2, seeds=[0, 1],
    )  # fmt: skip


def test_a_claims_number_links_to_its_notebook_and_every_run_to_its_line(claims):
    text = page(claims)
    assert '<a href="notebooks/06_ablation.html">+1.00 [+0.50, +1.50] dB</a>' in text
    for run_id in LINE["runs"].split():
        assert f'<a href="#run-{run_id}">' in text
    assert "&lt;better&gt;" in text
    assert text.index('id="claims"') < text.index('aria-label="Contents"') < text.index('id="runs"')
    assert text.count("<main>") == text.count("</main>") == 1


def test_a_verdict_has_a_sign_and_words_and_an_untestable_sentence_links_nowhere(claims):
    tested, untestable = claims
    assert (tested["mark"], untestable["mark"]) == ("●", "–")
    assert tested["soft"] == {"verdict": "contradicted", "estimate": "-0.20 [-0.30, -0.10] dB"}
    assert untestable["soft"] == {"verdict": "–", "estimate": ""}
    assert untestable["page"] == ""
    assert untestable["rows"] == []
    assert page([untestable]).count("href") == page([]).count("href")


def test_runs_are_grouped_by_what_they_are_seeds_of():
    grouped = report_evidence.runs_by_row(["late-s0", "late-s1", "hier-music21-s0"])
    assert [row["row"] for row in grouped] == ["late", "hier-music21"]
    assert [run["seed"] for run in grouped[0]["runs"]] == ["s0", "s1"]


def test_every_run_has_a_line_an_anchor_and_its_files(project, tmp_path, monkeypatch):
    monkeypatch.setenv("AVSEP_ROOT", str(project.root))
    profile = check_profile(TOY_PROFILE, "toy", "toy")
    runs = report_evidence.run_entries(profile, tmp_path)
    assert [run["id"] for run in runs] == ["late-s0", "late-s1"]
    for run in runs:
        folder = tmp_path / "runs" / run["id"]
        assert {path.name for path in folder.iterdir()} == set(run["files"])
        assert json.loads((folder / "config.json").read_text())["seed"] == int(run["id"][-1])
        assert len(pd.read_csv(folder / "history.csv")) == 2
    text = page([], runs)
    assert 'id="run-late-s1"' in text
    assert 'href="runs/late-s1/history.csv"' in text


def test_a_run_that_is_missing_is_named(project_copy, tmp_path, monkeypatch):
    monkeypatch.setenv("AVSEP_ROOT", str(project_copy.root))
    (project_copy.results / "scores" / "late-s1.csv").unlink()
    with pytest.raises(DataError, match=r"late-s1.csv is missing"):
        report_evidence.run_entries(check_profile(TOY_PROFILE, "toy", "toy"), tmp_path)


def test_a_pipe_inside_a_cell_survives_markdown(tmp_path):
    frame = pd.DataFrame({"what": ["|rho| of 0.62", "plain"], "n": [11, 2]})
    path = tmp_path / "table.md"
    path.write_text(markdown_table(frame))
    text = report.table_html(path)
    assert "<td>|rho| of 0.62</td>" in text
    assert text.count("<td>") == 4


# README


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


def test_a_note_below_a_table_is_no_row(tmp_path):
    path = tmp_path / "tab_x.md"
    path.write_text(markdown_table(pd.DataFrame({"a": [1], "b": ["x"]})) + "\nGarden: 3 of 5 items used; 2 | silent.\n")
    html = report.table_html(path)
    assert html.count("<tr>") + html.count("<tr ") == 2
    assert "Garden" not in html
