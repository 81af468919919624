"""Command line: the explorer as a page of its own, ``python -m avsep_lib.explorer --profile demo``.

The page is notebook 12 under Voila, from a copy in a temporary folder that has the profile in its parameters cell and
is removed at the end. No code can be entered there and nothing is written; only this machine is listened to, and only
with the token that is printed (`avsep_lib.serving`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import sys
import tempfile
import threading
import time
import webbrowser
from pathlib import Path

from avsep_lib.cli import run_main
from avsep_lib.errors import ConfigError
from avsep_lib.explorer.choice import find_results
from avsep_lib.paths import project_root
from avsep_lib.serving import HOST, free_port, new_token, run_until_ended, voila_settings, write_kernel, write_settings

STEM = "12_explorer"
LEFT_OUT = "static-twin"  # cells for pages without a kernel


def page_notebook(source: dict, profile: str, dataset: str) -> dict:
    """Notebook 12 as a page: parameters filled in, and without the cells for pages that have no kernel."""
    cells = []
    for cell in source["cells"]:
        tags = cell["metadata"].get("tags", [])
        if LEFT_OUT in tags:
            continue
        if "parameters" in tags:
            cell = cell | {"source": f"profile = {profile!r}\ndataset = {dataset!r}\n"}
        elif cell["cell_type"] == "markdown":  # the other notebooks are not beside this page
            cell = cell | {"source": re.sub(r"\[([^]]+)\]\([^)]+\.ipynb\)", r"\1", "".join(cell["source"]))}
        cells.append(cell)
    return source | {"cells": _without_sections_of_nothing(cells)}


def _without_sections_of_nothing(cells: list[dict]) -> list[dict]:
    """Drop a section whose code was left out: its text would announce what does not come."""
    texts = ["".join(cell["source"]) for cell in cells]
    dropped = ("## The same without a kernel", "## Check")
    return [cell for cell, text in zip(cells, texts) if not text.startswith(dropped)]


def has_display() -> bool:
    """Whether a browser can be opened here."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def open_when_ready(port: int, token: str, folder: Path) -> None:
    """Open a browser once the page answers; the address with the token reaches it in a file, not on a command line."""
    address = f"http://{HOST}:{port}/?token={token}"
    for _ in range(300):
        time.sleep(0.2)
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            page = folder / "open.html"
            page.touch(0o600)
            page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">')
            webbrowser.open(page.as_uri())
            return


def page_folder(folder: Path, notebook: dict, token: str, port: int) -> tuple[list[str], dict[str, str]]:
    """Write what Voila needs to serve a notebook; the command, to be run in `folder`, and its environment."""
    page = folder / "page" / f"{STEM}.ipynb"  # alone in its folder: Voila takes that for what may be served
    page.parent.mkdir()
    page.write_text(json.dumps(notebook))
    write_settings(folder, "voila", settings=voila_settings(token, port))
    write_kernel(folder / "jupyter")
    ours = (folder / "jupyter", Path(__file__).parent / "jupyter")  # a kernel; a page that asks no other host
    paths = os.pathsep.join(filter(None, (*map(str, ours), os.environ.get("JUPYTER_PATH"))))
    command = [sys.executable, "-m", "voila", str(page), f"--Voila.ip={HOST}", "--no-browser", "--template=avsep"]
    return command, os.environ | {"JUPYTER_PATH": paths, "AVSEP_ROOT": str(project_root())}


def serve(profile: str, dataset: str, port: int, open_browser: bool) -> int:
    """Serve the explorer until it is interrupted; returns Voila's exit status.

    Raises
    ------
    ConfigError, DataError
        Unknown profile or dataset, results that are not there yet: said before a server starts.
    """
    dataset = find_results(profile, dataset).dataset
    source = project_root() / "notebooks" / f"{STEM}.ipynb"
    if not source.is_file():
        raise ConfigError(f"no notebook {source}; this checkout is incomplete")
    token, port = new_token(), free_port(port)
    notebook = page_notebook(json.loads(source.read_text()), profile, dataset)
    with tempfile.TemporaryDirectory(prefix="avsep-") as name:
        command, environment = page_folder(Path(name), notebook, token, port)
        address = f"http://{HOST}:{port}/?token={token}"
        print(f"explorer of profile {profile!r}, dataset {dataset!r}: {address} (Ctrl-C ends it)", flush=True)
        if open_browser:
            threading.Thread(target=open_when_ready, args=(port, token, Path(name)), daemon=True).start()
        return run_until_ended(command, Path(name), environment)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m avsep_lib.explorer", description=__doc__)
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--dataset", default="", help="default: the main dataset of the profile")
    parser.add_argument("--port", type=int, default=8866)
    parser.add_argument("--no-browser", action="store_true", help="never open a browser")
    arguments = parser.parse_args()
    open_browser = has_display() and not arguments.no_browser
    sys.exit(serve(arguments.profile, arguments.dataset, arguments.port, open_browser))


if __name__ == "__main__":
    run_main(main)
