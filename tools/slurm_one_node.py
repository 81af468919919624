"""A SLURM of one node, this machine, for as long as a command runs: to try a workflow's SLURM profile without a cluster.

    python tools/slurm_one_node.py make figures PROFILE=smoke EXECUTOR=slurm OPTIONS="--slurm-status-command squeue"

Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge (or slurm-wlm). Configuration, keys, sockets,
state and logs lie in a temporary folder; nothing of an installed SLURM is read, changed or left running. There is no
accounting database, therefore `squeue` in the example. Memory is enforced by looking at processes, because control
groups are not always there: a job that holds more than it asked for is killed within seconds.
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sinfo", "srun", "scancel")
PATIENCE = 60  # seconds until the node must be idle


def slurm_conf(folder: Path, host: str, cpus: int, megabytes: int, ports: tuple[int, int]) -> str:
    """Text of a slurm.conf for one node that keeps everything in `folder`.

    Parameters
    ----------
    folder
        Absolute path; sockets, state, spool and logs go there.
    host
        Short host name of this machine.
    cpus, megabytes
        What the node offers to jobs.
    ports
        Two free ports, of slurmctld and slurmd.
    """
    settings = {
        "ClusterName": "one",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmUser": "root",
        "SlurmctldPort": ports[0],
        "SlurmdPort": ports[1],
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={folder}/munge.socket",
        "StateSaveLocation": f"{folder}/state",
        "SlurmdSpoolDir": f"{folder}/spool",
        "SlurmctldPidFile": f"{folder}/slurmctld.pid",
        "SlurmdPidFile": f"{folder}/slurmd.pid",
        "SlurmctldLogFile": f"{folder}/slurmctld.log",
        "SlurmdLogFile": f"{folder}/slurmd.log",
        "ProctrackType": "proctrack/linuxproc",  # no control groups anywhere
        "TaskPlugin": "task/affinity",
        "JobAcctGatherType": "jobacct_gather/linux",
        "JobAcctGatherFrequency": "task=2",
        "JobAcctGatherParams": "OverMemoryKill,UsePss",
        "AccountingStorageType": "accounting_storage/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU_Memory",
        "MinJobAge": 3600,  # how long squeue knows what has ended
        "ReturnToService": 2,
        "MpiDefault": "none",
    }
    lines = [f"{key}={value}" for key, value in settings.items()]
    lines.append(f"NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={megabytes} State=UNKNOWN")
    lines.append("PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run a command with SLURM_CONF set; end with its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run while SLURM is up")
    command = parser.parse_args().command
    if not command:
        parser.error("name a command, for example: sinfo")
    if os.geteuid() != 0:
        sys.exit("slurmd starts jobs for other users and therefore needs root: run this as root (in a container, say).")
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        sys.exit(f"not installed: {', '.join(missing)}; on Debian: apt-get install slurmctld slurmd slurm-client munge")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # stop the daemons then, too
    with tempfile.TemporaryDirectory(prefix="slurm-one-node-") as name, running(Path(name)) as environment:
        code = subprocess.run(command, env=environment).returncode
    sys.exit(code)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """SLURM in `folder` until the end of the block; yields the environment in which its commands find it.

    Raises
    ------
    SystemExit
        A daemon ended, or the node was not idle in time; the end of every log is shown.
    """
    environment = os.environ | {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": f"{folder}/bin:{os.environ['PATH']}"}
    daemons: list[subprocess.Popen] = []
    try:
        for words in _prepared(folder):
            daemons.append(subprocess.Popen(words, env=environment, **_into(folder / f"{words[0]}.out")))
            if words[0] == "munged":
                _wait(lambda: (folder / "munge.socket").exists(), daemons, folder)
        _wait(lambda: _state(environment) == "idle", daemons, folder)
        yield environment
        subprocess.run(["scancel", "--user", "root"], env=environment, stderr=subprocess.DEVNULL)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(10)
            daemon.kill()
            daemon.wait()


def _prepared(folder: Path) -> list[list[str]]:
    """Write key and configuration; the commands of the three daemons, in the order of their start."""
    folder.chmod(0o755)  # munged asks for it
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir(mode=0o755)
    # Snakemake's plug-in hides SLURM_CONF from the srun inside a job; there is no /etc/slurm/slurm.conf to fall back to.
    srun = folder / "bin/srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    cpus = len(os.sched_getaffinity(0))
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    host = socket.gethostname().split(".")[0]
    (folder / "slurm.conf").write_text(slurm_conf(folder, host, cpus, megabytes, _free_ports()))
    files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed", "key-file": "key"}
    munged = ["munged", "--foreground", *(f"--{option}={folder}/munge.{end}" for option, end in files.items())]
    return [munged, ["slurmctld", "-D", "-c"], ["slurmd", "-D", "-c"]]


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def _into(path: Path) -> dict:
    with path.open("wb") as file:
        return {"stdout": os.dup(file.fileno()), "stderr": subprocess.STDOUT}


def _state(environment: dict[str, str]) -> str:
    words = ["sinfo", "--noheader", "--format=%T"]
    return subprocess.run(words, env=environment, capture_output=True, text=True).stdout.strip()


def _wait(ready, daemons: list[subprocess.Popen], folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        ended = [daemon.args[0] for daemon in daemons if daemon.poll() is not None]
        if ended or time.monotonic() > deadline:
            for log in sorted([*folder.glob("*.log"), *folder.glob("*.out")]):
                print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-15:], sep="\n", file=sys.stderr)
            sys.exit(f"{', '.join(ended)} ended." if ended else f"The node was not idle within {PATIENCE} s.")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
