"""What the tour shows: a mixture by rule, an ideal stencil, the short table, sentences, and the knob."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scores_fixture import synthetic_scores

from avsep_lib import start_here, tables
from avsep_lib.comparisons import NOT_TESTABLE
from avsep_lib.config import load_profile
from avsep_lib.examples import open_bench
from avsep_lib.intervals import Interval, Resampling
from avsep_lib.plots import start_here as plots
from avsep_lib.score import factorise

RUN = "late-s0"


@pytest.fixture(scope="module")
def data():
    return tables.comparable(synthetic_scores(), "binary")


@pytest.fixture(scope="module")
def bench(project):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVSEP_ROOT", str(project.root))
        return open_bench(load_profile("toy"), [RUN])


@pytest.fixture(scope="module")
def example(bench):
    return start_here.one_example(bench, RUN)


def test_the_short_table_has_floor_rows_and_ceiling_with_intervals(data):
    table = start_here.headline(tables.summary(data, ("sdr_db",), Resampling(200)))
    assert table.index[0] == "Mixture (floor)"
    assert table.index[-1] == "Ideal binary mask"
    assert table.loc["Mixture (floor)", "trainings"] == "–"
    assert table.loc["Late", "trainings"] == "3"
    assert all("[" in cell for cell in table["SDR (dB)"])


def test_the_best_row_and_its_gain_are_the_planted_ones(data):
    best, gains, interval = start_here.gains_of_best(data)
    assert best == "hier_align"
    assert gains.shape == (88,)
    assert interval.low < 2.9 + 0.3
    assert interval.high > 2.9 - 0.3


def interval(low, high, reason=""):
    return Interval((low + high) / 2, low, high, 88, 0.95, "", reason=reason)


def test_an_interval_is_told_by_the_side_it_lies_on():
    assert "above zero" in start_here.read_interval(interval(0.1, 1.0))
    assert "below zero" in start_here.read_interval(interval(-1.0, -0.1))
    assert "on both sides of zero" in start_here.read_interval(interval(-1.0, 1.0))
    nothing = start_here.read_interval(interval(np.nan, np.nan, "2 mixtures are too few for an interval"))
    assert nothing.endswith("too few for an interval.")


def test_the_first_claim_that_could_be_tested_is_read_out():
    claims = pd.DataFrame(
        {"sentence": ["One.", "Two."], "verdict": [NOT_TESTABLE, "supported"], "why": ["no row", "+1.00 dB"]}
    )
    assert start_here.read_verdict(claims) == "“Two.” **supported**: +1.00 dB."
    for none in (claims.iloc[:1], pd.DataFrame()):
        assert start_here.read_verdict(none).startswith("No claim")


def test_the_words_of_the_verdicts_are_those_of_the_tables():
    from avsep_lib import comparisons

    words = {comparisons.SUPPORTED, comparisons.CONTRADICTED, comparisons.INCONCLUSIVE, comparisons.NOT_TESTABLE}
    assert set(start_here.VERDICTS) == words


def test_the_ideal_stencil_is_binary_and_beats_doing_nothing(bench, example):
    audio = bench.methods[RUN].audio
    ideal = start_here.ideal_mask(example, audio)
    assert set(np.unique(ideal.mask)) <= {0.0, 1.0}
    other = start_here.ideal_mask(example, audio, source=1)
    scores = factorise(example.item, audio).bss_eval(np.stack([ideal.estimate, other.estimate]))
    assert scores.sdr_db.mean() > example.scores["mixture_sdr_db"].mean() + 3


def test_a_higher_threshold_keeps_less_and_the_soft_mask_has_the_tables_score(bench, example):
    table = start_here.thresholds(bench, example, RUN, 0.45)
    cuts = table.drop("soft mask")["kept (%)"]
    assert "cut at 0.45 ← yours" in table.index
    assert (cuts.diff().dropna() <= 0).all()
    assert len(start_here.thresholds(bench, example, RUN, None)) == len(table) - 1
    soft = example.scores[example.scores["mask"] == "soft"]["sdr_db"].mean()
    assert table.loc["soft mask", "SDR"] == pytest.approx(soft, abs=0.01)


def test_the_pictures_draw(bench, example):
    audio = bench.methods[RUN].audio
    ideal = start_here.ideal_mask(example, audio)
    assert len(plots.task_figure(plt.figure(), example, audio).axes) == 3
    assert len(plots.stencil_figure(plt.figure(), example, RUN, ideal, audio).axes) == 8
    gains = np.random.default_rng(0).normal(size=20)
    for told in (interval(0.1, 1.0), interval(np.nan, np.nan, "why")):
        assert len(plots.interval_figure(plt.figure(), gains, told).axes) == 2
    plt.close("all")
