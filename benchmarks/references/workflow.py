"""Papermill in a loop: every notebook, one after the other, whatever has changed; ``python -m ... PROFILE FOLDER``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import papermill


def run_all(profile: str, notebooks: Path, out: Path) -> None:
    """Execute all notebooks of a folder with the profile as their parameter."""
    out.mkdir(parents=True, exist_ok=True)
    os.environ["IPYTHONDIR"] = str(out / "ipython")
    for notebook in sorted(notebooks.glob("[0-9]*.ipynb")):
        papermill.execute_notebook(
            notebook, out / notebook.name, parameters={"profile": profile}, kernel_name="python3", progress_bar=False
        )


if __name__ == "__main__":
    run_all(sys.argv[1], Path("notebooks"), Path(sys.argv[2]))
