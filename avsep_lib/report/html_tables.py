"""Tables a screen reader can walk through: caption, heading cells with their scope, links where a cell names a run."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from avsep_lib.artifacts import plain_cell
from avsep_lib.report.site import is_page, signed

INTERVAL = re.compile(r"\[[-+−]?[\d.]+, [-+−]?[\d.]+\]")  # stays on one line
LONG = 40  # characters of a cell that wants a wide column
CONTEXT = "paper"  # a column whose heading begins with it holds published numbers


def read_markdown(path: Path) -> tuple[list[list[str]], str]:
    """Heading and rows of the pipe table in a Markdown file, and the note below it (empty: none)."""
    lines = path.read_text().splitlines()
    rows = [_cells(line) for line in lines if line.startswith("|")]
    note = " ".join(line for line in lines if line and not line.startswith("|"))
    return [rows[0], *rows[2:]], note


def read_csv(path: Path, most: int) -> tuple[list[list[str]], int]:
    """Heading and at most `most` rows of a CSV file, floats shortened; and how many rows it has."""
    with path.open(newline="") as stream:
        head, *rows = csv.reader(stream)
    return [head, *([_shortened(cell) for cell in row] for row in rows[:most])], len(rows)


def html_table(rows: list[list[str]], caption: str, links: Mapping[str, str] | None = None) -> str:
    """An HTML table; the first row is its heading, the first column names the rows.

    Parameters
    ----------
    rows : list of list of str
        Plain text.
    caption : str
        For screen readers; what stands beside the table is the figure caption.
    links : mapping of str to str, optional
        Addresses by the words that lead there: a whole cell, or one of the words of a cell. What is no address of a page
        is no link.
    """
    head, *body = rows
    context = {i for i, name in enumerate(head) if name.lower().startswith(CONTEXT)}
    top = "".join(
        f'<th scope="col"{_class("context" * (i in context))}>{escape(name)}</th>' for i, name in enumerate(head)
    )
    lines = "".join(f"<tr>{_row(row, context, links or {})}</tr>" for row in body)
    return (
        f'<table class="data"><caption class="hidden">{escape(caption)}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"
    )


def linked(text: str, links: Mapping[str, str]) -> str:
    """Escaped text in which every word of `links` that leads to a page is a link; a text that is one as a whole is one link."""

    def link(word: str) -> str:
        address = links.get(word, "")
        return f'<a href="{escape(address)}">{escape(word)}</a>' if address and is_page(address) else escape(word)

    html = link(text) if text in links else "".join(map(link, re.split(r"(\s+)", text)))
    return INTERVAL.sub(r'<span class="interval">\g<0></span>', signed(html))


def _row(row: Iterable[str], context: set[int], links: Mapping[str, str]) -> str:
    first, *rest = row
    cells = [f'<th scope="row">{linked(first, links)}</th>']
    for i, text in enumerate(rest, start=1):
        kind = "context" if i in context else "long" if len(text) > LONG else ""
        cells.append(f"<td{_class(kind)}>{linked(text, links)}</td>")
    return "".join(cells)


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _cells(line: str) -> list[str]:
    """Cells of a line of a Markdown table."""
    return [plain_cell(cell.strip()) for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _shortened(cell: str) -> str:
    return f"{float(cell):.4g}" if re.fullmatch(r"-?\d+\.\d{5,}(e-?\d+)?", cell) else cell
