"""Killed anywhere, disks that are full or read-only, and what is found damaged: nothing lost, nothing silently wrong.

The miniature of tests/long/test_killed.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import kill_tools as tools
import nbformat
import pytest
import torch
from safetensors.torch import save_file

from avsep_lib import runner
from avsep_lib.cli import run_main
from avsep_lib.errors import AvsepError, StorageError, WeightsError
from avsep_lib.files import atomic_path, hold, remove_leftover_folders, remove_leftovers, sha256_file
from avsep_lib.train import train

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ("model.safetensors", "history.csv")


def contents(folder, names):
    return {name: (folder / name).read_bytes() for name in names}


# --- killed -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(random_features, tiny_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    train(tiny_run(), random_features, out)
    return contents(out, RESULTS)


@pytest.mark.parametrize("name", ["state.ckpt", "history.csv", "cost.json", "model.safetensors"])
@pytest.mark.parametrize("when", ["within", "before", "after"])
def test_a_training_killed_at_a_file_ends_as_an_undisturbed_one(
    random_features, tiny_run, undisturbed, tmp_path, name, when
):
    out = tmp_path / "run"
    process = tools.training_process(tiny_run(), random_features, out, f"{when} {name}")
    process.start()
    process.join()
    assert process.exitcode == -9
    assert len(tools.leftovers(out)) == (when != "after")
    assert not (out / "model.safetensors").exists() or when == "after"
    train(tiny_run(), random_features, out)
    assert contents(out, RESULTS) == undisturbed
    remove_leftovers(out)
    assert sorted(path.name for path in out.iterdir()) == ["cost.json", *sorted(RESULTS)]


def test_a_training_killed_at_random_moments_ends_as_an_undisturbed_one(random_features, tiny_run, tmp_path):
    config = tiny_run(steps=120, validations=24)
    steps = tools.train_with_kills(config, random_features, tmp_path / "run", kills=3, seed=1)
    assert steps == sorted(steps)
    assert contents(tmp_path / "run", RESULTS) == contents(tmp_path / "timed", RESULTS)


def test_what_killed_writers_leave_is_removed_and_what_living_ones_write_is_not(tmp_path):
    left = tmp_path / "runs" / ".state.abcd_123.unfinished.ckpt"
    left.parent.mkdir()
    left.write_bytes(b"half")
    (tmp_path / ".keep").write_text("not ours")
    with atomic_path(tmp_path / "scores.csv") as living:
        assert remove_leftovers(tmp_path) == [left]
        living.write_text("a\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".keep", "runs", "scores.csv"]


def test_folders_of_dead_kernels_are_removed(tmp_path):
    for name in ("k-dead", "k-living", "k-new", "other"):
        (tmp_path / name).mkdir()
        if name != "k-new":
            os.utime(tmp_path / name, (0, 0))
    handle = os.open(tmp_path / "k-living", os.O_RDONLY)
    hold(handle)
    remove_leftover_folders(tmp_path, "k-")
    os.close(handle)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k-living", "k-new", "other"]


# --- systems that do not let a file be written ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["clips", "embeddings", "features", "checkpoint", "scores", "figure"])
def test_a_file_that_may_not_grow_is_one_line_and_a_rerun_recovers(fault_jobs, tmp_path, kind):
    assert tools.storage_fault(fault_jobs[kind], "limit", tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "fault"), [("checkpoint", "full"), ("checkpoint", "read-only"), ("clips", "read-only")]
)
def test_a_disk_that_takes_nothing_is_one_line_and_a_rerun_recovers(fault_jobs, tmp_path, kind, fault):
    if not tools.may_mount() and (fault == "full" or os.getuid() == 0):
        pytest.skip("no disk can be mounted here, and permissions do not stop root")
    assert tools.storage_fault(fault_jobs[kind], fault, tmp_path) == []


def test_a_bug_stays_a_bug_on_a_full_disk_of_others(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "x"):
        1 / 0  # noqa: B018


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError(28, "No space left on device", "results/x.csv"),
            "StorageError: results/x.csv cannot be written: No space",
        ),
        (OSError(28, "No space left on device"), "StorageError: a file cannot be written: No space"),
        (PermissionError(13, "Permission denied", "a"), "StorageError: a cannot be read or written: Permission denied"),
        (MemoryError("Unable to allocate 9 TiB"), "MemoryError: Unable to allocate 9 TiB; close other programs"),
    ],
)
def test_what_the_system_refuses_is_one_line(capsys, error, words):
    def main():
        raise error

    with pytest.raises(SystemExit) as ended:
        run_main(main)
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.startswith(words)
    assert said.count("\n") == 1


def test_other_errors_of_the_system_keep_their_traceback():
    def main():
        raise ConnectionRefusedError(111, "Connection refused")

    with pytest.raises(ConnectionRefusedError):
        run_main(main)


# --- what is found damaged ------------------------------------------------------------------------------------------------


def test_a_checkpoint_with_one_changed_byte_is_refused(random_features, tiny_run, tmp_path):
    train(tiny_run(), random_features, tmp_path, stop_after=6)
    state = tmp_path / "state.ckpt"
    with zipfile.ZipFile(state) as archive:  # between its records are bytes that mean nothing
        record = archive.read(max(archive.infolist(), key=lambda info: info.file_size))
    damaged = bytearray(state.read_bytes())
    damaged[damaged.find(record) + len(record) // 2] ^= 1
    state.write_bytes(damaged)
    with pytest.raises(WeightsError, match=r"state\.ckpt cannot be read .*; delete it to start this run anew"):
        train(tiny_run(), random_features, tmp_path)


# --- notebooks that hang or die -------------------------------------------------------------------------------------------

STUBBORN = "[signal.signal(number, signal.SIG_IGN) for number in (2, 15)]; time.sleep(600)"
CHILD = "child = subprocess.Popen(['sleep', '600']); note(child.pid); time.sleep(600)"
BUDGET = "the notebook's budget of 0.05 minutes ran out; raise notebook_minutes in the profile"
DEAD = "the kernel died, most likely killed for memory"
PROFILE = 'profile: str = "smoke"\nseed: int = 1234\nn_bootstrap: int = 2000'


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """Environment of a regeneration whose server forks kernels (workflow/warm.py), and its folder."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "w").mkdir()
    words = [sys.executable, str(ROOT / "workflow/warm.py"), "--serve", "w", str(os.getpid())]
    server = subprocess.Popen(words, cwd=folder, env=os.environ | WARM)
    assert tools.within(120, (folder / "w" / "socket").exists)
    yield folder
    server.kill()
    server.wait()


WARM = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def run_cell(cell, place, minutes, monkeypatch):
    """Run a notebook with one cell; the error's text and the processes that the cell noted, its kernel first."""
    pids = place / "pids"
    begin = f"import os, signal, subprocess, time\ndef note(pid): print(pid, file=open({str(pids)!r}, 'a'))\nnote(os.getpid())"
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    )
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in (PROFILE, begin, cell)]
    notebook.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, place / "06_ablation.ipynb")
    monkeypatch.setattr(runner, "_set_hub", lambda profile: None)
    with pytest.raises(AvsepError) as caught:
        runner.run_notebook(place / "06_ablation.ipynb", {}, place / "log.ipynb", place / "out.ipynb", minutes)
    assert not (place / "out.ipynb").exists()
    return str(caught.value), [int(pid) for pid in pids.read_text().split()]


@pytest.mark.parametrize(
    ("start", "cell", "minutes", "reason"),
    [
        ("cold", STUBBORN, 0.05, BUDGET),
        ("warm", CHILD, 0.05, BUDGET),
        ("cold", "os._exit(3)", 1, DEAD),
        ("warm", "os.kill(os.getpid(), signal.SIGKILL)", 1, DEAD),
    ],
    ids=["stubborn", "child", "exit", "killed"],
)
def test_a_notebook_that_hangs_or_dies_names_its_cell_and_leaves_nothing(
    request, tmp_path, monkeypatch, start, cell, minutes, reason
):
    if start == "warm":
        monkeypatch.chdir(request.getfixturevalue("warm"))
        for name, value in (WARM | {"AVSEP_WARM": f"w:{os.getpid()}"}).items():
            monkeypatch.setenv(name, value)
    said, pids = run_cell(cell, tmp_path, minutes, monkeypatch)
    assert f"06_ablation.ipynb stopped in cell 4 ({cell.splitlines()[0]})" in said
    assert reason in said
    assert tools.within(8, lambda: not any(tools.alive(pid) for pid in pids))


@pytest.mark.skipif(not tools.may_mount(), reason="no disk can be mounted here")
def test_an_executed_notebook_that_finds_no_room_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_set_hub", lambda profile: None)
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in (PROFILE, "print('x' * 10**5)")]
    )
    notebook.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, tmp_path / "06_ablation.ipynb")
    with tools.small_disk(tmp_path / "disk") as disk:
        log = disk / "logs/log.ipynb"
        words = rf"^{disk}/\S+\.ipynb cannot be written: No space left on device; free disk space, then run again$"
        with tools.cannot_write("full", disk):
            with pytest.raises(StorageError, match=words):
                runner.run_notebook(tmp_path / "06_ablation.ipynb", {}, log, disk / "out.ipynb", 1)
            assert not (disk / "out.ipynb").exists()
        runner.run_notebook(tmp_path / "06_ablation.ipynb", {}, log, disk / "out.ipynb", 1)


def logged(log, command):
    """A command as the workflow runs it: exit code, and what the user is shown."""
    log.parent.mkdir(parents=True)
    script = f"source '{ROOT}/workflow/logged.sh' '{Path(sys.executable).parent}' offline; logged '{log}' {command}"
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True)
    return done.returncode, done.stderr


def test_a_job_killed_for_memory_says_what_to_do(tmp_path):
    code, said = logged(tmp_path / "logs/train/x.log", "bash -c 'echo step 1; kill -9 $$'")
    assert code == 137
    assert said.splitlines()[-3:] == [
        "step 1",
        "killed, most likely for memory: run again with CORES=1",
        "exit code 137",
    ]


@pytest.mark.skipif(not tools.may_mount(), reason="no disk can be mounted here")
def test_a_log_without_room_is_told(tmp_path):
    with tools.small_disk(tmp_path / "disk") as disk:
        code, said = logged(disk / "logs/x.log", "bash -c 'head -c 8M /dev/zero'")
    assert code != 0
    assert "No space left on device" in said
    assert "so the log may lack its end, where the reason was" in said


# --- the checks themselves --------------------------------------------------------------------------------------------------


def planted(folder):
    """Results as a regeneration leaves them, in small."""
    results = folder / "results/smoke"
    save = {
        "runs/a/history.csv": "step\n1\n",
        "runs/a/cost.json": '{"seconds": 1, "steps": 2}',
        "scores/a.csv": "a\n123\n",
        "artifacts/tab_x.csv": "a\n1\n",
        "artifacts/fig_x.svg": "<svg></svg>\n",
    }
    for name, text in save.items():
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text(text)
    save_file({"w": torch.arange(100.0)}, results / "runs/a/model.safetensors")
    outputs = {"tab_x.csv": sha256_file(results / "artifacts/tab_x.csv")}
    (results / "artifacts/tab_x.json").write_text(json.dumps({"outputs": outputs, "wall_time_s": 1, "caption": "x"}))
    return results


def cut(path):
    path.write_bytes(path.read_bytes()[:-2])


PARTIAL = [
    ("runs/a/model.safetensors", cut, "model.safetensors: SafetensorError"),
    ("scores/a.csv", cut, "scores/a.csv: AssertionError"),
    ("artifacts/fig_x.svg", cut, "fig_x.svg: AssertionError"),
    ("runs/a/cost.json", cut, "cost.json: JSONDecodeError"),
    ("runs/a/history.csv", Path.unlink, "a has a model and no history.csv"),
    ("artifacts/tab_x.csv", lambda path: path.write_text("a\n2\n"), "tab_x.json does not describe tab_x.csv"),
]


@pytest.mark.parametrize(("name", "spoil", "told"), PARTIAL, ids=[told for *_, told in PARTIAL])
def test_a_planted_partial_file_is_found(tmp_path, name, spoil, told):
    results = planted(tmp_path)
    (results / "scores/.b.abcdefgh.unfinished.csv").write_text("a")  # is nobody's result
    assert tools.partial_files(tmp_path) == []
    spoil(results / name)
    assert [problem for problem in tools.partial_files(tmp_path) if told in problem]


OTHER = [
    ("runs/a/cost.json", '{"seconds": 9, "steps": 2}', False),
    ("runs/a/cost.json", '{"seconds": 1, "steps": 3}', True),
    ("scores/a.csv", "a\n123.0000001\n", True),
    ("runs/a/model.safetensors", "", True),
    ("artifacts/tab_x.csv", "a\n2\n", True),
    ("logs/train.log", "resuming at step 5", False),
    ("runs/b/history.csv", "step\n", True),
]


@pytest.mark.parametrize(("name", "text", "told"), OTHER, ids=[f"{name} {text}" for name, text, _ in OTHER])
def test_a_planted_difference_is_found_and_seconds_are_not(tmp_path, name, text, told):
    one, other = planted(tmp_path / "one"), planted(tmp_path / "other")
    assert tools.differences(one, other)[1] == []
    (other / name).parent.mkdir(parents=True, exist_ok=True)
    (other / name).write_text(text)
    assert bool(tools.differences(one, other)[1]) == told


# --- one checkout, several regenerations ------------------------------------------------------------------------------------


PATIENCE_S = 600  # a machine with much else to do


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return tools.copy_checkout(tmp_path_factory.mktemp("checkout") / "copy")


def run_beside(checkout, words):
    """A command in a checkout: exit code and what it said."""
    done = subprocess.run(words, cwd=checkout, env=tools.environment(checkout), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def snakemake(profile):
    options = ["--snakefile", "workflow/Snakefile", "--cores", "1", "--rerun-incomplete"]
    return [sys.executable, "-m", "snakemake", *options, "--config", f"profile={profile}"]


def begins(output):
    return tools.within(PATIENCE_S, lambda: "dataset/music11 ..." in output.read_text())


def freeze_jobs(checkout):
    """Stop what renders (not Snakemake, not its shell) where it is; it takes no signal but SIGKILL any more."""

    def rendering():
        return [number for number, words in tools.alive_in(checkout).items() if "avsep_lib." in words]

    assert tools.within(PATIENCE_S, rendering), tools.alive_in(checkout)  # its shell says so first, and then starts it
    for number in rendering():
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGSTOP)


def test_one_regeneration_at_a_time_and_none_beside_the_jobs_of_a_killed_one(checkout, tmp_path):
    output, again = tmp_path / "first.log", tmp_path / "again.log"
    with tools.started(checkout, output) as first:
        assert begins(output), output.read_text()
        freeze_jobs(checkout)  # a quick machine would have ended them before they are looked for
        for words, told in (
            (tools.command("smoke"), "Another `make figures` is running in this checkout"),
            (tools.command("demo"), "Another `make figures` is running in this checkout"),
            (snakemake("smoke"), "cannot be locked"),
        ):
            code, said = run_beside(checkout, words)
            assert code != 0
            assert told in said
            assert "Traceback" not in said
        assert first.poll() is None
        first.kill()  # Snakemake alone: its job stays, with processes of its own
        first.wait()
        assert tools.alive_in(checkout)
        with tools.started(checkout, again) as second:
            assert begins(again), again.read_text()
            said = again.read_text()
            assert "left a lock behind" in said
            assert "Jobs of a Snakemake that was killed are still at work; they are ended: [" in said
            tools.kill_group(second)
    assert tools.within(tools.END_S, lambda: not tools.alive_in(checkout)), tools.alive_in(checkout)
    assert tools.partial_files(checkout) == []


@pytest.mark.skipif(not tools.may_mount(), reason="no disk can be mounted here")
@pytest.mark.parametrize("fault", ["full", "read-only"])
@pytest.mark.parametrize("name", ["results", "figures/smoke"])
def test_a_folder_that_takes_nothing_stops_a_regeneration_at_once(checkout, name, fault):
    (checkout / name).mkdir(exist_ok=True)
    with tools.small_disk(checkout / name):
        with tools.cannot_write(fault, checkout / name):
            code, said = run_beside(checkout, tools.command())
        assert code == 1
        assert said.splitlines()[-1].startswith(f"StorageError: {checkout / name}"), said
        assert "then run again" in said
        assert "Traceback" not in said
