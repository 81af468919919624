"""Regenerations and trainings that are killed, and what has to hold at that moment and in the end."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from safetensors import safe_open

from avsep_lib.changes.tolerances import tolerance
from avsep_lib.files import LEFTOVER, sha256_file
from avsep_lib.paths import project_root

END_S = 15.0  # in which everything that a killed regeneration has started is gone

# Measured seconds and what is made of them; everything else is compared byte for byte. Executed notebooks and the report
# have the time of day in them, logs the steps at which a training was taken up again.
NOT_COMPARED = re.compile(r"(logs|notebooks|report|changes)/.*|before\.json|published\.json")
MEASURED_JSON = {
    "runs/*/cost.json": ("seconds", "waiting_share"),
    "artifacts/*.json": ("wall_time_s", "inputs", "outputs"),  # the two name hashes of files with seconds in them
}
MEASURED_TABLES = re.compile(r"artifacts/tab_(table6_cost|training_run)\.(csv|md|tex)")


# --- a regeneration in a copy of the checkout ---------------------------------------------------------------------------


def copy_checkout(target: Path) -> Path:
    """A fresh copy of what git tracks or would track: no results."""
    root = project_root()
    words = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    for name in filter(None, subprocess.run(words, cwd=root, capture_output=True, text=True).stdout.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
    return target


def command(profile: str = "smoke", cores: int = 2) -> list[str]:
    """What `make figures` runs once the environment exists."""
    return [sys.executable, "workflow/regenerate.py", "--profile", profile, "--cores", str(cores)]


def environment(folder: Path) -> dict[str, str]:
    """With the copy's own library."""
    kept = {name: value for name, value in os.environ.items() if name not in ("AVSEP_ROOT", "AVSEP_WARM")}
    return kept | {"PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1"}


def start(folder: Path, output: Path, words: list[str] | None = None) -> subprocess.Popen:
    """Start a regeneration as the leader of a process group; what it prints is added to `output`."""
    with output.open("ab") as stream:
        return subprocess.Popen(
            words or command(),
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def kill_group(process: subprocess.Popen) -> None:
    """SIGKILL to every process of the group at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def alive_in(folder: Path) -> dict[int, str]:
    """Processes that work in `folder` or use its library, whatever their group: their command lines."""
    found, mark = {}, f"PYTHONPATH={folder}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if "\nState:\tZ" in (entry / "status").read_text():
                continue
            inside = (entry / "cwd").resolve().is_relative_to(folder)
            if inside or mark in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120]
        except OSError:
            continue
    found.pop(os.getpid(), None)
    return found


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether a condition is met in time."""
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return met


def finished_jobs(output: Path) -> list[str]:
    """Jobs that were done, in order; one that was done twice counts once."""
    return list(dict.fromkeys(re.findall(r"^\S+  (\S+) done, \d+ s$", output.read_text(), re.MULTILINE)))


# --- what a kill may leave ----------------------------------------------------------------------------------------------


def leftovers(folder: Path) -> list[Path]:
    """Temporary files of killed writers."""
    return [path for path in folder.rglob(".*") if LEFTOVER.fullmatch(path.name)]


def partial_files(folder: Path, profile: str = "smoke") -> list[str]:
    """Files that look complete and are not: unreadable ones, and companions that do not match."""
    results = folder / "results" / profile
    problems = []
    for path in _complete_looking(results):
        try:
            _read(path)
        except Exception as error:
            problems.append(f"{path.relative_to(folder)}: {type(error).__name__}: {error}")
    return problems + list(_unmatched(folder, profile))


def _complete_looking(results: Path) -> Iterator[Path]:
    """Files below `results` that a reader could take for complete; a manifest or a first page vouches for its folder."""
    for path in sorted(path for path in results.rglob("*") if path.is_file()):
        name = path.relative_to(results)
        rendered = "dataset" in name.parts and not (results.joinpath(*name.parts[:3]) / "manifest.csv").exists()
        reported = name.parts[0] == "report" and not (results / "report" / "index.html").exists()
        if name.parts[0] != "logs" and not path.name.startswith(".") and not rendered and not reported:
            yield path


def _read(path: Path) -> None:
    """Read a file by its kind, to its end."""
    if path.suffix == ".safetensors":
        with safe_open(path, framework="numpy") as file:
            [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 - no mapping
    elif path.suffix in (".json", ".ipynb"):
        json.loads(path.read_text())
    elif path.suffix == ".csv":
        assert path.read_bytes().endswith(b"\n"), "no line end"
        pd.read_csv(path)
    elif path.suffix == ".npy":
        np.load(path, mmap_mode="r")
    elif path.suffix in (".png", ".jpg"):
        with Image.open(path) as picture:
            picture.load()
    elif path.suffix in (".svg", ".html"):
        assert path.read_text().rstrip().endswith(f"</{path.suffix[1:]}>"), "no end"


def _unmatched(folder: Path, profile: str) -> Iterator[str]:
    """What vouches for other files and does not match them."""
    results = folder / "results" / profile
    for sidecar in sorted(results.glob("artifacts/*.json")):
        for name, digest in json.loads(sidecar.read_text())["outputs"].items():
            if not (sidecar.parent / name).is_file() or sha256_file(sidecar.parent / name) != digest:
                yield f"{sidecar.name} does not describe {name}"
    if (results / "published.json").exists():
        for name, digest in json.loads((results / "published.json").read_text())["files"].items():
            if sha256_file(folder / "figures" / profile / name) != digest:
                yield f"published.json does not describe {name}"
    for index in sorted(results.glob("data/*/clips/clips.json")):
        table = pd.read_csv(index.with_name("clips.csv"))
        n_samples = len(np.load(index.with_name("waveforms.npy"), mmap_mode="r"))
        if len(table) != json.loads(index.read_text())["n_clips"] or table.n_samples.sum() != n_samples:
            yield f"{index.relative_to(results)} does not describe its store"
    for model in sorted(results.glob("runs/*/model.safetensors")):
        if missing := [name for name in ("history.csv", "cost.json") if not model.with_name(name).exists()]:
            yield f"{model.parent.name} has a model and no {missing[0]}"


# --- equal in the end ---------------------------------------------------------------------------------------------------


def differences(one: Path, other: Path) -> tuple[int, list[str]]:
    """Number of files compared below two folders of results, and what differs beside measured seconds."""
    names = [_compared_names(folder) for folder in (one, other)]
    told = [f"{name} is in one of them only" for name in sorted(names[0] ^ names[1])]
    shared = sorted(names[0] & names[1])
    return len(shared), told + [name for name in shared if not _equal(name, one / name, other / name)]


def _compared_names(folder: Path) -> set[str]:
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {name for name in names if not NOT_COMPARED.fullmatch(name)}


def _equal(name: str, one: Path, other: Path) -> bool:
    for pattern, fields in MEASURED_JSON.items():
        if Path(name).match(pattern):
            values = [json.loads(path.read_text()) for path in (one, other)]
            return _without(values[0], fields) == _without(values[1], fields)
    if MEASURED_TABLES.fullmatch(name):
        return one.suffix != ".csv" or _without_durations(one) == _without_durations(other)
    return one.read_bytes() == other.read_bytes()


def _without(values: dict, fields: tuple[str, ...]) -> dict:
    return {name: value for name, value in values.items() if name not in fields}


def _without_durations(path: Path) -> list[tuple[str, str]]:
    """Cells of a table that are no durations, with their columns."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return [
        (column, row[column])
        for row in frame.to_dict("records")
        for column in frame.columns
        if tolerance(path.stem, str(row[frame.columns[0]]), column).kind != "duration"
    ]


# --- a training job alone -----------------------------------------------------------------------------------------------


def training_process(config, features: Path, out: Path, fault: str = "") -> multiprocessing.Process:
    """A training job in a process of its own, ready to start; PyTorch is imported once for all of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["avsep_lib.train"])
    return context.Process(target=_train, args=(config, features, out, fault), daemon=True)


def _train(config, features: Path, out: Path, fault: str) -> None:
    import torch

    from avsep_lib.train import train

    torch.set_num_threads(1)
    if fault:
        _die_at(fault)
    (out.parent / f"{out.name}.started").touch()
    train(config, features, out)


def _die_at(fault: str) -> None:
    """Kill this process when a file is renamed: ``before FILE`` or ``after FILE``, or ``within FILE``, half written."""
    when, name = fault.split()
    rename = os.replace

    def replace(source, target) -> None:
        if Path(target).name == name and when != "after":
            if when == "within":
                os.truncate(source, os.path.getsize(source) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)
        if Path(target).name == name:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace


def train_with_kills(config, features: Path, out: Path, kills: int, seed: int) -> list[int]:
    """Train to the end, killed `kills` times at random moments; the steps from which it was taken up again.

    Raises
    ------
    AssertionError
        The run ended before it was killed often enough, or a kill left something that looks like a result.
    """
    import torch

    rng = np.random.default_rng(seed)
    started = out.parent / f"{out.name}.started"
    seconds, reached = _undisturbed_seconds(config, features, out.parent / "timed"), []
    for _ in range(kills):
        started.unlink(missing_ok=True)
        process = training_process(config, features, out)
        process.start()
        assert within(60, started.exists)
        time.sleep(rng.uniform(0, 1.4 * seconds / kills))
        assert process.is_alive(), "the run ended before it was killed often enough"
        process.kill()
        process.join()
        assert not any((out / name).exists() for name in ("model.safetensors", "history.csv", "cost.json"))
        state = out / "state.ckpt"
        reached.append(torch.load(state, weights_only=True)["progress"]["step"] if state.exists() else 0)
    process = training_process(config, features, out)
    process.start()
    process.join()
    assert process.exitcode == 0
    return reached


def _undisturbed_seconds(config, features: Path, out: Path) -> float:
    process = training_process(config, features, out)
    started = out.parent / f"{out.name}.started"
    process.start()
    assert within(60, started.exists)
    began = time.monotonic()
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - began
