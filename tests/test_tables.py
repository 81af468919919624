"""Tables: common set, references, differences, claims, cost and their text, on scores with known effects."""

import ast
import inspect
import json

import numpy as np
import pytest
from scores_fixture import MEANS, synthetic_scores

from avsep_lib import tables
from avsep_lib.claims.schema import Claim, Difference, load_claims
from avsep_lib.config import load_profile
from avsep_lib.errors import CanaryError, DataError
from avsep_lib.files import write_json
from avsep_lib.intervals import Resampling
from avsep_lib.parameters import NOTEBOOKS, notebook_parameters
from avsep_lib.paths import project_root
from avsep_lib.recorded.settings import RecordedSettings
from avsep_lib.tables import text
from avsep_lib.tables.inputs import runs_of
from avsep_lib.workflow import notebook_path


@pytest.fixture(scope="module")
def scores():
    return synthetic_scores()


@pytest.fixture(scope="module")
def data(scores):
    return {mask: tables.comparable(scores, mask) for mask in tables.MASKS}


def collapsed(scores, method):
    """The same scores, `method` silent everywhere."""
    of = scores["method"] == method
    broken = scores.copy()
    broken.loc[of, ["sdr_db", "sir_db", "sar_db"]] = np.nan
    broken.loc[of, "status"] = "silent_estimate"
    return broken


def claim(candidate, baseline, direction="greater"):
    return Claim("id", "label", "sentence", "4.4", "06_ablation", test=Difference(candidate, baseline, direction))


def test_each_mask_has_its_own_ceiling_and_the_same_floor(data):
    for mask, d in data.items():
        assert list(tables.summary(d)["method"]) == [tables.FLOOR, *tables.TABLE_6, tables.CEILING[mask]]


def test_means_are_the_planted_ones(data):
    means = tables.summary(data["binary"]).set_index("method")["sdr_db"]
    gain = means - means["mixture"]
    for method in tables.TABLE_6:
        assert gain[method] == pytest.approx(MEANS[method], abs=0.4)


def test_silent_estimates_cost_their_mixtures_and_are_counted():
    d = tables.comparable(synthetic_scores(silent=5), "binary")
    assert d.scores["mixture_id"].nunique() == 83
    summary = tables.summary(d).set_index("method")
    assert summary.loc["middle", "n_silent"] == 10
    assert summary["n_silent"].sum() == 10
    assert (summary["n_mixtures"] == 83).all()
    assert "10 of 528" in set(text.separation_text(summary.reset_index())["silent"])


def test_a_collapsed_row_is_left_out_by_name_and_hides_no_other(scores, data):
    d = tables.comparable(collapsed(scores, "middle"), "binary")
    assert d.left_out == ("middle",)
    before, after = (tables.summary(x).set_index("method") for x in (data["binary"], d))
    assert np.isnan(after.loc["middle", "sdr_db"])
    assert after.loc["middle", "n_silent"] == 528
    assert after.loc["hier", "sdr_db"] == before.loc["hier", "sdr_db"]
    assert text.separation_text(after.reset_index()).set_index("row").loc["Middle", "source"] == text.LEFT_OUT


def test_a_row_that_costs_too_many_mixtures_is_left_out_first():
    scores = synthetic_scores(silent=30)  # of 88, in one seed of middle
    everyone = tables.comparable(scores, "binary")
    assert (everyone.left_out, everyone.scores["mixture_id"].nunique()) == ((), 58)
    fewer = tables.comparable(scores, "binary", 0.25)
    assert (fewer.left_out, fewer.scores["mixture_id"].nunique()) == (("middle",), 88)
    assert fewer.counts.loc["middle", "n_silent"] == 60
    assert tables.comparable(scores, "binary", 0.4).left_out == ()


def test_nothing_to_compare_is_an_error(scores):
    with pytest.raises(DataError, match="fewer than 3 mixtures"):
        tables.comparable(scores[scores["mixture_id"] < "t00002"], "binary")


def test_every_seed_is_one_dot(data):
    dots = tables.seed_means(data["soft"])
    assert dots.groupby("method")["seed"].apply(list).to_dict() == {
        **{method: [0, 1, 2] for method in tables.GRID},
        **{"resnet18_late": [0], "hier_teacher": [0], "mixture": [-1], "ideal_ratio": [-1]},
    }
    means = tables.summary(data["soft"]).set_index("method")["sdr_db"]
    assert np.allclose(dots.groupby("method")["sdr_db"].mean(), means.sort_index())


def test_differences_have_the_planted_sign_and_equal_differences_of_means(data):
    table = tables.differences(data["binary"]).set_index(["candidate", "baseline"])
    means = tables.summary(data["binary"]).set_index("method")["sdr_db"]
    assert list(table.index) == list(tables.PAIRS)
    for (candidate, baseline), line in table.iterrows():
        assert line["difference"] == pytest.approx(means[candidate] - means[baseline])
    assert table.loc[("hier_align", "late"), "found"] == "higher"
    assert table.loc[("middle", "late"), "found"] == "lower"
    assert (table["p_holm"] >= table["p_value"]).all()


def test_one_training_says_nothing_about_the_next(data):
    table = tables.differences(data["binary"])
    once = (table["baseline"] == "resnet18_late") | (table["candidate"] == "hier_teacher")
    assert once.sum() == 2
    assert table.loc[once, ["seeds_low", "seeds_high"]].isna().all(axis=None)
    assert table.loc[~once, ["seeds_low", "seeds_high"]].notna().all(axis=None)
    above_floor = tables.trained_at_all(data["binary"]).set_index("candidate")
    assert np.isfinite(above_floor.loc["late", "seeds_low"])  # the mixture is fixed: it needs no seeds


def test_verdicts_turn_with_the_direction_and_gain_no_certainty_from_being_left_out(scores, data):
    both = [claim("hier_align", "late"), claim("hier_align", "late", "less")]
    assert tables.claim_verdicts(data["binary"], both)["verdict"].tolist() == ["supported", "contradicted"]
    d = tables.comparable(collapsed(scores, "late"), "binary")
    assert tables.claim_verdicts(d, both)["verdict"].tolist() == ["not testable here"] * 2


def test_rows_that_separate_nothing_cannot_support_a_claim(scores):
    """Noise has signs, too: two rows far below the mixture still differ from each other."""
    untrained = scores.copy()
    untrained.loc[untrained["method"].isin(tables.TABLE_6), "sdr_db"] -= 20.0
    d = tables.comparable(untrained, "binary")
    assert tables.differences(d, [("hier_align", "late")])["found"].item() == "higher"
    line = tables.claim_verdicts(d, [claim("hier_align", "late")]).iloc[0]
    assert (line["verdict"], line["verdict_trained_again"]) == ("not testable here", "not testable here")
    assert line["why"] == "not above the mixture: Hierarchical + align, Late"
    assert "NOT TRAINED TO MEAN ANYTHING" in tables.meaning("smoke", [tables.trained_at_all(d)]).replace("\n", " ")


def test_meaning_is_said_from_the_data(scores, data):
    assert "Every trained row is above" in tables.meaning("demo", map(tables.trained_at_all, data.values()))
    one_failed = tables.comparable(collapsed(scores, "middle"), "binary")
    assert "with binary masks Middle. Read" in tables.meaning("demo", [tables.trained_at_all(one_failed)])
    all_failed = tables.trained_at_all(data["binary"]).assign(found="inconclusive")
    said = tables.meaning("demo", [all_failed, tables.trained_at_all(data["soft"])])
    assert "Not above the mixture: with binary masks all rows; with soft masks no row. Read" in said


def test_better_than_the_ideal_mask_is_a_leak(scores, data):
    for d in data.values():
        tables.check_references(d)
    leaked = scores.copy()
    leaked.loc[leaked["method"] == "late", "sdr_db"] += 20.0
    with pytest.raises(CanaryError, match=r"^ceiling: late has"):
        tables.check_references(tables.comparable(leaked, "binary"))


@pytest.mark.parametrize(
    "table",
    [
        lambda d, r: tables.summary(d, resampling=r)[["sdr_db_low", "sdr_db_high"]],
        lambda d, r: tables.differences(d, resampling=r)[["low", "high"]],
        lambda d, r: tables.trained_at_all(d, r)[["low", "high"]],
        lambda d, r: tables.claim_verdicts(d, [claim("hier_align", "late")], r)[["low", "high"]],
    ],
    ids=["summary", "differences", "trained_at_all", "claim_verdicts"],
)
def test_the_notebooks_parameters_reach_every_table(data, table):
    usual, again = table(data["binary"], Resampling(200, 1)), table(data["binary"], Resampling(200, 1))
    assert usual.equals(again)
    for other in (Resampling(200, 2), Resampling(199, 1), Resampling(200, 1, 0.8)):
        assert (table(data["binary"], other) != usual).any(axis=None)


def test_steadiness_asks_for_more_resamples_when_there_are_too_few(data):
    assert "no end by more than 10%" in tables.steadiness(data["binary"])
    assert "raise n_bootstrap from 60" in tables.steadiness(data["binary"], Resampling(60))


@pytest.mark.parametrize("stem", ["04_separation_tables", "06_ablation"])
def test_no_table_of_a_notebook_forgets_the_resampling(stem):
    """What a notebook leaves to the default is not its parameter."""
    cells = json.loads((project_root() / notebook_path(stem)).read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    drawn = [node for node in calls if "resampling" in signature_of(node)]
    assert len(drawn) >= 3
    for node in drawn:
        passed = [*node.args, *(keyword.value for keyword in node.keywords)]
        assert "resampling" in map(ast.unparse, passed), ast.unparse(node)


def signature_of(node):
    """Parameter names of a function of `tables` that a notebook calls; empty for any other call."""
    name = ast.unparse(node.func)
    function = getattr(tables, name[7:], None) if name.startswith("tables.") else None
    return inspect.signature(function).parameters if callable(function) else ()


@pytest.mark.parametrize(
    ("values", "sign", "expected"),
    [
        ((3.123, 2.9, 3.333), "", "3.12 [2.90, 3.33]"),
        ((-0.001, -0.3, 0.2), "+", "+0.00 [-0.30, +0.20]"),
        ((3.1, np.nan, np.nan), "", "3.10"),
        ((np.nan, np.nan, np.nan), "", "–"),
        ((np.inf, np.nan, np.nan), "", "inf (a)"),
    ],
)
def test_one_cell(values, sign, expected):
    assert text.with_interval(*values, sign=sign) == expected


def test_table_1_shows_quoted_rows_as_quoted_and_no_difference_to_the_paper(data):
    summary = tables.summary(data["binary"])
    summary = summary[summary["method"].isin([*tables.TABLE_1, "mixture", "ideal_binary"])]
    computed = ("late", "middle", "hier_align", "resnet18_late")
    shown = text.with_quoted_rows(text.separation_text(summary, paper=1), 1, computed).set_index("row")
    quoted = shown[shown["source"].str.startswith(text.QUOTED)]
    assert len(quoted) == 6
    assert (quoted["SDR (dB)"] == text.MISSING).all()
    assert shown.loc["CLIPSep late", text.PAPER_COLUMN] == "5.86 / 11.65 / 9.72"
    assert shown.index[0] == "Mixture (floor)"
    assert shown.loc["Mixture (floor)", "SAR (dB)"] == text.INFINITE
    assert not [column for column in shown if "difference" in column or "delta" in column.lower()]


def test_every_text_table_is_complete(data):
    d = data["binary"]
    found, verdicts = tables.differences(d), tables.claim_verdicts(d, load_claims("06_ablation", kind="difference"))
    shown = [text.differences_text(found), text.claims_text(verdicts), text.floor_text([tables.trained_at_all(d)])]
    shown += [text.separation_text(tables.summary(d), paper, steps={"late": 9}) for paper in (1, 2, 3, 6)]
    for table in shown:
        assert table.notna().all(axis=None)
    assert shown[-1].set_index("row").loc[["Late", "Middle"], "steps"].tolist() == ["9", text.MISSING]


def without_sar(scores, method, n_mixtures):
    """The same scores; in the first mixtures `method` has an infinite SAR, as an estimate without artefacts has."""
    unprocessed = scores.copy()
    first = sorted(scores["mixture_id"].unique())[:n_mixtures]
    of = unprocessed["method"].eq(method) & unprocessed["mixture_id"].isin(first)
    unprocessed.loc[of, "sar_db"] = np.inf
    return unprocessed


def test_an_infinite_sar_has_its_own_count_and_its_own_words(scores):
    d = tables.comparable(without_sar(scores, "hier", 30), "binary")
    assert d.counts.loc["hier", ["n_mixtures_lost", "n_infinite_sdr", "n_infinite_sar"]].tolist() == [0, 0, 180]
    assert d.counts.loc["mixture", "n_infinite_sar"] == 176
    shown = text.separation_text(tables.summary(d)).set_index("row")
    assert shown.loc["Late", "SAR (dB)"].endswith(", n = 58")
    claims = text.claims_text(tables.claim_verdicts(d, load_claims("06_ablation", kind="difference"))).set_index(
        "tested as"
    )
    sar = claims.index.str.endswith("SAR")
    assert claims.loc[sar, "note"].str.startswith("over 58 of 88 mixtures; in the others a row leaves").all()
    assert (claims.loc[~sar, "note"] == text.MISSING).all()


def test_a_claim_without_any_common_sar_stops_nothing(scores):
    broken = without_sar(without_sar(scores, "hier", 50), "late_align", 0)
    last = sorted(scores["mixture_id"].unique())[40:]
    broken.loc[broken["method"].eq("late_align") & broken["mixture_id"].isin(last), "sar_db"] = np.inf
    d = tables.comparable(broken, "binary")
    verdicts = tables.claim_verdicts(d, load_claims("06_ablation", kind="difference")).set_index("metric")
    assert (verdicts.loc["sar_db", "verdict"] == "not testable here").all()
    assert (verdicts.loc["sdr_db", "verdict"] != "not testable here").all()
    assert verdicts.loc["sar_db", "why"].str.contains("no mixture has a finite SAR").all()


def test_the_best_row_is_the_best_of_each_mask(scores, data):
    checks = [tables.trained_at_all(d) for d in data.values()]
    sentence = text.best_gain_text(checks)
    for table in checks:
        best = table.set_index("candidate").loc["hier_align"]  # planted as the best
        cell = text.with_interval(best["difference"], best["low"], best["high"], sign="+")
        assert f"{best['mask']} masks: Hierarchical + align, {cell} dB (higher)" in sentence
    assert "binary masks: no row" in text.best_gain_text([checks[0].assign(difference=np.nan)])


def test_the_papers_own_differences_stand_beside_what_can_be_detected(data):
    verdicts = tables.claim_verdicts(data["binary"], load_claims("06_ablation", kind="difference"))
    shown = text.power_text(verdicts, 6).set_index("tested as")
    papers = shown["in the paper (dB)"]
    assert papers["Hierarchical + align − Hierarchical, SDR"] == "+0.07"
    assert papers["Late + align − Late, SDR"] == "+0.21"
    assert papers["Middle − Late, SAR"] == "-1.12"
    for least, answer in ((0.2, "yes"), (0.3, "no"), (np.nan, text.MISSING)):
        shown = text.power_text(verdicts.assign(detectable_effect=least), 6).set_index("tested as")
        assert shown.iloc[:, -1]["Late + align − Late, SDR"] == answer
    assert text.power_text(verdicts.assign(detectable_effect=1.0), 6).iloc[-1, -1] == "yes"  # -1.12: its size counts


def test_missing_scores_say_which_command_makes_them(monkeypatch, tmp_path):
    monkeypatch.setattr("avsep_lib.tables.inputs.results_root", lambda profile: tmp_path / profile)
    with pytest.raises(DataError, match=r"smoke/scores/.*run `make figures PROFILE=smoke`"):
        tables.score_files("smoke", tables.TABLE_6)
    with pytest.raises(DataError, match=r"runs/.*cost.json.*make figures PROFILE=smoke"):
        tables.training_cost("smoke")


def test_unknown_rows_are_named():
    with pytest.raises(DataError, match=r"'hierr'.*no such run.*hier_align"):
        runs_of(load_profile("smoke"), ["hierr"])


def test_cost_is_the_mean_of_a_rows_runs(monkeypatch, tmp_path):
    monkeypatch.setattr("avsep_lib.tables.inputs.results_root", lambda profile: tmp_path)
    for seconds, run in enumerate(runs_of(load_profile("smoke"), ["late", "hier"])):
        cost = {"seconds": float(seconds), "steps": 24, "threads": 1, "device": "cpu"}
        folder = tmp_path / "runs" / run.run_id
        folder.mkdir(parents=True)
        write_json(folder / "cost.json", cost)
    table = tables.training_cost("smoke", ["late", "hier"]).set_index("method")
    order = [run.row for run in runs_of(load_profile("smoke"), ["late", "hier"])]
    assert table.loc["late", "seconds"] == np.mean([i for i, row in enumerate(order) if row == "late"])
    assert table.loc["hier", "parameters"] > table.loc["late", "parameters"]
    assert (table["n_runs"] == 2).all()


@pytest.mark.parametrize("stem", ["04_separation_tables", "06_ablation"])
def test_parameters_cells_equal_their_models(stem):
    cells = json.loads((project_root() / notebook_path(stem)).read_text())["cells"]
    (cell,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    names: dict = {}
    exec("".join(cell["source"]), names)
    values = {name: names[name] for name in names["__annotations__"]}
    assert notebook_parameters(stem, **values) == NOTEBOOKS[stem]()
    assert list(values) == list(NOTEBOOKS[stem].model_fields)


def test_what_encoders_know_is_one_line_per_dataset_and_encoder(tmp_path):
    header = "encoder,task,value,low,high,n,unit,chance,p_chance\n"
    paths = []
    for dataset, value in (("music11", 0.9), ("wild", 0.2)):
        path = tmp_path / dataset / "embeddings" / "sanity.csv"
        path.parent.mkdir(parents=True)
        lines = [
            f"{e},{t},{value},0.1,0.95,40,clip,0.02,1e-9" for e in ("image", "audio") for t in ("zero-shot class", "x")
        ]
        path.write_text(header + "\n".join(lines) + "\n")
        paths.append(path)
    table = tables.encoder_knowledge(paths)
    assert table[["dataset", "encoder"]].to_numpy().tolist() == [
        ["music11", "image"], ["music11", "audio"], ["wild", "image"], ["wild", "audio"],
    ]  # fmt: skip
    assert table["accuracy"].iloc[2] == "0.200 [0.100, 0.950]"
    assert (table["chance"] == "0.020").all()
    assert (table["clips"] == "40").all()


def test_every_separation_table_has_its_rows_in_every_profile():
    for name in ("smoke", "demo", "demo-full", "paper"):
        for dataset, rows in tables.SEPARATION.values():
            assert set(tables.rows_here(load_profile(name), rows, dataset)) == set(rows)
            untrained = {"rpca", "nmf_mfcc"}  # they have no steps
            assert set(tables.steps_of_rows(name, rows, dataset)) == set(rows) - untrained


# One's own recordings


@pytest.fixture
def own():
    """A profile with one recorded dataset, in the place of MUSIC-21, which trains one row of its table less."""
    settings = RecordedSettings(format="videos", root="/x", title="My garden", in_place_of="music21")
    sections = {"name": "own", "datasets": {"garden": settings}, "encoders_of": {}}
    return load_profile("smoke").model_copy(update=sections | {"leave_out": ["hier-music21-*"]})


def test_only_the_tables_with_a_dataset_in_their_place_are_made(own):
    assert tables.separation_tables(own) == {
        2: ("garden", ("nmf_mfcc", "av_mix", "resnet18_late", "late", "middle", "hier_align"))
    }
    everything = tables.separation_tables(load_profile("smoke"))
    assert everything == tables.SEPARATION


def test_runs_are_found_by_the_place_of_their_dataset(own):
    assert {run.dataset for run in runs_of(own, ("late",), "music21")} == {"garden"}
    assert tables.rows_here(own, tables.TABLE_6) == ()
    with pytest.raises(DataError, match="has no such run on music11"):
        runs_of(own, ("late",), "music11")


def test_a_table_without_a_dataset_holds_the_quoted_rows_and_says_so():
    shown = text.only_quoted(3, tables.PLACES[3])
    assert shown.iloc[0]["row"] == "no dataset in the place of VGGSound"
    assert len(shown) == 1 + len(text.paper_cells(3))
    assert text.nothing_here("VGGSound")["source"].tolist() == [text.NOT_HERE]


def test_rows_that_are_not_trained_are_named(data):
    assert text.not_trained(tables.TABLE_6, tables.TABLE_6) == ""
    assert "ResNet-18 late" in text.not_trained(tables.TABLE_6, tables.GRID)
    found = tables.differences(data["binary"], [("late_align", "nobody")])
    assert found["reason"].tolist() == ["a row is not trained in this profile"]
    assert found["found"].tolist() == ["not testable here"]


def test_names_that_look_like_numbers_stay_names(scores, tmp_path):
    path = tmp_path / "late-s0.csv"
    scores.head(4).assign(instrument="1", partner="2", clip_id="007").to_csv(path, index=False)
    read = tables.load_scores([path])
    assert read[["instrument", "partner", "clip_id"]].iloc[0].tolist() == ["1", "2", "007"]


def test_no_claims_are_no_verdicts(data):
    verdicts = tables.claim_verdicts(None, [])
    assert verdicts.empty
    assert text.claims_text(verdicts).empty
    assert text.power_text(verdicts, paper=6).empty
    found = tables.with_claims(tables.differences(data["binary"]), verdicts)
    assert found["verdict"].isna().all()
