"""``python -m benchmarks.memory module:function [argument ...]``: prints the peak memory in MiB above the level after import.

The peak is the kernel's own mark, not a sample. The mark is reset after the import where Linux allows it; elsewhere the
import's own peak is part of it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def _resident_mib(field: str) -> float:
    """``VmRSS`` (now) or ``VmHWM`` (peak) of this process; elsewhere than on Linux the peak for both."""
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_of(target: str, arguments: list[str]) -> float:
    """Peak in MiB of a function named ``module:function`` above the level after importing its module."""
    module, function = target.split(":")
    action = getattr(importlib.import_module(module), function)
    gc.collect()
    _reset_peak()
    level = _resident_mib("VmRSS")
    action(*arguments)
    return _resident_mib("VmHWM") - level


def fill(mib: str) -> None:
    """Touch that many MiB: what the measurement itself is tested with."""
    bytearray(int(mib) * 2**20).count(1)


if __name__ == "__main__":
    print(peak_of(sys.argv[1], sys.argv[2:]))
