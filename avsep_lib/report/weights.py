"""How heavy the site may be, and how heavy it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avsep_lib.report.one_file import ONE_FILE

# Bytes. Pages without the pictures and sounds they show: those load when a reader comes to them.
BUDGETS = {
    "first page (HTML)": 600_000,
    "largest notebook page (HTML)": 400_000,
    "largest other page (HTML)": 400_000,
    "first page as one file": 12_000_000,
    "largest picture": 1_500_000,
    "largest sound": 250_000,
    "pictures of the first page": 8_000_000,
    "sounds": 6_000_000,
    "whole site": 40_000_000,
}
FIRST = ("index.html", ONE_FILE)
SOUNDS = (".flac", ".wav")


@dataclass(frozen=True)
class Weight:
    """One line of the table of weights."""

    what: str
    n_bytes: int
    budget: int

    @property
    def fits(self) -> bool:
        """Whether it keeps to its budget."""
        return self.n_bytes <= self.budget

    def __str__(self) -> str:
        """For the log."""
        return f"{self.what:<30} {megabytes(self.n_bytes):>9}  of {megabytes(self.budget):>9}  {'' if self.fits else 'OVER'}"


def megabytes(n_bytes: int) -> str:
    """For example ``0.27 MB``."""
    return f"{n_bytes / 1e6:.2f} MB"


def weigh(out: Path) -> list[Weight]:
    """Measure a finished site against `BUDGETS`."""
    pages = {path.relative_to(out).as_posix(): path.stat().st_size for path in out.rglob("*.html")}
    files = [path for path in out.rglob("*") if path.is_file()]
    pictures = [path for path in files if path.suffix == ".png"]
    sounds = [path.stat().st_size for path in files if path.suffix in SOUNDS]
    index = (out / "index.html").read_text()
    found = {
        "first page (HTML)": pages["index.html"],
        "largest notebook page (HTML)": _largest(n for p, n in pages.items() if p.startswith("notebooks/")),
        "largest other page (HTML)": _largest(n for p, n in pages.items() if "/" not in p and p not in FIRST),
        "first page as one file": pages.get(ONE_FILE, 0),
        "largest picture": _largest(path.stat().st_size for path in pictures),
        "largest sound": _largest(sounds),
        "pictures of the first page": sum(p.stat().st_size for p in pictures if f'src="assets/{p.name}"' in index),
        "sounds": sum(sounds),
        "whole site": sum(path.stat().st_size for path in files),
    }
    return [Weight(what, found[what], budget) for what, budget in BUDGETS.items()]


def _largest(sizes: Iterator[int] | list[int]) -> int:
    return max(sizes, default=0)
