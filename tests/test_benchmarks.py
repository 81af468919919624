"""The frame of the benchmarks on cases that cost nothing, and one real case at its smallest."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from avsep_lib.library import modules_of_notebook
from avsep_lib.parameters import NOTEBOOKS
from avsep_lib.paths import project_root
from avsep_lib.settings import AudioSettings
from avsep_lib.workflow import notebook_path
from benchmarks import __main__ as command
from benchmarks import machine, picture, report, run, timing
from benchmarks.case import Case, Pair
from benchmarks.cases import all_cases, bss_eval, store, workflow

RATES = machine.Rates(10.0, 100.0, 200.0, 50.0)


@pytest.fixture(autouse=True)
def known_rates(monkeypatch):
    monkeypatch.setattr(machine, "rates", lambda threads=1: RATES)


def constant(reference, ours, **more):
    """A pair whose costs are given, not timed."""
    return Pair(lambda: reference, lambda: ours, **more)


def fake(name, reference=6.0, ours=2.0, goal=2.0, direction="at least", unit="s", goal_of="ratio", long=False, **more):
    return Case(
        name,
        "plain",
        goal,
        direction,
        unit,
        lambda: constant(reference, ours, **more),
        goal_of,
        1,
        repeats=3,
        long=long,
    )


def broken():
    """A check that finds a difference."""
    raise AssertionError("gradients differ by 3e-4")


def measured(tmp_path, cases, rows=""):
    """What the command does, on given cases: exit code and the table."""
    arguments = ["benchmarks", "--rows", rows, "--out", str(tmp_path)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "all_cases", lambda: cases)
        patch.setattr("sys.argv", arguments)
        code = command.main()
    return code, pd.read_csv(tmp_path / "latest.csv").set_index("row")


def test_ratios_goals_and_units(tmp_path):
    cases = [
        fake("quicker", 6.0, 2.0, goal=2.5),
        fake("too slow", 6.0, 4.0, goal=2.5),
        fake("smaller", 100.0, 55.0, goal=0.6, direction="at most", unit="MiB"),
        fake("too large", 100.0, 70.0, goal=0.6, direction="at most", unit="MiB"),
        fake("minutes", 30.0, 14.0, goal=15, direction="at most", unit="min", goal_of="ours"),
        fake("rate", 6.0, 2.0, goal=3.0, unit="s/s", work=12.0),
        fake("informs", goal=None),
    ]
    code, table = measured(tmp_path, cases)
    assert code == 0  # an unmet goal is a result
    assert list(table.index) == [case.name for case in cases]
    assert table.ratio.to_dict() == pytest.approx(
        {"quicker": 3, "too slow": 1.5, "smaller": 0.55, "too large": 0.7, "minutes": 14 / 30, "rate": 3, "informs": 3}
    )
    assert table.status.to_list() == ["met", "not met", "met", "not met", "met", "met", "informs"]
    assert (table.loc["rate", ["reference", "ours"]] == [2.0, 6.0]).all()
    assert (table.copy_gb_s == 10).all()
    assert (tmp_path / "latest.png").stat().st_size > 1000


def test_a_failing_check_is_refused_and_the_others_are_measured(tmp_path, capsys):
    timed = []
    pair = Pair(lambda: timed.append(1), lambda: timed.append(1), check=broken)
    cases = [Case("inexact", "plain", 2.0, "at least", "s", lambda: pair, threads=1), fake("sound")]
    code, table = measured(tmp_path, cases)
    assert code == 1
    assert not timed
    assert table.status.to_dict() == {"inexact": "failed", "sound": "met"}
    assert np.isnan(table.ratio["inexact"])
    assert "gradients differ" in table.exactness["inexact"]
    assert "failed: inexact" in capsys.readouterr().out


def test_chosen_rows_keep_the_others_with_their_date(tmp_path, capsys, monkeypatch):
    cases = [fake("one"), fake("two"), fake("three")]
    measured(tmp_path, cases)
    first = pd.read_csv(tmp_path / "latest.csv", dtype=str)
    first["date"] = "2026-01-02 03:04"
    first.to_csv(tmp_path / "latest.csv", index=False)
    capsys.readouterr()
    _, table = measured(tmp_path, [cases[0], fake("two", ours=1.0), fake("new")], rows="two")
    assert list(table.index) == ["one", "two"]  # `three` is no case any more, `new` was not run
    assert table.ratio.to_dict() == {"one": 3, "two": 6}
    assert table.date["one"] == "2026-01-02 03:04" != table.date["two"]
    printed = capsys.readouterr().out
    assert "kept     one: not run now, measured 2026-01-02" in printed
    assert "dropped  three" in printed
    history = pd.read_csv(tmp_path / "history.csv")
    assert history.row.to_list() == ["one", "two", "three", "two"]


def test_long_rows_run_when_named_or_with_all():
    cases = [fake("quick step"), fake("demo", long=True)]
    assert [case.name for case in run.chosen(cases, "")] == ["quick step"]
    assert [case.name for case in run.chosen(cases, "Demo|step")] == ["quick step", "demo"]
    assert len(run.chosen(cases, "ALL")) == 2
    with pytest.raises(SystemExit, match="no row matches 'stpe'"):
        run.chosen(cases, "stpe")


def test_repeats_are_interleaved_and_the_spread_is_that_of_the_pairs():
    order, drift = [], itertools.count(1)

    def act(name, factor):
        order.append(name)
        return factor * next(drift)

    pair = Pair(lambda: act("reference", 2.0), lambda: act("ours", 1.0))
    case = Case("drift", "plain", None, "at least", "s", lambda: pair, threads=1, repeats=4, warm_up=False)
    ratios = timing.interleaved(case, pair, 0).ratios("at least")
    assert order == ["reference", "ours"] * 4
    assert ratios == pytest.approx([2 * 1 / 2, 2 * 3 / 4, 2 * 5 / 6, 2 * 7 / 8])


def test_actions_that_return_nothing_are_timed():
    assert 0.01 < timing.cost(lambda: __import__("time").sleep(0.02)) < 1.0


def test_peak_memory_is_that_of_a_fresh_process_above_its_imports():
    assert 60 < timing.peak_memory("benchmarks.memory:fill", "64") < 90
    with pytest.raises(RuntimeError, match="no_such"):
        timing.peak_memory("benchmarks.memory:no_such")


def test_positions_in_the_picture_are_gains_over_the_reference():
    rows = [
        {"direction": "at least", "goal": 2.0, "goal_of": "ratio", "ratio": 3.0, "low": 2.0, "high": 4.0},
        {"direction": "at most", "goal": 0.5, "goal_of": "ratio", "ratio": 0.25, "low": 0.2, "high": 0.5},
        {"direction": "at most", "goal": 3.0, "goal_of": "ours", "ratio": 0.25, "low": 0.25, "high": 0.25},
    ]
    speed, share, seconds = (
        pd.Series(row | {"reference": 12.0, "ours": 4.0, "floor": 1.0, "unit": "s"}) for row in rows
    )
    assert picture.reached(speed) == (3, 2, 4)
    assert picture.reached(share) == (4, 2, 5)
    assert [picture.wanted(row) for row in (speed, share, seconds)] == [2, 2, 4]
    assert picture.at_floor(speed) == picture.at_floor(share) == 12
    rate = pd.Series(rows[0] | {"reference": 2.0, "ours": 6.0, "floor": 8.0, "unit": "s/s"})
    assert picture.at_floor(rate) == 4
    alone = seconds.replace({12.0: np.nan, 0.25: np.nan})
    assert picture.reached(alone)[0] == 3 / 4
    assert picture.wanted(alone) == 1


def test_picture_shows_failures_and_earlier_dates(tmp_path):
    table = pd.DataFrame([{"row": "a", "status": "failed", "date": "2026-01-01 00:00"}]).reindex(columns=report.COLUMNS)
    picture.draw(table, tmp_path / "latest.png")
    assert (tmp_path / "latest.png").stat().st_size > 1000


def test_names_of_the_rows_are_unique():
    names = [case.name for case in all_cases()]
    assert len(names) == len(set(names))


def test_a_real_case_is_exact_and_runs():
    pair = bss_eval.pair(methods=2, samples=4096, mixtures=2, threads=1)
    assert "dB" in pair.check()
    pair.reference()
    pair.ours()


def test_batches_of_the_store_are_those_of_sound_files():
    audio = AudioSettings(n_samples=8_191, hop_length=512, n_rows=32)
    pair = store.pair(audio, batch_size=4, pool_size=8, cold=True)
    assert "largest difference" in pair.check()
    assert pair.ours() > 0
    assert pair.reference() > 0


def test_the_edited_module_draws_figures_of_one_notebook():
    """So the row measures one edited figure; a second notebook that came to use the module once doubled it."""
    edited = Path(workflow.EDITED)
    stems = [stem for stem in NOTEBOOKS if edited in modules_of_notebook(project_root() / notebook_path(stem))]
    assert stems == ["08_modality_gap"]


@pytest.mark.parametrize(("one_thread", "expected"), [(0.001, "small"), (1e-4, "large")])
def test_whether_bfloat16_is_emulated_is_asked_of_one_thread(monkeypatch, one_thread, expected):
    """Of two, a busy machine once had a native type look emulated, and the floor was 30 s instead of 0.2."""
    asked = []

    def seconds(action):
        asked.append((action().shape[0], torch.get_num_threads()))
        return 10.0 if asked[-1] == (machine.SMALL, 2) else one_thread

    monkeypatch.setattr(machine, "_best_s", seconds)
    monkeypatch.setattr(machine, "SMALL", 16)
    monkeypatch.setattr(machine, "EMULATED", 2 * 16**3 / 1e9 / 5e-4)
    monkeypatch.setitem(machine.MATRIX, "bfloat16", 32)
    with timing.limited_threads(2):
        machine._matrix_rate("bfloat16")
        assert torch.get_num_threads() == 2
    assert asked[0] == (16, 1)
    assert (asked[1:] == [(32, 2)]) == (expected == "large")
