"""Put the published tables into README.md (``--check``: exit 1 when it is out of date).

In the table of claims, notebooks and run ids become links: to the notebook, and to the run's line of config/runs.csv.
"""

import argparse
import functools
import re
import sys

from avsep_lib.files import write_text
from avsep_lib.parameters import NOTEBOOKS
from avsep_lib.paths import figures_root, project_root

LINKED = "tab_claims"
BLOCK = re.compile(r"(<!-- begin (\w+) [^\n]*-->\n).*?(<!-- end \2 -->)", re.DOTALL)


def filled(text: str) -> str:
    """`text` with every block replaced by the table it names."""

    def table(match: re.Match) -> str:
        lines = (figures_root("demo") / f"{match[2]}.md").read_text().splitlines()
        lines = [re.sub(r" {2,}", " ", line) for line in lines]
        shown = map(linked, lines) if match[2] == LINKED else lines
        return match[1] + "\n".join(shown) + "\n" + match[3]

    return BLOCK.sub(table, text)


@functools.cache
def targets() -> dict[str, str]:
    """Where a word of the table of claims leads: notebooks by their stem, runs by their id."""
    runs = (project_root() / "config" / "runs.csv").read_text().splitlines()
    lines = {
        line.partition(",")[0]: f"config/runs.csv#L{number}" for number, line in enumerate(runs, start=1) if number > 1
    }
    return {stem: f"notebooks/{stem}.ipynb" for stem in NOTEBOOKS} | lines


def linked(line: str) -> str:
    """A line of a Markdown table whose notebook stems and run ids are links."""
    known = targets()
    words = re.split(r"( +)", line)
    return "".join(f"[{word}]({known[word]})" if word in known else word for word in words)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    readme = project_root() / "README.md"
    current = readme.read_text()
    wanted = filled(current)
    if not parser.parse_args().check:
        write_text(readme, wanted)
    elif left := re.findall(r"@[A-Z]+@", wanted):
        sys.exit(f"README.md still has the placeholder {left[0]}")
    elif wanted != current:
        sys.exit("README.md does not show the tables of figures/demo; run `make readme`")


if __name__ == "__main__":
    main()
