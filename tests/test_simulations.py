"""The statistics keep their promises, in the short form; and the simulation can tell when they do not."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from avsep_lib.comparisons import sign_flip_p_value
from avsep_lib.intervals import Resampling, interval_over_mixtures
from avsep_lib.simulations import batches, coverage_table, experiments, promises
from avsep_lib.simulations.promises import COVERAGE, OK, TOO_HIGH, TOO_LOW, line
from avsep_lib.simulations.truths import COMPONENTS, SHAPES, answers, crossed

N_SIMULATIONS = 400  # a share of 95 % is then known to 2 points


@pytest.fixture(scope="module")
def table():
    return coverage_table(N_SIMULATIONS, sizes=(16, 80))


def lines(function, *arguments):
    """Lines of an experiment by what they are about."""
    return {found["what"]: found for found in function(*arguments)}


# the short form -----------------------------------------------------------------------------------------------------


def test_promises_are_kept(table):
    broken = table[table["promised"] & (table["verdict"] != OK)]
    assert broken.empty, broken.to_string()


def test_everything_promised_is_simulated(table):
    known = {value.what: value for value in vars(promises).values() if isinstance(value, promises.Promise)}
    assert set(table["what"]) == set(known)
    assert set(table.loc[table["promised"], "what"]) == {what for what, promise in known.items() if promise.kept}
    covered = table[(table["what"] == COVERAGE.what) & table["promised"]]
    assert set(covered["distribution"]) == set(SHAPES)
    assert not table.loc[table["n"] < 80, "promised"].any()
    across = table[table["what"] == promises.SEED_COVERAGE.what]
    assert len(across) == len(COMPONENTS)
    assert (across["seeds"] == 3).all()
    assert not across["promised"].any()


def test_found_lies_in_its_own_interval(table):
    assert (table["n_simulations"] == N_SIMULATIONS).all()
    assert table["found"].between(table["low"], table["high"]).all()
    assert not table.duplicated(["what", "distribution", "n", "seeds"]).any()


def test_a_line_does_not_depend_on_its_neighbours(table):
    alone = lines(experiments.over_mixtures, "normal", 80, N_SIMULATIONS, 1234)[COVERAGE.what]
    among = table[(table["what"] == COVERAGE.what) & (table["distribution"] == "normal") & (table["n"] == 80)]
    assert among["found"].item() == alone["found"]


# what is planted is flagged -----------------------------------------------------------------------------------------


def test_a_too_narrow_interval_is_flagged(monkeypatch):
    def narrow(rows, resampling):
        half = 1.96 * rows.std(axis=1, ddof=1) / np.sqrt(2 * rows.shape[1])
        return rows.mean(axis=1) - half, rows.mean(axis=1) + half

    monkeypatch.setattr(experiments, "intervals_over_mixtures", narrow)
    found = lines(experiments.over_mixtures, "normal", 88, N_SIMULATIONS, 1)
    assert found[COVERAGE.what]["verdict"] == TOO_LOW
    assert found[promises.FALSE_VERDICT.what]["verdict"] == TOO_HIGH
    assert found[promises.POWER_FOUND.what]["verdict"] == TOO_HIGH
    assert found[promises.FALSE_P.what]["verdict"] == OK


def test_a_too_wide_interval_is_flagged(monkeypatch):
    real = batches.intervals_over_mixtures
    wide = lambda rows, resampling: real(rows, Resampling(2000, resampling.seed, 0.995))  # noqa: E731
    monkeypatch.setattr(experiments, "intervals_over_mixtures", wide)
    found = lines(experiments.over_mixtures, "normal", 88, N_SIMULATIONS, 1)
    assert found[COVERAGE.what]["verdict"] == TOO_HIGH
    assert found[promises.POWER_FOUND.what]["verdict"] == TOO_LOW


def test_one_sided_p_values_are_flagged(monkeypatch):
    monkeypatch.setattr(experiments, "sign_flip_p_values", lambda *given: batches.sign_flip_p_values(*given) / 2)
    found = lines(experiments.over_mixtures, "normal", 88, N_SIMULATIONS, 1)
    assert found[promises.FALSE_P.what]["verdict"] == TOO_HIGH


def test_a_family_without_correction_is_flagged(monkeypatch):
    monkeypatch.setattr(experiments, "holm", lambda p_values: p_values)
    assert {found["verdict"] for found in experiments.families(200, 1)} == {TOO_HIGH}


def test_an_optimistic_detectable_effect_is_flagged(monkeypatch):
    monkeypatch.setattr(experiments, "detectable_effect", lambda error, df: 1.96 * error)
    found = lines(experiments.over_mixtures, "normal", 88, N_SIMULATIONS, 1)
    assert found[promises.POWER_FOUND.what]["verdict"] == TOO_LOW


# the same digits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [16, 88])
@pytest.mark.parametrize("shape", SHAPES)
def test_batches_give_the_digits_of_the_functions(shape, n):
    rows = SHAPES[shape](np.random.default_rng(n), (5, n))
    resampling = Resampling(500, seed=7)
    low, high = batches.intervals_over_mixtures(rows, resampling)
    p_values = batches.sign_flip_p_values(rows, resampling)
    for row, *batched, p_value in zip(rows, low, high, p_values):
        alone = interval_over_mixtures(row, resampling)
        assert batched == pytest.approx([alone.low, alone.high], abs=1e-12)
        assert p_value == sign_flip_p_value(row, resampling)


def test_many_rows_are_one_row_at_a_time():
    rows = np.random.default_rng(1).standard_normal((600, 20))
    together, alone = (batches.intervals_over_mixtures(part, Resampling(100)) for part in (rows, rows[311:312]))
    assert together[0][311] == pytest.approx(alone[0].item(), abs=1e-12)


# truths -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_the_truth_is_zero(shape):
    values = SHAPES[shape](np.random.default_rng(2), (400_000,))
    assert abs(values.mean()) < 4.5 * values.std() / np.sqrt(values.size)


def test_crossed_components_are_what_they_are_called():
    rng = np.random.default_rng(3)
    matrices = np.array([crossed(rng, 4, 30, (1.0, 2.0, 0.5)) for _ in range(3000)])
    assert matrices.mean() == pytest.approx(0.0, abs=0.05)
    assert matrices.var() == pytest.approx(1.0 + 4.0 + 0.25, rel=0.1)
    assert (matrices[:, 0] - matrices[:, 1]).var() == pytest.approx(2 * (1.0 + 0.25), rel=0.1)
    assert (matrices[:, :, 0] - matrices[:, :, 1]).var() == pytest.approx(2 * (4.0 + 0.25), rel=0.1)


def test_answers_are_equally_good_and_differ_as_told():
    first, second = answers(np.random.default_rng(4), 200_000, 0.7, 0.3)
    assert first.mean() == pytest.approx(0.7, abs=0.005)
    assert second.mean() == pytest.approx(0.7, abs=0.005)
    assert (first != second).mean() == pytest.approx(0.3, abs=0.005)


# judging ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "verdict"), [(950, OK), (915, OK), (900, TOO_LOW), (980, OK), (990, TOO_HIGH)]
)  # 1000 simulations know a share near 95 % to 1.8 points with 99 %
def test_few_simulations_do_not_accuse(count, verdict):
    happened = np.arange(1000) < count
    found = line(COVERAGE, "normal", 88, 1, happened)
    assert found["verdict"] == verdict
    assert found["found"] == count / 1000
    z = scipy_stats.norm.ppf(0.975)
    roots = np.roots([1 + z**2 / 1000, -(2 * count / 1000 + z**2 / 1000), (count / 1000) ** 2])
    assert [found["low"], found["high"]] == pytest.approx(sorted(roots))


def test_simulated_coverage_of_an_accuracy_is_the_exact_one():
    from avsep_lib.encoders.sanity import wilson_interval

    bounds = np.array([wilson_interval(right, 119) for right in range(120)])
    covering = (bounds[:, 0] <= 0.8) & (bounds[:, 1] >= 0.8)
    exact = scipy_stats.binom.pmf(np.arange(120), 119, 0.8)[covering].sum()
    drawn = experiments.accuracies(119, 4000, 5)
    simulated = next(found for found in drawn if found["distribution"] == "accuracy 80%")
    assert simulated["low"] <= exact <= simulated["high"]
