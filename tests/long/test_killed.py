"""The full form of the kills of tests/test_faults.py: a whole regeneration, and many more kills of a training job."""

import random
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import kill_tools as tools

SEED = 7
KILLS = 6
MINUTES = 20


def wait(process):
    assert process.wait(MINUTES * 60) == 0


@pytest.mark.long
@pytest.mark.timeout(40 * 60)
def test_a_regeneration_killed_at_random_moments_ends_as_an_undisturbed_one(long_report, tmp_path):
    """Killed anywhere: the smoke profile, SIGKILL to the whole process group."""
    rng = random.Random(SEED)
    undisturbed, killed = (tools.copy_checkout(tmp_path / name) for name in ("undisturbed", "killed"))
    output = tmp_path / "undisturbed.log"
    began = time.monotonic()
    wait(tools.start(undisturbed, output))
    seconds = time.monotonic() - began
    n_jobs = len(tools.finished_jobs(output))

    output, moments = tmp_path / "killed.log", []
    output.touch()
    for i in range(KILLS):  # one kill in every sixth of the jobs, at a random moment of a random job
        target = int((i + rng.random()) / KILLS * n_jobs)
        process = tools.start(killed, output)
        assert tools.within(
            MINUTES * 60, lambda p=process, t=target: p.poll() is not None or len(tools.finished_jobs(output)) >= t
        )
        time.sleep(rng.uniform(0, 3))
        assert process.poll() is None, output.read_text()[-3000:]
        tools.kill_group(process)
        began_ending = time.monotonic()
        assert tools.within(tools.END_S, lambda: not tools.alive_in(killed)), tools.alive_in(killed)
        moments.append(
            {
                "jobs done": len(tools.finished_jobs(output)),
                "seconds until all processes were gone": round(time.monotonic() - began_ending, 1),
                "temporary files left": len(tools.leftovers(killed)),
                "complete-looking partial files": len(partial := tools.partial_files(killed)),
            }
        )
        assert not partial, partial
    wait(tools.start(killed, output))
    assert not tools.leftovers(killed)
    assert "left a lock behind" in output.read_text()
    n_files, differing = tools.differences(undisturbed / "results/smoke", killed / "results/smoke")
    long_report.count("kills of a regeneration", KILLS)
    long_report.count(
        "files equal to an undisturbed run's to the byte, but for measured seconds", n_files, len(differing)
    )
    long_report.table(
        f"Kills of a regeneration of {n_jobs} jobs (undisturbed: {seconds:.0f} s), seed {SEED}.", pd.DataFrame(moments)
    )
    assert not differing
    # shutil.rmtree(tmp_path)
