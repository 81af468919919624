"""Provenance of a whole smoke run: every artefact, rebuilds from sidecars, and hand edits by chance."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from provenance_tools import EDITS, noticed  # noqa: E402

REBUILT, EDITED, SEED = 4, 240, 20261130


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> Path:
    """A checkout after `make figures PROFILE=smoke`: a fresh copy, or the one that AVSEP_SMOKE_CHECKOUT names."""
    if given := os.environ.get("AVSEP_SMOKE_CHECKOUT"):
        return Path(given)
    folder = tmp_path_factory.mktemp("smoke") / "checkout"
    words = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    for name in filter(None, subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    python(folder, "workflow/regenerate.py", "--profile", "smoke", "--cores", "2")
    return folder


def python(folder: Path, *words: str, code: int = 0) -> str:
    """Output of a command that uses the copy's own library."""
    environment = os.environ | {"PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1"}
    environment.pop("AVSEP_ROOT", None)
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == code, (done.stdout + done.stderr)[-6000:]
    return done.stdout


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_artefact_of_a_smoke_run(smoke, long_report):
    """Provenance of a smoke run: every artefact, and some made again from their sidecars alone."""
    said = python(smoke, "-m", "avsep_lib.lineage", "--profile", "smoke", "--n", "0", "--rebuild", str(REBUILT))
    print(said)
    counts = {what: int(n.replace(",", "")) for n, what in (part.split(" ", 1) for part in said.splitlines()[-1].split("; ")[0].split(", "))}  # fmt: skip
    assert said.rstrip().endswith("0 findings, 0 could not be checked.")
    assert said.count("making ") == REBUILT
    assert counts["artefacts made again"] == said.count("equal byte for byte")
    for what, number in counts.items():
        long_report.count(f"provenance: {what}", number)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_hand_edits_by_chance(smoke, tmp_path, long_report):
    """Hand edits of published figures, tables, sidecars and the record, chosen by chance."""
    published, copy = smoke / "figures/smoke", tmp_path / "figures"
    assert noticed(published, "smoke") == []
    rows, chance = [], random.Random(SEED)
    for number in range(EDITED):
        edit = EDITS[number % len(EDITS)]
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(published, copy, ignore=shutil.ignore_patterns("report"))
        told = edit(copy, chance)
        rows.append((edit.__name__.replace("_", " "), told, bool(noticed(copy, "smoke"))))
    table = pd.DataFrame(rows, columns=["edit", "what", "noticed"])
    missed = table[~table.noticed]
    long_report.count("hand edits noticed", EDITED, len(missed))
    counted = table.groupby("edit").noticed.agg(["size", "sum"]).rename(columns={"size": "tried", "sum": "noticed"})
    long_report.table("Hand edits by kind; places are chosen by chance.", counted.reset_index())
    assert missed.empty, missed
