"""Start jobs of the workflow without importing PyTorch each time: ``python -I -S workflow/warm.py MODULE ARGUMENTS``.

A demo run is some 120 short processes, and importing torch, open_clip and their like costs each of them two to five
seconds. `logged.sh` therefore starts a job through this file. `regenerate.py` has started a server before (``--serve``),
which imports third-party modules only (never ours, so an edit is always seen), listens, and forks one process per job:
with the job's own arguments, environment, folder and open files, and with its exit code handed back. The server ends
with the process that `AVSEP_WARM` names (``folder:pid``; the folder is relative, because the path of a socket must be
short), and a job ends with its client.

Whatever does not fit is run as ever: no server, another number of threads, another hash seed, another system.
"""

from __future__ import annotations

import os
import sys

THREADS = "OMP_NUM_THREADS"  # read when libraries are loaded: jobs with more than one thread are started as ever
SAME = (THREADS, "PYTHONHASHSEED", "PYTHONPATH", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES")  # read at import or start
IMPORTED = (
    *("torch", "lightning_fabric", "safetensors.torch", "torchvision", "torchlibrosa.augmentation", "open_clip"),
    *("scipy.fft", "scipy.linalg", "scipy.ndimage", "scipy.signal", "scipy.stats"),
    *("librosa.filters", "librosa.util", "h5py", "soundfile", "soxr", "PIL.Image", "pydantic", "yaml", "papermill"),
)
LEFT_OUT = ("pandas", "matplotlib", "IPython", "ipykernel")  # look at their surroundings on import: is this a notebook?
# Looked for by timm (to log) and by jsonschema (to check IRIs, of which no notebook has any): 1.3 s of 5. A job that wants
# one of them can still import it.
UNUSED = ("wandb", "rfc3987_syntax")
PATIENCE_S = 5.0  # how long a job waits for the server's imports: less than its own would take
LOOK_S = 0.1  # how often the server looks, while it imports, whether it is still needed
GRACE_S = 5.0  # between asking a job to end and ending it


def main() -> None:
    """Client: have a server run the job, or become it."""
    words = sys.argv[1:]
    folder = os.environ.get("AVSEP_WARM", "").rpartition(":")[0]
    if folder and os.environ.get(THREADS) == "1":
        code = asked(folder, words)
        if code is not None:
            sys.exit(code)
    os.execv(sys.executable, [sys.executable, "-m", *words])


def asked(folder: str, words: list[str]) -> int | None:
    """Exit code of the job as run by the server; None when there is none, or when it declines."""
    import json
    import signal
    import socket
    import time

    end = time.monotonic() + PATIENCE_S
    while os.path.isdir(folder) and not os.path.exists(f"{folder}/socket") and time.monotonic() < end:
        time.sleep(0.02)  # it is about to listen

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends this process at once, and with it the job
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(f"{folder}/socket")
    except OSError:
        return None
    request = json.dumps([words, os.getcwd(), dict(os.environ)]).encode()
    try:
        socket.send_fds(connection, [len(request).to_bytes(8, "big")], [0, 1, 2])
        connection.sendall(request)
        if connection.recv(1) != b"y":
            return None
    except OSError:
        return None
    answer = connection.recv(8)  # for as long as the job runs
    if not answer:
        sys.exit("warm.py: the process that ran this job is gone, most likely killed for memory")
    return int(answer)


def serve(folder: str, parent: int) -> None:
    """Import, listen, and fork for each job, until `parent` is gone. Returns in the process of a job."""
    import select
    import shutil
    import signal
    import socket

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the jobs themselves; this one ends with its parent
    try:
        above = os.pidfd_open(parent)
        signal.signal(
            signal.SIGALRM, lambda *_: select.select([above], [], [], 0)[0] and sys.exit("warm.py: not needed")
        )
        signal.setitimer(signal.ITIMER_REAL, LOOK_S, LOOK_S)  # the next `make figures` would wait for the imports' end
        prepare()
        signal.setitimer(signal.ITIMER_REAL, 0)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(f"{folder}/socket")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # nobody shall wait for it
        raise
    listening.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are not waited for
    while above not in select.select([listening, above], [], [])[0]:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            return keep(connection, above)
        connection.close()
    shutil.rmtree(folder, ignore_errors=True)
    sys.exit()


def prepare() -> None:
    """Import everything; end when that has started a thread, which would not survive a fork."""
    import gc
    import importlib

    sys.modules.update(dict.fromkeys(UNUSED))  # importing them is an error now, which those that look expect
    for name in IMPORTED:
        importlib.import_module(name)
    for name in UNUSED:
        del sys.modules[name]
    if early := [name for name in LEFT_OUT if name in sys.modules]:
        sys.exit(f"warm.py: {early} came with one of {IMPORTED}; notebooks would look otherwise")
    if len(os.listdir("/proc/self/task")) > 1:
        sys.exit(f"warm.py: importing started a thread, and threads do not survive a fork; modules: {IMPORTED}")
    gc.collect()
    gc.freeze()  # or the first collection of every job would copy all of this memory


def keep(connection, above: int) -> None:
    """Fork the job and stay with it: end it when its client or the process `above` (a descriptor) goes, report its code.

    Returns in the job.
    """
    import contextlib
    import json
    import select
    import signal
    import socket

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection.settimeout(None)
    header, files, _, _ = socket.recv_fds(connection, 8, 3)
    text = b""
    while len(text) < int.from_bytes(header, "big"):
        part = connection.recv(65536)
        if not part:  # the client was ended while it asked
            os._exit(1)
        text += part
    words, folder, environment = json.loads(text)
    if any(environment.get(name) != os.environ.get(name) for name in SAME):
        connection.sendall(b"n")
        os._exit(0)
    connection.sendall(b"y")
    job = os.fork()
    if job == 0:
        connection.close()
        os.close(above)
        return become(words, folder, environment, files)
    ended = os.pidfd_open(job)
    ready, _, _ = select.select([ended, connection, above], [], [])
    if ended not in ready:
        family = [job, *descendants(job)]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)
            select.select([ended], [], [], GRACE_S)
    code = os.waitstatus_to_exitcode(os.waitpid(job, 0)[1])
    with contextlib.suppress(OSError):
        connection.sendall(str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def descendants(process: int) -> list[int]:
    """Processes that a process has started, and those that they have."""
    found = []
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/children") as children:
                for child in map(int, children.read().split()):
                    found += [child, *descendants(child)]
    except OSError:  # it has ended, or this system does not tell
        pass
    return found


def become(words: list[str], folder: str, environment: dict[str, str], files: list[int]) -> None:
    """Take over a job's arguments, environment, folder and open files; `top` and `ps -e` show its name."""
    import signal

    with open("/proc/self/comm", "w") as name:
        name.write(words[0].removeprefix("avsep_lib."))

    for descriptor, file in enumerate(files):
        os.dup2(file, descriptor)
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = words
    sys.path[0] = folder  # as with python -m


def run(module: str) -> None:
    """Run a module as ``python -m`` would, in this process, and leave without unloading what was imported (seconds)."""
    import atexit
    import runpy
    import threading
    import traceback

    code: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # waits for threads that are no daemons, as the interpreter does at its end
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
        run(sys.argv[0])  # from here on this process is a job
    else:
        main()
