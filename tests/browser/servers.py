"""JupyterLab and Voila for a test: own folders, own port, a random token, and the kernel of this interpreter.

Nothing of the user's Jupyter set-up is read or written, and the servers ask no other machine for news or extensions.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from avsep_lib.serving import voila_settings, write_settings

START_SECONDS = 90.0
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {
        "windowingMode": "none",  # every cell is on the page, seen or not
        "autoStartDefaultKernel": True,
    },
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}
LAB = (
    "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0",
    "--ServerApp.allow_root=True", "--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly",
    "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)  # fmt: skip
VOILA = ("-m", "voila", "--no-browser", "--template=avsep")
TEMPLATES = Path(__file__).resolve().parents[2] / "avsep_lib" / "explorer" / "jupyter"  # Voila's own ask a CDN


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes
    ----------
    folder : Path
        What it serves; a test may write notebooks there.
    origin : str
        ``http://127.0.0.1:<port>``.
    page : str
        Path of a notebook's page, with ``{}`` for the notebook's name.
    """

    folder: Path
    origin: str
    token: str
    page: str

    def url(self, notebook: str) -> str:
        """Address of one notebook of the folder, token included."""
        return f"{self.origin}{self.page.format(quote(notebook))}?token={self.token}"


@contextmanager
def jupyter_lab(folder: Path, state: Path, **environment: str) -> Iterator[Server]:
    """JupyterLab on ``folder``, one document per page; its own files lie below ``state``."""
    port, token = _free_port(), secrets.token_hex(16)
    options = (f"--ServerApp.port={port}", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}")
    server = Server(folder, f"http://127.0.0.1:{port}", token, "/doc/tree/{}")
    with _running((*LAB, *options), state, f"{server.origin}/api/status?token={token}", environment):
        yield server


@contextmanager
def voila_server(folder: Path, state: Path, **environment: str) -> Iterator[Server]:
    """Voila on the notebooks of ``folder``, set up as for `make explore`; its own files lie below ``state``."""
    port, token = _free_port(), secrets.token_hex(16)
    server = Server(folder, f"http://127.0.0.1:{port}", token, "/voila/render/{}")
    write_settings(state / "served", "voila", settings=voila_settings(token, port))
    environment["JUPYTER_CONFIG_PATH"] = str(state / "served")
    with _running((*VOILA, str(folder)), state, f"{server.origin}/?token={token}", environment):
        yield server


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _environment(state: Path, changes: dict[str, str]) -> dict[str, str]:
    """The environment of a server and of its kernels, with Jupyter's folders below ``state``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_"))}
    folders = {
        "JUPYTER_CONFIG_DIR": state / "config",
        "JUPYTER_DATA_DIR": state / "data",
        "JUPYTER_RUNTIME_DIR": state / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": state / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": state / "workspaces",
        "IPYTHONDIR": state / "ipython",
    }
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    quiet = {
        "JUPYTER_PATH": str(TEMPLATES),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    return kept | {name: str(folder) for name, folder in folders.items()} | quiet | changes


def _write_set_up(state: Path) -> None:
    """Settings of the pages, and a kernelspec of this interpreter that comes before every other."""
    settings = state / "config" / "labconfig" / "default_setting_overrides.json"
    kernel = state / "data" / "kernels" / "python3" / "kernel.json"
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    specification = {"argv": argv, "display_name": "Python 3", "language": "python"}
    for path, content in ((settings, SETTINGS), (kernel, specification)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


@contextmanager
def _running(command: tuple[str, ...], state: Path, ready: str, changes: dict[str, str]) -> Iterator[None]:
    environment, log = _environment(state, changes), state / "server.log"
    _write_set_up(state)
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=state, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        _wait(process, ready, log)
        yield
    finally:
        process.terminate()  # both servers shut their kernels down on SIGTERM
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _wait(process: subprocess.Popen, ready: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(ready, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{ready.split('?')[0]} did not answer in {START_SECONDS:g} s:\n{log.read_text()[-3000:]}")
