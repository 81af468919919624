"""Growth: exponents of made-up times, accounting of a job, and two sizes of the real workflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from avsep_lib.paths import project_root
from benchmarks import growth
from benchmarks.growth_account import run_job
from benchmarks.growth_fit import exponent, scatter, stages_table, verdict
from benchmarks.growth_picture import draw, with_constant

SIZES = np.array([1.0, 4.0, 16.0])


@pytest.mark.parametrize("power", [0.5, 1.0, 1.3, 2.0])
@pytest.mark.parametrize("constant", [0.0, 3.0, 50.0])
def test_a_constant_cost_does_not_change_the_exponent(power, constant):
    found, low, high = exponent(constant + 0.7 * SIZES**power, np.zeros(3), 4.0, 5)
    assert (found, low, high) == pytest.approx((power, power, power))


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Times with 2 % noise of known size: 95 % of the intervals hold the exponent."""
    rng, truth = np.random.default_rng(3), 2.0 + 1.5 * SIZES
    hits = 0
    for _ in range(600):
        found = exponent(truth * rng.normal(1, 0.02, 3), 0.02 * truth, 4.0, 1000)
        hits += found[1] <= 1 <= found[2]
    assert 0.92 <= hits / 600 <= 0.98


def test_times_that_do_not_increase_have_no_exponent():
    assert np.isnan(exponent(np.array([2.0, 1.9, 5.0]), np.zeros(3), 4.0, 5)).all()


@pytest.mark.parametrize(
    ("growth_share", "low", "high", "words"),
    [(0.1, 0.9, 1.1, "hardly grows"), (3, 0.9, 1.1, "linear"), (3, 1.01, 1.2, "more than linear"),
     (3, 0.5, 0.9, "less than linear"), (3, np.nan, np.nan, "not known"), (3, 0.2, 1.4, "not known")],
)  # fmt: skip
def test_verdicts(growth_share, low, high, words):
    assert verdict(growth_share, low, high) == words


def jobs_of(power: float) -> pd.DataFrame:
    """Jobs of a stage that grows and of one that does not; the second repeat stops before the report's last job."""
    rows = []
    for factor in (1, 4, 16):
        for repeat in range(2 if factor < 16 else 1):
            wobble = 1 + 0.01 * repeat
            rows.append(("evaluation", "score/a", factor, repeat, (3 + factor**power) * wobble))
            rows.append(("report", "notebooks/a", factor, repeat, 5.0 * wobble))
            if not repeat:
                rows.append(("report", "report", factor, repeat, 5.0))
    table = pd.DataFrame(rows, columns=["stage", "job", "factor", "repeat", "cpu_s"])
    return table.assign(
        clips=table.factor * 30, wall_s=table.cpu_s, resident_mib=100.0, anonymous_mib=50.0 + table.factor
    )


@pytest.mark.parametrize(("power", "words"), [(1.0, "linear"), (2.0, "more than linear")])
def test_the_table_says_how_stages_grow(tmp_path, power, words):
    table = stages_table(jobs_of(power)).set_index(["stage", "factor"])
    assert table.loc[("evaluation", 1), "verdict"] == words
    assert table.loc[("evaluation", 1), "exponent"] == pytest.approx(power, abs=0.05)
    assert table.loc[("report", 1), "verdict"] == "hardly grows"
    assert table.loc[("report", 1), ["cpu_s", "repeats"]].tolist() == [10.0, 1]  # the incomplete repeat does not count
    assert table.loc[("evaluation", 4), "repeats"] == 2
    assert (table.memory_growth_mib == 15).all()
    draw(table.reset_index(), tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000


def test_scatter_is_the_relative_deviation_of_repeats():
    times = pd.DataFrame({"stage": list("aab"), "factor": [1, 1, 1], "cpu_s": [9.0, 11.0, 100.0]})
    assert scatter(times) == (pytest.approx(0.1 * np.sqrt(2)), 1)


def test_the_curve_is_a_constant_and_a_line():
    clips = np.array([30.0, 120.0, 480.0])
    assert with_constant(clips, 3 + 0.1 * clips, np.array([960.0]))[0] == pytest.approx(99)


def test_a_job_is_charged_for_its_children_and_its_own_memory(tmp_path):
    script = (
        "import subprocess, sys, time; b = bytearray(80 * 2**20); b[::4096] = b'x' * len(b[::4096]); time.sleep(0.4);"
    )
    script += "subprocess.run([sys.executable, '-c', 'import time\\nwhile time.process_time() < 0.5: pass'])"
    cost = run_job([sys.executable, "-c", script], tmp_path / "logs" / "a.log")
    assert cost["code"] == 0
    assert 0.5 <= cost["cpu_s"] < 5
    assert cost["resident_mib"] > 80
    if sys.platform == "linux":
        assert 80 < cost["anonymous_mib"] < 200


def test_a_failing_job_keeps_its_code_and_is_shown(tmp_path):
    log, ledger = tmp_path / "logs" / "score" / "a.log", tmp_path / "ledger.jsonl"
    command = [
        sys.executable,
        "-m",
        "benchmarks.growth_account",
        str(log),
        sys.executable,
        "-c",
        "raise SystemExit('no')",
    ]
    environment = os.environ | {"GROWTH_LEDGER": str(ledger), "PYTHONPATH": str(project_root())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"score/a failed; the end of {log}:\nno" in done.stderr
    assert json.loads(ledger.read_text())["job"] == "score/a"


def test_sizes_are_multiples(tmp_path):
    from avsep_lib.config import check_profile, profile_runs

    small, large = (check_profile(growth.profile_of(n, "growth"), "growth", "growth") for n in (1, 4))
    assert large.mixtures.pool_size == 4 * small.mixtures.pool_size
    assert large.training.steps == 4 * small.training.steps
    assert {run.run_id for run in profile_runs(small)} == {"late-s0", "middle-s0", "hier_align-s0"}


def test_every_job_of_the_workflow_has_a_stage():
    rules = (project_root() / "workflow" / "rules").glob("*.smk")
    logs = {line.split("<logs>/")[1].split("/")[0].split(".")[0].split("-")[0].strip('",')
            for path in rules for line in path.read_text().splitlines() if '"<logs>/' in line}  # fmt: skip
    assert logs - {"publish"} <= set(growth.STAGES)


@pytest.mark.slow
def test_two_sizes_of_the_real_workflow(tmp_path):
    """Rendering and decoding only: the jobs are the rules', and each is accounted for."""
    jobs = growth.measure((1, 2), {}, ["results/{name}/data/music11/clips/clips.json"], tmp_path / "jobs.csv")
    assert len(pd.read_csv(tmp_path / "jobs.csv")) == len(jobs)
    assert jobs.job.tolist() == ["dataset/music11", "clips/music11"] * 2
    assert (jobs.stage == "preparation").all()
    assert jobs.clips.iloc[-1] == 2 * jobs.clips.iloc[0]
    assert (jobs[["cpu_s", "wall_s", "resident_mib"]] > 0).all().all()
