"""What the machine can do (copy bandwidth, matrix rate), what a training step must do, and what it takes.

The floor of a step is the larger of two times: its matrix operations at the measured matrix rate, and the bytes that
these operations must read and write at the measured bandwidth, if everything between them were free.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from avsep_lib.models.separator import Separator
from avsep_lib.parallel import make_fabric
from avsep_lib.settings import RunConfig
from avsep_lib.train import batch_losses, compiled_forward, set_numerics, to_device, total_loss
from avsep_lib.training_data import Batch, visual_input

ADAM_BYTES = 4 * 7  # per parameter and step: weight, gradient and two moments read, weight and moments written


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], Any], device: torch.device, repeats: int, warm_up: int = 3) -> float:
    """Median seconds of `work`, warmed up."""
    found = []
    for _ in range(warm_up + repeats):
        synchronise(device)
        began = time.perf_counter()
        work()
        synchronise(device)
        found.append(time.perf_counter() - began)
    return statistics.median(found[warm_up:])


def machine(device: torch.device, n_bytes: int = 4 * 2**30, n: int = 8192) -> dict[str, float]:
    """Measured ceilings: `copy_bytes_per_s` (read plus written) and `bf16_flop_per_s`, on random data."""
    source = torch.randint(0, 256, (n_bytes,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copy_s = seconds_of(lambda: target.copy_(source), device, 10)
    a, b = (torch.randn(n, n, device=device).to(torch.bfloat16) for _ in range(2))
    matrix_s = seconds_of(lambda: a @ b, device, 10)
    return {"copy_bytes_per_s": 2 * n_bytes / copy_s, "bf16_flop_per_s": 2 * n**3 / matrix_s}


class _Traffic(TorchDispatchMode):
    """Elements that matrix-like operations read and write."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function._overloadpacket in flop_registry:
            for value in (*args, *(result if isinstance(result, tuple | list) else (result,))):
                self.elements += value.numel() if isinstance(value, torch.Tensor) else 0
        return result


def random_batch(config: RunConfig, device: torch.device | str) -> Batch:
    """A batch of the run's shapes."""
    audio, n = config.audio, config.training.batch_size
    grid = (audio.n_rows, audio.n_frames)
    size = config.model.frame_size
    if visual_input(config) == "frames":
        visual = torch.randint(0, 256, (n, 2, 3, size, size), dtype=torch.uint8, device=device)
    else:
        visual = torch.randn(n, 2, config.model.embedding_dim, device=device)
    sources = torch.rand(n, 2, *grid, device=device)
    teacher = torch.randn(n, config.model.embedding_dim, device=device)
    return {
        "mixture": sources.sum(dim=1, keepdim=True) + 1e-3,
        "sources": sources,
        "teacher": teacher,
        "visual": visual,
    }


def step_work(config: RunConfig) -> dict[str, float]:
    """Matrix operations (`flop`) and least traffic (`bytes`) of one training step; nothing is computed for it."""
    with torch.device("meta"):
        model = Separator(config.model)
    batch = to_device(random_batch(config, "meta"), torch.device("meta"))
    traffic, flops = _Traffic(), FlopCounterMode(display=False)
    with flops, traffic:
        total_loss(batch_losses(model, batch, config), config).backward()
    per_element = 2 if config.training.precision == "bf16-mixed" else 4
    parameters = sum(p.numel() for p in model.parameters())
    return {
        "flop": float(flops.get_total_flops()),
        "bytes": float(traffic.elements * per_element + parameters * ADAM_BYTES),
    }


def floor_seconds(work: dict[str, float], ceilings: dict[str, float]) -> float:
    """No step takes less."""
    return max(work["flop"] / ceilings["bf16_flop_per_s"], work["bytes"] / ceilings["copy_bytes_per_s"])


def step_seconds(config: RunConfig, *, compiled: bool, repeats: int = 20) -> tuple[float, float]:
    """Median seconds of a training step, and seconds until the first two were done (compilation, choice of kernels)."""
    fabric = make_fabric(config.training, config.model)
    set_numerics(fabric.device)
    separator = Separator(config.model).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(separator.parameters(), lr=1e-4, fused=True)
    model, optimizer = fabric.setup(separator, optimizer)
    forward = compiled_forward(separator, fabric) if compiled else model
    batch = to_device(random_batch(config, fabric.device), fabric.device)

    def step() -> None:
        loss = total_loss(batch_losses(forward, batch, config), config)
        optimizer.zero_grad()
        fabric.backward(loss)
        fabric.clip_gradients(model, optimizer, max_norm=config.training.clip_norm, error_if_nonfinite=False)
        optimizer.step()

    began = time.perf_counter()
    step(), step()
    synchronise(fabric.device)
    first_s = time.perf_counter() - began
    return seconds_of(step, fabric.device, repeats, warm_up=1), first_s
