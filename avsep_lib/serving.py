"""JupyterLab and Voila as `make lab` and `make explore` start them: for this machine only, and behind a token.

Whoever reaches such a server runs code as the person who started it. It therefore listens on the loopback address alone,
wants a fresh token, and refuses requests under another host's name (a page elsewhere whose address was pointed here) or
from another origin. The token lies in a file that only its owner reads: other users of the machine see command lines.
A personal Jupyter configuration may add to this, but it cannot open what is closed here.

``python -m avsep_lib.serving`` is JupyterLab on ``notebooks/``.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avsep_lib.cli import run_main
from avsep_lib.errors import ConfigError
from avsep_lib.paths import project_root

HOST = "127.0.0.1"
PORTS = 50  # tried, from the wanted one on
LAB_PORT = 8888
MESSAGE_BYTES = 64_000_000  # of one message of a page: an upload (`avsep_lib.explorer.uploads.LARGEST`) and its frame
PAGES = {  # headers of every page: nothing from or to another host, no frame of another site around it
    "Content-Security-Policy": (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws://{host}; "
        "base-uri 'self'; form-action 'self'; object-src 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "no-referrer",  # the first address of a page has the token in it
}


def free_port(wanted: int) -> int:
    """The wanted port, or the next that is free.

    Raises
    ------
    ConfigError
        When none of `PORTS` is.
    """
    for port in range(wanted, min(wanted + PORTS, 65536)):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ConfigError(
        f"no port from {wanted} on is free; end another server, or name one that is: make explore PORT=9000"
    )


LAB_CLOSED = {  # on the command line, which nothing overrides; the token must not be seen there
    "ip": HOST,
    "port_retries": "0",
    "allow_remote_access": "False",
    "allow_origin": "",
    "allow_origin_pat": "",
    "disable_check_xsrf": "False",
    "allow_unauthenticated_access": "False",
}


def lab_settings(token: str) -> dict[str, Any]:
    """Configuration of JupyterLab beside `LAB_CLOSED`. The token is the only secret in it."""
    tornado = {"websocket_max_message_size": MESSAGE_BYTES}
    named = {"token": token}
    return {
        "IdentityProvider": named,
        "PasswordIdentityProvider": named,
        "ServerApp": named | {"tornado_settings": tornado},
    }


def voila_settings(token: str, port: int) -> dict[str, Any]:
    """Configuration of Voila: besides the notebook's page it serves the package's own files, and nothing of the disk."""
    headers = {name: text.format(host=f"{HOST}:{port}") for name, text in PAGES.items()}
    tornado = {"allow_remote_access": False, "allow_origin": "", "headers": headers}
    tornado["websocket_max_message_size"] = MESSAGE_BYTES
    server = {"ip": HOST, "port": port, "port_retries": 0, "token": token, "open_browser": False}
    closed = {"allow_template_override": "NO", "allow_theme_override": "NO", "show_tracebacks": False}
    return {
        "Voila": server | {"tornado_settings": tornado},
        "VoilaConfiguration": closed | {"file_allowlist": [], "template": "avsep"},
    }


def write_settings(folder: Path, *names: str, settings: Mapping[str, Any]) -> None:
    """Write Jupyter configuration files, readable by their owner alone; `run_until_ended` has a server find them first."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        handle = os.open(folder / f"{name}.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as stream:
            json.dump(settings, stream)


def write_kernel(folder: Path) -> None:
    """A kernelspec of this interpreter, so that a page runs in no other environment."""
    kernel = folder / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    described = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(described))


def new_token() -> str:
    """A fresh token, 192 random bits."""
    return secrets.token_hex(24)


def configured(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server whose configuration in `folder` comes before every other.

    The working directory, which servers look into first, does not count for an extension such as JupyterLab.
    """
    paths = filter(None, (str(folder), environment.get("JUPYTER_CONFIG_PATH")))
    return {**environment, "JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}


def run_until_ended(command: list[str], folder: Path, environment: Mapping[str, str]) -> int:
    """Run a server that finds its configuration in `folder` first; Ctrl-C and SIGTERM end it. Returns its exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended from outside, it takes the server along
    process = subprocess.Popen(command, cwd=folder, env=configured(folder, environment))
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        return 0


def lab(port: int, open_browser: bool) -> int:
    """JupyterLab on ``notebooks/``, opened on the tour; returns its exit status when it ends."""
    token, port = new_token(), free_port(port)
    with tempfile.TemporaryDirectory(prefix="avsep-") as name:
        folder = Path(name)
        write_settings(folder, "jupyter_server_config", "jupyter_lab_config", settings=lab_settings(token))
        notebooks = project_root() / "notebooks"
        command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={notebooks}"]
        command += [f"--ServerApp.{name}={value}" for name, value in LAB_CLOSED.items()]
        command += [f"--ServerApp.port={port}"]
        command += ["--LabApp.default_url=/lab/tree/00_start_here.ipynb"]
        command += [] if open_browser else ["--no-browser"]
        command += ["--allow-root"] if hasattr(os, "getuid") and os.getuid() == 0 else []
        print(f"JupyterLab, for this machine only: http://{HOST}:{port}/lab?token={token} (Ctrl-C ends it)", flush=True)
        return run_until_ended(command, folder, os.environ)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m avsep_lib.serving", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=LAB_PORT, help="the first to try")
    parser.add_argument("--no-browser", action="store_true", help="never open a browser")
    arguments = parser.parse_args()
    sys.exit(lab(arguments.port, not arguments.no_browser))


if __name__ == "__main__":
    run_main(main)
