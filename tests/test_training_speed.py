"""Steps to a validation score: closed forms on straight curves, censoring, pairing by seed."""

import numpy as np
import pandas as pd
import pytest
from conftest import TOY_RUNS, write_project

from avsep_lib import training_speed as speed
from avsep_lib.errors import DataError

STEPS = np.arange(1, 6) * 100


def curve(slope, row="late", seed=0, offset=0.0):
    """A straight validation curve: `slope` dB per 100 steps."""
    scores = offset + slope * STEPS / 100
    run = f"{row}-s{seed}"
    return pd.DataFrame({"row": row, "seed": seed, "run_id": run, "step": STEPS, speed.SCORE: scores})


@pytest.mark.parametrize(("level", "steps"), [(1.5, 150), (2.0, 200), (4.99, 499), (5.0, 500)])
def test_a_straight_curve_is_interpolated_exactly(level, steps):
    assert speed.steps_to(curve(1.0), level) == pytest.approx(steps)


def test_before_the_first_validation_nothing_is_known_and_a_level_may_never_be_reached():
    assert speed.steps_to(curve(1.0), 0.2) == 100
    assert np.isnan(speed.steps_to(curve(1.0), 5.1))


def test_the_first_crossing_counts_when_a_curve_falls_again():
    zigzag = curve(1.0).assign(**{speed.SCORE: [0.0, 2.0, 1.0, 3.0, 3.0]})
    assert speed.steps_to(zigzag, 1.5) == pytest.approx(175)


def test_every_run_reaches_the_common_level_and_one_only_just():
    curves = pd.concat([curve(1.0), curve(0.5, seed=1), curve(2.0, "hier")])
    assert speed.common_level(curves) == 2.5
    steps = speed.speeds(curves).set_index("run_id")["steps"]
    assert steps.to_dict() == pytest.approx({"late-s0": 250, "late-s1": 500, "hier-s0": 125})


def test_a_row_twice_as_fast_needs_half_the_steps_and_pairs_by_seed():
    curves = pd.concat(
        [curve(s * f, row, seed) for seed, s in enumerate((1.0, 1.25, 2.0)) for row, f in (("late", 1), ("hier", 2))]
    )
    table = speed.speeds(curves, level=2.0)
    assert speed.paired_by_seed(table, "hier", "late", "steps") == pytest.approx([-100, -60, 0])
    assert speed.paired_by_seed(table.iloc[::-1], "hier", "late", "steps") == pytest.approx([-100, -60, 0])


def test_every_pair_of_the_readers_table_has_its_own_score():
    curves = pd.concat([curve(1.0), curve(2.0, "hier"), curve(0.5, "middle")])
    table = speed.speed_table(curves, [("hier", "late"), ("middle", "late")]).set_index(["compared", "run"])
    assert table["score to reach (dB)"].tolist() == ["5.00", "5.00", "2.50", "2.50"]
    assert table.loc[("Hierarchical and Late", "hier-s0"), "steps"] == "250"
    assert table.loc[("Middle and Late", "late-s0"), "steps"] == "250"


def test_the_interval_is_students():
    found = speed.interval_over_seeds(np.array([1.0, 2.0, 3.0]))
    half = 4.302652729911275 / np.sqrt(3)  # t quantile for 2 degrees of freedom; the standard deviation is 1
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - half, 2 + half))
    assert found.n == 3
    assert found.detectable_effect > half
    for few in ([1.0], [2.0, 2.0]):
        empty = speed.interval_over_seeds(np.array(few))
        assert np.isnan([empty.low, empty.high]).all()
        assert empty.reason


@pytest.fixture
def toy(tmp_path, monkeypatch):
    made = write_project(tmp_path)
    runs = TOY_RUNS + "".join(f"hier-s{s},hfra,hierarchical,no,clip,music11,{s},\n" for s in (0, 1))
    (made.root / "config" / "runs.csv").write_text(runs)
    for row, factor in (("late", 1.0), ("hier", 2.0)):
        for seed in (0, 1):
            folder = made.results / "runs" / f"{row}-s{seed}"
            folder.mkdir(parents=True)
            curve(factor + 0.1 * seed, row, seed)[["step", speed.SCORE]].to_csv(folder / "history.csv", index=False)
    monkeypatch.setenv("AVSEP_ROOT", str(made.root))
    return made


def test_the_outcome_knows_its_seeds_and_says_why_it_has_no_other_interval(toy):
    found = speed.steps_outcome("toy", "hier", "late")
    assert found.items == "seeds"
    assert set(found.runs) == {f"{row}-s{seed}" for row in ("hier", "late") for seed in (0, 1)}
    assert found.over_items.reason == "validation scores are not kept per mixture"
    assert found.across_seeds.mean < 0
    assert "until 5.00 dB" in found.note


def test_missing_and_different_validations_are_errors(toy):
    path = toy.results / "runs" / "hier-s1" / "history.csv"
    pd.read_csv(path).iloc[:3].to_csv(path, index=False)
    with pytest.raises(DataError, match="not validated at the same steps"):
        speed.steps_outcome("toy", "hier", "late")
    path.unlink()
    with pytest.raises(DataError, match=r"hier-s1/history.csv is missing"):
        speed.steps_outcome("toy", "hier", "late")
    with pytest.raises(DataError, match="middle"):
        speed.steps_outcome("toy", "middle", "late")


def test_the_picture_shows_every_training_and_the_score_all_reach():
    from matplotlib.figure import Figure

    from avsep_lib.plots.training_speed import speed_figure

    curves = pd.concat([curve(1.0), curve(1.2, seed=1), curve(2.0, "hier")])
    (ax,) = speed_figure(Figure(), curves, [("hier", "late")]).axes
    assert len(ax.lines) == 3 + 2 + 1  # trainings, means, level
    assert set(ax.lines[-1].get_ydata()) == {5.0}
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["Hierarchical (mean of 1)", "Late (mean of 2)"]
