"""Regenerations and trainings that are killed, and what has to hold at that moment and in the end."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from safetensors import safe_open

from avsep_lib.changes.tolerances import tolerance
from avsep_lib.cli import run_main
from avsep_lib.config import check_profile
from avsep_lib.files import LEFTOVER, sha256_file
from avsep_lib.paths import project_root
from avsep_lib.settings import to_dict

END_S = 15.0  # in which everything that a killed regeneration has started is gone

# Measured seconds and what is made of them; everything else is compared byte for byte. Executed notebooks and the report
# have the time of day in them, logs the steps at which a training was taken up again.
NOT_COMPARED = re.compile(
    r"(logs|notebooks|report|changes|run)/.*|before\.json|published\.json"
    r"|analysis/method_costs\.csv|artifacts/fig_quality_against_cost\.(csv|png|svg)"
)
MEASURED_JSON = {
    "runs/*/cost.json": ("seconds", "waiting_share"),
    "artifacts/*.json": ("wall_time_s", "inputs", "outputs"),  # the two name hashes of files with seconds in them
}
MEASURED_TABLES = re.compile(r"artifacts/tab_(table6_cost|baselines_cost|training_run)\.(csv|md|tex)")


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


@contextlib.contextmanager
def started(folder: Path, output: Path, words: list[str] | None = None) -> Iterator[subprocess.Popen]:
    """A regeneration as the leader of a process group, ended in the end; what it prints is added to `output`."""
    with output.open("ab") as stream:
        process = subprocess.Popen(
            words or command(),
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        kill_group(process)


def kill_group(process: subprocess.Popen) -> None:
    """SIGKILL to every process of the group at once, also when its leader has ended."""
    with contextlib.suppress(ProcessLookupError):
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


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


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
    context.set_forkserver_preload(PRELOADED)
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


# --- jobs on a system that does not let them write ----------------------------------------------------------------------

LIMIT = 2000  # bytes that a file may have
ROOM = 8192  # bytes that are left on a full disk, as a rule
PRELOADED = [  # imported once, in the process that forks jobs
    *(
        "avsep_lib.train",
        "avsep_lib.features",
        "avsep_lib.score",
        "avsep_lib.encoders.embed",
        "avsep_lib.encoders.check",
    ),
    *("avsep_lib.embedded.build", "matplotlib.figure", "open_clip", "torchlibrosa.augmentation", "librosa.filters"),
    *("scipy.signal", "scipy.stats", "soundfile", "soxr"),
]


@dataclass(frozen=True)
class Job:
    """A command of the workflow: its module, its words and what it writes below its folder, ``{out}`` in its words."""

    module: str
    words: tuple[str, ...]
    outputs: tuple[str, ...]
    expected: Path | None = None  # folder of the same files, written undisturbed; without it the job is run once more
    limit: int = LIMIT


def jobs(project, toy: dict, random_features: Path, config) -> dict[str, Job]:
    """Jobs that write every kind of file, on the toy project."""
    data, profile = project.data, check_profile(toy, "toy", "toy")
    audio, images = json.dumps(to_dict(profile.audio)), json.dumps(toy["encoders"]["image"])
    teacher = json.dumps(toy["encoders"]["audio"])
    clips, stored = ("--clips", f"{data}/clips"), f"{data}/embeddings/images.safetensors"
    lists = ("--mixtures", f"{data}/mixtures")
    dataset = toy["datasets"]["music11"] | {"classes": ["flute", "tuba"], "duets": {"train": 0, "val": 0, "test": 0}}
    dataset["videos_per_class"] = dict.fromkeys(("train", "val", "test", "pretrain"), 2)
    return {
        "dataset": Job(
            "avsep_lib.embedded.__main__",
            ("--settings", json.dumps(dataset), "--out", "{out}"),
            ("manifest.csv", "provenance.csv"),
        ),
        "clips": Job(
            "avsep_lib.clips",
            ("--manifest", f"{data}/dataset/manifest.csv", "--sample-rate", "11625", "--out", "{out}"),
            ("clips.csv", "waveforms.npy"),
            data / "clips",
        ),
        "embeddings": Job(
            "avsep_lib.encoders.embed",
            ("images", "--settings", images, "--encoder", f"{data}/encoders/image", *clips, "--out", "{out}/images.safetensors"),
            ("images.safetensors",),
            data / "embeddings",
        ),
        "lists": Job(
            "avsep_lib.mixtures",
            ("--settings", json.dumps(to_dict(profile.mixtures)), "--audio", audio, *clips, "--out", "{out}"),
            ("mixtures.json", "pool.csv", "val.csv", "test.csv"),
            data / "mixtures",
            limit=300,
        ),
        "features": Job(
            "avsep_lib.features",
            (
                *("--audio", audio, *clips, *lists, "--images", stored, "--audio-encoder", f"{data}/encoders/audio"),
                *("--audio-encoder-settings", teacher, "--frame-size", "32", "--out", "{out}"),
            ),
            ("train.safetensors", "val.safetensors"),
            data / "features",
        ),
        "checkpoint": Job(
            "avsep_lib.train",
            ("--config", json.dumps(to_dict(config)), "--features", str(random_features), "--out", "{out}"),
            ("model.safetensors", "history.csv"),
        ),
        "scores": Job(
            "avsep_lib.score",
            (
                *("--model", f"{project.results}/runs/late-s0/model.safetensors", *clips, *lists),
                *("--images", stored, "--out", "{out}/late-s0.csv"),
            ),
            ("late-s0.csv",),
            project.results / "scores",
        ),
        "figure": Job("kill_tools", ("draw", "{out}"), ("artifacts/fig_line.png", "artifacts/fig_line.svg")),
    }  # fmt: skip


def main() -> None:
    """The job `figure`: a picture with its sidecar, as a notebook saves it."""
    from matplotlib.figure import Figure

    from avsep_lib import artifacts

    artifacts.results_root, artifacts.project_root = lambda profile: Path(sys.argv[2]), lambda: Path(sys.argv[2])
    figure = Figure()
    figure.add_subplot().plot(np.random.default_rng(0).standard_normal(300))
    artifacts.save_figure(figure, "line", profile="smoke", inputs=[], parameters={}, caption="A line.")


def run_job(job: Job, out: Path, limit: int | None = None) -> tuple[int, str]:
    """Run a job into `out`, its files limited to `limit` bytes; exit code and what it said on stderr."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_job, args=(job, out, limit, theirs))
    process.start()
    theirs.close()
    try:
        said = ours.recv()
    except EOFError:
        said = "(nothing: the process is gone)"
    process.join()
    return process.exitcode, said


def _job(job: Job, out: Path, limit: int | None, pipe) -> None:
    """In a process of its own; its stderr is kept in memory, because files are what it cannot write."""
    sys.argv = [job.module, *(word.replace("{out}", str(out)) for word in job.words)]
    sys.stderr, sys.stdout = io.StringIO(), io.StringIO()
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    code = 0
    try:
        run_main(importlib.import_module(job.module).main)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 70
    pipe.send(sys.stderr.getvalue())
    pipe.close()
    os._exit(code or 0)


def storage_fault(job: Job, fault: str, place: Path) -> list[str]:
    """Run a job where it cannot write, and once more where it can; what was wrong about it.

    Parameters
    ----------
    job : Job
    fault : {"limit", "full", "read-only"}
        No file may grow beyond a size; a disk is full (root); a disk is read-only (root), or else the folder.
    place : Path
        A folder for this alone.
    """
    with contextlib.ExitStack() as stack:
        disk = place / "disk"
        stack.enter_context(small_disk(disk)) if fault != "limit" and may_mount() else disk.mkdir()
        out = disk / "out"
        with cannot_write(fault, disk, job.limit):  # less than any of its files: a page at most
            code, said = run_job(job, out, job.limit if fault == "limit" else None)
        problems = list(_unclear(code, said, out))
        problems += [f"{name} is there" for name in job.outputs if (out / name).exists()]
        problems += [f"{path.name} is left" for path in leftovers(disk)]
        code, said = run_job(job, out)
        problems += [f"the rerun fails: {said}"] if code else list(_other_contents(job, out, place))
    return problems


def _unclear(code: int, said: str, out: Path) -> Iterator[str]:
    last = (said.splitlines() or [""])[-1]
    if code != 1:
        yield f"exit code {code}: {said}"
    if not last.startswith(("StorageError: ", "DataError: ")) or "Traceback" in said:
        yield f"no message of one line: {said}"
    if str(out) not in last:
        yield f"the file is not named: {last}"
    if "run again" not in last:
        yield f"no way out: {last}"


def _other_contents(job: Job, out: Path, place: Path) -> Iterator[str]:
    expected = job.expected
    if expected is None:
        expected = place / "undisturbed"
        run_job(job, expected)
    for name in job.outputs:
        if (out / name).read_bytes() != (expected / name).read_bytes():
            yield f"{name} differs from that of an undisturbed run"


@contextlib.contextmanager
def cannot_write(fault: str, disk: Path, room: int = ROOM) -> Iterator[None]:
    """Let a disk be full but for `room` bytes, or read-only, for a while; the limit is set by `run_job`."""
    if fault == "full":
        filler = disk / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(disk).free - room))
        yield
        filler.unlink()
    elif fault == "read-only":
        mounted = os.path.ismount(disk)
        _let(disk, mounted, writable=False)
        yield
        _let(disk, mounted, writable=True)
    else:
        yield


def _let(disk: Path, mounted: bool, writable: bool) -> None:
    if mounted:
        subprocess.run(["mount", "-o", f"remount,{'rw' if writable else 'ro'}", disk], check=True)
    else:
        disk.chmod(0o755 if writable else 0o555)


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A folder on a disk of its own, 4 MB (needs root), unmounted in the end."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@functools.cache
def may_mount() -> bool:
    """Whether disks can be mounted here: root, and not a container that forbids it."""
    if os.getuid() != 0 or not shutil.which("mount"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode == 0
        return done and subprocess.run(["umount", folder]).returncode == 0
