"""Every figure and table of the first page, and where it came from, which its notebook's page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from avsep_lib.config import Run
from avsep_lib.files import read_json
from avsep_lib.library import Artifact
from avsep_lib.plots.style import label_of
from avsep_lib.report.html_tables import html_table, read_csv, read_markdown
from avsep_lib.report.notebooks import Notebook
from avsep_lib.report.pictures import LARGE, described, png_size
from avsep_lib.report.runs import run_address
from avsep_lib.report.site import Site
from avsep_lib.tables.names import PAPER_ROWS

DIGITS = 12  # of a hash
MOST_ROWS = 12  # of the values behind a figure, which show what is in the file; that has all of them
ORIGIN = "from-"  # begins the anchors of what the pages of notebooks say of artefacts
WORDS = {"csv": "CSV", "md": "Markdown", "tex": "LaTeX", "png": "PNG", "svg": "SVG", "json": "provenance (JSON)"}


def artefact_entry(
    site: Site, artefact: Artifact, book: Notebook, runs: dict[str, Run], words: dict[str, str]
) -> dict[str, Any]:
    """What the template shows of one figure or table; its files are copied to ``assets``.

    Parameters
    ----------
    site : Site
    artefact : Artifact
    book : Notebook
        The executed notebook that shows it.
    runs : dict of str to Run
        All runs of the profile.
    words : dict of str to str
        Words that are links, with their addresses.

    Raises
    ------
    DataError
        When its sidecar is missing.
    """
    folder = site.results / "artifacts"
    sidecar = read_json(folder / f"{artefact.stem}.json")
    files = [*sorted(sidecar["outputs"]), f"{artefact.stem}.json"]
    for name in files:
        site.copy(folder / name, f"assets/{name}")
    used = runs_used(sidecar["inputs"], runs)
    entry = {
        "stem": artefact.stem,
        "kind": sidecar["kind"],
        "caption": sidecar["caption"],
        "page": f"{book.page}#{book.shown_at.get(artefact.stem, '')}".rstrip("#"),
        "origin": f"{book.page}#{ORIGIN}{artefact.stem}",
        "anchor": f"{ORIGIN}{artefact.stem}",
        "files": [(WORDS[name.rpartition(".")[2]], f"assets/{name}") for name in files],
        "provenance": provenance(sidecar, used, site.profile),
    }
    if sidecar["kind"] == "table":
        rows, note = read_markdown(folder / f"{artefact.stem}.md")
        links = words | row_links(used)
        return entry | {"html": html_table(rows, sidecar["caption"], links), "note": note}
    return entry | _picture(folder, artefact.stem, sidecar["caption"])


def _picture(folder: Path, stem: str, caption: str) -> dict[str, Any]:
    """Size, alternative text and drawn values of a figure."""
    width, height = png_size((folder / f"{stem}.png").read_bytes()[:32])
    values = folder / f"{stem}.csv"
    picture = {
        "width": width,
        "height": height,
        "large": width > LARGE,
        "alt": described(caption, values),
        "drawn": "",
        "n_drawn": 0,
    }
    if values.exists():
        rows, n = read_csv(values, MOST_ROWS)
        picture |= {"drawn": html_table(rows, f"Values drawn in {stem}"), "n_drawn": n, "n_shown": len(rows) - 1}
    return picture


def provenance(sidecar: dict[str, Any], used: list[Run], profile: str) -> dict[str, Any]:
    """Inputs by kind, code, machine and time of one artefact, in words and links."""
    machine = sidecar["hardware"]
    others = [name for name in sidecar["inputs"] if not re.search(r"/(runs|scores|frames)/", name)]
    return {
        "n_inputs": len(sidecar["inputs"]),
        "n_frames": sum("/frames/" in name for name in sidecar["inputs"]),
        "command": sidecar.get("made_by", {}).get("command", ""),
        "others": [(name.removeprefix(f"results/{profile}/"), sidecar["inputs"][name][:DIGITS]) for name in others],
        "runs": [(run.run_id, run_address(run)) for run in used],
        "code": sidecar["code"]["sha256"][:DIGITS],
        "n_modules": len(sidecar["code"]["modules"]),
        "commit": short_commit(sidecar["commit"]),
        "machine": ", ".join(filter(None, [machine["cpu"], f"{machine['cores']} cores", machine.get("gpu", "")])),
        "python": sidecar["python"],
        "seconds": sidecar["wall_time_s"],
        "parameters": ", ".join(f"{key} = {value}" for key, value in sidecar["parameters"].items()),
    }


def short_commit(commit: str | None) -> str:
    """First digits of a commit, with ``+changes`` where tracked files differed."""
    head, _, changes = (commit or "not in git").partition("+")
    return head[:DIGITS] + (f"+{changes}" if changes else "")


def runs_used(inputs: dict[str, str], runs: dict[str, Run]) -> list[Run]:
    """Runs whose files an artefact was made from."""
    found = (re.search(r"/(?:runs|scores)/([^/]+?)(?:\.csv|/|$)", name) for name in inputs)
    named = dict.fromkeys(match[1] for match in found if match)
    return [runs[name] for name in named if name in runs]


def row_links(used: list[Run]) -> dict[str, str]:
    """Address of the runs behind a table row, by the row's names; none for a name that several datasets share."""
    places: dict[str, set[str]] = {}
    for run in used:
        names = {label_of(run.row), *(of[run.row] for of in PAPER_ROWS.values() if run.row in of)}
        for name in names:
            places.setdefault(name, set()).add(run_address(run, group=True))
    return {name: addresses.pop() for name, addresses in places.items() if len(addresses) == 1}
