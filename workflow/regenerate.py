"""Start Snakemake for one profile, alone: ``python workflow/regenerate.py --profile demo --cores 2``.

A killed Snakemake leaves its lock behind, and its advice to unlock is right only when no other one is running. Here
that is looked up: a living one ends this command, a stale lock is explained and removed. What can be known to fail
(`avsep_lib.preflight`: missing weights, contradicting settings) ends it as well, before the first job. What is
published is remembered (`avsep_lib.changes.snapshot`), so that `python -m avsep_lib.changes` can say what has changed.
"""

import argparse
import contextlib
import fcntl
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".snakemake"
PATIENCE_S = 10.0  # in which a job whose Snakemake is gone may end by itself, and then because it is told to


def main() -> None:
    """Check, then become Snakemake, so that signals reach it directly."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo", help="file in config/, without suffix")
    parser.add_argument("--cores", default="all")
    parser.add_argument("--gpus", default="", help="jobs that may use a GPU at once; empty: no limit")
    parser.add_argument("--target", default="", help="rule or file to stop at; `report` publishes nothing")
    parser.add_argument("--executor", default="local", help="`slurm`: a cluster; workflow/profiles/<executor> says how")
    parser.add_argument("--controller", default=sys.executable, help="interpreter that becomes Snakemake; not of jobs")
    given, extra = parser.parse_known_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))  # imported here and not started as commands: every interpreter costs its start
    from avsep_lib.cli import run_main

    run_main(lambda: _prepare(given, extra))
    os.execv(given.controller, [given.controller, "-m", "snakemake", *_options(given, extra)])


def _prepare(given: argparse.Namespace, extra: list[str]) -> None:
    """Be alone, clear up after the killed, check the profile and remember what is published."""
    from avsep_lib.changes.snapshot import take
    from avsep_lib.preflight import check

    _hold_the_checkout()
    if any((STATE / "locks").glob("*")):
        print("A Snakemake that was killed left a lock behind; none is running any more, so the lock is removed.")
        shutil.rmtree(STATE / "locks")
    dry = not {"-n", "--dry-run", "--dryrun"}.isdisjoint(extra)
    if given.executor == "local" and not dry:  # elsewhere a job's process must be its own: it is watched for memory
        _end_orphans()
    if not dry:
        compile_alone()
    if given.executor == "local" and not dry:
        _warm_starts()
    check(given.profile, dry)
    if not dry:
        take(given.profile)


def compile_alone() -> None:
    """Have one process fill the cache of librosa's compiled functions, once per environment.

    Numba writes it on the first import, a file for each function and one for each wrapper, and they find each other by
    names that differ between processes. Two first imports at once, as of two jobs, mix them, and from then on every
    process that calls such a function ends with a segmentation fault.
    """
    found = importlib.util.find_spec("librosa")
    if found is None or not os.access(folder := Path(found.origin).parent, os.W_OK):
        return  # it lies elsewhere then, for all environments of this user
    mark = folder / "__pycache__" / "compiled_alone"
    versions = " ".join(f"{name} {importlib.metadata.version(name)}" for name in ("librosa", "numba", "llvmlite"))
    if mark.exists() and mark.read_text() == versions:
        return
    mark.parent.mkdir(exist_ok=True)
    with open(mark.with_suffix(".lock"), "w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)  # other checkouts may have the same environment
        if mark.exists() and mark.read_text() == versions:
            return
        print("Compiling librosa's functions, once in this environment: some 20 seconds.", flush=True)
        for left in [*folder.rglob("*.nbi"), *folder.rglob("*.nbc")]:
            left.unlink(missing_ok=True)
        subprocess.run([sys.executable, "-c", "import librosa"], env=os.environ | {"EAGER_IMPORT": "1"}, check=True)
        mark.write_text(versions)


def _warm_starts() -> None:
    """Let jobs share their imports (`warm.py`), for as long as this process, soon Snakemake, lives."""
    for left in STATE.glob("warm-*"):
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    if sys.platform != "linux":
        return
    folder = f"{STATE.name}/warm-{os.getpid()}"
    os.mkdir(folder, 0o700)
    os.environ["AVSEP_WARM"] = f"{folder}:{os.getpid()}"
    # As logged.sh has it for jobs of one thread whose profile leaves model hubs alone.
    fixed = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    words = [sys.executable, "workflow/warm.py", "--serve", folder, str(os.getpid())]
    with open(f"{folder}.log", "w") as said:
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=os.environ | fixed)


def _targets(given: argparse.Namespace) -> list[str]:
    """What to make: everything, the one target, or of received results what can be drawn from them."""
    from avsep_lib.borrowed.drawn import targets_and_rules

    targets, rules = targets_and_rules(given.profile)
    if targets:
        return [*targets, "--allowed-rules", *rules]
    return [given.target] if given.target else []


def _options(given: argparse.Namespace, extra: list[str]) -> list[str]:
    options = _targets(given)  # first, where no option can take them for values of its own
    options += ["--snakefile", "workflow/Snakefile", "--cores", given.cores, "--rerun-incomplete"]
    options += ["--quiet", "rules", "progress", "host", "reason"]
    limits = [f"gpu={given.gpus}"] if given.gpus else []
    config = [f"profile={given.profile}"]
    if given.executor != "local":  # `--cores` is then what one job may have; without `--gpus` none asks for a GPU
        limits.append("at_once=1")  # within a submission (its profile says so)
        options += ["--workflow-profile", f"workflow/profiles/{given.executor}"]
        options += ["--max-threads", given.cores] if given.cores.isdigit() else []
        config += [f"python={sys.executable}", f"gpu={int(given.gpus not in ('', '0'))}"]
    options += ["--resources", *limits] if limits else []
    return [*options, *extra, "--config", *config]


def _hold_the_checkout() -> None:
    """Exit when another regeneration is at work here; otherwise hold a lock that dies with this process."""
    STATE.mkdir(exist_ok=True)
    handle = os.open(STATE / "regenerate.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("Another `make figures` is running in this checkout; wait for it, or stop it with Ctrl-C there.")
    os.set_inheritable(handle, True)  # survives becoming Snakemake; its jobs do not inherit it
    if others := _snakemakes():
        sys.exit(f"Snakemake is running in this checkout (process {others[0]}); wait for it, or stop it first.")


def _snakemakes() -> list[int]:
    """Other Snakemake processes whose working directory is this checkout (Linux; elsewhere none are seen)."""

    def is_one(process: Path) -> bool:
        words = (process / "cmdline").read_bytes().split(b"\0")[:4]
        return any(os.path.basename(word) == b"snakemake" for word in words)

    return _processes_here(is_one)


def _processes_here(wanted: Callable[[Path], bool]) -> list[int]:
    """Other processes whose working directory is this checkout, and whose folder in /proc is `wanted`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            here = os.path.samefile(entry / "cwd", ROOT) and wanted(entry)
        except OSError:
            continue
        if here and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return sorted(found)


def _orphans() -> list[int]:
    """Jobs of a Snakemake that is gone (none is running here): they would write beside new ones."""
    marks = (b"AVSEP_JOB=", b"AVSEP_WARM=")  # of logged.sh, and of the server that forks jobs

    def is_one(process: Path) -> bool:
        return any(name.startswith(marks) for name in (process / "environ").read_bytes().split(b"\0"))

    return _processes_here(is_one)


def _end_orphans() -> None:
    """End what a killed Snakemake has left running; those that `warm.py` has started end by themselves in seconds."""
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + PATIENCE_S
        left = _orphans()
        if left and number:
            print(f"Jobs of a Snakemake that was killed are still at work; they are ended: {left}", flush=True)
        for process in left if number else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        while left and time.monotonic() < end:
            time.sleep(0.2)
            left = _orphans()
        if not left:
            return
    sys.exit(f"Jobs of a Snakemake that was killed do not end: processes {left}; end them and run again.")


if __name__ == "__main__":
    main()
