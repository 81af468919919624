"""Published numbers and claims: complete, consistent with each other, and strictly read."""

import pytest

from avsep_lib.config import load_runs
from avsep_lib.errors import ConfigError
from avsep_lib.published import COLUMNS, load_claims, load_published, published_table, row_notes
from avsep_lib.score import COLUMNS as SCORE_COLUMNS
from avsep_lib.tables import PAPER_ROWS

HEADER = ",".join(COLUMNS) + "\n"
LINE = "6,CLIP late,SDR,5.86,dB,section,\n"


def test_every_table_has_the_size_it_has_in_the_paper():
    sizes = {table: published_table(table).shape for table in range(1, 7)}
    assert sizes == {1: (10, 3), 2: (7, 3), 3: (3, 3), 4: (3, 1), 5: (2, 1), 6: (6, 3)}
    assert all(published_table(table).notna().all(axis=None) for table in sizes)


def test_rows_that_two_tables_share_agree_but_for_the_rounding_the_note_names():
    first, sixth = published_table(1), published_table(6)
    pairs = {"Sound-of-Pixels": "ResNet-18 late", "HFRA hierarchical + align": "CLIP hierarchical + align"}
    for a, b in (pairs | {"CLIPSep middle": "CLIP middle"}).items():
        assert (first.loc[a] == sixth.loc[b]).all()
    differs = (first.loc["CLIPSep late"] - sixth.loc["CLIP late"]).round(2)
    assert differs.to_dict() == {"SDR": 0.0, "SIR": 0.01, "SAR": 0.0}
    assert "rounding differs" in row_notes(1)["CLIPSep late"]


def test_probe_accuracies_are_whole_clips_out_of_119():
    clips = published_table(4)["accuracy"] / 100 * 119
    assert clips.round().tolist() == [59, 70, 71]
    assert (clips - clips.round()).abs().max() < 0.01


def test_paper_names_of_our_rows_exist():
    for table, names in PAPER_ROWS.items():
        assert set(names.values()) <= set(published_table(table).index)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("table,row\n6,CLIP late\n", "columns are"),
        (HEADER + LINE + LINE, "line 3: this cell of the table is given twice"),
        (HEADER + LINE.replace("5.86,dB", "5,86"), "line 2: unit is none of dB, %, 1"),
        (HEADER + LINE.replace("5.86", "good"), "line 2: value is no number"),
        (HEADER + LINE.replace("CLIP late", ""), "must not be empty"),
    ],
)
def test_a_broken_table_is_named(tmp_path, text, words):
    path = tmp_path / "published.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_published(path)


def test_an_unknown_table_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"no published Table 7.*\[1, 2, 3, 4, 5, 6\]"):
        published_table(7)


def test_claims_are_about_rows_and_scores_that_exist():
    rows = {run.row for run in load_runs()}
    claims = load_claims("06_ablation")
    assert len(claims) >= 6
    for claim in claims:
        assert {claim.candidate, claim.baseline} <= rows
        assert claim.metric in SCORE_COLUMNS
    assert load_claims("99_nothing") == []


def test_claims_follow_from_the_published_table():
    """A direction mistyped in claims.yaml would turn a verdict round."""
    table, names = published_table(6), PAPER_ROWS[6]
    for claim in load_claims("06_ablation"):
        column = claim.metric.removesuffix("_db").upper()
        difference = table.loc[names[claim.candidate], column] - table.loc[names[claim.baseline], column]
        assert (difference > 0) == (claim.direction == "greater"), claim.id


CLAIM = """\
- id: a
  sentence: s
  section: 4.4
  candidate: hier
  baseline: late
  metric: sdr_db
  direction: greater
  notebook: 06_ablation
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CLAIM.replace("greater", "better"), "entry 1.direction: 'better' is not one of"),
        (CLAIM.replace("direction", "sign"), "unknown key 'sign'"),
        (CLAIM.replace("  metric: sdr_db\n", ""), "missing key 'metric'"),
        (CLAIM + CLAIM, "id a occurs twice"),
        (CLAIM.replace("section: 4.4", "section: 4"), "section: expected str"),
    ],
)
def test_a_broken_claim_is_named(tmp_path, text, words):
    path = tmp_path / "claims.yaml"
    path.write_text(text.replace("4.4", "'4.4'"))
    with pytest.raises(ConfigError, match=words):
        load_claims(path=path)
