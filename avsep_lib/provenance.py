"""What a result depended on besides its inputs: code, packages, machine. Standard library only."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from avsep_lib.files import canonical_json, sha256_file, sha256_text
from avsep_lib.paths import project_root

PACKAGES = [
    "torch",
    "torchaudio",
    "torchvision",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "matplotlib",
    "lightning-fabric",
    "safetensors",
    "mir_eval",
    "open_clip_torch",
    "laion_clap",
    "papermill",
    "snakemake",
]
DIGITS = 12  # of the hash of one module in a sidecar


def code_record() -> dict[str, Any]:
    """What code made a result: ``sha256`` of all ``modules``, and the first digits of each one's own hash.

    Modules are the ``avsep_lib`` sources loaded in this process. The joint hash is over the full ones; the short ones say
    later which module is another one.
    """
    sources = {}
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and (name == "avsep_lib" or name.startswith("avsep_lib.")):
            sources[name] = sha256_file(path)
    return {
        "sha256": joint_hash(sources),
        "modules": {name: digest[:DIGITS] for name, digest in sorted(sources.items())},
    }


def joint_hash(hashes: Mapping[str, str]) -> str:
    """One hash for many, by name."""
    return sha256_text(canonical_json(dict(hashes)))


def code_now(modules: Iterable[str]) -> dict[str, str]:
    """Full hashes of modules (named as in `code_record`) in this checkout; empty for one that is not there."""
    root, found = project_root(), {}
    for name in modules:
        folder = root.joinpath(*name.split("."))
        places = [folder / "__init__.py", folder.with_suffix(".py")]
        found[name] = next((sha256_file(path) for path in places if path.is_file()), "")
    return found


@functools.cache
def package_versions() -> dict[str, str]:
    """Versions of the packages that numbers and pictures can depend on."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def python_version() -> str:
    """For example ``CPython 3.12.4``."""
    return f"{platform.python_implementation()} {platform.python_version()}"


@functools.cache
def hardware() -> dict[str, Any]:
    """Processor model, usable cores and, when torch already sees one, the GPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    record = {"cpu": _cpu_model(), "cores": cores, "system": platform.system()}
    torch = sys.modules.get("torch")  # never loaded for the sake of a sidecar
    if torch is not None and torch.cuda.is_available():
        record["gpu"] = torch.cuda.get_device_name()
    return record


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


@functools.cache
def commit() -> str | None:
    """Commit of the checkout, with ``+changes`` when tracked files differ; None outside git."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(project_root()), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
