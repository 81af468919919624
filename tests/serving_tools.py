"""The servers of `make lab` and `make explore`, really started, under a personal configuration that would open both."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from avsep_lib.explorer.__main__ import page_folder
from avsep_lib.serving import HOST, configured, free_port, new_token

SECONDS = 120.0
SECRET = "canary-of-a-traceback"
OPEN = {  # what a careless ~/.jupyter may say
    "ServerApp": {
        "ip": "0.0.0.0", "token": "", "password": "", "allow_origin": "*", "disable_check_xsrf": True,
        "allow_remote_access": True, "allow_unauthenticated_access": True,
    },
    "IdentityProvider": {"token": ""},
    "PasswordIdentityProvider": {"token": ""},
    "Voila": {"ip": "0.0.0.0", "token": "", "tornado_settings": {"allow_remote_access": True, "allow_origin": "*"}},
    "VoilaConfiguration": {"show_tracebacks": True, "file_allowlist": [".*"], "allow_template_override": "YES"},
}  # fmt: skip
PAGE = {
    "cells": [
        {"cell_type": "code", "id": "a", "metadata": {}, "source": "print('the page ' + 'works')", "outputs": [], "execution_count": None},
        {"cell_type": "code", "id": "b", "metadata": {}, "source": f"raise ValueError('{SECRET}'[::-1])", "outputs": [], "execution_count": None},
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}  # fmt: skip


@dataclass
class Served:
    """A running server: its port, token, process id and folder."""

    port: int
    token: str
    pid: int
    folder: Path

    def get(self, path: str, *, token: bool = False, method: str = "GET", body: str = "", **headers: str) -> tuple:
        """Status, body and headers of one request, no redirect followed; ``host_`` replaces the Host header."""
        headers = {name.rstrip("_").replace("_", "-").title(): value for name, value in headers.items()}
        if token:
            headers["Authorization"] = f"token {self.token}"
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace"), dict(answer.getheaders())
        finally:
            connection.close()

    def addresses(self) -> set[str]:
        """Local addresses on which the port is listened to."""
        import psutil

        found = [
            c.laddr
            for c in self._of_each(lambda process: process.net_connections("inet"))
            if c.status == psutil.CONN_LISTEN
        ]
        return {address.ip for address in found if address.port == self.port}

    def command_lines(self) -> str:
        """What any user of the machine sees of the server and its children."""
        return " ".join(self._of_each(lambda process: process.cmdline()))

    def _of_each(self, ask: Callable) -> list:
        """The answers of the server and its children; a child that ended since it was listed has none.

        JupyterLab starts children that live for milliseconds.
        """
        import psutil

        server = psutil.Process(self.pid)
        answers = list(ask(server))
        for child in server.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                answers += ask(child)
        return answers


def careless(state: Path) -> dict[str, str]:
    """The environment of somebody whose own configuration opens every door."""
    config = state / "config"
    config.mkdir(parents=True)
    for name in ("jupyter_server_config", "jupyter_lab_config", "voila"):
        (config / f"{name}.json").write_text(json.dumps(OPEN))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_"))}
    folders = {f"JUPYTER_{name}_DIR": str(state / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    return kept | folders | {"IPYTHONDIR": str(state / "ipython"), "JUPYTER_TOKEN": ""}


@contextlib.contextmanager
def explorer(state: Path) -> Iterator[Served]:
    """Voila on a small notebook, as `avsep_lib.explorer` starts it."""
    folder, environment = state / "served", careless(state)
    folder.mkdir()
    token, port = new_token(), free_port(18866)
    command, ours = page_folder(folder, PAGE, token, port)
    paths = {name: ours[name] for name in ("JUPYTER_PATH", "AVSEP_ROOT")}
    with _running(command, folder, configured(folder, environment | paths), state / "log") as process:
        served = Served(port, token, process.pid, folder)
        _wait(served, process, state / "log")
        yield served


@contextlib.contextmanager
def lab(state: Path) -> Iterator[Served]:
    """JupyterLab by the command of `make lab`."""
    command = [sys.executable, "-m", "avsep_lib.serving", "--no-browser", "--port", "18888"]
    environment = careless(state)
    with _running(command, Path.cwd(), environment, state / "log") as process:
        end = time.monotonic() + SECONDS
        while not (
            found := re.search(rf"http://{re.escape(HOST)}:(\d+)/lab\?token=(\w+)", (state / "log").read_text())
        ):
            assert time.monotonic() < end, (state / "log").read_text()
            assert process.poll() is None, (state / "log").read_text()
            time.sleep(0.1)
        served = Served(int(found[1]), found[2], process.pid, state)
        _wait(served, process, state / "log")
        yield served


@contextlib.contextmanager
def _running(command: list[str], folder: Path, environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen]:
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait(served: Served, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            served.get("/login")
            return
        time.sleep(0.2)
    raise RuntimeError(f"no answer on port {served.port}:\n{log.read_text()[-3000:]}")
