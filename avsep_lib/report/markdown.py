"""Markdown cells as HTML: headings with anchors, links that stay inside the site."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import mistune

ANCHOR = re.compile(r'<a id="([\w-]+)"></a>')


def slug(text: str) -> str:
    """Anchor of a heading: ``"What's in it?"`` gives ``whats-in-it``."""
    plain = unicodedata.normalize("NFKD", re.sub(r"<[^>]+>|&\w+;", "", text)).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower().replace("'", ""))
    return "-".join(words) or "section"


class PageRenderer(mistune.HTMLRenderer):
    """Collects headings and moves links.

    Parameters
    ----------
    moved : callable
        New address of a link, or None where the site has no such page: the words then stay without a link.

    Attributes
    ----------
    headings : list of (int, str, str)
        Level, anchor and text of every heading so far.
    """

    def __init__(self, moved: Callable[[str], str | None]) -> None:
        super().__init__(
            escape=False
        )  # notebooks fold answers with <details>; `outputs.cleaned` removes what is active
        self.moved = moved
        self.headings: list[tuple[int, str, str]] = []
        self._above: list[int] = []  # levels as written, of the headings that the next one may stand below

    def heading(self, text: str, level: int, **attrs: object) -> str:
        """Heading with an anchor, its own where the text has one; no level is skipped, none occurs twice."""
        used = {anchor for _, anchor, _ in self.headings}
        given = ANCHOR.search(text)
        text = ANCHOR.sub("", text)
        level = self._level(level)
        base = given[1] if given else slug(text)
        numbered = (base if i == 1 else f"{base}-{i}" for i in range(1, len(used) + 2))
        anchor = next(name for name in numbered if name not in used)
        self.headings.append((level, anchor, re.sub(r"<[^>]+>", "", text)))
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'

    def _level(self, written: int) -> int:
        """The level that a heading gets: one below the one it belongs to; the first of a page is its only title."""
        written = max(written, 2) if self.headings else 1
        self._above = [*(level for level in self._above if level < written), written]
        return len(self._above)

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """A link, to the page of the site where there is one."""
        target = self.moved(url)
        return text if target is None else super().link(text, target, title)


def renderer(moved: Callable[[str], str | None]) -> tuple[PageRenderer, Callable[[str], str]]:
    """A renderer and the function that turns Markdown into HTML with it; one per page."""
    pages = PageRenderer(moved)
    return pages, mistune.create_markdown(renderer=pages, plugins=["table", "strikethrough"])
