"""Run one notebook through papermill, strictly: ``python -m avsep_lib.runner NOTEBOOK --parameters JSON ...``.

What plain papermill leaves open is settled here. Parameters are checked before a kernel starts. The kernel is the
interpreter that runs this module, whatever kernelspecs a user has installed, with its own empty IPython profile. Each
kernel has private sockets, so parallel runs cannot collide. The notebook is executed at the log path, which survives a
failure with its traceback, and copied to the output path only when it succeeded.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from avsep_lib.cli import run_main
from avsep_lib.errors import AvsepError, ConfigError
from avsep_lib.files import atomic_path, hold, remove_leftover_folders, writing
from avsep_lib.parameters import notebook_parameters
from avsep_lib.paths import project_root
from avsep_lib.text_files import parse_json

SOCKET_PATH_LIMIT = 107  # bytes, Linux; the kernel appends "-<port>"
PREFIX = "avsep-k-"  # of the folders of kernels
START_S = 300  # for a kernel to answer: it has to import, and other jobs may have the processors


class NotebookError(AvsepError):
    """A notebook stopped; the message names the cell and the reason."""


class ActiveKernel(AsyncKernelManager):
    """A kernel of this very interpreter: no look-up that a user's kernelspec could shadow."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """Launch ipykernel with ``sys.executable``; in a regeneration, with its imports made (workflow/warm.py)."""
        warm = ["-I", "-S", str(project_root() / "workflow" / "warm.py")]
        start = warm if os.environ.get("AVSEP_WARM") else ["-m"]
        argv = [sys.executable, *start, "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python", env={})


def run_notebook(notebook: Path, parameters: dict[str, Any], log: Path, output: Path, minutes: float) -> None:
    """Execute a notebook within a time budget.

    Parameters
    ----------
    notebook : Path
        Source, ``<stem>.ipynb``; the stem names its model in `avsep_lib.parameters`.
    parameters : dict
        Values for the ``parameters`` cell; missing ones take their default.
    log : Path
        Executed notebook, also after a failure.
    output : Path
        Executed notebook, only after success. An older one is removed first.
    minutes : float
        Budget of the whole notebook.

    Raises
    ------
    ConfigError
        Missing notebook, unknown or mistyped parameter, unknown profile (before the kernel starts).
    NotebookError
        A cell failed, or the budget ran out.
    """
    if not notebook.is_file():
        raise ConfigError(f"no notebook {notebook}; notebooks/README.md lists them")
    checked = notebook_parameters(notebook.stem, **parameters)
    _set_hub(checked.profile)
    output.unlink(missing_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with _private_kernel() as config:
        _execute(notebook, checked.model_dump(), log, config, minutes)
    with atomic_path(output) as temporary:
        shutil.copyfile(log, temporary)


def _set_hub(profile: str) -> None:
    """Keep model hubs out of reach unless the profile says ``hub: online``."""
    from avsep_lib.config import load_profile

    offline = "0" if load_profile(profile).hub == "online" else "1"
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = offline


@contextmanager
def _private_kernel() -> Iterator[Any]:
    """Configuration of a kernel whose sockets, connection file and IPython profile lie in a folder of its own."""
    from traitlets.config import Config

    remove_leftover_folders(Path(_short_folder()), PREFIX)
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=_short_folder())
    handle = os.open(folder, os.O_RDONLY)
    hold(handle)
    config = Config()
    config.AsyncKernelManager.transport = "ipc"
    config.AsyncKernelManager.ip = f"{folder}/k"  # the default name is shared, and two kernels then deadlock
    config.AsyncKernelManager.connection_file = f"{folder}/kernel.json"
    os.environ["IPYTHONDIR"] = f"{folder}/ipython"
    try:
        yield config
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _short_folder() -> str:
    """The temporary folder, or /tmp when socket paths below it would be too long."""
    longest = f"{tempfile.gettempdir()}/{PREFIX}12345678/k-12345"
    return tempfile.gettempdir() if len(longest.encode()) <= SOCKET_PATH_LIMIT else "/tmp"


def _execute(notebook: Path, parameters: dict[str, Any], log: Path, config: Any, minutes: float) -> None:
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    deadline = time.monotonic() + 60 * minutes
    try:
        with writing(log):
            papermill.execute_notebook(
                os.path.relpath(notebook),
                os.path.relpath(log),
                parameters=parameters,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                start_timeout=START_S,
                config=config,
                kernel_manager_class=ActiveKernel,
                timeout_func=lambda cell: max(1, round(deadline - time.monotonic())),
            )
    except PapermillExecutionError as error:
        reason = f"{error.ename}: {error.evalue}".strip()
        raise NotebookError(_failure(notebook, log, _failed_cell(log), reason)) from None
    except CellTimeoutError:
        reason = f"the notebook's budget of {minutes:g} minutes ran out; raise notebook_minutes in the profile"
        raise NotebookError(_failure(notebook, log, _failed_cell(log), reason)) from None
    except DeadKernelError:
        reason = "the kernel died, most likely killed for memory"
        raise NotebookError(_failure(notebook, log, _failed_cell(log), reason)) from None
    except RuntimeError as error:
        if not str(error).startswith("Kernel"):  # "Kernel didn't respond in ... seconds", "Kernel died before ..."
            raise
        raise NotebookError(
            f"{notebook.name} could not be started: {error}; run again with fewer jobs (CORES=1)"
        ) from None


def _failed_cell(log: Path) -> tuple[int, str]:
    """Position in the log (from 1) and first line of the cell that failed, or else of the last that was started."""
    cells = json.loads(log.read_text())["cells"]
    records = [cell["metadata"].get("papermill", {}) for cell in cells]
    failed = [i for i, record in enumerate(records) if record.get("status") == "failed"]
    started = [i for i, record in enumerate(records) if record.get("start_time") and cells[i]["cell_type"] == "code"]
    position = (failed or started or [0])[-1]
    lines = [line for line in "".join(cells[position]["source"]).splitlines() if line.strip()]
    return position + 1, lines[0] if lines else ""


def _failure(notebook: Path, log: Path, cell: tuple[int, str], reason: str) -> str:
    position, first_line = cell
    return f"{notebook.name} stopped in cell {position} ({first_line})\n  {reason}\n  traceback: {log}"


def _stop(number: int, frame: Any) -> None:
    """Turn SIGTERM into an ordinary exit, so that the kernel is shut down and its folder removed."""
    raise SystemExit(128 + number)


def _parameters(text: str) -> dict[str, Any]:
    try:
        values = parse_json(text)
    except ValueError as error:
        raise ConfigError(f"--parameters {text!r} is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"--parameters {text!r} must be a JSON object")
    return values


def main() -> None:
    """Command line; see the module's first line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--parameters", default="{}", help="JSON object")
    parser.add_argument("--log", type=Path, required=True, help="executed notebook, kept on failure")
    parser.add_argument("--output", type=Path, required=True, help="executed notebook, only on success")
    parser.add_argument("--minutes", type=float, default=10.0, help="time budget of the whole notebook")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    run_notebook(given.notebook, _parameters(given.parameters), given.log, given.output, given.minutes)


if __name__ == "__main__":
    run_main(main)
