"""Executed notebooks as pages: a table of contents, folded code, and an anchor for every cell."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from avsep_lib.files import read_json
from avsep_lib.library import EXTENSIONS
from avsep_lib.report.markdown import renderer
from avsep_lib.report.outputs import Files, cleaned, output_html, plain
from avsep_lib.report.site import Site

EXTRA_PAGES = {
    "../paper/": "../data/paper/",
    "../tests/long_report.md": "../data/long_report.md",
    "glossary.md": "../glossary.html",
}


@dataclass
class Cell:
    """One cell of a page.

    Attributes
    ----------
    anchor : str
    kind : str
        ``markdown`` or ``code``.
    html : str
        Of a Markdown cell its text, of a code cell its highlighted code.
    outputs : list of str
        HTML.
    words : str
        What the outputs say, without markup.
    code : str
    heading : str
        The nearest heading above.
    saves : list of str
        Stems of the artefacts shown here.
    fold : str
        What the folded code is called.
    """

    anchor: str
    kind: str
    html: str
    outputs: list[str] = field(default_factory=list)
    words: str = ""
    code: str = ""
    heading: str = ""
    saves: list[str] = field(default_factory=list)
    fold: str = "Code"


@dataclass
class Notebook:
    """An executed notebook."""

    stem: str
    title: str
    cells: list[Cell]
    contents: list[tuple[str, str]]  # anchor and text of the headings of the second level
    shown_at: dict[str, str]  # artefact stem -> anchor of the cell that shows it

    @property
    def page(self) -> str:
        """Address from the first page."""
        return f"notebooks/{self.stem}.html"

    def place_of(self, number: str) -> str:
        """Address of the first cell whose output shows a number; the section on claims, or the page, where none does."""
        wanted = _comparable(number) if re.search(r"\d", number) else ""
        for cell in self.cells:
            if wanted and wanted in _comparable(cell.words):
                return f"{self.page}#{cell.anchor}"
        section = next((anchor for anchor, text in self.contents if "claim" in text.lower()), "")
        return f"{self.page}#{section}" if section else self.page


def _comparable(text: str) -> str:
    return re.sub(r"\s+", "", text.replace("−", "-"))


def read_notebook(path: Path, site: Site, stems: Iterable[str], captions: dict[str, str]) -> Notebook:
    """Read an executed notebook; its pictures and sounds become files of the site.

    Parameters
    ----------
    path : Path
    site : Site
    stems : iterable of str
        Notebooks that have a page.
    captions : dict of str to str
        Alternative texts by artefact stem.

    Raises
    ------
    DataError
        The file is missing or no JSON.
    """
    raw = read_json(path)["cells"]
    shown_at = places_of_artefacts(raw)
    headings, to_html = renderer(lambda url: moved(url, set(stems)))
    files = Files(site, path.stem)
    cells: list[Cell] = []
    for i, source in enumerate(raw):
        anchor, text = _anchor(source, i), "".join(source["source"])
        if source["cell_type"] == "markdown":
            html = cleaned(to_html(text), "notes", files)
            cells.append(Cell(anchor, "markdown", html))
        elif source["cell_type"] == "code":
            _, heading, label = headings.headings[-1] if headings.headings else (1, "", path.stem)
            saves = [stem for stem, place in shown_at.items() if place == anchor]
            cell = Cell(anchor, "code", highlighted(text), code=text, heading=label if heading else "", saves=saves)
            cell.outputs = _outputs(source, files, label, [captions[s] for s in saves if s in captions])
            cell.fold = _fold(source, text)
            cell.words = " ".join(map(plain, source.get("outputs", [])))
            cells.append(cell)
    first = next((text for level, _, text in headings.headings if level == 1), path.stem)
    contents = [(anchor, text) for level, anchor, text in headings.headings if level == 2]
    return Notebook(path.stem, first, cells, contents, shown_at)


def _outputs(source: dict[str, Any], files: Files, label: str, alts: list[str]) -> list[str]:
    """HTML of a cell's outputs; the n-th picture takes the n-th caption, one without takes the heading and the words."""
    pictures = iter([alt for alt in alts if alt])
    said = " ".join(plain(o) for o in source["outputs"] if o["output_type"] == "stream")
    html = []
    for output in source["outputs"]:
        is_picture = "image/png" in output.get("data", {})
        alt = next(pictures, f"Figure in the section “{label}”. {said}".strip()) if is_picture else ""
        html.append(output_html(output, files, alt, label))
    return html


def _fold(source: dict[str, Any], text: str) -> str:
    tags = source.get("metadata", {}).get("tags", [])
    if text.startswith("# Parameters\n") or {"parameters", "injected-parameters"} & set(tags):
        return "Parameters"
    return "Imports" if re.match(r"(import|from) ", text) else "Code"


def moved(url: str, stems: set[str]) -> str | None:
    """Where a link of a notebook leads on the site; None for what the site does not have."""
    path, hash_, anchor = url.partition("#")
    if path.endswith(".ipynb") and "/" not in path:
        return f"{path[:-6]}.html{hash_}{anchor}" if path[:-6] in stems else None
    for begin, new in EXTRA_PAGES.items():
        if path.startswith(begin):
            return new + path.removeprefix(begin) + hash_ + anchor
    return url if "://" in url or not path else None


def highlighted(code: str) -> str:
    """Python source with classes for its tokens."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(code, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip("\n")


def _anchor(cell: dict[str, Any], i: int) -> str:
    return escape(cell.get("id") or f"cell-{i:02d}", quote=True)


def places_of_artefacts(cells: list[dict[str, Any]]) -> dict[str, str]:
    """Anchor of the cell that shows each figure or table that a notebook saves.

    Saving comes last in a notebook; what is saved was shown before, by the last cell with an output that speaks of the
    saved name. Where there is none, it is the saving cell itself.
    """
    places = {}
    for i, cell in enumerate(cells):
        for stem, names in _saved(cell):
            shown = [
                j for j, other in enumerate(cells[:i])
                if other["cell_type"] == "code" and _displays(other, stem) and _speaks_of(other, names)
            ]  # fmt: skip
            j = shown[-1] if shown else i
            places[stem] = _anchor(cells[j], j)
    return places


def _saved(cell: dict[str, Any]) -> list[tuple[str, str]]:
    """Artefact stems that a cell saves, each with the source text of what is saved."""
    tree = _tree(cell)
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and len(node.args) > 1)
    found = []
    for call in calls:
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name in EXTENSIONS and isinstance(call.args[1], ast.Constant):
            found.append((f"{EXTENSIONS[name][0]}_{call.args[1].value}", ast.unparse(call.args[0])))
    return found


def _displays(cell: dict[str, Any], stem: str) -> bool:
    """Whether a cell shows a picture (for a figure) or a table."""
    kind = "image/png" if stem.startswith("fig_") else "text/html"
    return any(kind in output.get("data", {}) for output in cell["outputs"])


def _speaks_of(cell: dict[str, Any], saved: str) -> bool:
    """Whether an expression, or else the name it begins with, occurs in a cell's code."""
    named = {ast.unparse(node) for node in ast.walk(_tree(cell)) if isinstance(node, ast.expr)}
    root = re.match(r"\w+", saved)
    return saved in named or ("[" not in saved and root is not None and root[0] in named)


def _tree(cell: dict[str, Any]) -> ast.Module:
    if cell["cell_type"] != "code":
        return ast.Module([], [])
    lines = "".join(cell["source"]).splitlines()
    try:
        return ast.parse("\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines))
    except SyntaxError:
        return ast.Module([], [])
