"""The first page with its pictures inside, for people who get a file and not a folder."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from avsep_lib.files import write_text

ONE_FILE = "one-file.html"
ALONE = "<p>The first page of a report; its notebooks, sounds, runs and files are in the whole folder.</p>"


def write_one_file(out: Path) -> Path:
    """Write `ONE_FILE` beside ``index.html``; links to anything but the page itself become plain words.

    Parameters
    ----------
    out : Path
        Folder of the finished site.
    """

    def inside(match: re.Match) -> str:
        data = base64.b64encode((out / match[1]).read_bytes()).decode()
        return f'src="data:image/png;base64,{data}"'

    text = (out / "index.html").read_text()
    head, main, rest = re.split(r"(<main.*</main>)", text, maxsplit=1, flags=re.DOTALL)
    main = re.sub(r'src="(assets/[^"]+\.png)"', inside, main)
    # A picture keeps its frame, in which a phone scrolls a large one.
    main = re.sub(r'<a class="picture" [^>]*>(.*?)</a>', r'<span class="picture">\1</span>', main, flags=re.DOTALL)
    main = re.sub(r'<a (?:class="\w+" )?href="[^#"][^"]*"[^>]*>(.*?)</a>', r"\1", main, flags=re.DOTALL)
    head = re.sub(r'<nav aria-label="Pages.*?</nav>', ALONE, head, flags=re.DOTALL)
    rest = re.sub(r"(?<=<footer>).*?(?=</footer>)", ALONE, rest, flags=re.DOTALL)
    write_text(out / ONE_FILE, head + main + rest)
    return out / ONE_FILE
