"""Intervals cover what they promise, pairing helps, components come back, and nothing is averaged silently."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from avsep_lib import stats
from avsep_lib.comparisons import CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE, SIGN_FLIPS, SUPPORTED
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.intervals import Resampling, detectable_effect

INSTRUMENTS = ("cello", "erhu", "flute", "tuba")


def crossed(rng, seeds, mixtures, seed_sd, mixture_sd, residual_sd, mean=0.0):
    """A (seeds, mixtures) matrix of the two-way random-effects model."""
    return (
        mean
        + seed_sd * rng.standard_normal((seeds, 1))
        + mixture_sd * rng.standard_normal((1, mixtures))
        + residual_sd * rng.standard_normal((seeds, mixtures))
    )


def scores_frame(gains, mixtures=12, seeds=(0, 1, 2), noise=0.3):
    """Tidy scores: `gains` maps a method to its mean SDR; difficulty is shared by the methods."""
    rng = np.random.default_rng(7)
    difficulty = 2.0 * rng.standard_normal((mixtures, 2))
    rows = []
    for method, gain in gains.items():
        for seed in seeds if method != "mixture" else seeds[:1]:
            for mixture, source in np.ndindex(mixtures, 2):
                sdr = gain + difficulty[mixture, source] + noise * rng.standard_normal()
                instrument = INSTRUMENTS[(2 * (mixture % 2)) + source]
                rows.append(
                    {
                        "run_id": f"{method}_{seed}", "method": method, "mixture_id": f"m{mixture:03d}",
                        "source": source, "clip_id": f"c{mixture}_{source}", "instrument": instrument,
                        "partner": "", "seed": seed, "mask": "none" if method == "mixture" else "binary",
                        "sdr_db": sdr, "sir_db": sdr + 3, "sar_db": np.inf if method == "mixture" else sdr + 5,
                        "si_sdr_db": sdr - 1, "mixture_sdr_db": 0.0, "mixture_si_sdr_db": 0.0,
                        "sdri_db": sdr, "si_sdri_db": sdr - 1, "status": "ok",
                    }
                )  # fmt: skip
    return pd.DataFrame(rows, columns=list(stats.COLUMNS))


@pytest.fixture
def scores():
    return scores_frame({"mixture": 0.0, "late": 3.0, "hier": 4.0})


def silence(scores, **where):
    """Copy of the frame in which the matching rows are silent estimates."""
    scores = scores.copy()
    rows = np.logical_and.reduce([scores[column] == value for column, value in where.items()])
    assert rows.any()
    scores.loc[rows, list(stats.METRICS)] = np.nan
    scores.loc[rows, "status"] = "silent_estimate"
    return scores


# intervals over mixtures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", ["normal", "gamma"])
def test_bootstrap_interval_covers(draw):
    rng = np.random.default_rng(11)
    sample = {"normal": lambda: rng.standard_normal(44), "gamma": lambda: rng.gamma(2, 1, 44) - 2}[draw]
    intervals = [stats.interval_over_mixtures(sample(), Resampling(1500)) for _ in range(300)]
    coverage = np.mean([interval.low <= 0 <= interval.high for interval in intervals])
    assert 0.90 <= coverage <= 0.98  # 0.94 expected, and 300 trials have a standard error of 0.014


def test_bootstrap_interval_is_close_to_the_t_interval_of_normal_values():
    values = np.random.default_rng(3).standard_normal(200)
    interval = stats.interval_over_mixtures(values, Resampling(9_999))
    low, high = scipy_stats.t.interval(0.95, 199, values.mean(), scipy_stats.sem(values))
    assert interval.low == pytest.approx(low, abs=0.01)
    assert interval.high == pytest.approx(high, abs=0.01)
    assert interval.mean == pytest.approx(values.mean())
    assert "for these trained models" in interval.statement


def test_a_small_set_gets_the_width_of_its_t_interval():
    """Sixteen mixtures, as of one instrument: a bootstrap that is not expanded stays 12 % short."""
    values = scipy_stats.norm.ppf((np.arange(16) + 0.5) / 16)
    interval = stats.interval_over_mixtures(values, Resampling(20_000))
    low, high = scipy_stats.t.interval(0.95, 15, values.mean(), scipy_stats.sem(values))
    assert interval.low == pytest.approx(low, rel=0.03)
    assert interval.high == pytest.approx(high, rel=0.03)


def test_seeds_are_averaged_before_mixtures_are_resampled():
    matrix = crossed(np.random.default_rng(4), 3, 30, 1.0, 1.0, 1.0)
    assert stats.interval_over_mixtures(matrix) == stats.interval_over_mixtures(matrix.mean(axis=0))


@pytest.mark.parametrize(
    ("values", "reason"),
    [([1.0, 2.0], "too few"), ([2.0] * 9, "equal"), ([1.0, 2.0, np.inf, 3.0], "not finite"), ([], "too few")],
)
def test_degenerate_values_have_no_bounds_and_a_reason(values, reason):
    interval = stats.interval_over_mixtures(values)
    assert np.isnan([interval.low, interval.high, interval.detectable_effect]).all()
    assert reason in interval.reason
    assert interval.mean == pytest.approx(np.mean(values) if values else np.nan, nan_ok=True)


def test_every_number_of_the_resampling_moves_the_bounds():
    values = np.random.default_rng(2).gamma(2, 1, 44)
    plain = stats.interval_over_mixtures(values)
    assert stats.interval_over_mixtures(values, Resampling(2000, 1234, 0.95)) == plain
    for other in (Resampling(n=1999), Resampling(seed=1), Resampling(level=0.9)):
        moved = stats.interval_over_mixtures(values, other)
        assert moved.low != plain.low
        assert moved.high != plain.high
        assert moved.level == other.level
    assert moved.high - moved.low < plain.high - plain.low  # 90 % is narrower than 95 %


@pytest.mark.parametrize(("n", "level"), [(39, 0.95), (19, 0.9), (0, 0.95), (2000, 1.0), (2000, 95)])
def test_a_resampling_that_cannot_reach_its_level_is_refused(n, level):
    with pytest.raises(ConfigError, match=r"n_bootstrap is \d+|level is"):
        Resampling(n, level=level)


def test_the_smallest_resampling_is_allowed():
    assert (Resampling(40).n, Resampling(20, level=0.9).n) == (40, 20)


# across seeds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed_sd", "mixture_sd"), [(0.0, 2.0), (0.3, 2.0), (1.0, 2.0)])
def test_random_effects_interval_covers_the_mean_of_the_method(seed_sd, mixture_sd):
    rng = np.random.default_rng(5)
    intervals = [stats.interval_across_seeds(crossed(rng, 3, 60, seed_sd, mixture_sd, 1.0)) for _ in range(400)]
    coverage = np.mean([interval.low <= 0 <= interval.high for interval in intervals])
    assert 0.885 <= coverage <= 0.985  # 0.92 to 0.96 expected, with a standard error of 0.013


def test_mixtures_alone_do_not_cover_when_seeds_differ():
    """Why the second interval exists: the first one speaks of the trained models only."""
    rng = np.random.default_rng(6)
    drawn = [crossed(rng, 3, 60, 1.0, 1.0, 0.5) for _ in range(100)]
    intervals = [stats.interval_over_mixtures(matrix, Resampling(500)) for matrix in drawn]
    assert np.mean([interval.low <= 0 <= interval.high for interval in intervals]) < 0.6


def test_components_are_recovered():
    rng = np.random.default_rng(8)
    found = [stats.variance_components(crossed(rng, 5, 80, 0.5, 2.0, 1.0)) for _ in range(300)]
    assert np.mean([c.seed for c in found]) == pytest.approx(0.25, rel=0.15)
    assert np.mean([c.mixture for c in found]) == pytest.approx(4.0, rel=0.05)
    assert np.mean([c.residual for c in found]) == pytest.approx(1.0, rel=0.02)
    expected = 0.25 / 5 + 4.0 / 80 + 1.0 / 400
    assert np.mean([c.mean_variance for c in found]) == pytest.approx(expected, rel=0.1)


def test_components_of_a_small_table_by_hand():
    # row means 2 and 5, column means 2, 3 and 5.5: S = 13.5, M = 13/2 = 6.5, R = (29.5 - 13.5 - 13)/2 = 1.5
    found = stats.variance_components([[1.0, 2.0, 3.0], [3.0, 4.0, 8.0]])
    assert found.residual == pytest.approx(1.5)
    assert found.seed == pytest.approx((13.5 - 1.5) / 3)
    assert found.mixture == pytest.approx((6.5 - 1.5) / 2)
    assert found.mean_variance == pytest.approx((13.5 + 6.5 - 1.5) / 6)
    assert found.df == pytest.approx(18.5**2 / (13.5**2 / 1 + 6.5**2 / 2 + 1.5**2 / 2))


def test_one_seed_says_so():
    interval = stats.interval_across_seeds(np.random.default_rng(0).standard_normal((1, 30)))
    assert np.isnan([interval.low, interval.high]).all()
    assert "1 seed" in interval.reason


# pairs --------------------------------------------------------------------------------------------------------------


def test_paired_interval_is_narrower_than_unpaired():
    rng = np.random.default_rng(9)
    difficulty = 3.0 * rng.standard_normal(60)
    a, b = difficulty + 0.5 + 0.3 * rng.standard_normal(60), difficulty + 0.3 * rng.standard_normal(60)
    paired = stats.paired_difference(a, b)
    alone = stats.interval_over_mixtures(a)
    assert paired.over_mixtures.high - paired.over_mixtures.low < 0.3 * (alone.high - alone.low)
    assert paired.over_mixtures.low > 0
    assert paired.p_value < 0.01


def test_swapping_the_methods_mirrors_the_difference():
    rng = np.random.default_rng(10)
    a, b = crossed(rng, 3, 40, 0.2, 1.0, 0.5, mean=0.3), crossed(rng, 3, 40, 0.2, 1.0, 0.5)
    forward, back = (stats.paired_difference(*pair, Resampling(9_999)) for pair in ((a, b), (b, a)))
    assert back.over_mixtures.mean == pytest.approx(-forward.over_mixtures.mean)
    assert back.over_mixtures.low == pytest.approx(-forward.over_mixtures.high, abs=0.02)
    assert back.across_seeds.low == pytest.approx(-forward.across_seeds.high)
    assert back.p_value == pytest.approx(forward.p_value)


def test_sign_flips_of_few_pairs_are_counted_exactly():
    assert stats.sign_flip_p_value([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 2**5)
    assert stats.sign_flip_p_value([1.0, 2.0, -3.0]) == 1.0
    assert stats.sign_flip_p_value(np.zeros(8)) == 1.0
    assert np.isnan(stats.sign_flip_p_value([1.0, 2.0]))


def test_few_bootstrap_samples_leave_the_p_value_fine_enough_for_holm():
    values = 5.0 + np.random.default_rng(14).standard_normal(40)
    assert stats.sign_flip_p_value(values, Resampling(40)) == pytest.approx(2 / (SIGN_FLIPS + 1))
    assert stats.sign_flip_p_value(values, Resampling(20_000)) == pytest.approx(2 / 20_001)


def test_the_seed_reaches_the_p_value():
    values = 0.2 + np.random.default_rng(15).standard_normal(40)
    first, again, other = (stats.sign_flip_p_value(values, Resampling(seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first == pytest.approx(other, abs=0.03)


def test_sign_flip_p_value_is_uniform_without_an_effect():
    rng = np.random.default_rng(12)
    p_values = [stats.sign_flip_p_value(rng.standard_normal(30)) for _ in range(300)]
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("df", [1, 2, 4.5, 40, 200])
def test_the_detectable_effect_of_one_experiment_is_found_in_the_next(df):
    rng = np.random.default_rng(16)
    errors, repeated = np.sqrt(rng.chisquare(df, (2, 100_000)) / df)
    effects = detectable_effect(1.0, df) * errors
    t_values = (effects + rng.standard_normal(errors.size)) / repeated
    assert np.mean(t_values > scipy_stats.t.ppf(0.975, df)) == pytest.approx(0.8, abs=0.01)


def test_the_detectable_effect_with_a_known_error_is_the_textbooks():
    assert detectable_effect(2.0, 1e7) == pytest.approx(2 * (1.959964 + 0.841621), rel=1e-4)
    assert np.isnan(detectable_effect(1.0, 0))


def test_a_fixed_model_is_paired_with_every_seed():
    rng = np.random.default_rng(13)
    a, floor = crossed(rng, 3, 40, 0.2, 1.0, 0.5, mean=2.0), rng.standard_normal((1, 40))
    assert stats.paired_difference(a, floor).across_seeds.low == stats.interval_across_seeds(a - floor).low


def test_different_seeds_are_not_paired():
    a = pd.DataFrame(np.random.default_rng(1).standard_normal((3, 9)), index=[0, 1, 2])
    b = pd.DataFrame(np.random.default_rng(2).standard_normal((3, 9)), index=[0, 1, 3])
    result = stats.paired_difference(a, b)
    assert np.isnan(result.across_seeds.low)
    assert "different seeds" in result.across_seeds.reason
    assert np.isfinite(result.over_mixtures.low)


def test_different_mixtures_are_refused():
    with pytest.raises(DataError, match="8 and 9 mixtures"):
        stats.paired_difference(np.arange(8.0), np.arange(9.0))
    frames = [pd.DataFrame([[1.0, 2.0, 4.0]], columns=list(names)) for names in ("abc", "abd")]
    with pytest.raises(DataError, match="different mixtures"):
        stats.paired_difference(*frames)


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 times 4 3 2 1 = .04 .06 .06 .04, made monotone
    assert stats.holm([0.02, 0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.06, 0.04, 0.06])
    assert stats.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert stats.holm([0.01, np.nan, 0.04]) == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert stats.holm([]).size == 0


# verdicts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "direction", "expected"),
    [
        (0.1, 0.5, "greater", SUPPORTED),
        (-0.5, -0.1, "greater", CONTRADICTED),
        (0.1, 0.5, "less", CONTRADICTED),
        (-0.5, -0.1, "less", SUPPORTED),
        (-0.1, 0.5, "greater", INCONCLUSIVE),
        (0.0, 0.5, "greater", INCONCLUSIVE),
        (np.nan, np.nan, "less", NOT_TESTABLE),
    ],
)
def test_verdict_table(low, high, direction, expected):
    interval = stats.Interval((low + high) / 2, low, high, 44, 0.95, "for these trained models", 0.37, "why")
    found = stats.verdict(interval, direction)
    assert found.verdict == expected
    assert ("0.37 dB" in found.reason) == (expected == INCONCLUSIVE)
    assert ("n = 44" in found.reason) == (expected != NOT_TESTABLE)


def test_verdict_without_a_measurement_or_a_direction():
    assert stats.verdict(None, "greater").verdict == NOT_TESTABLE
    with pytest.raises(DataError, match="direction is 'up'"):
        stats.verdict(None, "up")


# frames -------------------------------------------------------------------------------------------------------------


def test_common_set_drops_what_one_seed_lost_and_counts_it(scores):
    broken = silence(scores, run_id="late_1", mixture_id="m004", source=1)
    broken = broken[~((broken["run_id"] == "hier_2") & (broken["mixture_id"] == "m007"))]
    common = stats.common_mixtures(broken)
    assert sorted(set(scores["mixture_id"]) - set(common.mixtures)) == ["m004", "m007"]
    assert common.counts.loc["late", ["n_silent", "n_missing", "n_mixtures_lost"]].tolist() == [1, 0, 1]
    assert common.counts.loc["hier", ["n_silent", "n_missing", "n_mixtures_lost"]].tolist() == [0, 2, 1]
    assert common.counts.loc["mixture"].tolist() == [24, 0, 0, 0, 0]


def test_the_status_decides_even_where_numbers_stand(scores):
    scores.loc[scores["run_id"].eq("hier_0") & scores["mixture_id"].eq("m001"), "status"] = "silent_estimate"
    common = stats.common_mixtures(scores)
    assert "m001" not in common.mixtures
    assert common.counts.loc["hier", "n_silent"] == 2


def test_common_set_of_methods_passed_only(scores):
    broken = silence(scores, run_id="late_1", mixture_id="m004", source=1)
    assert len(stats.common_mixtures(broken[broken["method"] != "late"]).mixtures) == 12


def test_one_infinite_score_drops_its_mixture_but_an_always_infinite_metric_does_not(scores):
    assert len(stats.common_mixtures(scores).mixtures) == 12  # the mixture's SAR is infinite throughout
    scores.loc[scores["run_id"].eq("hier_0") & scores["mixture_id"].eq("m001"), "sir_db"] = np.inf
    common = stats.common_mixtures(scores)
    assert "m001" not in common.mixtures
    assert common.counts.loc["hier", "n_infinite"] == 2


def test_an_infinite_sar_costs_the_sar_its_mixture_and_the_sdr_nothing(scores):
    scores.loc[scores["run_id"].eq("hier_0") & scores["mixture_id"].eq("m001"), "sar_db"] = np.inf
    table = stats.summarise(scores, resampling=stats.Resampling(n=100)).set_index("method")
    assert (table["n_mixtures"] == 12).all()
    assert (table["sdr_db_n"] == 12).all()
    assert table.loc[["late", "hier"], "sar_db_n"].tolist() == [11, 11]
    assert np.isfinite(table.loc["hier", "sar_db"])
    assert table.loc["hier", "n_infinite_sar"] == 2
    assert table.loc["mixture", "n_infinite_sar"] == 24
    assert (table[["n_infinite_sdr", "n_infinite_sir", "n_mixtures_lost"]] == 0).all(axis=None)


def test_mixture_means_are_means_over_sources(scores):
    means = stats.mixture_means(scores, "sdr_db")
    assert list(means) == ["mixture", "late", "hier"]
    assert means["hier"].shape == (3, 12)
    pair = scores.query("run_id == 'hier_1' and mixture_id == 'm005'")["sdr_db"]
    assert means["hier"].loc[1, "m005"] == pytest.approx(pair.mean())


def test_a_missing_source_makes_the_mixture_nan_not_the_mean_of_the_rest(scores):
    means = stats.mixture_means(silence(scores, run_id="late_1", mixture_id="m004", source=1), "sdr_db")
    assert np.isnan(means["late"].loc[1, "m004"])
    assert means["late"].isna().to_numpy().sum() == 1


def test_summary_table(scores):
    table = stats.summarise(scores, mask="binary").set_index("method")
    assert list(table.index) == ["mixture", "late", "hier"]
    assert (table["n_mixtures"] == 12).all()
    assert table["n_seeds"].tolist() == [1, 3, 3]
    late = scores.query("method == 'late'")["sdr_db"].mean()
    assert table.loc["late", "sdr_db"] == pytest.approx(late)
    assert table.loc["late", "sdr_db_low"] < late < table.loc["late", "sdr_db_high"]
    assert np.isnan(table.loc["mixture", "sdr_db_seeds_low"])
    assert np.isfinite(table.loc["hier", "sdr_db_seeds_low"])
    assert np.isposinf(table.loc["mixture", "sar_db"])
    assert np.isnan(table.loc["mixture", "sar_db_low"])


def test_summary_counts_silent_items_and_shares_the_common_set(scores):
    table = stats.summarise(silence(scores, run_id="late_1", mixture_id="m004", source=1), mask="binary")
    assert table.set_index("method")["n_silent"].to_dict() == {"mixture": 0, "late": 1, "hier": 0}
    assert (table["n_mixtures"] == 11).all()


def test_summary_by_instrument_keeps_the_mixture_as_unit(scores):
    table = stats.summarise(scores, metrics=("sdr_db",), mask="binary", by="instrument")
    assert len(table) == 3 * len(INSTRUMENTS)
    assert (table["n_mixtures"] == 6).all()
    cello = scores.query("method == 'hier' and instrument == 'cello'")["sdr_db"].mean()
    assert table.query("method == 'hier' and instrument == 'cello'")["sdr_db"].item() == pytest.approx(cello)


def test_comparison_finds_the_gain_and_corrects_over_instruments(scores):
    overall = stats.compare(scores, [("hier", "late"), ("hier", "mixture")], mask="binary")
    assert overall["difference"].tolist() == pytest.approx([1.0, 4.0], abs=0.2)
    assert (overall["low"] > 0).all()
    assert (overall["detectable_effect"] < 0.5).all()
    table = stats.compare(scores, [("hier", "late")], mask="binary", by="instrument")
    assert table["instrument"].tolist() == list(INSTRUMENTS)
    assert table["p_holm"].tolist() == pytest.approx(stats.holm(table["p_value"]))
    assert (table["p_holm"] >= table["p_value"]).all()


def test_the_resampling_reaches_both_tables(scores):
    other, usual = Resampling(seed=1), Resampling()
    pairs = [("hier", "late")]
    summaries = [stats.summarise(scores, mask="binary", resampling=drawn).iloc[1] for drawn in (usual, other)]
    lines = [stats.compare(scores, pairs, mask="binary", resampling=drawn).iloc[0] for drawn in (usual, other)]
    assert summaries[0]["sdr_db_low"] != summaries[1]["sdr_db_low"]
    assert lines[0]["low"] != lines[1]["low"]
    for one, two, mean in ((*summaries, "sdr_db"), (*lines, "difference")):
        assert one[mean] == two[mean]
    assert summaries[0]["sdr_db_seeds_low"] == summaries[1]["sdr_db_seeds_low"]  # a t interval: nothing is drawn


def test_order_of_rows_changes_nothing(scores):
    shuffled = scores.sample(frac=1.0, random_state=1)
    plain = stats.summarise(scores, mask="binary").sort_values("method", ignore_index=True)
    mixed = stats.summarise(shuffled, mask="binary").sort_values("method", ignore_index=True)
    pd.testing.assert_frame_equal(plain, mixed)


def test_two_mask_types_must_be_chosen_from(scores):
    both = pd.concat([scores, scores[scores["mask"] == "binary"].assign(mask="soft")], ignore_index=True)
    with pytest.raises(DataError, match="choose one mask type"):
        stats.summarise(both)
    assert len(stats.select_mask(both, "soft")) == len(scores)
    with pytest.raises(DataError, match="no scores with mask 'ideal'"):
        stats.select_mask(both, "ideal")


def test_bad_frames_are_refused(scores):
    with pytest.raises(DataError, match="no column status"):
        stats.common_mixtures(scores.drop(columns="status"))
    with pytest.raises(DataError, match="no scores of method 'middle'"):
        stats.compare(scores, [("middle", "late")], mask="binary")
    with pytest.raises(DataError, match="no mixture has finite sdr_db in every run"):
        stats.summarise(silence(scores, run_id="late_1"), mask="binary")
