"""``python -m benchmarks.growth_account LOG COMMAND ...``: run a job and append what it cost to ``$GROWTH_LEDGER``.

Stands in the place of the workflow's `logged`. Time is the processor's, of the job and all processes it waited for, so
other work on the machine hardly counts. The kernel's peak of resident memory includes pages of files that are mapped (they can
be given back at any time); anonymous memory, which cannot, is sampled.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

PERIOD_S = 0.05  # between two samples of anonymous memory


def anonymous_mib(pid: int) -> float:
    """Anonymous resident memory of a process and its descendants in MiB; 0 where the system does not say (not Linux)."""
    total, waiting = 0, [pid]
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        with contextlib.suppress(OSError, ValueError):  # it may have ended meanwhile
            lines = (process / "status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
            for children in process.glob("task/*/children"):
                waiting += map(int, children.read_text().split())
    return total / 1024


def run_job(command: list[str], log: Path) -> dict[str, float]:
    """Run a command with its output in `log`; exit code, seconds (wall, processor) and MiB (resident, anonymous)."""
    peak, ended = [0.0], threading.Event()

    def sample(pid: int) -> None:
        while not ended.wait(PERIOD_S):
            peak[0] = max(peak[0], anonymous_mib(pid))

    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        sampler = threading.Thread(target=sample, args=(process.pid,), daemon=True)
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
    ended.set()
    sampler.join()
    return {
        "code": os.waitstatus_to_exitcode(status),
        "wall_s": time.perf_counter() - started,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "resident_mib": usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024),
        "anonymous_mib": peak[0],
    }


def main() -> int:
    """Run the command, note its cost; its exit code."""
    log = Path(sys.argv[1])
    cost = run_job(sys.argv[2:], log)
    job = log.as_posix().partition("/logs/")[2].rpartition(".")[0]
    with open(os.environ["GROWTH_LEDGER"], "a") as ledger:
        ledger.write(json.dumps({"job": job, **cost}) + "\n")
    if cost["code"]:
        print(f"{job} failed; the end of {log}:\n{log.read_text()[-1500:]}", file=sys.stderr)
    return int(cost["code"])


if __name__ == "__main__":
    raise SystemExit(main())
