"""The full form of the kills of tests/test_faults.py: a whole regeneration, and many more kills and faults."""

import random
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import kill_tools as tools

SEED = 7
KILLS = 6  # of a regeneration
TRAINING_KILLS = 24
PATIENCE_S = 3600  # a hang ends here, not a slow machine
NOTHING_TAKEN = ("limit", "full", "read-only")


def regenerate(folder, output):
    """Seconds of a regeneration that is left alone."""
    began = time.monotonic()
    with tools.started(folder, output) as process:
        assert process.wait(PATIENCE_S) == 0, output.read_text()[-3000:]
    return time.monotonic() - began


def kill_after(folder, output, n_jobs, delay_s):
    """Kill a regeneration some seconds after it has finished `n_jobs` jobs; what it left, as a row of the report."""
    with tools.started(folder, output) as process:
        reached = lambda: process.poll() is not None or len(tools.finished_jobs(output)) >= n_jobs  # noqa: E731
        assert tools.within(PATIENCE_S, reached)
        time.sleep(delay_s)
        assert process.poll() is None, output.read_text()[-3000:]
        tools.kill_group(process)
    began = time.monotonic()
    assert tools.within(tools.END_S, lambda: not tools.alive_in(folder)), tools.alive_in(folder)
    return {
        "jobs done": len(tools.finished_jobs(output)),
        "seconds until its last process was gone": f"{time.monotonic() - began:.1f}",
        "temporary files left": len(tools.leftovers(folder)),
        "partial files that look complete": len(tools.partial_files(folder)),
    }


@pytest.mark.long
@pytest.mark.timeout(3 * PATIENCE_S)
def test_a_regeneration_killed_at_random_moments_ends_as_an_undisturbed_one(long_report, tmp_path):
    """Killed anywhere: a whole regeneration, SIGKILL to its process group."""
    rng = random.Random(SEED)
    undisturbed, killed = (tools.copy_checkout(tmp_path / name) for name in ("undisturbed", "killed"))
    seconds = regenerate(undisturbed, tmp_path / "undisturbed.log")
    n_jobs = len(tools.finished_jobs(tmp_path / "undisturbed.log"))
    assert tools.partial_files(undisturbed) == []
    output = tmp_path / "killed.log"
    moments = [  # one in every sixth of the jobs, at a random moment of a random job
        kill_after(killed, output, int((i + rng.random()) / KILLS * n_jobs), rng.uniform(0, 3)) for i in range(KILLS)
    ]
    regenerate(killed, output)
    n_files, differing = tools.differences(undisturbed / "results/smoke", killed / "results/smoke")
    partial = sum(row["partial files that look complete"] for row in moments)
    long_report.count("kills of a regeneration; failed: with a partial file that looks complete", KILLS, partial)
    long_report.count("files equal to the byte to an undisturbed run's, but for seconds", n_files, len(differing))
    caption = f"Kills of a regeneration of {n_jobs} jobs (undisturbed {seconds:.0f} s), seed {SEED}."
    long_report.table(caption, pd.DataFrame(moments))
    assert not partial
    assert not differing
    assert not tools.leftovers(killed)
    assert output.read_text().count("left a lock behind") == KILLS


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_training_killed_often_ends_with_equal_weights(long_report, tiny_run, random_features, tmp_path):
    """Killed anywhere: one training job, at random steps."""
    config = tiny_run(steps=600, validations=200)
    steps = tools.train_with_kills(config, random_features, tmp_path / "run", TRAINING_KILLS, SEED)
    names = ("model.safetensors", "history.csv")
    equal = [(tmp_path / "run" / name).read_bytes() == (tmp_path / "timed" / name).read_bytes() for name in names]
    long_report.count(
        "kills of a training job; weights and history equal to the bit afterwards", len(steps), 2 - sum(equal)
    )
    caption = f"Steps of {config.training.steps} from which the training was taken up again, seed {SEED}."
    long_report.table(caption, pd.DataFrame({"steps": [", ".join(map(str, steps))]}))
    assert all(equal)
    assert len(set(steps)) > TRAINING_KILLS // 2


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_storage_that_takes_nothing_is_told_and_recovered_from(long_report, fault_jobs, tmp_path):
    """Disks that are full or read-only, and files that may not grow: one line, exit code 1, a rerun that recovers."""
    faults = [fault for fault in NOTHING_TAKEN if fault == "limit" or tools.may_mount()]
    rows, failed = [], 0
    for kind, job in fault_jobs.items():
        for fault in faults:
            place = tmp_path / f"{kind}-{fault}"
            place.mkdir()
            problems = tools.storage_fault(job, fault, place)
            failed += bool(problems)
            rows.append({"job": kind, "fault": fault, "wrong": "; ".join(problems) or "nothing"})
    long_report.count("jobs that could not write", len(rows), failed)
    long_report.table("What could not be written, and what was wrong about how that ended.", pd.DataFrame(rows))
    assert not failed, pd.DataFrame(rows).to_string()
