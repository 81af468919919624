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

ROOT = Path(__file__).resolve().parent.parent.parent
CONTROLLER = ROOT / ".venv-controller/bin/python"
PROGRAMS = ("munged", "slurmctld", "slurmd", "srun")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]


def checkout(folder: Path) -> Path:
    """A copy of what git tracks or would track."""
    words = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    for name in filter(None, subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def same(first: Path, second: Path) -> bool:
    """Equal bytes; of the two tables with measured durations, all the rest."""
    return comparable(first) == comparable(second)


def comparable(path: Path) -> bytes | str:
    if path.name in ("tab_table6_cost.csv", "tab_baselines_cost.csv"):
        table = pd.read_csv(path, dtype=str)
        return table.drop(columns=[name for name in table if re.search("seconds|minutes", name)]).to_csv()
    if path.name == "tab_training_run.csv":
        return re.sub(r"^(time|speed),.*", r"\1", path.read_text(), flags=re.MULTILINE)
    return path.read_bytes()


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
    pairs = {
        str(path.relative_to(folders["local"])): (path, folders["slurm"] / path.relative_to(folders["local"]))
        for path in sorted((folders["local"] / "results/smoke").rglob("*.csv"))
    }
    assert len(pairs) > 50
    differing = [name for name, (one, other) in pairs.items() if not other.exists() or not same(one, other)]
    long_report.count("CSV files, byte for byte except measured durations", len(pairs), len(differing))
    submissions = len(re.findall("has been submitted with SLURM jobid", said))
    seconds = pd.DataFrame(
        {"executor": ["local", "slurm"], "seconds": [local, through], "submissions": ["", submissions]}
    )
    long_report.table("The smoke profile on the cores of this machine.", seconds.round(0))
    assert not differing
    again, _ = regenerated(folders["slurm"])
    assert "Nothing to be done" in again, "what SLURM made is up to date for a local run"
