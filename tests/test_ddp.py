"""Data-parallel training: two processes equal one that normalises the same half-batches; launchers, ends, resume."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import tiny_config
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from avsep_lib.errors import ConfigError, WeightsError
from avsep_lib.losses import SEPARATION, alignment
from avsep_lib.models.separator import Separator, prepare_visual
from avsep_lib.parallel import check_same_step, make_fabric, started_processes
from avsep_lib.settings import ModelSettings, TrainingSettings, to_dict
from avsep_lib.train import learning_rate, train
from avsep_lib.training_data import batch_indices, load_features, open_pool

HERE = Path(__file__).parent
STEPS, VALIDATIONS = 4, 2
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]


def config_of(run_id: str, alignment: bool = True, **model):
    """A tiny run of two devices."""
    config = tiny_config(steps=STEPS, validations=VALIDATIONS, devices=2)
    return dataclasses.replace(
        config, run_id=run_id, alignment=alignment, model=dataclasses.replace(config.model, **model)
    )


RUNS = {
    config.run_id: config
    for config in (
        config_of("late", fusion="late"),
        config_of("late-plain", alignment=False, fusion="late"),
        config_of("middle", fusion="middle"),
        config_of("hierarchical", fusion="hierarchical"),
        config_of("last", fusion="hierarchical", mid_condition="last"),
        config_of("teacher", fusion="hierarchical", bottleneck="teacher"),
        config_of("resnet18", fusion="late", backbone="resnet18"),
    )
}


def environment() -> dict[str, str]:
    """One thread, no GPU, and nothing of a launcher that this process may run under."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "TORCHELASTIC_"))}
    for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        kept.pop(name, None)
    return kept | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(HERE.parent)}


def ended(command: list, timeout: float = 300, **variables: str) -> subprocess.CompletedProcess:
    """A finished command with what it printed."""
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=timeout, env=environment() | variables
    )


def command(config, features: Path, out: Path, *options: str) -> list[str]:
    """The command that trains a run."""
    arguments = ["--config", json.dumps(to_dict(config)), "--features", features, "--out", out, *options]
    return ["-m", "avsep_lib.train", *map(str, arguments)]


# --- two processes are one that normalises two half-batches ----------------------------------------------------------


@pytest.fixture(scope="module")
def features64(random_features, tmp_path_factory) -> Path:
    """The random features in float64: losses are computed in the precision of the features."""
    folder = tmp_path_factory.mktemp("features64")
    for name in ("train", "val"):
        tensors = load_file(random_features / f"{name}.safetensors")
        save_file(
            {k: v.double() if v.is_floating_point() else v for k, v in tensors.items()}, folder / f"{name}.safetensors"
        )
    return folder


@pytest.fixture(scope="module")
def processes(features64, tmp_path_factory) -> Path:
    """Results of all `RUNS`, trained by two gloo processes that torchrun started."""
    out = tmp_path_factory.mktemp("processes")
    configs = json.dumps([to_dict(config) for config in RUNS.values()])
    done = ended([*TORCHRUN, HERE / "ddp_worker.py", features64, configs, out])
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def one_process(config, features: Path, dtype: torch.dtype):
    """A plain loop: each half of a batch passes alone, with running statistics of its own.

    Returns the model with averaged statistics, the gradients of all steps and the mean losses per validation period.
    """
    training = config.training
    torch.manual_seed(config.seed)
    default, _ = torch.get_default_dtype(), torch.set_default_dtype(dtype)
    model = Separator(config.model).to(memory_format=torch.channels_last)
    torch.set_default_dtype(default)
    pool = load_features(features / "train.safetensors")
    visual = "frames" if config.model.backbone == "resnet18" else "images"
    statistics = [copy.deepcopy(dict(model.named_buffers())) for _ in range(2)]
    optimizer = torch.optim.Adam(model.parameters(), lr=training.learning_rate, fused=True)
    gradients, losses = [], []
    for step in range(training.steps):
        optimizer.param_groups[0]["lr"] = learning_rate(step, training)
        indices = batch_indices(config.seed, step, training.batch_size, len(pool["teacher"]))
        optimizer.zero_grad()
        for half, own in zip(torch.from_numpy(indices).chunk(2), statistics):
            mixture, sources, teacher = (pool[name][half] for name in ("mixture", "sources", "teacher"))
            seen = prepare_visual(pool[visual][half]).to(dtype)
            output = torch.func.functional_call(model, own, (torch.log(mixture), seen, teacher))
            parts = [SEPARATION[training.loss](output.logits, sources, mixture), alignment(output.bottleneck, teacher)]
            losses.append([part.item() for part in parts])
            ((parts[0] + training.alignment_weight * parts[1] * config.alignment) / 2).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), training.clip_norm)
        gradients.append([None if p.grad is None else p.grad.clone() for p in model.parameters()])
        optimizer.step()
    for name, buffer in model.named_buffers():
        first, second = (own[name] for own in statistics)
        buffer.copy_((first + second) / 2 if buffer.is_floating_point() else first)
    return model, gradients, torch.tensor(losses, dtype=torch.float64).reshape(VALIDATIONS, -1, 2).mean(dim=1)


def differs(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, relative to the largest expected value."""
    return ((found - expected).abs().max() / expected.abs().max().clamp(min=1e-300)).item()


@pytest.mark.parametrize("run", RUNS)
def test_two_processes_equal_one_that_normalises_two_half_batches(processes, features64, run):
    model, gradients, losses = one_process(RUNS[run], features64, torch.float64)
    for rank in (0, 1):
        recorded = torch.load(processes / f"{run}-{rank}.pt", weights_only=True)
        assert len(recorded["gradients"]) == len(gradients) == STEPS
        for found, expected in zip(recorded["gradients"], gradients):
            assert [g is None for g in found] == [g is None for g in expected]
            assert max(differs(f, e) for f, e in zip(found, expected) if e is not None) <= 1e-9
        assert len(recorded["states"]) == VALIDATIONS
        for name, expected in model.state_dict().items():
            assert differs(recorded["states"][-1][name], expected) <= 1e-9, name
    history = pd.read_csv(processes / run / "history.csv")
    assert differs(torch.tensor(history[["loss_separation", "loss_alignment"]].to_numpy()), losses) <= 1e-9
    assert sum(g is None for g in gradients[0]) == (run == "teacher")  # its convolution alone has no part in the result


# --- the command starts its processes ---------------------------------------------------------------------------------

FILES = ("model.safetensors", "history.csv")


@pytest.fixture(scope="module")
def launched(random_features, tmp_path_factory) -> Path:
    """A run of `--devices 2`, float32, started as people start it."""
    out = tmp_path_factory.mktemp("launched") / "run"
    one = dataclasses.replace(RUNS["hierarchical"], training=tiny_config(steps=STEPS, validations=VALIDATIONS).training)
    done = ended([sys.executable, *command(one, random_features, out, "--devices", "2")])
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count(f"step {STEPS}/{STEPS}") == 1  # one process speaks
    return out


def results(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


def test_the_command_starts_its_processes_and_one_of_them_writes(launched, random_features):
    assert sorted(p.name for p in launched.iterdir()) == ["cost.json", "history.csv", "model.safetensors"]
    with safe_open(launched / "model.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["config"])["training"]["devices"] == 2
    _, _, losses = one_process(RUNS["hierarchical"], random_features, torch.float32)
    history = pd.read_csv(launched / "history.csv")
    assert differs(torch.tensor(history[["loss_separation", "loss_alignment"]].to_numpy()), losses) <= 1e-5


def test_torchrun_gives_the_same_bytes_and_a_resumed_run_too(launched, random_features, tmp_path):
    (tmp_path / "script.py").write_text(f"""
from pathlib import Path
from test_ddp import RUNS
from avsep_lib.train import train
config, features, out = RUNS["hierarchical"], Path({str(random_features)!r}), Path({str(tmp_path)!r})
train(config, features, out / "whole")
assert train(config, features, out / "parts", stop_after=3) is None
assert [p.name for p in (out / "parts").iterdir()] == ["state.ckpt"]
train(config, features, out / "parts")
""")
    done = ended([*TORCHRUN, tmp_path / "script.py"], PYTHONPATH=os.pathsep.join([str(HERE), str(HERE.parent)]))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("resuming at step 2") == 1
    assert results(tmp_path / "whole") == results(tmp_path / "parts") == results(launched)


def test_tasks_of_srun_meet_and_a_single_task_starts_the_others(launched, random_features, tmp_path):
    """The variables that srun sets; the real thing is for a machine with SLURM."""
    config, port = RUNS["hierarchical"], find_free_network_port()
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "SLURM_NODELIST": "127.0.0.1", "SLURM_NNODES": "1"}
    step = {"SLURM_STEP_NUM_NODES": "1", "SLURM_NODEID": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    two = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_STEP_NUM_TASKS": "2"}
    tasks = [
        subprocess.Popen(
            [sys.executable, *command(config, random_features, tmp_path / "two")],
            env=environment() | job | step | two | {"SLURM_PROCID": rank, "SLURM_LOCALID": rank},
            stdout=subprocess.DEVNULL,
        )
        for rank in ("0", "1")
    ]
    one = {"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    done = ended([sys.executable, *command(config, random_features, tmp_path / "one")], **job, **one)
    assert [task.wait(300) for task in tasks] == [0, 0]
    assert done.returncode == 0, done.stderr[-3000:]
    assert results(tmp_path / "one") == results(tmp_path / "two") == results(launched)


# --- errors and ends --------------------------------------------------------------------------------------------------


@pytest.fixture
def one_bad_part(random_features, tmp_path) -> Path:
    """Features with an item that spoils the loss of the process that gets it, and of it alone."""
    folder = tmp_path / "features"
    folder.mkdir()
    (folder / "val.safetensors").write_bytes((random_features / "val.safetensors").read_bytes())
    tensors = load_file(random_features / "train.safetensors")
    tensors["mixture"][batch_indices(0, 1, 4, 11)[3]] = float("nan")  # step 1, second half
    save_file(tensors, folder / "train.safetensors")
    return folder


def test_no_number_in_one_part_ends_all_processes(one_bad_part, tmp_path):
    done = ended([sys.executable, *command(RUNS["late"], one_bad_part, tmp_path / "run")], timeout=300)
    assert done.returncode == 1
    assert "DataError: run late: the loss is nan at step 1; lower learning_rate" in done.stderr
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("failing", [0, 1])
def test_a_process_that_fails_alone_ends_the_other(random_features, tmp_path, failing):
    """An unforeseen error, in either process; the other waits for gradients that never come."""
    script = f"""
import os
from pathlib import Path
from test_ddp import RUNS
from avsep_lib import train as training_loop
losses, calls = training_loop.batch_losses, []
def failing(model, batch, config):
    calls.append(1)
    if len(calls) == 2 and os.environ["RANK"] == "{failing}":
        raise RuntimeError("unforeseen")
    return losses(model, batch, config)
training_loop.batch_losses = failing
training_loop.train(RUNS["late"], Path({str(random_features)!r}), Path({str(tmp_path / "run")!r}))
"""
    (tmp_path / "script.py").write_text(script)
    path = os.pathsep.join([str(HERE), str(HERE.parent)])
    started = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    started["MASTER_PORT"] = str(find_free_network_port())
    processes = [
        subprocess.Popen(
            [sys.executable, tmp_path / "script.py"],
            env=environment() | started | {"RANK": rank, "LOCAL_RANK": rank, "PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    messages = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [1, 1]
    assert "unforeseen" in messages[failing]
    assert not list((tmp_path / "run").iterdir())


def test_killing_the_first_process_ends_the_others(random_features, tmp_path):
    config = tiny_config(steps=20_000, validations=4000, devices=2)
    process = subprocess.Popen(
        [sys.executable, *command(config, random_features, tmp_path / "run")],
        env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: (tmp_path / "run" / "state.ckpt").exists() or process.poll() is not None)
        assert process.poll() is None
        assert len(alive(process.pid)) == 2
        process.kill()
        process.wait()
        wait_until(lambda: not alive(process.pid), seconds=60)
        assert not any((tmp_path / "run" / name).exists() for name in (*FILES, "cost.json"))
    finally:
        for pid in alive(process.pid):
            os.kill(pid, signal.SIGKILL)


def alive(session: int) -> list[int]:
    """Processes of a session that have not ended."""
    found = subprocess.run(["ps", "-o", "pid=,stat=", "-s", str(session)], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in found.splitlines() if not line.split()[1].startswith("Z")]


def wait_until(condition, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_bad_features_are_one_line_and_no_process_is_started(tmp_path, random_features):
    config = RUNS["late"]
    done = ended([sys.executable, *command(config, tmp_path, tmp_path / "run")])
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("DataError: features ")


# --- settings ---------------------------------------------------------------------------------------------------------


def test_a_batch_must_divide_equally():
    for devices, words in ((3, "batch_size = 4 cannot be shared equally by devices = 3"), (8, "devices = 8; choose")):
        with pytest.raises(ConfigError, match=words):
            TrainingSettings(batch_size=4, devices=devices)


def test_the_option_is_checked_as_the_setting_is(tmp_path, random_features):
    for option in (["--devices", "3"], ["--devices", "0"]):
        done = ended([sys.executable, *command(tiny_config(), random_features, tmp_path / "run", *option)])
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert done.stderr.startswith("ConfigError: ")


def test_what_cannot_be_had_is_refused(monkeypatch, random_features, tmp_path):
    model, two = tiny_config().model, TrainingSettings(devices=2)
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="sync_batch_norm needs GPUs"):
            make_fabric(dataclasses.replace(two, sync_batch_norm=True), model)
    with pytest.raises(ConfigError, match=r"only `python -m avsep_lib.train` can; use it, or torchrun"):
        train(tiny_config(devices=2), random_features, tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ConfigError, match=r"training.devices = 2, but 4 processes were started; set --devices 4"):
        make_fabric(two, model)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, (1, 1)),
        ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8", "GROUP_WORLD_SIZE": "2"}, (8, 2)),
        ({"SLURM_NTASKS": "4"}, (1, 1)),  # a batch script: it starts what it wants
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2"}, (4, 2)),
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"}, (1, 1)),
    ],
)
def test_who_started_this_process(monkeypatch, variables, expected):
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert started_processes() == expected


def test_parts_are_the_batch_in_order(random_features):
    whole, parts = (open_pool(tiny_config(), random_features) for _ in range(2))
    for step in (0, 5):
        shared = []
        for rank in (0, 1):
            parts.share_out(rank, 2)
            shared.append(parts.step(step))
        for name, tensor in whole.step(step).items():
            assert torch.equal(torch.cat([part[name] for part in shared]), tensor)


def test_processes_that_resume_elsewhere_are_refused():
    class TwoSteps:
        world_size = 2

        def all_gather(self, step):
            return torch.stack([step, step + 3])

    with pytest.raises(WeightsError, match=r"states of steps \[5, 8\]; --out must be a folder that all of them see"):
        check_same_step(5, TwoSteps())


def test_a_machine_with_slurm_is_no_reason_to_warn(tmp_path, monkeypatch):
    """Lightning's hint names the folder of the command, which then stood in 44 logs."""
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        make_fabric(TrainingSettings(), ModelSettings())
    assert not [str(warning.message) for warning in said if "srun" in str(warning.message)]
