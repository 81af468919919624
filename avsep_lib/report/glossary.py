"""The glossary as a page of the site, so that every word a notebook links to can be looked up offline."""

from __future__ import annotations

from pathlib import Path

from avsep_lib.report.markdown import renderer
from avsep_lib.report.notebooks import moved
from avsep_lib.report.site import Site

PAGE = "glossary.html"


def glossary_page(path: Path, site: Site, stems: set[str]) -> None:
    """Write the page; nothing where the checkout has no glossary.

    Parameters
    ----------
    path : Path
        ``notebooks/glossary.md``.
    site : Site
    stems : set of str
        Notebooks that have a page.
    """
    if not path.exists():
        return

    def from_here(url: str) -> str | None:
        """Addresses of `moved` are those of a notebook's page, one folder deeper."""
        target = moved(url, stems)
        if target is None or "://" in target or target.startswith("#"):
            return target
        return target.removeprefix("../") if target.startswith("../") else f"notebooks/{target}"

    headings, to_html = renderer(from_here)
    html = to_html(path.read_text())
    contents = [(anchor, text) for level, anchor, text in headings.headings if level == 2]
    site.write(PAGE, "glossary", "Glossary", html=html, contents=contents)
