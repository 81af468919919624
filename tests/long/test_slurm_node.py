"""The smoke profile through a real SLURM of one node gives the tables of a local run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from same_tools import LEFT_OUT, checkout, differing

ROOT = Path(__file__).resolve().parent.parent.parent
CONTROLLER = ROOT / ".venv-controller/bin/python"
PROGRAMS = ("munged", "slurmctld", "slurmd", "srun")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]


def regenerated(folder: Path, *options: str, before: tuple[str, ...] = ()) -> tuple[str, float]:
    """What Snakemake says, and seconds."""
    environment = os.environ | {"PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1"}
    words = [*before, sys.executable, "workflow/regenerate.py", "--profile", "smoke", "--cores", "2", *options]
    started = time.monotonic()
    done = subprocess.run(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout, time.monotonic() - started


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.skipif(os.geteuid() != 0, reason="a SLURM of one node needs root")
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
@pytest.mark.skipif(not CONTROLLER.exists(), reason="no .venv-controller: make figures EXECUTOR=slurm makes it")
def test_the_smoke_profile_through_slurm_gives_the_same_tables(tmp_path, long_report):
    """The smoke profile through SLURM on one node, and on this machine alone."""
    folders = {name: checkout(tmp_path / name) for name in ("local", "slurm")}
    _, local = regenerated(folders["local"])
    node = (sys.executable, str(ROOT / "tools/slurm_one_node.py"))
    slurm = ("--executor", "slurm", "--controller", str(CONTROLLER), "--slurm-status-command", "squeue")
    said, through = regenerated(folders["slurm"], *slurm, before=node)
    left_out = LEFT_OUT | {r"\.json$": "all JSON: sidecars name the processors that a job saw"}
    names, unlike = differing(*(folder / "results/smoke" for folder in folders.values()), left_out=left_out)
    tables = [name for name in names if name.endswith(".csv")]
    assert len(tables) > 50
    long_report.count("files but JSON, byte for byte except measured durations", len(names), len(unlike))
    submissions = len(re.findall("has been submitted with SLURM jobid", said))
    seconds = pd.DataFrame(
        {"executor": ["local", "slurm"], "seconds": [local, through], "submissions": ["", submissions]}
    )
    long_report.table("The smoke profile on the cores of this machine.", seconds.round(0))
    assert not unlike
    again, _ = regenerated(folders["slurm"])
    assert "Nothing to be done" in again, "what SLURM made is up to date for a local run"
