"""Remove from the tracked notebooks what a run leaves behind: outputs, counts, machine-specific metadata.

``python tools/strip_notebooks.py`` rewrites them; ``--check`` only lists those that would change and exits 1.
"""

import argparse
import json
import sys
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
KEPT_CELL_METADATA = {"tags"}


def stripped(text: str) -> str:
    """The canonical text of a notebook."""
    notebook = json.loads(text)
    notebook["metadata"] = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook |= {"nbformat": 4, "nbformat_minor": 5}
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"cell-{number:02d}"  # by position, so that a diff shows only what somebody wrote
        cell["metadata"] = {key: value for key, value in cell["metadata"].items() if key in KEPT_CELL_METADATA}
        cell["source"] = "".join(cell["source"]).strip("\n").splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    dirty = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if stripped(path.read_text()) != path.read_text()]
    for path in dirty:
        print(f"{'not stripped' if check else 'stripped'}: {path.relative_to(NOTEBOOKS.parent)}")
        if not check:
            path.write_text(stripped(path.read_text()))
    sys.exit("run `make strip`" if check and dirty else 0)


if __name__ == "__main__":
    main()
