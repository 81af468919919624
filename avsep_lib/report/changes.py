"""What the last run of the workflow changed, between the marks that `avsep_lib.changes` fills after a run."""

from __future__ import annotations

from pathlib import Path

from avsep_lib.changes.shown import MARK, as_html
from avsep_lib.files import read_json

FILE = "changes.json"
NOTHING = "<p>No change is recorded yet; <code>make figures</code> fills this in at the end of a run.</p>"


def changes_html(results: Path) -> str:
    """The marked inside of the section.

    Parameters
    ----------
    results : Path
        ``results/<profile>``; its ``changes.json`` appears after the first run, later than the report itself.
    """
    record = results / FILE
    inside = as_html(read_json(record)) if record.exists() else NOTHING
    return "\n".join([MARK.format("begin"), inside, MARK.format("end")])
