"""Notebooks 13 and 14: facts, costs, larger mixtures, diagnoses, tokens, the universal set; tables, figures, exercises."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from scores_fixture import MEANS, synthetic_scores

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from avsep_lib import tables
from avsep_lib.baselines import tables as baselines
from avsep_lib.baselines.facts import FACTS, TOLD, told_of
from avsep_lib.exercises import baselines as baseline_exercises
from avsep_lib.exercises import sgn as sgn_exercises
from avsep_lib.plots import baselines as plots
from avsep_lib.plots import sgn as sgn_plots
from avsep_lib.plots.style import LABELS
from avsep_lib.published import published_sgn_path, published_table
from avsep_lib.sgn_study import tables as study
from avsep_lib.tables.names import AFTER_THE_ORIGINAL, OTHER_METHODS, PAPER_ROWS
from avsep_lib.tables.text import MISSING, UNVERIFIED, separation_text


def as_row(scores, method, name, mask=None):
    """The scores of a row under another name, or with another mask type."""
    rows = scores[(scores["method"] == method) & (scores["seed"] == 0)].copy()
    rows = rows.assign(method=name, run_id=f"{name}-s0")
    return rows[rows["mask"] == "binary"].assign(mask=mask) if mask else rows


@pytest.fixture(scope="module")
def scores():
    base = synthetic_scores()
    more = [as_row(base, "late", "sgn"), as_row(base, "middle", "rpca"), as_row(base, "hier", "wave_u_net", "none")]
    return pd.concat([base, *more], ignore_index=True)


@pytest.fixture(scope="module")
def summary(scores):
    return tables.summary(tables.comparable(scores, "binary"))


@pytest.fixture(scope="module")
def costs():
    return pd.DataFrame(
        {
            "run_id": ["rpca-s0", "sgn-s0", "wave_u_net-s0", "late-s0"],
            "method": ["rpca", "sgn", "wave_u_net", "late"],
            "parameters": [0, 2_000_000, 500_000, 1_000_000],
            "multiply_adds_per_s": [np.nan, 4e9, 1e9, 2e9],
            "seconds_per_minute": [3.0, 1.0, 0.5, 0.4],
            "low": [2.9, 0.9, 0.4, 0.3],
            "high": [3.1, 1.1, 0.6, 0.5],
            "n": [8] * 4,
            "steps": [0, 480, 480, 480],
            "minutes": [0.0, 1.0, 2.0, 0.5],
        }
    )


# --- facts and names ----------------------------------------------------------------------------------------------------


def test_every_other_method_has_facts_a_label_and_a_place():
    assert set(OTHER_METHODS) <= set(FACTS)
    assert set(FACTS) <= set(LABELS)
    assert {told_of(row) for row in FACTS} == set(TOLD) - {"truth"}
    assert told_of("mixture") == "nothing"
    assert told_of("ideal_binary") == "truth"


def test_all_rows_of_tables_1_to_3_are_computed():
    from avsep_lib.tables.names import SEPARATION

    for number, (_, rows) in SEPARATION.items():
        assert set(PAPER_ROWS[number].values()) == set(published_table(number).index)
        assert set(PAPER_ROWS[number]) == set(rows)


def test_a_row_after_an_original_says_so_and_keeps_the_papers_note(scores):
    wanted = scores[scores["method"].isin(["rpca", "wave_u_net", "late", "mixture", "ideal_binary", "ideal_ratio"])]
    shown = separation_text(tables.summary(tables.comparable(wanted, "binary")), 1).set_index("row")
    assert UNVERIFIED in shown.loc["Wave-U-Net", "source"]
    assert UNVERIFIED not in shown.loc["RPCA", "source"]
    paper = shown["paper SDR / SIR / SAR"]
    assert paper["RPCA"] == "-0.62 / 2.32 / 2.41 (equals SGN Table 1: another test set)"
    assert paper["CLIPSep late"] == "5.86 / 11.65 / 9.72"
    about = baselines.about_rows(["rpca", "wave_u_net"]).set_index("row")
    assert UNVERIFIED in about.loc["Wave-U-Net", "follows"]
    assert set(AFTER_THE_ORIGINAL) <= set(FACTS)


def test_rows_without_masks_stand_in_both_tables(scores):
    for mask in ("binary", "soft"):
        found = tables.summary(tables.comparable(scores, mask)).set_index("method")["sdr_db"]
        plain = scores[(scores["method"] == "wave_u_net")]["sdr_db"].mean()
        assert found["wave_u_net"] == pytest.approx(plain)


# --- costs --------------------------------------------------------------------------------------------------------------


def test_costs_stand_beside_quality(costs, summary):
    shown = baselines.cost_text(costs, summary).set_index("row")
    assert shown.loc["RPCA", "parameters (M)"] == shown.loc["RPCA", "steps"] == MISSING
    assert shown.loc["SGN", "parameters (M)"] == "2.00"
    assert shown.loc["SGN", "multiply-adds (G) per second"] == "4.00"
    assert shown.loc["Wave-U-Net", "seconds per separated minute"] == "0.50 [0.40, 0.60]"
    assert shown.loc["Late", "SDR (dB)"].startswith(f"{summary.set_index('method').loc['late', 'sdr_db']:.2f} [")


def test_costs_are_measured_in_turns(monkeypatch):
    from avsep_lib import method_costs

    order = []

    class Slow:
        sample_rate, model = 10, None

        def __init__(self, name):
            self.name = name

        def estimate(self, waveform, queries):
            order.append((self.name, len(queries)))

    class Item:
        waveform = np.zeros(100)

    items = [Item() for _ in range(3)]
    methods = {"a-s0": ("a", Slow("a")), "b-s0": ("b", Slow("b"))}
    table = method_costs.measure(methods, items, {"a-s0": lambda item: [1], "b-s0": lambda item: [1, 2]})
    assert order[:4] == [("a", 1), ("b", 2), ("a", 1), ("b", 2)]
    assert list(table["n"]) == [2, 2]  # the first warms up
    assert table["multiply_adds_per_s"].isna().all()
    assert (table["seconds_per_minute"] >= 0).all()


def test_multiply_adds_are_those_of_the_layers():
    import torch

    from avsep_lib import method_costs

    class Linear:
        sample_rate = 1000

        def __init__(self):
            self.network = torch.nn.Linear(30, 7)

        def estimate(self, waveform, queries):
            self.network(torch.zeros(5, 30))

    class Item:
        waveform = np.zeros(500)

    assert method_costs.parameters_of(Linear()) == 30 * 7 + 7
    assert method_costs.multiply_adds(Linear(), Item(), []) == 5 * 30 * 7 / 0.5


# --- more sources -------------------------------------------------------------------------------------------------------


def of_three(scores):
    """The same as mixtures of three sources, 1 dB less gained."""
    rows = scores[scores["seed"] <= 0]
    third = rows[rows["source"] == 1].assign(source=2)
    wide = pd.concat([rows, third], ignore_index=True)
    trained = ~wide["method"].isin(["mixture"])
    wide.loc[trained, ["sdr_db", "sdri_db"]] -= 1.0
    return wide.assign(mixture_id="t3-" + wide["mixture_id"])


def test_gains_by_the_number_of_sources(scores):
    larger = of_three(scores)
    table = baselines.by_number(scores[scores["seed"] <= 0], larger, "binary")
    gains = table.pivot_table(index="method", columns="n_sources", values="gain")
    assert list(gains.columns) == [2, 3]
    assert (gains.loc["late", 2] - gains.loc["late", 3]) == pytest.approx(1.0, abs=0.1)
    assert gains.loc["mixture"].abs().max() < 1e-9
    shown = baselines.by_number_text(table)
    assert "3 sources, 88 mixtures" in shown
    assert "Mixture (floor)" not in set(shown["row"])
    answer = baseline_exercises.a_third_source(table)
    assert answer.found.startswith("The ceiling moves by −1.0")
    figure, ax = plt.subplots()
    plots.more_sources(ax, table)
    figure.canvas.draw()
    plt.close(figure)


def test_a_dataset_without_larger_mixtures_says_so(scores):
    table = baselines.by_number(scores, pd.DataFrame(), "binary")
    assert "too few classes" in baselines.by_number_text(table)["row"].iloc[0]
    assert baseline_exercises.a_third_source(table).found.startswith("These data cannot tell")
    figure, ax = plt.subplots()
    plots.more_sources(ax, table)
    plt.close(figure)


# --- diagnoses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"first_loss": 0.10, "last_loss": 0.0999, "last_val": -1.0}, "hardly moved"),
        ({"first_loss": 0.10, "last_loss": 0.08, "last_val": 1.0}, "still getting better"),
        ({"first_loss": 0.10, "last_loss": 0.02, "last_val": -1.2}, "did not come nearer"),
        ({"first_loss": 0.10, "last_loss": 0.12, "last_val": -1.2}, "loss rose"),
        ({"first_loss": -3.5, "last_loss": -3.1, "last_val": -1.2}, "loss rose"),
        ({"first_loss": 0.10, "last_loss": np.nan, "last_val": -1.2}, "not finite"),
    ],
)
def test_a_row_that_is_not_above_the_mixture_has_a_diagnosis(summary, row, words):
    learnt = pd.DataFrame([{"method": "late", "run_id": "late-s0", "first_val": -1.0, "best_val": 0.0} | row])
    floors = pd.DataFrame({"candidate": ["late", "hier"], "found": ["inconclusive", "higher"]})
    (line,) = baselines.diagnosis(summary, learnt, floors).to_dict("records")
    assert words in line["what happened"]
    assert line["row"] == "Late"


def test_no_diagnosis_where_all_is_well(summary):
    learnt = pd.DataFrame([{"method": "late", "first_loss": 1.0, "last_loss": 0.5, "first_val": 0.0, "best_val": 1.0, "last_val": 1.0}])  # fmt: skip
    floors = pd.DataFrame({"candidate": ["late"], "found": ["higher"]})
    assert baselines.diagnosis(summary, learnt, floors)["row"].iloc[0] == "every trained row is above the mixture"


# --- figures and exercises of notebook 13 -------------------------------------------------------------------------------


def test_the_price_figure_names_every_row_that_has_a_price(costs, summary):
    figure = plots.quality_against_cost(plt.figure(figsize=(7, 4), layout="constrained"), summary, costs)
    left, right = figure.axes
    assert {text.get_text() for text in left.texts} == {"RPCA", "SGN", "Wave-U-Net", "Late"}
    assert {text.get_text() for text in right.texts} == {"SGN", "Wave-U-Net", "Late"}  # RPCA was never trained
    assert left.get_xscale() == "log"
    plt.close(figure)


def test_maps_of_pixels_share_one_scale():
    maps = [("one", np.zeros((8, 8, 3), np.uint8), np.full((2, 2), v)) for v in (0.1, 0.4)]
    figure = plots.localisation(plt.figure(), maps)
    limits = {ax.images[0].get_clim() for ax in figure.axes[2:4]}
    assert limits == {(0.1, 0.4)}
    plt.close(figure)
    plt.close(plots.localisation(plt.figure(), []))


def test_the_cheapest_decibel_is_found(costs, summary):
    answer = baseline_exercises.price_of_a_decibel(costs, summary)
    means = summary.set_index("method")["sdr_db"]
    price = {
        m: v / 1e9 / (means[m] - means["mixture"]) for m, v in zip(costs.method, costs.multiply_adds_per_s) if v == v
    }
    best = min(price, key=price.get)
    assert answer.found.startswith(f"{LABELS[best]}: {price[best]:.2f} billion")
    none = costs.assign(multiply_adds_per_s=np.nan)
    assert baseline_exercises.price_of_a_decibel(none, summary).found.startswith("These data cannot tell")


def test_naming_by_the_truth_is_worth_something(summary):
    answer = baseline_exercises.names_by_chance(summary)
    assert "0.5" in answer.found  # E max(m, -m) of the mean of two: sqrt(2 / pi) / sqrt(2)
    assert set(answer.rows) == {"RPCA", "Wave-U-Net"}
    asked = summary[summary["method"].isin(["late", "mixture"])]
    assert baseline_exercises.names_by_chance(asked).found.startswith("These data cannot tell")


# --- notebook 14 --------------------------------------------------------------------------------------------------------


def test_ablations_of_sgn_stand_beside_the_papers(scores):
    base = scores[scores["method"].isin(MEANS)]
    more = [as_row(base, "late", "sgn"), as_row(base, "middle", "sgn_none"), as_row(base, "hier", "sgn_hard")]
    found = tables.summary(tables.comparable(pd.concat([base, *more]), "binary"))
    found = found[found["method"].str.startswith("sgn") | found["method"].isin(["mixture", "ideal_binary"])]
    shown = separation_text(found)
    third = study.ablation_text(shown, found, 3, 6).set_index("row")
    assert third.loc["SGN", study.PAPER] == "5.20 / 10.81 / 10.67"
    assert third.loc["SGN, neither tokens nor grouping", study.PAPER] == "1.51 / 5.92 / 6.21"
    assert third.loc["SGN, tokens only", "source"] == "not trained in this profile"
    assert third.loc["SGN, tokens only", study.PAPER] == "4.57 / 8.36 / 9.55"
    assert "SGN, hard assignment" not in third.index
    fourth = study.ablation_text(shown, found, 4, 3).set_index("row")
    assert fourth.loc["SGN, hard assignment (depth 3)", study.PAPER] == "3.25 / 6.53 / 6.36"
    answer = sgn_exercises.what_the_label_is_worth(found)
    assert "from SGN, neither tokens nor grouping to SGN, hard assignment" in answer.found


def test_the_sgn_papers_tables_are_complete():
    for number, rows in study.ABLATIONS.items():
        assert set(rows.values()) == set(published_table(number, published_sgn_path()).index)


def curves():
    steps = {"step": [10, 20], "epoch": [0.1, 0.2]}
    full = pd.DataFrame({**steps, **{name: [0.2, 0.9] for name in study.MEASURES}, "row": "sgn"})
    free = full.drop(columns="token_f1").assign(row="sgn_grouping")
    return pd.concat([full, free], ignore_index=True).reindex(columns=["row", "step", "epoch", *study.MEASURES])


def test_curves_of_tokens(tmp_path):
    files = {}
    for row, part in curves().groupby("row"):
        part.dropna(axis=1).drop(columns="row").to_csv(tmp_path / f"{row}.csv", index=False)
        files[row] = tmp_path / f"{row}.csv"
    table = study.token_curves(files)
    assert table[table["row"] == "sgn_grouping"]["token_f1"].isna().all()
    figure = sgn_plots.token_curves(plt.figure(figsize=(7, 3), layout="constrained"), table)
    assert [len(ax.lines) for ax in figure.axes] == [2, 2, 2]
    plt.close(figure)
    assert "90 %" in sgn_exercises.tokens_need_no_sound(table).found
    empty = study.token_curves({})
    assert sgn_exercises.tokens_need_no_sound(empty).found.startswith("These data cannot tell")
    plt.close(sgn_plots.token_curves(plt.figure(), empty))


def test_a_guesser_of_all_classes():
    answer = sgn_exercises.presence_by_guessing(11)
    assert answer.found == "31 %: precision 18 %, recall 100 %."
    assert sgn_exercises.presence_by_guessing(0).found.startswith("These data cannot tell")


def test_the_universal_set_by_number_of_sources(scores, tmp_path):
    keep = scores[scores["method"].isin(["late", "mixture", "ideal_binary", "ideal_ratio"]) & (scores["seed"] <= 0)]
    keep = keep.assign(method=keep["method"].replace("late", "universal_sgn"))
    alone = keep[keep["source"] == 0].assign(mixture_id="a" + keep["mixture_id"], sir_db=np.inf)
    alone.loc[alone["method"] != "universal_sgn", "sdr_db"] = np.inf  # the mixture is the source
    pd.concat([keep, alone, of_three(keep)]).to_csv(tmp_path / "all.csv", index=False)
    table = study.universal([tmp_path / "all.csv"], "binary")
    assert sorted(table["n_sources"].unique()) == [1, 2, 3]
    one = table[table["n_sources"] == 1]
    assert list(one["method"]) == ["universal_sgn"]
    assert one["sdr"].iloc[0] == pytest.approx(
        alone[(alone.method == "universal_sgn") & (alone["mask"] == "binary")].sdr_db.median()
    )
    shown = study.universal_text(table).set_index("row")
    assert shown.loc["Mixture (floor)", "1 source, 88 clips (median)"] == MISSING
    assert "[" in shown.loc["SGN", "3 sources, 88 mixtures"]
    assert "SGN" in set(study.universal_gain_text(table)["row"])
    figure, ax = plt.subplots()
    sgn_plots.universal(ax, table)
    plt.close(figure)


def test_a_profile_without_a_universal_set_says_so():
    table = study.universal([], "binary")
    assert study.universal_text(table)["row"].iloc[0] == "no universal set in this profile"
    assert study.universal_gain_text(table)["row"].iloc[0] == "no universal set in this profile"
    figure, ax = plt.subplots()
    sgn_plots.universal(ax, table)
    plt.close(figure)


def test_feature_clouds_are_unit_vectors():
    class Features:
        grouped = np.arange(12.0).reshape(4, 3)
        bottleneck = np.zeros((4, 2))
        presence = np.random.default_rng(0).random((4, 5))

    clouds = study.feature_clouds(Features)
    for name, cloud in clouds.items():
        lengths = np.linalg.norm(cloud[0], axis=1)
        np.testing.assert_allclose(lengths, 0 if name == "U-Net bottleneck" else 1)
