"""What this machine can do at best, measured in the same run: floors are operations and bytes over these rates."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import torch

from benchmarks.case import CORES
from benchmarks.timing import limited_threads

COPY_BYTES = 2**28
MATRIX = {"float32": 1536, "bfloat16": 2048, "float64": 1024}  # edges: large enough for the best rate
SMALL, EMULATED = (
    256,
    5.0,
)  # edge, GFLOP/s: a type that the processor lacks is slower, and a large product takes minutes


@dataclass(frozen=True)
class Rates:
    """Best of several: bytes read plus written per second by a copy, and operations per second of square products."""

    copy_gb_s: float
    float32_gflop_s: float
    bfloat16_gflop_s: float
    float64_gflop_s: float

    def columns(self) -> dict[str, float]:
        """As columns of the tables."""
        return asdict(self)

    def copy_s(self, n_bytes: float) -> float:
        """Least seconds to move this many bytes, read plus written."""
        return n_bytes / (1e9 * self.copy_gb_s)

    def compute_s(self, operations: float, dtype: str = "float32") -> float:
        """Least seconds for this many operations (a multiply-add is two) at the rate of products of `dtype`."""
        return operations / (1e9 * getattr(self, f"{dtype}_gflop_s"))


def _best_s(action: Callable[[], object], repeats: int = 7) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _matrix_rate(name: str) -> float:
    """By torch, or by numpy where that is quicker: the two link different libraries."""
    dtype = getattr(torch, name)
    if name == "bfloat16" and (rate := _small_rate(dtype)) < EMULATED:
        return rate
    edge = MATRIX[name]
    left, right = (torch.randn(edge, edge).to(dtype) for _ in range(2))
    seconds = [_best_s(lambda: left @ right)]
    if name != "bfloat16":  # numpy has none
        seconds.append(_best_s(lambda: left.numpy() @ right.numpy()))
    return 2 * edge**3 / min(seconds) / 1e9


def _small_rate(dtype: torch.dtype) -> float:
    """With one thread: two that meet after each small product once made 400 GFLOP per second look like four."""
    left, right = (torch.randn(SMALL, SMALL).to(dtype) for _ in range(2))
    with limited_threads(1):
        return 2 * SMALL**3 / _best_s(lambda: left @ right) / 1e9


@lru_cache
def rates(threads: int = CORES) -> Rates:
    """Rates with this many threads, measured once per run."""
    with limited_threads(threads):
        source = torch.ones(COPY_BYTES // 4)
        target = torch.zeros_like(source)
        copy = 2 * COPY_BYTES / _best_s(lambda: target.copy_(source)) / 1e9
        return Rates(copy, *(_matrix_rate(name) for name in ("float32", "bfloat16", "float64")))


def description() -> str:
    """Processor and number of cores that this process may use."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return f"{model}, {CORES} cores, {platform.system()}"
