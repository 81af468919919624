"""Published numbers: complete, consistent with each other, and strictly read."""

import pytest

from avsep_lib.errors import ConfigError
from avsep_lib.published import COLUMNS, load_published, published_table, row_notes
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
