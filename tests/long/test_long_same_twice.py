"""The full form of tests/test_same_twice.py: a whole profile twice, other threads, another Python, other seeds."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import same_tools
from same_tools import (
    CEILING_DB,
    LEFT_OUT,
    MEASURED,
    apart,
    checkout,
    decided,
    differing,
    files_below,
    regenerated,
    shapes,
    toy,
)

from avsep_lib.changes.tolerances import AGREEMENT
from avsep_lib.changes.values import Difference, compare_tables
from avsep_lib.provenance import PACKAGES

SECOND = os.environ.get("AVSEP_SECOND_PYTHON", "")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_profile_regenerated_twice_from_nothing_is_the_same_to_the_byte(tmp_path, long_report):
    """The smoke profile from nothing in two copies of the checkout, with one core and with two."""
    copies = [checkout(tmp_path / f"with-{cores}") for cores in (1, 2)]
    seconds = [regenerated(copy, cores) for copy, cores in zip(copies, (1, 2))]
    names, unlike = [], []
    for folder in ("results/smoke", "figures/smoke"):
        of_folder, of_these = differing(*(copy / folder for copy in copies), left_out=LEFT_OUT)
        names += [f"{folder}/{name}" for name in of_folder]
        unlike += [f"{folder}/{name}" for name in of_these]
    long_report.count("files, byte for byte except the fields below", len(names), len(unlike))
    kinds, wrong = (Counter(Path(name).suffix for name in found) for found in (names, unlike))
    rows = [{"kind of file": kind, "compared": kinds[kind], "unlike": wrong[kind]} for kind in sorted(kinds)]
    times = ", ".join(f"{value:.0f} s" for value in seconds)
    long_report.table(f"The smoke profile from nothing, with one core and with two ({times}).", pd.DataFrame(rows))
    measured = [{"files": f"`{line.files}`", "taken out before the comparison": line.fields} for line in MEASURED]
    measured += [{"files": f"`{pattern}`", "taken out before the comparison": f"all: {why}"} for pattern, why in LEFT_OUT.items()]  # fmt: skip
    long_report.table("What holds measured time, and nothing else, is not compared:", pd.DataFrame(measured))
    assert {".csv", ".md", ".tex", ".png", ".svg", ".safetensors", ".json", ".wav", ".mp4"} <= set(kinds)
    assert len(names) > 500
    assert not unlike


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_other_numbers_of_threads_stay_within_the_stated_tolerances(tmp_path, long_report):
    """The toy project with 1, 2 and 4 threads of PyTorch and BLAS."""
    base = toy(tmp_path / "base")
    found = {n: apart(base, toy(tmp_path / f"again-{n}", threads=n, base=str(tmp_path / "base"))) for n in (1, 2, 4)}
    table = _distances({f"{n} threads": distances for n, distances in found.items() if n > 1}, "threads")
    long_report.count("kinds of results compared with those of one thread", 2 * len(table), len(_beyond(table)))
    caption = "Largest difference from one thread, each command with the same inputs, and what is allowed."
    long_report.table(caption, table)
    assert set(found[1].values()) == {0.0}, "the commands are not those that made the base"
    assert not _beyond(table), table.to_string()

    chains = [toy(tmp_path / f"chain-{name}", threads=2) for name in "ab"]
    names, unlike = differing(*chains)
    long_report.count("files of two runs from nothing with two threads, byte for byte", len(names), len(unlike))
    assert not unlike
    drift = _distances({"from nothing, 2 threads": apart(base, chains[0])}, "threads").drop(columns="tolerance")
    long_report.table("The same where differences add up from command to command; tables as of another machine.", drift)
    csv = "artifacts/tab_toy.csv"
    found = compare_tables("tab_toy.csv", *((at / csv).read_text() for at in (base, chains[0])), strict=False)
    differences = [d for d in found if not (d.place.count("sar_db") and _says_no_artefacts(d))]
    long_report.count(
        "tables from nothing with one and two threads, compared as of another machine", 1, bool(differences)
    )
    assert not differences


def _says_no_artefacts(difference: Difference) -> bool:
    return min(float(value.strip("'")) for value in (difference.committed, difference.here)) > CEILING_DB


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_another_python_stays_within_the_stated_tolerances(tmp_path, long_report):
    """The toy project and all decisions with Python 3.11 and 3.12."""
    if why := _unfit(SECOND):
        pytest.skip(f"{why}; AVSEP_SECOND_PYTHON names an interpreter, 3.11 or 3.12, with the packages of the lock")
    here, there = toy(tmp_path / "here"), toy(tmp_path / "there", interpreter=SECOND)
    first, second = decided(), decided(interpreter=SECOND)
    wrong = [name for name in first if first[name] != second[name]]
    table = _distances({"other Python": apart(here, there)}, "python")
    long_report.count("decisions (seeds, orders, lists, plans) of the other Python", len(first), len(wrong))
    long_report.count("kinds of results compared with the other Python's", len(table), len(_beyond(table)))
    long_report.table("Largest difference between the two versions of Python, and what is allowed.", table)
    assert not wrong
    assert not _beyond(table), table.to_string()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_changing_only_a_seed_changes_the_numbers_and_nothing_else(tmp_path, long_report):
    """The toy project with another seed of the run, of the dataset, of the bootstrap."""
    first = toy(tmp_path / "first", brief=1)
    changes = {"seed": SEEDED, "dataset_seed": ("",), "bootstrap_seed": ("artifacts/",)}
    rows = []
    for name, places in changes.items():
        other = toy(tmp_path / name, brief=1, **{name: 5})
        assert shapes(other) == shapes(first), name
        unlike = _changed(first, other)
        outside = [path for path in unlike if not path.startswith(places)]
        rows.append({"changed": name, "files": len(files_below(first)), "other content": len(unlike), "unexpected": len(outside)})  # fmt: skip
        long_report.count(f"files after a change of {name}", len(files_below(first)), len(outside))
        assert not outside
        assert set(MUST_CHANGE[name]) <= set(unlike), sorted(set(MUST_CHANGE[name]) - set(unlike))
    long_report.table("What another seed changes; files, columns, rows and shapes stay.", pd.DataFrame(rows))


SEEDED = ("runs/", "scores/hier_align", "analysis/latents", "analysis/probe", "analysis/tsne", "artifacts/")
TRAINED = ("runs/hier_align-s#/model.safetensors", "runs/hier_align-s#/history.csv", "scores/hier_align-s#.csv")
MUST_CHANGE = {
    "seed": (*TRAINED, "artifacts/tab_toy.csv", "artifacts/fig_toy.svg"),
    "dataset_seed": (
        *TRAINED, "data/music11/clips/waveforms.npy", "data/music11/encoders/image/model.safetensors",
        "data/music11/embeddings/audio.safetensors", "analysis/descriptors.csv", "artifacts/tab_toy.csv",
    ),
    "bootstrap_seed": ("artifacts/tab_toy.csv", "artifacts/tab_toy.md", "artifacts/fig_toy.svg"),
}  # fmt: skip


def _changed(first: Path, other: Path) -> list[str]:
    """Files with other content, by a name without the seed of the run."""
    before, after = (
        {same_tools.seedless(name): path for name, path in files_below(at).items()} for at in (first, other)
    )
    return [name for name in before if same_tools.comparable(before[name]) != same_tools.comparable(after[name])]


def _distances(found: dict[str, dict[str, float]], column: str) -> pd.DataFrame:
    """One line per line of AGREEMENT."""
    rows = [
        {"result": line.what, **{name: f"{values[line.what]:.1e}" for name, values in found.items()},
         "tolerance": f"{getattr(line, column):.1e}", "unit": line.unit}
        for line in AGREEMENT
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _beyond(table: pd.DataFrame) -> list[str]:
    """Results that lie farther apart than allowed."""
    found = table.drop(columns=["result", "tolerance", "unit"]).astype(float)
    return list(table["result"][found.gt(table["tolerance"].astype(float), axis=0).any(axis=1)])


def _unfit(interpreter: str) -> str:
    """Why an interpreter cannot stand beside this one; empty if it can."""
    if not interpreter:
        return "no second Python is named"
    ask = "import importlib.metadata as m, json, sys; print(json.dumps([sys.version_info[:2], {n: m.version(n) for n in sys.argv[1:]}]))"
    answers = []
    for words in ([interpreter], [same_tools.sys.executable]):
        done = subprocess.run([*words, "-c", ask, *PACKAGES], capture_output=True, text=True)
        if done.returncode:
            return f"{interpreter} lacks packages: {done.stderr.strip().splitlines()[-1]}"
        answers.append(done.stdout)
    if answers[0].split("]")[0] == answers[1].split("]")[0]:
        return f"{interpreter} is the same version of Python"
    return "" if answers[0].split("]", 1)[1] == answers[1].split("]", 1)[1] else f"{interpreter} has other packages"
