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
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import tiny_config
from safetensors.torch import load_file, save_file

from avsep_lib.errors import ConfigError, DataError, WeightsError
from avsep_lib.losses import SEPARATION, alignment
from avsep_lib.models.separator import Separator, prepare_visual
from avsep_lib.parallel import check_same_step, make_fabric, started_processes
from avsep_lib.settings import TrainingSettings, to_dict
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


def ended(command: list, timeout: float = 120, **variables: str) -> subprocess.CompletedProcess:
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


def test_only_the_teachers_convolution_has_no_gradient(features64):
    unused = {run: sum(g is None for g in one_process(RUNS[run], features64, torch.float64)[1][0]) for run in RUNS}
    assert unused == dict.fromkeys(RUNS, 0) | {"teacher": 1}
