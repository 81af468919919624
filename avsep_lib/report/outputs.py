"""What a code cell showed, as HTML that is safe, accessible and light: pictures and sounds become files."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from bs4 import BeautifulSoup, Tag

from avsep_lib.report.pictures import image_tag
from avsep_lib.report.site import Site, is_page

ACTIVE = ("script", "iframe", "object", "embed", "link", "meta", "base", "form", "style", "template", "noscript")
SAVED = {  # what an embedded file may be, and its suffix: nothing that a browser would run when it is opened by itself
    **{"audio/flac": "flac", "audio/x-flac": "flac", "audio/wav": "wav", "audio/x-wav": "wav"},
    **{"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"},
}
REMOVED = ("border", "srcset", "formaction", "action", "xlink:href", "poster", "background", "ping", "srcdoc", "data")
WIDGET = "application/vnd.jupyter.widget-view+json"
STILL = (
    '<p class="soft">Here are controls that need a running notebook: open it in JupyterLab. What they begin with stands '
    "on this page, below, as pictures and sounds.</p>"
)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
DATA_URL = re.compile(r"data:([\w/+.-]+);base64,(.*)", re.DOTALL)


@dataclass
class Files:
    """Names for the pictures and sounds of one notebook, below ``notebooks/files``."""

    site: Site
    stem: str
    names: Iterator[int] = field(default_factory=lambda: iter(range(1, 10_000)))

    def save(self, data: bytes, suffix: str) -> str:
        """Write a file; its address as seen from the notebook's page."""
        name = f"files/{self.stem}-{next(self.names):02d}.{suffix}"
        self.site.save(data, f"notebooks/{name}")
        return name


def output_html(output: dict[str, Any], files: Files, alt: str, label: str) -> str:
    """One output of a code cell.

    Parameters
    ----------
    output : dict
        As in the notebook's file.
    files : Files
    alt : str
        Alternative text of a picture.
    label : str
        What a table or player is about, for screen readers: the nearest heading.
    """
    if output["output_type"] == "stream":
        return f'<pre class="{output["name"]}">{escape(plain(output))}</pre>'
    if output["output_type"] == "error":
        return f'<pre class="stderr">{escape(plain(output))}</pre>'
    data = output["data"]
    if WIDGET in data:
        return STILL
    if "image/png" in data:
        raw = base64.b64decode("".join(data["image/png"]))
        return image_tag(files.save(raw, "png"), raw, alt)
    if "text/html" in data:
        return cleaned("".join(data["text/html"]), label, files)
    if "text/markdown" in data:
        import mistune

        return cleaned(mistune.create_markdown(plugins=["table"])("".join(data["text/markdown"])), label, files)
    return f"<pre>{escape(plain(output))}</pre>"


def plain(output: dict[str, Any]) -> str:
    """The words of an output, without markup."""
    if output["output_type"] == "stream":
        return ANSI.sub("", "".join(output["text"]))
    if output["output_type"] == "error":
        return ANSI.sub("", "\n".join(output["traceback"]))
    data = output["data"]
    found = next((data[kind] for kind in ("text/html", "text/markdown", "text/plain") if kind in data), "")
    text = "".join(found)
    return re.sub(r"data:[^\"']+", "", text) if "<" not in text else _words(text)


def _words(text: str) -> str:
    """Text of an HTML fragment, without the bytes of its sounds."""
    return " ".join(
        re.sub(r"<[^>]*>", " ", re.sub(r"data:[^\"']+|<style.*?</style>", "", text, flags=re.DOTALL)).split()
    )


def cleaned(text: str, label: str, files: Files) -> str:
    """HTML that a notebook showed: nothing active or remote left, tables labelled, embedded sounds as files."""
    soup = BeautifulSoup(text, "html.parser")
    for tag in soup.find_all(ACTIVE):
        tag.decompose()
    for tag in soup.find_all(True):
        _disarm(tag)
        _as_file(tag, files)
    for table in soup.find_all("table"):
        _simplified(table)
        _labelled(soup, table, label)
    for sound in soup.find_all("audio"):
        _named_player(sound, label)
    for tag in soup.find_all("img"):
        tag["alt"] = tag.get("alt") or label
    return str(soup)


def _disarm(tag: Tag) -> None:
    for name in [name for name in tag.attrs if name.startswith("on") or name in REMOVED]:
        del tag[name]
    if not is_page(tag.get("href", "")):
        del tag["href"]
    source = tag.get("src", "")
    if source and ((":" in source and not DATA_URL.match(source)) or source.startswith("//")):
        del tag["src"]


def _as_file(tag: Tag, files: Files) -> None:
    """Replace an embedded picture or sound by a file; whatever else is embedded goes."""
    match = DATA_URL.match(tag.get("src", ""))
    if not match:
        return
    if match[1] in SAVED:
        tag["src"] = files.save(base64.b64decode(match[2]), SAVED[match[1]])
    else:
        del tag["src"]


def _labelled(soup: BeautifulSoup, table: Tag, label: str) -> None:
    """Caption, scope of the heading cells, and a frame that scrolls by itself."""
    table["class"] = "data"
    if table.find("caption") is None:
        table.insert(0, soup.new_tag("caption", attrs={"class": "hidden"}, string=label))
    rows = table.find_all("tr")
    if table.find("th") is None and rows:
        for cell in rows[0].find_all("td"):
            cell.name = "th"
    for i, row in enumerate(rows):
        cells = row.find_all(["th", "td"])
        first = i == 0 and table.thead is None and all(cell.name == "th" for cell in cells)
        _scoped(row, in_head=first or row.find_parent("thead") is not None)
    frame = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": label}
    table.wrap(soup.new_tag("div", attrs=frame))


def _simplified(table: Tag) -> None:
    """A data frame's heading on one line, without the numbers of its rows where they only count."""
    lines = table.thead.find_all("tr") if table.thead else []
    rows = table.tbody.find_all("tr") if table.tbody else []
    if len(lines) == 2:
        _merge_names(*lines)
    corners = [line.find(["th", "td"]) for line in (*lines[:1], *rows)]
    words = [corner.get_text(strip=True) for corner in corners if corner]
    if rows and words == ["", *map(str, range(len(rows)))] and len(rows[0].find_all(["th", "td"])) > 1:
        for corner in corners:
            corner.decompose()


def _merge_names(upper: Tag, lower: Tag) -> None:
    """Move the names of a data frame's index from a line of their own into the heading above."""
    above, below = upper.find_all("th"), lower.find_all("th")
    names = [cell.get_text(strip=True) for cell in below]
    width = next((i for i, name in enumerate(names) if not name), 0)
    free = not any(cell.get_text(strip=True) for cell in above[:width])
    if len(above) == len(below) and free and not any(names[width:]):
        for cell, name in zip(above, names[:width]):
            cell.string = name
        lower.decompose()


def _scoped(row: Tag, in_head: bool) -> None:
    cells = row.find_all(["th", "td"])
    for cell in cells:
        if cell.name == "th" and not cell.get_text(strip=True):
            cell.name = "td"  # a corner names nothing
        elif cell.name == "th":
            cell["scope"] = "col" if in_head else "row"
    if not in_head and cells and cells[0].name == "td" and cells[0].get_text(strip=True) and row.find("th") is None:
        cells[0].name, cells[0]["scope"] = "th", "row"


def _named_player(sound: Tag, label: str) -> None:
    """A player that loads nothing until it is used, named by the row it stands in."""
    row, inner = sound.find_parent("tr"), sound.find("source")
    name = row.find(["th", "td"]).get_text(" ", strip=True) if row else ""
    address = sound.get("src") or (inner.get("src") if inner else None)
    sound.clear()
    sound.attrs = {"controls": "", "preload": "none", "aria-label": name or label}
    if address:
        sound["src"] = address
