"""Audit: the arithmetic on planted numbers with known answers, and every finding on the published ones."""

import pytest
from scores_fixture import synthetic_scores

from avsep_lib import tables
from avsep_lib.audit import audit_table, findings, load_audit, probe, rows, signals
from avsep_lib.audit.noise import spread_between_rows
from avsep_lib.errors import ConfigError

PERCENTAGES = [49.58, 58.82, 59.66]


@pytest.fixture(scope="module")
def data():
    return load_audit()


@pytest.fixture(scope="module")
def by_topic():
    return {finding.topic: finding for finding in findings(2.0)}


def test_only_multiples_of_119_fit_the_probe():
    assert probe.numbers_of_items(PERCENTAGES) == [119, 238, 357, 476, 595]
    assert 118 not in probe.numbers_of_items(PERCENTAGES)
    assert 121 not in probe.numbers_of_items(PERCENTAGES)


def test_the_search_finds_a_planted_number_of_items():
    for n, hits in ((37, (5, 11)), (212, (100, 131, 7))):
        printed = [round(100 * k / n, 2) for k in hits]
        assert n in probe.numbers_of_items(printed)
    assert probe.numbers_of_items([33.33], range(2, 4)) == [3]
    assert probe.numbers_of_items([33.34], range(2, 8)) == []


def test_mcnemars_extremes_are_all_that_the_margins_allow():
    """Brute force over every 2 x 2 table with these margins."""
    n, worse, better = 40, 20, 26
    allowed = []
    for both in range(n + 1):
        only_better, only_worse = better - both, worse - both
        if min(only_better, only_worse, n - both - only_better - only_worse) >= 0:
            allowed.append((only_better, only_worse, probe.mcnemar_p(only_better, only_worse)))
    assert probe.mcnemar_extremes(worse, better, n) == (min(allowed), max(allowed))
    assert probe.mcnemar_p(11, 0) == pytest.approx(2 * 0.5**11)
    assert probe.mcnemar_p(0, 0) == 1.0


def test_wilson_at_one_half_is_the_closed_form():
    low, high = probe.wilson(50, 100)
    assert (low, high) == pytest.approx((40.383, 59.617), abs=1e-3)


def test_the_three_accuracies_are_59_70_and_71_of_119(by_topic):
    assert "59, 70, 71 of 119" in by_topic["items of the probe's test set"].result
    assert by_topic["aligned features against CLAP"].result.startswith("1 item;")
    assert "11 against 0" in by_topic["gain of accuracy by alignment"].result


def test_frames_of_five_and_ten_seconds(by_topic):
    assert "give 228 frames; 256 need 65,280 to 65,535" in by_topic["clip length against frames"].result
    assert by_topic["VGGSound clips through the network"].result == "455 frames, remainder 71"


def test_training_length(by_topic):
    result = by_topic["length of the training"].result
    for number in ("1,513 steps", "133 whole epochs", "step 90,780"):
        assert number in result


def test_exactly_five_rows_equal_sgns(by_topic, data):
    assert by_topic["rows equal to SGN's Table 1"].result.startswith("5 rows are equal")
    same, shared = rows._identical(data)
    assert shared == 6
    assert "Sound-of-Pixels" not in same


def test_a_row_that_differs_in_one_cell_is_not_equal(data, monkeypatch):
    changed = [vars(row) | ({"sar_db": 6.63} if row.row == "Wave-U-Net" else {}) for row in data.sgn_table_1]
    spoilt = type(data)(data.numbers, tuple(type(data.sgn_table_1[0])(**row) for row in changed), data.citations)
    assert "Wave-U-Net" not in rows._identical(spoilt)[0]


def test_the_two_ways_to_a_smaller_gap_both_give_the_printed_gap(by_topic):
    result = by_topic["what narrows a gap"].result
    audio, cosine = float(result.split()[2]), float(result.split()[-1])
    visual = 1.171 / 2**0.5
    assert (audio**2 + visual**2) ** 0.5 == pytest.approx(0.976, abs=1e-3)
    assert visual * (2 - 2 * cosine) ** 0.5 == pytest.approx(0.976, abs=0.01)


def test_the_steps_of_table_6_and_what_a_test_set_could_show(data):
    half = rows.half_width(2.0, 118)
    assert half == pytest.approx(1.98045 * 2.0 / 118**0.5, rel=1e-4)
    quiet, loud = rows.increments(data, 0.1).result, rows.increments(data, 20.0).result
    assert quiet.endswith("none")
    assert loud.endswith("hierarchical over late, alignment on late, alignment on hierarchical")
    for unknown in (None, float("nan")):
        assert "not measured" in rows.increments(data, unknown).result


def test_the_spread_between_rows_is_the_planted_one():
    scores = synthetic_scores(n_mixtures=400)
    of_pair = spread_between_rows(tables.comparable(scores, "binary"))
    # two sources of 0.8 dB noise in each of two rows
    assert of_pair == pytest.approx(0.8, rel=0.1)
    lonely = tables.comparable(scores[scores["method"].isin(["late", "mixture", "ideal_binary"])], "binary")
    assert spread_between_rows(lonely) != spread_between_rows(lonely)


def test_split_numbers_add_up(data):
    assert data.count("music_train") + data.count("music_test") == data.count("music_videos")
    assert data.count("list_train_solos") + data.count("list_train_duets") == data.count("list_train")
    assert data.count("list_test_solos") + data.count("list_test_duets") == data.count("list_test")
    assert signals.music21_split(data).implication == "consistent"


def test_every_finding_is_whole_and_every_topic_its_own():
    table = audit_table()
    assert list(table.columns) == ["topic", "place", "published", "computed", "result", "implication"]
    assert (table.map(len) > 0).all(axis=None)
    assert table["topic"].is_unique
    assert len(table) >= 20


def test_the_file_is_strict(tmp_path, data):
    with pytest.raises(ConfigError, match="has no number 'music_tests'"):
        data["music_tests"]
    path = tmp_path / "audit.yaml"
    number = "numbers:\n  - {name: a, value: 1, source: s}\n"
    for text, words in (
        (number + "sgn_table_1: []\n", "missing key 'citations'"),
        (number + "  - {name: a, value: 2, source: s}\nsgn_table_1: []\ncitations: []\n", "number a is given twice"),
        ("numbers:\n  - {name: a, value: x, source: s}\nsgn_table_1: []\ncitations: []\n", r"numbers\[0\].value"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_audit(path)
