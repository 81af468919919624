"""One offline site: where its files go, how a page is rendered, and the policy that keeps every page off the network."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from avsep_lib.files import write_text
from avsep_lib.report import theme

HERE = Path(__file__).parent
PAGES = re.compile(r"(?:https?:|mailto:|#|[^:]*$|[^:]*[/?#])", re.IGNORECASE)
# Named here, so that `avsep_lib.library` counts them as inputs of the report.
SHEET, SCRIPT = "report.css", "report.js"
TEMPLATES = {
    "base": "base.html.j2",
    "parts": "parts.html.j2",
    "index": "index.html.j2",
    "notebook": "notebook.html.j2",
    "listening": "listening.html.j2",
    "runs": "runs.html.j2",
    "data": "data.html.j2",
    "glossary": "glossary.html.j2",
}


def policy(*scripts: str, sheets: str = "'unsafe-inline'") -> str:
    """Content security policy of a page: files beside it, these very scripts, and nothing from anywhere else.

    ``file:`` stands beside ``'self'`` because browsers disagree on what ``'self'`` means for a page opened from disk.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src 'self' file: data:; media-src 'self' file:; "
        f"style-src {sheets}; script-src {hashes or chr(39) + 'none' + chr(39)}"
    )


@functools.cache
def environment() -> jinja2.Environment:
    """Templates of this folder; everything is escaped, an unknown name is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["signed"] = signed
    return made


def signed(text: str) -> str:
    """Numbers with a minus sign instead of a hyphen, which would also let a line break after it."""
    return re.sub(r"(?<![\w-])-(?=\d)", "−", text)


def is_page(link: str) -> bool:
    """Whether an address leads to a page, of this site or of the web, and starts nothing."""
    bare = re.sub(r"[\x00-\x20]", "", link)  # browsers skip these in the name of a scheme
    return bool(PAGES.match(bare)) and not bare.startswith("//")


@dataclass(frozen=True)
class Site:
    """The site of one profile.

    Attributes
    ----------
    profile : str
    results : Path
        ``results/<profile>``.
    out : Path
        Folder of the site.
    menu : tuple of (str, str)
        Pages of the main menu: path below `out`, title.
    """

    profile: str
    results: Path
    out: Path
    menu: tuple[tuple[str, str], ...]

    def write(self, path: str, template: str, title: str, scripts: tuple[str, ...] = (), **values: Any) -> None:
        """Render a page to `path` (below `out`); `scripts` are inline scripts beside the site's own."""
        script = (HERE / SCRIPT).read_text()
        sheet = theme.variables() + "\n" + (HERE / SHEET).read_text()
        text = environment().get_template(TEMPLATES[template]).render(
            policy=policy(script, *scripts),
            sheet=sheet,
            script=script,
            profile=self.profile,
            title=title,
            menu=self.menu,
            here=path,
            up="../" * path.count("/"),
            **values,
        )  # fmt: skip
        write_text(self.out / path, text)

    def copy(self, source: Path, name: str) -> str:
        """Copy a file to `name` below the site; the name again."""
        target = self.out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return name

    def save(self, data: bytes, name: str) -> str:
        """Write bytes to `name` below the site; the name again."""
        target = self.out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return name
