"""Claims: the file is strict and says what the paper says; verdicts come out as planted; what is missing is named."""

import math
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import TOY_PROFILE, write_project
from scores_fixture import MEANS, SEEDS, synthetic_scores

from avsep_lib.claims import evaluators, load_claims
from avsep_lib.claims.evidence import Evidence
from avsep_lib.claims.schema import KINDS, Best, Claim, Difference, Groups, Steps, Untestable
from avsep_lib.claims.text import claims_text, summary_text, suspicions
from avsep_lib.claims.verdicts import evaluate
from avsep_lib.comparisons import CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE, SUPPORTED, holm
from avsep_lib.config import load_profile, load_runs
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.files import write_json
from avsep_lib.intervals import Interval, Resampling
from avsep_lib.outcomes import Outcome
from avsep_lib.published import published_table
from avsep_lib.settings import from_dict
from avsep_lib.tables import PAPER_ROWS

PAPER_TABLE = {"music11": 1, "music21": 2, "wild": 3}
PAPER_NAMES = {  # tables 2 and 3 name their rows as table 1 does
    "late": "CLIPSep late",
    "middle": "CLIPSep middle",
    "hier": "HFRA hierarchical",
    "hier_align": "HFRA hierarchical + align",
}
PAPERS_CLAIMS = load_claims()
REFERENCES = ("mixture", "ideal_binary", "ideal_ratio")


# The file


def test_ids_and_labels_are_unique_and_every_kind_occurs():
    claims = load_claims()
    assert len({claim.label for claim in claims}) == len(claims)
    assert {claim.test.kind for claim in claims} == set(KINDS)
    assert len(load_claims(kind="untestable")) >= 5
    assert load_claims("09_qualitative") == []


def test_claims_are_about_rows_that_exist_on_their_dataset():
    rows = {(run.row, run.dataset) for run in load_runs()}
    for claim in load_claims():
        test = claim.test
        if isinstance(test, Untestable):
            continue
        named = [test.candidate, *(test.others if isinstance(test, Best) else [test.baseline])]
        for row in named:
            assert (row, test.dataset) in rows or claim.test.kind == "accuracy", (claim.id, row)


def test_instruments_of_claims_are_classes_of_the_demo():
    classes = set(load_profile("demo").datasets["music11"].classes)
    for claim in load_claims():
        for group in ("instruments", "greater", "less"):
            assert set(getattr(claim.test, group, ())) <= classes, claim.id


def published_difference(test):
    """The paper's own difference, or None where no table of it has both rows."""
    column = test.metric.removesuffix("_db").upper()
    for table, names in ((PAPER_TABLE[test.dataset], PAPER_NAMES), (6, PAPER_ROWS[6])):
        printed = published_table(table)
        pair = [names.get(row) for row in (test.candidate, test.baseline)]
        if set(pair) <= set(printed.index) and (table != 6 or test.dataset == "music11"):
            return printed.loc[pair[0], column] - printed.loc[pair[1], column]
    return None


def test_directions_follow_from_the_published_tables():
    """A direction mistyped in claims.yaml would turn a verdict round."""
    checked = 0
    for claim in load_claims(kind="difference"):
        difference = None if claim.test.instruments else published_difference(claim.test)
        if difference is not None:
            assert (difference > 0) == (claim.test.direction == "greater"), claim.id
            checked += 1
    assert checked >= 25
    for claim in load_claims(kind="best"):
        sdr = published_table(6)["SDR"].rename(index={v: k for k, v in PAPER_ROWS[6].items()})
        assert sdr.idxmax() == claim.test.candidate
    assert published_table(4)["accuracy"].is_monotonic_increasing  # no alignment, alignment, teacher
    assert published_table(5)["modality gap"].is_monotonic_decreasing  # no alignment, alignment


ENTRY = """\
- id: a
  label: l
  sentence: s
  section: '4.4'
  notebook: 06_ablation
  test: {kind: difference, candidate: hier, baseline: late, direction: greater}
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ENTRY.replace("greater", "better"), r"entry 1 \(a\).test.direction: 'better' is not one of"),
        (ENTRY.replace("direction", "sign"), r"\(a\).test: unknown key 'sign'"),
        (ENTRY.replace(", baseline: late", ""), "missing key 'baseline'"),
        (ENTRY.replace("kind: difference", "kind: guess"), r"\(a\).test.kind: 'guess' is not one of"),
        (ENTRY.replace("direction: greater", "direction: greater, metric: snr_db"), "metric is 'snr_db'"),
        (ENTRY.replace("  label: l\n", ""), "missing key 'label'"),
        (ENTRY.replace("label: l", "label: " + "l" * 60), "60 characters"),
        (ENTRY.replace("sentence", "text"), "unknown key 'text'"),
        (ENTRY.replace("06_ablation", "66_ablation"), "no notebook '66_ablation'"),
        (ENTRY.replace("  notebook: 06_ablation\n", ""), "names its notebook"),
        (
            ENTRY.replace("kind: difference", "kind: gap, part: width"),
            r"\(a\).test.part: 'width' is not one of 'total'",
        ),
        (ENTRY + ENTRY, "id a occurs twice"),
        (ENTRY.replace("'4.4'", "4.4"), "section: expected str"),
        (ENTRY.partition("  test")[0], "missing key 'test'"),
        ("- a\n", "expected a mapping"),
    ],
)
def test_a_broken_claim_is_named(tmp_path, text, words):
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_claims(path=path)


def test_a_part_of_the_gap_is_the_whole_unless_named(toy, monkeypatch):
    asked = []
    monkeypatch.setattr("avsep_lib.modality_gap.gap_outcome", lambda *args, part, **rest: asked.append(part))
    monkeypatch.setattr(evaluators, "_check_rows", lambda claim, evidence: None)
    tests = [claim.test for claim in PAPERS_CLAIMS if claim.test.kind == "gap"]
    for test in tests:
        evaluators.outcome(claim(test), Evidence("toy", RESAMPLING))
    assert asked == [test.part for test in tests] == ["total", "direction"]
    assert {test.direction for test in tests} == {"less"}
    assert [evaluators.described(test) for test in tests] == [
        "Hierarchical + align − Hierarchical, modality gap",
        "Hierarchical + align − Hierarchical, modality gap, by direction",
    ]


@pytest.mark.parametrize(
    ("cls", "values", "words"),
    [
        ("best", {"candidate": "hier", "others": ["hier"]}, "must be exceeded"),
        ("best", {"candidate": "hier", "others": []}, "must be exceeded"),
        ("groups", {"greater": ["tuba"], "less": ["tuba", "flute"]}, "without a common one"),
        ("groups", {"greater": [], "less": ["tuba"]}, "two groups"),
    ],
)
def test_tests_that_say_nothing_are_refused(cls, values, words):
    with pytest.raises(ConfigError, match=words):
        from_dict(KINDS[cls], values)


# Verdicts


def claim(test, **words):
    values = {"id": "id", "label": "label", "sentence": "sentence", "section": "4.4", "notebook": "05_fusion_stages"}
    return Claim(**(values | words), test=test)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A profile whose rows have the planted means of the synthetic scores; the last row of its list has no scores."""
    made = write_project(tmp_path, seeds=[0, 1, 2])
    scores = synthetic_scores()
    scores.loc[scores["source"] == 1, "instrument"] = "flute"
    fusions = {"late": "late", "middle": "middle", "hier": "hierarchical", "resnet18": "late"}
    lines = ["run_id,method,fusion,alignment,backbone,dataset,seed,switches"]
    for row in (*MEANS, "late_missing"):
        if row in REFERENCES:
            continue
        backbone = "resnet18" if row.startswith("resnet18") else "clip"
        for seed in SEEDS.get(row, (0, 1, 2)):
            alignment = "yes" if row.endswith("align") else "no"
            fusion = fusions[row.split("_")[0]]
            lines.append(f"{row}-s{seed},hfra,{fusion},{alignment},{backbone},music11,{seed},")
    (made.root / "config" / "runs.csv").write_text("\n".join(lines) + "\n")
    (made.results / "scores").mkdir(parents=True)
    for run_id, own in scores[~scores["method"].isin(REFERENCES)].groupby("run_id"):
        own.to_csv(made.results / "scores" / f"{run_id}.csv", index=False)
        write_json(made.results / "runs" / run_id / "cost.json", {"steps": 6})
    references = scores[scores["method"].isin(REFERENCES)]
    references.to_csv(made.results / "scores" / "references-music11.csv", index=False)
    monkeypatch.setenv("AVSEP_ROOT", str(made.root))
    return made


RESAMPLING = Resampling(400)


def test_planted_orders_come_out_and_turn_with_the_direction(toy):
    tests = [
        Difference("hier_align", "late", "greater"),
        Difference("hier_align", "late", "less"),
    ]
    table = evaluate("toy", [claim(test) for test in tests], RESAMPLING)
    assert table["verdict"].tolist() == [SUPPORTED, CONTRADICTED]
    assert table["trained_again"].tolist() == [SUPPORTED, CONTRADICTED]
    line = table.iloc[0]
    assert line["low"] < MEANS["hier_align"] - MEANS["late"] < line["high"]
    assert (line["n"], line["items"], line["unit"]) == (88, "mixtures", "dB")
    assert line["runs"] == "hier_align-s0 hier_align-s1 hier_align-s2 late-s0 late-s1 late-s2"
    assert line["tested_as"] == "Hierarchical + align − Late, SDR"


def test_a_null_prints_the_smallest_detectable_effect_and_the_suspicion(toy):
    null, clear = Difference("middle_align", "middle", "greater"), Difference("hier_align", "late", "greater")
    table = evaluate("toy", [claim(test, suspicion="too few") for test in (null, clear)], RESAMPLING)
    assert table.loc[0, "verdict"] in (INCONCLUSIVE, CONTRADICTED, SUPPORTED)
    assert table["detectable_effect"].gt(0).all()
    assert ("suspected: too few" in table.loc[0, "note"]) == (table.loc[0, "verdict"] != SUPPORTED)
    assert "suspected" not in table.loc[1, "note"]
    assert len(suspicions(table)) == (table["verdict"] != SUPPORTED).sum()


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (Difference("hier", "nobody", "greater"), "trains no such row on music11: nobody"),
        (Difference("hier", "late", "greater", dataset="wild"), "has no dataset wild"),
        (Difference("hier", "late_missing", "greater"), "late_missing-s0.csv is missing"),
        (Difference("hier", "late", "greater", instruments=("gong",)), "no test mixture holds gong"),
        (Groups(("flute",), ("gong", "tuba")), "no test mixture holds gong"),
        (Best("hier", ("late_missing",)), "none of the other rows is there"),
        (Steps("hier", "late", "less"), "history.csv is missing"),
        (Untestable("not a measurement"), "^not a measurement$"),
    ],
)
def test_what_a_profile_lacks_is_no_error_but_a_reason(toy, test, words):
    notebook = "" if isinstance(test, Untestable) else "06_ablation"
    table = evaluate("toy", [claim(test, notebook=notebook, suspicion="never shown")], RESAMPLING)
    assert table["verdict"].tolist() == table["trained_again"].tolist() == [NOT_TESTABLE]
    assert pd.Series(table["note"]).str.contains(words).all()
    assert str(toy.root) not in table.loc[0, "note"]
    assert math.isnan(table.loc[0, "p_holm"])


def test_claims_are_judged_on_the_dataset_in_the_place_they_name(toy):
    own = "name: own\nbased_on: toy\ndatasets: {garden: {format: videos, root: .}}\nencoders_of: {}\n"
    (toy.root / "config" / "own.yaml").write_text(own)
    scores = toy.root / "results" / "own" / "scores"
    shutil.copytree(toy.results / "scores", scores)
    (scores / "references-music11.csv").rename(scores / "references-garden.csv")
    test = Difference("hier_align", "late", "greater")
    here, there = (evaluate(profile, [claim(test)], RESAMPLING).iloc[0] for profile in ("own", "toy"))
    assert here["verdict"] == SUPPORTED
    assert here[["estimate", "low", "high", "runs"]].tolist() == there[["estimate", "low", "high", "runs"]].tolist()


def test_a_row_that_separates_nothing_cannot_support_a_claim(toy):
    for path in (toy.results / "scores").glob("late-s*.csv"):
        scores = pd.read_csv(path)
        scores["sdr_db"] = scores["mixture_sdr_db"]
        scores.to_csv(path, index=False)
    table = evaluate("toy", [claim(Difference("hier", "late", "greater"))], RESAMPLING)
    assert table.loc[0, "verdict"] == NOT_TESTABLE
    assert table.loc[0, "note"] == "not above the mixture: Late"


def test_instruments_select_their_own_sources(toy):
    for path in (toy.results / "scores").glob("middle-s*.csv"):
        scores = pd.read_csv(path)
        scores.loc[scores["instrument"] == "flute", "sdr_db"] += 3.0
        scores.to_csv(path, index=False)
    for_flute, for_tuba = (Difference("middle", "late", "greater", instruments=(i,)) for i in ("flute", "tuba"))
    table = evaluate("toy", [claim(for_flute), claim(for_tuba)], RESAMPLING)
    assert table.loc[0, "estimate"] - table.loc[1, "estimate"] == pytest.approx(3.0, abs=0.5)
    assert table.loc[0, "verdict"] == SUPPORTED


def test_the_best_row_must_exceed_each_of_the_others(toy):
    others = ("late", "middle", "hier", "late_align")
    best, second = Best("hier_align", others), Best("hier", ("late", "hier_align"))
    table = evaluate("toy", [claim(best), claim(second)], RESAMPLING)
    pairs = evaluate("toy", [claim(Difference("hier_align", other, "greater")) for other in others], RESAMPLING)
    assert table.loc[0, "estimate"] == pytest.approx(pairs["estimate"].min())
    assert table.loc[0, "low"] == pytest.approx(pairs["low"].min(), abs=1e-6)
    assert table.loc[0, "high"] >= pairs["high"].min()  # Bonferroni's upper bound is the wider one
    assert table.loc[0, "p_value"] == pytest.approx(pairs["p_value"].max())
    assert "nearest: Hierarchical" in table.loc[0, "note"]
    assert table.loc[1, "verdict"] == CONTRADICTED


def test_what_could_not_be_compared_with_the_best_is_named(toy):
    table = evaluate("toy", [claim(Best("hier_align", ("late", "late_missing")))], RESAMPLING)
    assert table.loc[0, "verdict"] == SUPPORTED
    assert "without late missing" in table.loc[0, "note"]


def test_one_training_and_unequal_training_are_said(toy):
    write_json(toy.results / "runs" / "resnet18_late-s0" / "cost.json", {"steps": 3})
    test = claim(Difference("late", "resnet18_late", "greater"), confound="random weights")
    line = evaluate("toy", [test], RESAMPLING).iloc[0]
    assert "one training of ResNet-18" in line["note"]
    assert "unequal training: Late 6, ResNet-18 late (no ImageNet weights) 3 steps" in line["note"]
    assert line["note"].endswith("confounded: random weights")
    assert line["trained_again"] == NOT_TESTABLE


def test_shortened_trainings_are_said(toy):
    for row in ("hier", "late"):
        for seed in (0, 1, 2):
            write_json(toy.results / "runs" / f"{row}-s{seed}" / "cost.json", {"steps": 3})
    line = evaluate("toy", [claim(Difference("hier", "late", "greater"))], RESAMPLING).iloc[0]
    assert line["note"] == f"3 training steps instead of {TOY_PROFILE['training']['steps']}"


def test_holm_is_over_the_claims_that_can_be_tested(toy):
    tests = [
        Difference("hier_align", "late", "greater"),
        Difference("hier", "nobody", "greater"),
        Difference("hier", "late", "greater"),
        Difference("late_align", "late", "greater"),
    ]
    table = evaluate("toy", [claim(test) for test in tests], RESAMPLING)
    assert np.allclose(table["p_holm"], holm(table["p_value"]), equal_nan=True)
    assert table["p_holm"].isna().tolist() == [False, True, False, False]


def test_where_seeds_are_the_items_both_verdicts_follow_their_interval(toy, monkeypatch):
    nan = float("nan")
    over = Interval(-50.0, nan, nan, 3, 0.95, "", reason="not kept per mixture")
    across = Interval(-50.0, -90.0, -10.0, 3, 0.95, "", 70.0)
    found = Outcome("steps", "steps", over, across, 0.03, "seeds")
    monkeypatch.setitem(evaluators.EVALUATORS, "steps", lambda claim, evidence: found)
    line = evaluate("toy", [claim(Steps("hier", "late", "less"))], RESAMPLING).iloc[0]
    assert line["verdict"] == line["trained_again"] == SUPPORTED
    assert (line["low"], line["high"], line["n"], line["items"]) == (-90, -10, 3, "seeds")
    mixtures = replace(found, items="clips")
    monkeypatch.setitem(evaluators.EVALUATORS, "steps", lambda claim, evidence: mixtures)
    line = evaluate("toy", [claim(Steps("hier", "late", "less"))], RESAMPLING).iloc[0]
    assert (line["verdict"], line["trained_again"]) == (NOT_TESTABLE, SUPPORTED)
    assert line["note"] == "not kept per mixture"


def test_every_claim_of_the_paper_has_a_line_on_a_profile_with_almost_nothing(toy):
    table = evaluate("toy", PAPERS_CLAIMS, RESAMPLING)
    assert len(table) == len(PAPERS_CLAIMS)
    assert set(table["verdict"]) <= {SUPPORTED, CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE}
    assert table.loc[table["verdict"] == NOT_TESTABLE, "note"].str.len().gt(0).all()
    tested = table[table["verdict"] != NOT_TESTABLE]
    assert len(tested) >= 10
    assert tested["detectable_effect"].notna().all()
    shown = claims_text(table)
    assert shown.notna().all(axis=None)
    assert (shown.map(len) > 0).all(axis=None)
    assert f"{len(table)} sentences" in summary_text(table)


def test_soft_masks_are_a_second_reading_of_what_reads_scores(toy):
    table = evaluate("toy", PAPERS_CLAIMS, RESAMPLING).set_index("id")
    scored = table["kind"].isin(["difference", "best", "correlation", "groups"])
    assert (table.loc[scored, "soft_verdict"] != "").all()
    assert (table.loc[~scored, "soft_verdict"] == "").all()
    line = table.loc["hierarchical-over-late"]
    assert np.isfinite([line["estimate"], line["soft_estimate"]]).all()
    assert line["soft_estimate"] != line["estimate"]


def test_evidence_finds_only_scored_rows(toy):
    evidence = Evidence("toy", RESAMPLING)
    assert evidence.present("music11", ("late", "late_missing", "nobody")) == ["late"]
    assert evidence.present("wild", ("late",)) == []
    with pytest.raises(DataError, match="trains no such row"):
        evidence.runs("music11", ("nobody",))


# Text


def test_numbers_are_rounded_by_their_unit():
    line = {"p_holm": 0.00005, "label": "l", "claim": "s", "section": "1", "verdict": SUPPORTED}
    line |= {"trained_again": SUPPORTED, "tested_as": "t", "note": "", "notebook": "", "runs": "", "kind": "gap"}
    line |= {"soft_verdict": SUPPORTED, "soft_unit": "dB", "soft_estimate": 1.0, "soft_low": 0.5, "soft_high": 1.5}
    base = line | {"low": -0.001, "high": 1.236, "seeds_low": np.nan, "seeds_high": np.nan, "n": 5, "items": "clips"}
    units = ("dB", "steps", "points", "1")
    table = pd.DataFrame([base | {"unit": unit, "estimate": 0.618, "detectable_effect": 0.001} for unit in units])
    shown = claims_text(table)
    assert shown["estimate"].tolist() == [
        "+0.62 [+0.00, +1.24] dB",
        "+1 [+0, +1] steps",
        "+0.6 [+0.0, +1.2] points",
        "+0.618 [-0.001, +1.236]",
    ]
    assert shown["smallest detectable"].tolist() == ["< 0.01", "< 1", "< 0.1", "0.001"]
    assert shown["with soft masks"].tolist() == ["supported, +1.00 [+0.50, +1.50] dB"] * 4
    assert claims_text(table.assign(soft_verdict=""))["with soft masks"].tolist() == ["–"] * 4
    assert shown.loc[0, ["p (Holm)", "interval, trained again", "n", "runs"]].tolist() == [
        "< 0.001",
        "–",
        "5 clips",
        "–",
    ]


# Figures


def drawn(figure):
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]


def test_the_picture_has_a_line_for_every_claim_that_can_be_measured(toy):
    from matplotlib.figure import Figure

    from avsep_lib.plots import claims as plots

    table = evaluate("toy", PAPERS_CLAIMS, RESAMPLING)
    figure = plots.claims_figure(Figure(figsize=(8.8, plots.figure_height(table))), table)
    words = drawn(figure)
    measured = table[table["kind"] != "untestable"]
    assert set(measured["label"]) <= set(words)
    assert not set(table.loc[table["kind"] == "untestable", "label"]) & set(words)
    for word in set(measured["verdict"]) | set(measured["trained_again"]):
        said = sum((measured[column] == word).sum() for column in ("verdict", "trained_again", "soft_verdict"))
        assert words.count(word) == said
    assert set(plots.HEADINGS) == set(measured["notebook"])


def test_to_the_right_is_what_the_paper_says():
    from avsep_lib.plots.claims import standardised

    line = {"estimate": -2.0, "low": -3.0, "high": -1.0, "seeds_low": np.nan, "seeds_high": np.nan}
    less = standardised(line | {"direction": "less", "detectable_effect": 2.0})
    assert (less["estimate"], less["low"], less["high"]) == (1.0, 1.5, 0.5)
    greater = standardised(line | {"direction": "greater", "detectable_effect": np.nan})
    assert greater["estimate"] == pytest.approx(-2 / 1.43)
    assert math.isnan(
        standardised(line | {"direction": "less", "detectable_effect": np.nan, "low": np.nan})["estimate"]
    )
