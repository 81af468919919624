"""Gains per instrument, their correlation with descriptors, and somebody else's grouping: planted truths and laws."""

import ast
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from avsep_lib import sound_character as sc
from avsep_lib import tables
from avsep_lib.descriptors import COMPLEXITY, DESCRIPTORS, TRANSIENCE
from avsep_lib.errors import CanaryError, DataError
from avsep_lib.intervals import Resampling, interval_across_seeds, interval_over_mixtures
from avsep_lib.library import artifacts_of_notebook, notebook_code
from avsep_lib.parameters import FusionStages
from avsep_lib.paths import project_root
from avsep_lib.sound_character import correlations, joint, outcomes, text

NAMES = ("accordion", "cello", "erhu", "flute", "guitar", "saxophone", "trumpet", "tuba")
FEW = Resampling(200, 7)


def scores_frame(gain, n_mixtures=64, seeds=(0, 1, 2), noise=0.5, candidate_seeds=None, names=NAMES):
    """Tidy scores of ``late`` and ``middle``; `gain` says by how many dB an instrument's own estimate is better."""
    rng = np.random.default_rng(0)
    pairs = [rng.choice(names, 2, replace=False) for _ in range(n_mixtures)]
    hard = rng.normal(0, 3, (n_mixtures, 2))
    rows = []
    for method in ("late", "middle", "mixture", "ideal_binary"):
        own_seeds = (-1,) if method in ("mixture", "ideal_binary") else candidate_seeds if method == "middle" else seeds
        for seed in own_seeds or seeds:
            for m, pair in enumerate(pairs):
                for source, name in enumerate(pair):
                    sdr = hard[m, source] + (gain[name] if method == "middle" else 0.0)
                    sdr += 0.0 if seed < 0 else noise * rng.normal()
                    row = {"run_id": f"{method}-s{seed}", "method": method, "mixture_id": f"t{m}", "source": source}
                    row |= {"clip_id": f"c{m}-{source}", "instrument": name, "partner": pair[1 - source], "seed": seed}
                    mask = "none" if method == "mixture" else "binary"
                    rows.append(row | {"mask": mask, "sdr_db": sdr, "sir_db": sdr, "sar_db": sdr, "status": "ok"})
    return pd.DataFrame(rows)


def gains_of(gain, **options):
    return sc.own_gains(tables.comparable(scores_frame(gain, **options), "binary"), "middle", "late")


def descriptors_frame(values, gains, spread=0.0):
    """Every descriptor of a clip is ten plus the value of its instrument, plus noise."""
    rng = np.random.default_rng(1)
    clips = gains.items.index.to_frame(index=False)[["clip_id", "instrument"]]
    base = 10 + clips["instrument"].map(values).to_numpy()
    columns = {d.column: base + spread * rng.normal(size=len(clips)) for d in DESCRIPTORS}
    return clips.assign(**columns)


RISING = {name: float(i) for i, name in enumerate(NAMES)}


# ---------------------------------------------------------------- gains


def test_a_gain_is_of_the_instruments_own_estimate():
    truth = dict.fromkeys(NAMES, 0.0) | {"tuba": 3.0}
    found = gains_of(truth, noise=0.0).of_instruments
    assert found.to_dict() == pytest.approx(truth)  # a mean over mixtures would give its partners half of it


def test_an_infinite_score_costs_the_source_not_the_mixture():
    frame = scores_frame(RISING)
    chosen = (frame["method"] == "late") & (frame["seed"] == 1) & (frame["mixture_id"] == "t0") & (frame["source"] == 0)
    frame.loc[chosen, "sar_db"] = np.inf
    data = tables.comparable(frame, "binary")
    of_sdr, of_sar = (sc.own_gains(data, "middle", "late", metric).items for metric in ("sdr_db", "sar_db"))
    assert len(of_sdr) - len(of_sar) == 1
    assert "t0" in of_sar.index.get_level_values("mixture_id")


def test_different_seeds_are_averaged_and_said_so():
    gains = gains_of(RISING, candidate_seeds=(0, 5))
    assert gains.items.shape[1] == 1
    assert sc.seed_gains(gains).empty
    _, across, _ = sc.weighted_gain(gains, {"tuba": 1.0})
    assert np.isnan(across.low)
    assert "different seeds" in across.reason
    assert np.isnan(sc.instrument_gains(gains, FEW)["seed_min"]).all()


def test_a_row_that_was_left_out_leaves_nothing():
    data = tables.comparable(scores_frame(RISING), "binary")
    gains = sc.own_gains(data, "hier", "late")
    assert gains.items.empty
    assert sc.instrument_gains(gains, FEW).empty
    table = sc.correlate([gains], descriptors_frame(RISING, gains_of(RISING)), FEW)
    assert table[["rho", "low", "high", "among_low", "p_value", "p_holm"]].isna().all().all()
    assert (table["n_instruments"] == 0).all()


def test_one_instrument_has_the_interval_of_its_values():
    gains = gains_of(RISING)
    values = gains.items.xs("tuba", level="instrument").to_numpy().T
    over, across, p_value = sc.weighted_gain(gains, {"tuba": 1.0}, FEW)
    plain, seeds = interval_over_mixtures(values, FEW), interval_across_seeds(values)
    assert (over.mean, over.low, over.high, over.n) == pytest.approx((plain.mean, plain.low, plain.high, plain.n))
    assert (across.low, across.high) == pytest.approx((seeds.low, seeds.high))
    assert p_value < 0.01


def test_a_group_has_the_error_of_independent_means_where_no_mixture_is_shared():
    rng = np.random.default_rng(3)
    sizes = {"tuba": 12, "flute": 30, "cello": 20}
    index = [(f"{name}{i}", name, f"{name}{i}") for name, n in sizes.items() for i in range(n)]
    values = pd.DataFrame({0: rng.normal(0, 1, len(index))}, pd.MultiIndex.from_tuples(index))
    values.index.names = ["mixture_id", "instrument", "clip_id"]
    gains = sc.OwnGains("middle", "late", "sdr_db", "binary", values)
    over, across, _ = sc.weighted_gain(gains, {"tuba": 0.5, "flute": 0.5, "cello": -1.0})
    spread = values[0].groupby(level="instrument").var()
    error = np.sqrt(0.25 * spread["tuba"] / 12 + 0.25 * spread["flute"] / 30 + spread["cello"] / 20)
    assert over.mean == pytest.approx(
        values[0].groupby(level="instrument").mean() @ pd.Series({"cello": -1, "flute": 0.5, "tuba": 0.5})
    )
    assert (over.high - over.low) / (2 * 1.96) == pytest.approx(error, rel=0.08)
    assert "1 seed" in across.reason


def test_a_shared_mixture_cancels_between_groups():
    """Two instruments that always meet and always do equally well differ by nothing, however noisy both are."""
    shared = np.random.default_rng(4).normal(0, 5, 20)
    index = [(f"t{i}", name, f"{name}{i}") for i in range(20) for name in ("tuba", "flute")]
    values = pd.DataFrame({0: np.repeat(shared, 2) + np.tile([0.1, 0.0], 20)}, pd.MultiIndex.from_tuples(index))
    values.index.names = ["mixture_id", "instrument", "clip_id"]
    gains = sc.OwnGains("middle", "late", "sdr_db", "binary", values)
    over, _ = sc.group_difference(gains, ["tuba"], ["flute"])
    assert over.mean == pytest.approx(0.1)
    assert "equal" in over.reason


def test_two_mixtures_give_no_interval_and_say_of_whom():
    gains = gains_of(dict.fromkeys(NAMES, 1.0), n_mixtures=5)
    table = sc.instrument_gains(gains, FEW)
    few = table[table["n_mixtures"] < 3]
    assert len(few)
    assert few["low"].isna().all()
    assert few["reason"].str.contains("too few").all()
    assert np.isfinite(few["gain"]).all()


def test_the_table_is_sorted_corrected_and_holds_the_seeds():
    table = sc.instrument_gains(gains_of(RISING), FEW)
    assert table["instrument"].tolist() == list(NAMES)[::-1]
    assert (table["seed_min"] <= table["gain"]).all()
    assert (table["gain"] <= table["seed_max"]).all()
    assert (table["p_holm"] >= table["p_value"]).all()


# ---------------------------------------------------------------- character


def test_indices_are_signed_means_of_z_scores_without_what_is_missing():
    gains = gains_of(RISING)
    frame = descriptors_frame({name: 1.0 + i for i, name in enumerate(NAMES)}, gains)
    frame.loc[frame["instrument"] == "tuba", "decay_time_s"] = np.nan
    character = sc.instrument_character(frame)
    z = sc.z_scores(character, TRANSIENCE.members)
    signs = [member.sign for member in TRANSIENCE.members]
    assert np.isnan(z.loc["tuba", "decay_time_s"])
    assert character.loc["tuba", "transience_index"] == pytest.approx(np.nanmean(z.loc["tuba"] * signs))
    assert np.isfinite(character["complexity_index"]).all()
    assert z["onset_rate_per_s"].mean() == pytest.approx(0)
    assert z["onset_rate_per_s"].std(ddof=0) == pytest.approx(1)


def test_a_constant_descriptor_says_nothing():
    medians = pd.DataFrame({d.column: [2.0, 2.0, 2.0] for d in DESCRIPTORS}, index=["a", "b", "c"])
    assert sc.z_scores(medians).isna().all().all()


def test_an_outdated_file_is_refused(tmp_path):
    pd.DataFrame({"clip_id": ["a"], "instrument": ["tuba"]}).to_csv(tmp_path / "d.csv")
    with pytest.raises(DataError, match=r"no column attack_time_log10_s.*make figures"):
        sc.load_descriptors(tmp_path / "d.csv")


# ---------------------------------------------------------------- correlations


def test_rho_and_p_are_those_of_scipy():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 11))
    y[3] = np.nan
    known = stats.spearmanr(np.delete(x, 3), np.delete(y, 3))
    assert correlations.spearman(x, y) == pytest.approx(known.statistic)
    assert correlations.permutation_p_value(x, y) == pytest.approx(known.pvalue, abs=0.02)


def test_the_smallest_p_values_are_exact():
    x = np.arange(4.0)
    assert correlations.permutation_p_value(x, x) == pytest.approx(2 / 24)
    assert np.isnan(correlations.permutation_p_value(x, np.ones(4)))


def test_rho_needed_is_the_tabulated_critical_value():
    assert sc.rho_needed(11) == pytest.approx(0.618, abs=0.01)  # Zar 1984, two-sided 0.05
    assert sc.rho_needed(21) == pytest.approx(0.435, abs=0.01)
    assert np.isnan(sc.rho_needed(4))


def test_the_interval_over_instruments_covers():
    rng = np.random.default_rng(6)
    true, hits = 0.6, 0
    spearman_of_normal = 6 / np.pi * np.arcsin(true / 2)
    for _ in range(400):
        x, e = rng.normal(size=(2, 11))
        rho = correlations.spearman(x, true * x + np.sqrt(1 - true**2) * e)
        found = sc.interval_over_instruments(rho, 11)
        hits += found.low <= spearman_of_normal <= found.high
    assert 0.92 <= hits / 400 <= 0.99


def test_few_instruments_give_no_interval():
    assert "too few" in sc.interval_over_instruments(0.5, 4).reason
    assert "undefined" in sc.interval_over_instruments(float("nan"), 11).reason


def test_a_planted_order_is_found_and_its_sign_is_right():
    gains = gains_of(RISING)
    table = sc.correlate([gains], descriptors_frame({n: 9.0 - v for n, v in RISING.items()}, gains), FEW)
    line = table.set_index("quantity").loc["spectral_flux_percent"]
    assert line["rho"] == pytest.approx(-1)
    assert line["p_value"] < 0.001
    assert line["p_value"] < line["p_holm"] <= 13 * line["p_value"] + 1e-9
    assert line["high"] < -0.9
    assert line["seed_max"] == pytest.approx(-1)
    assert set(table["quantity"]) == {"transience_index", "complexity_index", *(d.column for d in DESCRIPTORS)}


def test_unrelated_descriptors_are_not_significant_more_often_than_chance():
    rng = np.random.default_rng(8)
    p_values = [correlations.permutation_p_value(rng.normal(size=11), rng.normal(size=11), FEW) for _ in range(200)]
    assert np.mean(np.array(p_values) < 0.05) <= 0.09


# ---------------------------------------------------------------- joint bootstrap


def test_weighted_median_is_the_median_of_repeated_values():
    rng = np.random.default_rng(9)
    values, weights = rng.normal(size=9), rng.integers(0, 4, (50, 9))
    expected = [np.median(np.repeat(values, row)) for row in weights]
    assert joint.weighted_median(values, weights) == pytest.approx(expected)
    assert np.isnan(joint.weighted_median(values, np.zeros((1, 9)))).all()
    assert np.isnan(joint.weighted_median(np.empty(0), np.empty((2, 0)))).all()


def test_row_rhos_are_spearmans_with_gaps():
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=(2, 30, 8)).round(1)
    x[3, 2] = y[5, 1] = y[5, 2] = np.nan
    y[7], x[8] = 1.0, np.nan
    expected = [correlations.spearman(*pair) for pair in zip(x, y)]
    assert joint.row_rhos(x, y) == pytest.approx(expected, nan_ok=True)


def test_a_sample_is_what_the_point_estimate_would_make_of_it(monkeypatch):
    gains = gains_of(RISING)
    frame = descriptors_frame({name: 1.0 + i for i, name in enumerate(NAMES)}, gains, spread=0.3)

    class Once:
        def multinomial(self, n, p, size):
            return np.ones((size, n), dtype=int)

    monkeypatch.setattr(Resampling, "generator", lambda self: Once())
    drawn, character = joint.JointBootstrap.draw(gains, frame, FEW), sc.instrument_character(frame)
    assert drawn.gains[0] == pytest.approx(gains.of_instruments.to_numpy())
    for index in (TRANSIENCE, COMPLEXITY):
        assert drawn.quantities[index.column][0] == pytest.approx(character[index.column].to_numpy())


def test_a_clip_without_descriptors_is_an_error_and_one_without_mixture_is_not():
    gains = gains_of(RISING)
    frame = descriptors_frame(RISING, gains)
    extra = frame.iloc[:1].assign(clip_id="in no mixture")
    joint.JointBootstrap.draw(gains, pd.concat([frame, extra]), FEW)
    with pytest.raises(DataError, match=r"1 separated clips such as 'c0-0' have no descriptors"):
        joint.JointBootstrap.draw(gains, frame[frame["clip_id"] != "c0-0"], FEW)


# ---------------------------------------------------------------- groups


def test_a_perfect_division_has_the_smallest_p_there_is():
    values = pd.Series(dict(zip("abcdefg", [9.0, 8.0, 7.0, 1.0, 2.0, 3.0, 4.0])))
    assert sc.assignment_p_value(values, list("abc"), list("defg")) == pytest.approx(1 / 35)
    assert sc.assignment_p_value(values, list("abc"), list("def")) == pytest.approx(2 / 20)
    assert sc.assignment_p_value(values * 0, list("abc"), list("defg")) == 1
    assert np.isnan(sc.assignment_p_value(values, ["x"], list("defg")))


def test_the_papers_groups_are_apart_and_named_in_music():
    assert not set(sc.PAPER_MIDDLE) & set(sc.PAPER_LATE)
    assert (len(sc.PAPER_MIDDLE), len(sc.PAPER_LATE)) == (3, 4)


def test_a_group_counts_each_instrument_once_and_an_empty_one_is_not_testable():
    gains = gains_of(RISING, noise=0.0)
    over, _ = sc.group_difference(gains, ["tuba", "trumpet", "bassoon"], ["accordion"], FEW)
    assert over.mean == pytest.approx((7 + 6) / 2 - 0)
    over, across = sc.group_difference(gains, ["bassoon"], ["tuba"], FEW)
    assert "no scores of bassoon" in over.reason
    assert "no scores of bassoon" in across.reason
    character = sc.instrument_character(descriptors_frame(RISING, gains))
    table = sc.compare_groups([gains], character, ["tuba", "trumpet"], ["accordion", "cello"], FEW)
    assert table["difference"].tolist()[0] == pytest.approx(6.0)
    assert table["quantity"].tolist() == ["gain in SDR", "transience index", "harmonic complexity index"]


# ---------------------------------------------------------------- claims


@pytest.fixture
def planted(monkeypatch, tmp_path):
    """Outcomes read planted files instead of a profile's."""

    def plant(gain, seeds=(0, 1, 2)):
        frame = scores_frame(gain, seeds=seeds)
        gains = gains_of(gain, seeds=seeds)
        descriptors_frame(RISING, gains, spread=0.1).to_csv(tmp_path / "d.csv", index=False)
        monkeypatch.setattr(outcomes, "descriptors_file", lambda *_: tmp_path / "d.csv")
        monkeypatch.setattr(outcomes.tables, "score_files", lambda *_: [])
        monkeypatch.setattr(outcomes.tables, "load_scores", lambda _: frame)

    return plant


def test_correlation_outcome_speaks_of_instruments(planted):
    planted(RISING)
    found = sc.correlation_outcome("demo", "spectral_flux_percent", resampling=FEW)
    assert found.over_items.mean == pytest.approx(1)
    assert found.over_items.n == len(NAMES)
    assert found.over_items.low > 0.5
    assert found.items == "instruments"
    assert "exploratory: 8 instruments" in found.note
    assert len(found.runs) == 6
    with pytest.raises(DataError, match=r"'loudness' is unknown.*transience_index"):
        sc.correlation_outcome("demo", "loudness")


def test_one_seed_says_nothing_about_the_next(planted):
    planted(RISING, seeds=(0,))
    for found in (
        sc.correlation_outcome("demo", "transience_index", resampling=FEW),
        sc.group_outcome("demo", ("tuba",), ("cello",), resampling=FEW),
        sc.instrument_outcome("demo", ("tuba", "flute"), resampling=FEW),
    ):
        assert np.isfinite(found.over_items.mean)
        assert np.isnan(found.across_seeds.low)
        assert "1 seed" in found.across_seeds.reason


def test_group_and_instrument_outcomes(planted):
    planted(dict.fromkeys(NAMES, 0.0) | {"tuba": 2.0, "flute": 4.0})
    group = sc.group_outcome("demo", ("tuba", "flute"), ("cello", "erhu"), resampling=FEW)
    assert group.over_items.low > 2
    assert group.unit == "dB"
    assert "tuba, flute minus cello, erhu" in group.tested_as
    alone = sc.instrument_outcome("demo", ("tuba",), resampling=FEW)
    assert alone.over_items.mean == pytest.approx(2, abs=0.5)
    assert alone.p_value < 0.01
    absent = sc.instrument_outcome("demo", ("theremin",), resampling=FEW)
    assert "no scores of theremin" in absent.over_items.reason


# ---------------------------------------------------------------- what readers see, and the notebook


def test_the_average_is_checked():
    gains = gains_of(RISING)
    average = gains.items.to_numpy().mean()
    assert f"{average:+.2f} dB" in sc.check_average(gains, average)
    with pytest.raises(CanaryError, match=r"^gains: .*lost or counted twice"):
        sc.check_average(gains, average + 0.01)


def test_tables_name_fewer_mixtures_and_what_is_missing():
    frame = scores_frame(RISING)
    chosen = (frame["instrument"] == "tuba") & (
        frame["mixture_id"] == frame["mixture_id"][frame["instrument"] == "tuba"].iloc[0]
    )
    frame.loc[chosen & (frame["method"] == "late"), "sar_db"] = np.inf
    data = tables.comparable(frame, "binary")
    found = {m: sc.instrument_gains(sc.own_gains(data, "middle", "late", m), FEW) for m in ("sdr_db", "sar_db")}
    shown = text.gains_text(found).set_index("instrument")
    n = shown.loc["tuba", "mixtures"]
    assert shown.loc["tuba", "SAR (dB)"].endswith(f"n = {n - 1}")
    assert "n =" not in shown.loc["tuba", "SDR (dB)"]
    empty = {m: table.iloc[:0] for m, table in found.items()}
    assert list(text.gains_text(empty).columns) == list(text.gains_text(found).columns)


def test_sentences_say_what_cannot_be_said():
    gains = gains_of(RISING)
    nothing = sc.own_gains(tables.comparable(scores_frame(RISING), "binary"), "hier", "late")
    assert "the same sign for 8 of 8" in text.agreement(gains, gains)
    assert "+1.00" in text.agreement(gains, gains)
    assert "cannot be compared" in text.agreement(gains, nothing)
    assert "a row was left out" in text.pairing_text(nothing)
    assert "3 of them" in text.pairing_text(gains)
    assert "rehearsal" in text.needed_text(float("nan"), 4)
    assert "0.62" in text.needed_text(0.618, 11)


def test_group_and_correlation_tables_for_readers():
    gains = gains_of(RISING)
    frame = descriptors_frame(RISING, gains, spread=0.2)
    table = sc.correlate([gains], frame, FEW)
    shown = text.correlations_text(table, table.assign(rho=-0.123), sc.LABELS)
    assert shown["with"].tolist()[:3] == ["transience index", "harmonic complexity index", "attack time"]
    assert set(shown["rho, soft masks"]) == {"-0.12"}
    groups = sc.compare_groups([gains], sc.instrument_character(frame), ["tuba"], ["cello"], FEW)
    shown = text.groups_text(groups, ("middle", "late"))
    assert shown["said to suit middle"].iloc[0].startswith("+")
    assert shown["trained again"].tolist()[1:] == ["–", "–"]


NOTEBOOK = project_root() / "notebooks" / "05_fusion_stages.ipynb"


def test_the_notebook_has_its_form():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    prose = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    (parameters,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    found = {node.target.id: node for node in ast.parse("".join(parameters["source"])).body}
    assert {name: ast.literal_eval(node.value) for name, node in found.items()} == FusionStages().model_dump()
    assert prose[0].splitlines()[0].endswith("?")
    assert any("## Check" in part for part in prose)
    assert prose[-1].startswith("## What this does not show")
    assert "Next: [" in prose[-1]
    assert not any(cell.get("outputs") for cell in cells)
    assert sorted(map(len, code))[len(code) // 2] < 10
    assert max(map(len, code)) <= 30
    assert "def " not in "".join(map("".join, code))
    assert "trumpet" not in notebook_code(NOTEBOOK)  # the paper's grouping is tested, not encoded


def test_the_notebook_names_what_it_writes():
    first = "".join(json.loads(NOTEBOOK.read_text())["cells"][0]["source"])
    (line,) = [line for line in first.splitlines() if "**writes**" in line]
    stems = {artifact.stem for artifact in artifacts_of_notebook(NOTEBOOK)}
    names = ("figure1_gains", "figure1_correlations", "figure1_groups")
    expected = {
        "fig_figure1",
        "fig_figure1_descriptors",
        "fig_figure1_correlations",
        *(f"tab_{name}" for name in names),
    }
    assert stems == expected
    assert all(f"`{stem.partition('_')[2]}`" in line for stem in stems)


def test_the_papers_names_are_looked_for_among_the_classes():
    assert "All 7" in text.named_text([*sc.PAPER_MIDDLE, *sc.PAPER_LATE, "gong"], sc.PAPER_GROUPS)
    assert "none of the 7" in text.named_text(["二胡", "dog barking"], sc.PAPER_GROUPS)
    some = text.named_text(["flute", "cello"], sc.PAPER_GROUPS)
    assert some.startswith("Not testable here: trumpet, tuba, saxophone, acoustic guitar, xylophone of the 7")


@pytest.mark.parametrize(("n", "there"), [(2, False), (3, False), (4, True)])
def test_fewer_than_four_classes_have_no_correlation(n, there):
    values = np.arange(n, dtype=float)
    assert np.isfinite(correlations.spearman(values, values**2)) == there
    if not there:
        assert np.isnan(sc.rho_needed(n))
    rhos = joint.row_rhos(values[None], values[None])
    assert np.isfinite(rhos).all() == there
