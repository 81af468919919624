"""What the tests of sameness share: copies of the checkout, processes, and two ways to compare what they wrote.

`differing` asks for equal bytes once measured times are taken out (`MEASURED` is the whole list); `apart` says how far
two results of the toy project lie from each other, in the terms of `avsep_lib.changes.tolerances.AGREEMENT`.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import load_file

from avsep_lib.paths import project_root

HERE = Path(__file__).resolve().parent
CEILING_DB = 60.0  # an SAR beyond this says "no artefacts", and its digits say nothing
DURATIONS = (
    "tab_table6_cost",
    "tab_training_run",
    "tab_baselines_cost",
    "fig_quality_against_cost",
)  # as in avsep_lib.changes.tolerances


@dataclass(frozen=True)
class Measured:
    """Fields that hold a measured time, or the hash of a file that does."""

    files: str  # pattern, searched in the path below the results
    fields: str  # for readers
    without: Callable[[bytes], bytes]


def _json_without(*names: str) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps({k: v for k, v in json.loads(content).items() if k not in names}).encode()


def _sidecar(content: bytes) -> bytes:
    record = json.loads(content)
    del record["wall_time_s"]
    record.get("made_by", {}).get("environment", {}).pop("PYTHONHASHSEED", None)  # what the tests vary
    timed = ("/cost.json", "/method_costs.csv")
    inputs = {name: hashed for name, hashed in record["inputs"].items() if not name.endswith(timed)}
    outputs = {name: hashed for name, hashed in record["outputs"].items() if not name.startswith(DURATIONS)}
    return json.dumps(record | {"inputs": inputs, "outputs": outputs}).encode()


def _columns_of_time(content: bytes) -> bytes:
    """Drops the columns that are headed by seconds or minutes from a CSV, Markdown or LaTeX table."""
    lines = content.decode().splitlines()
    timed = re.compile("seconds|minutes")
    headers = {mark: [line for line in lines if timed.search(line) and mark in line] for mark in (" & ", "|", ",")}
    separator, (header, *_) = next((mark, found) for mark, found in headers.items() if found)  # captions have commas
    if separator == ",":
        frame = pd.read_csv(io.StringIO(content.decode()), dtype=str, keep_default_na=False)
        return frame.drop(columns=[name for name in frame if timed.search(name)]).to_csv(index=False).encode()
    names = header.split(separator)
    kept = [i for i, name in enumerate(names) if not timed.search(name)]
    cut = [line.split(separator) for line in lines]
    return "\n".join(separator.join([c[i] for i in kept] if len(c) == len(names) else c) for c in cut).encode()


def _rows_of_time(content: bytes) -> bytes:
    return re.sub(rb"(?m)^(\W*)(time|speed)\b.*$", rb"\1\2", content)


MEASURED = (
    Measured(r"runs/[^/]+/cost\.json$", "seconds, waiting_share", _json_without("seconds", "waiting_share")),
    Measured(
        r"/(fig|tab)_\w+\.json$",
        "wall_time_s, PYTHONHASHSEED; hashes of cost.json, of method_costs.csv and of what is made of them",
        _sidecar,
    ),
    Measured(r"/tab_(table6|baselines)_cost\.(csv|md|tex)$", "columns of seconds and minutes", _columns_of_time),
    Measured(r"/tab_training_run\.(csv|md|tex)$", "rows time and speed", _rows_of_time),
    Measured(r"(^|/)before\.json$", "taken: when it was noted what had been published", _json_without("taken")),
)


LEFT_OUT = {  # files that say when something was done, by pattern of their path, and why
    r"(^|/)logs/": "times of jobs",
    r"(^|/)notebooks/.*\.ipynb$": "executed notebooks: times of cells",
    r"(^|/)report/": "pages that show executed notebooks and times of jobs",
    r"(^|/)run/|ro-crate-metadata\.json$": "record of the run: times of jobs, and hashes of what holds times",
    r"(^|/)published\.json$": "hashes of sidecars, which hold times",
    r"(^|/)state\.ckpt$": "seconds trained so far",
    r"(^|/)analysis/method_costs\.csv$|(^|/)fig_quality_against_cost\.(csv|png|svg)$": "seconds of separating",
}


def comparable(path: Path) -> bytes:
    """Content of a file without what `MEASURED` names."""
    content = path.read_bytes()
    for line in MEASURED:
        if re.search(line.files, path.as_posix()):
            content = line.without(content)
    return content


def files_below(folder: Path, left_out: Iterable[str] = ()) -> dict[str, Path]:
    """Every file by its path below `folder`; those that match a pattern of `left_out` are not in it."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path for name, path in found.items() if not any(re.search(pattern, name) for pattern in left_out)}


def differing(one: Path, other: Path, left_out: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """Names of all files of two folders, and of those that are not the same in both."""
    first, second = files_below(one, left_out), files_below(other, left_out)
    names = sorted(first | second)
    unlike = [n for n in names if n not in first or n not in second or comparable(first[n]) != comparable(second[n])]
    return names, unlike


def checkout(folder: Path) -> Path:
    """A copy of what git tracks or would track: no results, no history."""
    root = project_root()
    words = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    for name in filter(None, subprocess.run(words, cwd=root, capture_output=True, text=True).stdout.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    return folder


def python(
    words: list[str], folder: Path, *, interpreter: str = sys.executable, minutes: float = 20, **environment: str
) -> str:
    """What a process of Python prints, with the library of `folder`; a failure shows the end of its output."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    inherited |= {"PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    done = subprocess.run(
        [interpreter, *words], cwd=folder, env=inherited | environment, timeout=60 * minutes,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout


def regenerated(folder: Path, cores: int, interpreter: str = sys.executable) -> float:
    """Seconds that the smoke profile took from nothing, in a copy of the checkout."""
    started = time.monotonic()
    words = ["workflow/regenerate.py", "--profile", "smoke", "--cores", str(cores)]
    (folder / "smoke.log").write_text(python(words, folder, interpreter=interpreter))
    return time.monotonic() - started


def toy(
    folder: Path, *, threads: int = 1, interpreter: str = sys.executable, hash_seed: int = 0, **options: int | str
) -> Path:
    """Results of the toy project, made in `folder` by a process of its own; see ``same_worker.py``."""
    (folder / "config").mkdir(parents=True)
    pools = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    pools["OMP_WAIT_POLICY"] = (
        "PASSIVE"  # more threads than cores would spend most of their time waiting for each other
    )
    words = [str(HERE / "same_worker.py"), json.dumps({"threads": threads, **options})]
    root = HERE.parent
    python(words, root, interpreter=interpreter, AVSEP_ROOT=str(folder), PYTHONHASHSEED=str(hash_seed), **pools)
    return folder / "results" / "toy"


def decided(*options: str, hash_seed: int | str = 0, interpreter: str = sys.executable) -> dict[str, dict[str, Any]]:
    """What ``same_decisions.py`` says, from a process of its own."""
    root = str(HERE.parent)
    words = [str(HERE / "same_decisions.py"), *options]
    return json.loads(
        python(words, HERE.parent, interpreter=interpreter, AVSEP_ROOT=root, PYTHONHASHSEED=str(hash_seed))
    )


def other_interpreters() -> list[str]:
    """Interpreters 3.11 and 3.12 on the path (and in ``AVSEP_SECOND_PYTHON``) that run and are not this version."""
    named = os.environ.get("AVSEP_SECOND_PYTHON", "")
    found = []
    for name in filter(None, (named, "python3.11", "python3.12")):
        words = [name, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        try:  # a version manager's shim may exist and not run
            done = subprocess.run(words, capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            continue
        version = done.stdout.strip()
        if done.returncode == 0 and version in ("3.11", "3.12") and version != ".".join(map(str, sys.version_info[:2])):
            found.append(name)
    return found


# How far two toy projects lie apart: one function for each line of AGREEMENT.


def apart(one: Path, other: Path) -> dict[str, float]:
    """Largest differences between two results of `toy`, by the names of `avsep_lib.changes.tolerances.AGREEMENT`."""
    data = "data/music11"
    return {
        "rendered sound, pictures and lists": _unequal(one, other, (f"{data}/dataset/**/*", f"{data}/mixtures/*.csv")),
        "decoded waveforms": _unequal(one, other, (f"{data}/clips/waveforms.npy", f"{data}/clips/clips.csv")),
        "encoder weights": _weights(one, other, f"{data}/encoders/*/model.safetensors"),
        "embeddings": _tensors(one, other, f"{data}/embeddings/*.safetensors"),
        "features": _tensors(one, other, f"{data}/features/*.safetensors"),
        "separator weights": _weights(one, other, "runs/*/model.safetensors"),
        "losses": max(_columns(one, other, "runs/*/history.csv", "^loss", relative=True), 0.0),
        "validation SI-SDR": _columns(one, other, "runs/*/history.csv", "si_sdr"),
        "scores": _columns(one, other, "scores/*.csv", "_db$"),
        "latents": _tensors(one, other, "analysis/latents.safetensors"),
        "answers of probes": _answers(one, other),
        "t-SNE maps": _maps(one, other),
        "descriptors": _columns(one, other, "analysis/descriptors.csv", "_", relative=True),
        "means and intervals": _columns(one, other, "artifacts/tab_toy.csv", "_db|low|high"),
    }


def _pairs(one: Path, other: Path, pattern: str) -> list[tuple[Path, Path]]:
    paths = sorted(path for path in one.glob(pattern) if path.is_file())
    assert paths, f"no {pattern} in {one}"
    return [(path, other / path.relative_to(one)) for path in paths]


def _unequal(one: Path, other: Path, patterns: tuple[str, ...]) -> float:
    """Number of files with other bytes."""
    pairs = [pair for pattern in patterns for pair in _pairs(one, other, pattern)]
    return float(sum(a.read_bytes() != b.read_bytes() for a, b in pairs))


def _tensors(one: Path, other: Path, pattern: str) -> float:
    """Largest difference of a value, relative to the largest of its tensor."""
    worst = 0.0
    for a, b in _pairs(one, other, pattern):
        before, after = load_file(a), load_file(b)
        assert before.keys() == after.keys()
        for name, values in before.items():
            assert values.shape == after[name].shape, name
            values, others = values.astype(np.float64), after[name].astype(np.float64)
            scale = np.abs(values).max(initial=0.0) or 1.0
            worst = max(worst, float(np.abs(values - others).max(initial=0.0) / scale))
    return worst


def _weights(one: Path, other: Path, pattern: str) -> float:
    """Norm of the difference of all weights of a model, relative to the norm of its weights.

    Not tensor by tensor: a bias before a batch norm has no gradient but rounding, which Adam makes as large as any other.
    """
    worst = 0.0
    for a, b in _pairs(one, other, pattern):
        before, after = load_file(a), load_file(b)
        assert before.keys() == after.keys()
        learned = [name for name, values in before.items() if values.dtype.kind == "f"]  # batch norm counts its batches
        first, second = (
            np.concatenate([found[name].ravel().astype(float) for name in learned]) for found in (before, after)
        )
        worst = max(worst, float(np.linalg.norm(first - second) / np.linalg.norm(first)))
    return worst


def _columns(one: Path, other: Path, pattern: str, columns: str, relative: bool = False) -> float:
    """Largest difference of a number in columns of CSV files; infinite where a value is on one side only."""
    worst = 0.0
    for a, b in _pairs(one, other, pattern):
        before, after = pd.read_csv(a), pd.read_csv(b)
        assert before.shape == after.shape, a.name
        for name in before.columns[before.columns.str.contains(columns)]:
            if before[name].dtype.kind not in "fi":
                continue
            values, others = (
                np.minimum(table[name].to_numpy(float), CEILING_DB if name.startswith("sar") else np.inf)
                for table in (before, after)
            )
            scale = np.abs(values[np.isfinite(values)]).max(initial=0.0) if relative else 1.0
            same = (values == others) | (np.isnan(values) & np.isnan(others))
            away = np.where(same, 0.0, np.abs(np.where(same, 0.0, values) - np.where(same, 0.0, others)))
            worst = max(worst, float(np.nan_to_num(away, nan=np.inf).max(initial=0.0) / (scale or 1.0)))
    return worst


def _answers(one: Path, other: Path) -> float:
    """Share of the probes' answers that differ, in percent."""
    (pair,) = _pairs(one, other, "analysis/probe.csv")
    before, after = map(pd.read_csv, pair)
    assert before.shape == after.shape
    return float(100 * (before["predicted"] != after["predicted"]).mean())


def _maps(one: Path, other: Path) -> float:
    """Largest distance that a point of a map moved, in extents of the map."""
    (pair,) = _pairs(one, other, "analysis/tsne.csv")
    before, after = (pd.read_csv(path) for path in pair)
    moved = np.hypot(before["x"] - after["x"], before["y"] - after["y"])
    extent = before.groupby("name")[["x", "y"]].agg(np.ptp).max(axis=1)
    return float((moved / before["name"].map(extent)).max())


def seedless(name: str) -> str:
    """A path without the seed of the run in it."""
    return re.sub(r"-s\d+(?=[./])", "-s#", name)


def shapes(results: Path) -> dict[str, Any]:
    """What must not change with a seed: files, columns and number of rows, names and shapes of tensors."""
    found: dict[str, Any] = {}
    for name, path in files_below(results).items():
        name = seedless(name)
        if path.suffix == ".csv":
            table = pd.read_csv(path)
            found[name] = (list(table.columns), len(table))
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="numpy") as file:
                found[name] = {seedless(k): file.get_slice(k).get_shape() for k in file.keys()}  # noqa: SIM118
        else:
            found[name] = None
    return found
