"""Command line: the explorer as a page of its own, ``python -m avsep_lib.explorer --profile demo``.

The page is notebook 12 under Voila, from a copy in a temporary folder that has the profile in its parameters cell and
is removed at the end. No code can be entered there and nothing is written; only this machine is listened to.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from avsep_lib.cli import run_main
from avsep_lib.errors import ConfigError
from avsep_lib.explorer.choice import find_results
from avsep_lib.paths import project_root

STEM = "12_explorer"
LEFT_OUT = "static-twin"  # cells for pages without a kernel
KERNEL = {"display_name": "Python 3", "language": "python"}


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


def write_kernel(folder: Path) -> None:
    """A kernelspec of this interpreter, so that the page runs in no other environment."""
    kernel = folder / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv} | KERNEL))


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
    with tempfile.TemporaryDirectory(prefix="avsep-") as folder:
        page = Path(folder) / f"{STEM}.ipynb"
        page.write_text(json.dumps(page_notebook(json.loads(source.read_text()), profile, dataset)))
        write_kernel(Path(folder) / "jupyter")
        command = [sys.executable, "-m", "voila", str(page), f"--Voila.port={port}", "--Voila.ip=127.0.0.1"]
        command += ["--template=avsep", *([] if open_browser else ["--no-browser"])]
        ours = (Path(folder) / "jupyter", Path(__file__).parent / "jupyter")  # a kernel; a page that asks no other host
        paths = os.pathsep.join(filter(None, (*map(str, ours), os.environ.get("JUPYTER_PATH"))))
        environment = os.environ | {"JUPYTER_PATH": paths, "AVSEP_ROOT": str(project_root())}
        print(
            f"explorer of profile {profile!r}, dataset {dataset!r}: http://localhost:{port}/ (Ctrl-C ends it)",
            flush=True,
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended from outside, it takes the server along
        process = subprocess.Popen(command, env=environment)
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            return 0


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
