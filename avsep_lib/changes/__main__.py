"""Show what the last run changed: ``python -m avsep_lib.changes --profile demo``, at the end of ``make figures``.

Prints a table, writes ``results/<profile>/changes.json`` and fills the marked section of the published report.
"""

from __future__ import annotations

import argparse

from avsep_lib.changes.changed import changes
from avsep_lib.changes.shown import as_text, filled_in, worth_a_line
from avsep_lib.changes.snapshot import read_snapshot, snapshot_path
from avsep_lib.cli import run_main
from avsep_lib.files import read_json, write_json, write_text
from avsep_lib.paths import figures_root, results_root


def show(profile: str) -> str:
    """Compare with the snapshot, if there is one, and end it; what is printed.

    A run that changed nothing leaves the last changes in ``changes.json`` and in the report.
    """
    kept, before, said = results_root(profile) / "changes.json", read_snapshot(profile), ""
    if before is not None:
        found = changes(profile, before)
        said = as_text(found)
        if not kept.exists() or found["verdicts"] or any(map(worth_a_line, found["artefacts"])):
            write_json(kept, found)
        snapshot_path(profile).unlink()
    page = figures_root(profile) / "report" / "index.html"
    if kept.exists() and page.exists():
        text = page.read_text()
        filled = filled_in(text, read_json(kept))
        if filled != text:
            write_text(page, filled)
    return said


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", required=True)
    print(show(parser.parse_args().profile))


if __name__ == "__main__":
    run_main(main)
