"""Jobs started through workflow/warm.py behave as those started by ``python -m``."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every job is started as ever")

WARM = Path(__file__).resolve().parent.parent / "workflow" / "warm.py"
JOB = """
import atexit, os, sys, threading, time
atexit.register(lambda: print("at the end"))
what, *rest = sys.argv[1:]
if what == "tell":
    print(rest, os.getcwd(), os.environ.get("ASKED"), sys.path[0] == os.getcwd(), __name__, "torch" in sys.modules)
    print("to stderr", file=sys.stderr)
    threading.Thread(target=lambda: (time.sleep(0.2), print("a thread"))).start()
elif what == "code":
    sys.exit(int(rest[0]))
elif what == "text":
    sys.exit("a reason")
elif what == "bug":
    raise ValueError("a bug")
elif what == "signal":
    os.kill(os.getpid(), int(rest[0]))
elif what == "sleep":
    print(os.getpid(), flush=True)
    time.sleep(60)
"""


def within(seconds: float, condition) -> bool:
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return met


def alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a module `job`, and the environment of a regeneration whose server listens."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "job.py").write_text(JOB)
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "AVSEP_WARM": f"w:{parent.pid}"}
    (folder / "w").mkdir()
    server = subprocess.Popen([sys.executable, WARM, "--serve", "w", str(parent.pid)], cwd=folder, env=environment)
    assert within(60, (folder / "w" / "socket").exists)
    yield folder, environment, parent
    parent.kill()
    assert server.wait(10) == 0


def start(folder: Path, environment: dict[str, str], *words: str) -> subprocess.Popen:
    command = [sys.executable, "-I", "-S", str(WARM), "job", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)


def test_arguments_folder_environment_and_output_are_the_jobs_own(project):
    folder, environment, _ = project
    job = start(folder, environment | {"ASKED": "yes"}, "tell", "a b", "{'c': 1}")
    out, err = job.communicate()
    told = f"""['a b', "{{'c': 1}}"] {folder} yes True __main__ True\n"""
    assert (job.returncode, out, err) == (0, f"{told}a thread\nat the end\n", "to stderr\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("code", "0"), 0, ""),
        (("code", "3"), 3, ""),
        (("text",), 1, "a reason\n"),
        (("bug",), 1, "ValueError: a bug"),
        (("signal", str(int(signal.SIGKILL))), 137, ""),
    ],
)
def test_the_exit_code_is_handed_back(project, words, code, said):
    job = start(*project[:2], *words)
    _, err = job.communicate()
    assert job.returncode == code
    assert said in err


def test_a_job_ends_with_its_client(project):
    client = start(*project[:2], "sleep")
    job = int(client.stdout.readline())
    assert job != client.pid
    client.kill()
    assert within(5, lambda: not alive(job))


def test_a_client_that_ends_while_it_asks_leaves_nothing_running(project):
    folder, _, _ = project
    (server,) = (int(path.name) for path in Path("/proc").glob("[0-9]*") if serves(path, folder))
    children = Path(f"/proc/{server}/task/{server}/children")
    before = set(children.read_text().split())
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    here = os.getcwd()
    os.chdir(folder)  # the path of a socket must be short
    try:
        connection.connect("w/socket")
    finally:
        os.chdir(here)
    socket.send_fds(connection, [(1000).to_bytes(8, "big")], [0, 1, 2])
    assert within(5, lambda: set(children.read_text().split()) - before)
    connection.close()
    assert within(5, lambda: not set(children.read_text().split()) - before)


def serves(process: Path, folder: Path) -> bool:
    try:
        return b"--serve" in (process / "cmdline").read_bytes() and (process / "cwd").readlink() == folder
    except OSError:
        return False


@pytest.mark.parametrize(("name", "value"), [("OMP_NUM_THREADS", "2"), ("PYTHONHASHSEED", "1"), ("AVSEP_WARM", "")])
def test_what_does_not_fit_is_run_as_ever(project, name, value):
    folder, environment, _ = project
    out, _ = start(folder, environment | {name: value}, "tell").communicate()
    assert "__main__ False" in out


def test_a_server_that_cannot_start_is_not_waited_for(project):
    folder, environment, parent = project
    (folder / "failing").mkdir()
    (folder / "torch.py").write_text("raise ImportError('no torch')")
    try:
        words = [sys.executable, "-P", WARM, "--serve", "failing", str(parent.pid)]
        server = subprocess.run(words, cwd=folder, env=environment | {"PYTHONPATH": str(folder)}, capture_output=True)
    finally:
        (folder / "torch.py").unlink()
    assert server.returncode != 0
    assert not (folder / "failing").exists()
    start_of = time.monotonic()
    out, _ = start(folder, environment | {"AVSEP_WARM": f"failing:{parent.pid}"}, "tell").communicate()
    assert "__main__ False" in out
    assert time.monotonic() - start_of < 4


def test_a_server_whose_snakemake_ends_while_it_imports_ends_at_once(project):
    """Otherwise `make figures` twice in a row, with nothing to do, waits for the imports of the first."""
    folder, environment, _ = project
    (folder / "early").mkdir()
    (folder / "torch.py").write_text("import pathlib, time\npathlib.Path('imports').touch()\ntime.sleep(60)")
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        words = [sys.executable, "-P", WARM, "--serve", "early", str(parent.pid)]
        server = subprocess.Popen(words, cwd=folder, env=environment | {"PYTHONPATH": str(folder)})
        assert within(20, (folder / "imports").exists)
        assert server.poll() is None
        parent.kill()
        parent.wait()
        assert server.wait(1) != 0
    finally:
        (folder / "torch.py").unlink()
    assert not (folder / "early").exists()


def test_the_suite_itself_is_never_imported_beforehand(project):
    folder, environment, _ = project
    (folder / "seen.py").write_text(
        "import sys\nprint([name for name in sys.modules if name.startswith('avsep_lib')])\n"
    )
    command = [sys.executable, "-I", "-S", str(WARM), "seen"]
    seen = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert seen.stdout == "[]\n"


def test_what_the_server_leaves_out_a_job_can_import(project):
    folder, environment, _ = project
    (folder / "wants.py").write_text(
        "import sys\nprint('wandb' in sys.modules)\nimport wandb, rfc3987_syntax\nprint('here')"
    )
    command = [sys.executable, "-I", "-S", str(WARM), "wants"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False\nhere\n"), done.stderr


def test_jobs_and_server_end_with_their_snakemake(project):
    folder, environment, parent = project
    job = int(start(folder, environment, "sleep").stdout.readline())
    parent.kill()
    parent.wait()
    assert within(8, lambda: not alive(job))
    assert within(8, lambda: not (folder / "w").exists())
