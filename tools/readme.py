"""Put the published tables into README.md (``--check``: exit 1 when it is out of date)."""

import argparse
import re
import sys

from avsep_lib.files import write_text
from avsep_lib.paths import figures_root, project_root

BLOCK = re.compile(r"(<!-- begin (\w+) [^\n]*-->\n).*?(<!-- end \2 -->)", re.DOTALL)


def filled(text: str) -> str:
    """`text` with every block replaced by the table it names."""

    def table(match: re.Match) -> str:
        lines = (figures_root("demo") / f"{match[2]}.md").read_text().splitlines()
        return match[1] + "\n".join(re.sub(r" {2,}", " ", line) for line in lines) + "\n" + match[3]

    return BLOCK.sub(table, text)


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
