"""Names of classes in figures, whatever they are: long ones, many of them, and scripts that the font does not have."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

LONGEST = 26  # characters of a name; the longest label of the embedded datasets has 24
MANY = 40  # classes that one figure can name
# Asked in this order for what matplotlib's own font lacks; only those that are installed and have all of it.
FALLBACKS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Source Han Sans SC", "WenQuanYi Zen Hei"),
    *(
        "WenQuanYi Micro Hei",
        "Droid Sans Fallback",
        "IPAexGothic",
        "Microsoft YaHei",
        "PingFang SC",
        "Arial Unicode MS",
    ),
    *("Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Hebrew", "Unifont"),
)
Item = TypeVar("Item")


def shown_name(name: str, longest: int = LONGEST) -> str:
    """A name as a figure prints it.

    Spaces for underscores and line breaks, an ellipsis for what is too long; a character that no installed font can
    draw is written as its code, ``U+4E8C``, because two names of empty boxes could not be told apart. In a formula
    sign's place stands the sign: names are no formulas.

    >>> shown_name("acoustic_guitar")
    'acoustic guitar'
    >>> shown_name("a very long name of a very rare instrument")
    'a very long name of a ver…'
    """
    text = " ".join(unicodedata.normalize("NFC", name).replace("_", " ").split()) or "(no name)"
    text = text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
    absent = frozenset(character for character in text if ord(character) not in _glyphs("DejaVu Sans"))
    if absent and not _fall_back(absent):
        text = " ".join("".join(f" U+{ord(c):04X} " if c in absent else c for c in text).split())
    return text.replace("$", r"\$")


def spoken(name: str, longest: int = LONGEST, line: int = 0) -> str:
    """`shown_name` of a label; the parts of a duet on two lines, and those longer than `line` on several."""
    parts = [shown_name(part, longest) for part in name.split("|")]
    return " and\n".join("\n".join(textwrap.wrap(part, line)) if line else part for part in parts)


def ends(items: Sequence[Item], n: int = MANY) -> list[Item]:
    """All of an ordered sequence, or its first and last where it has more than `n`: what a figure of extremes shows."""
    return list(items) if len(items) <= n else [*items[: n // 2], *items[len(items) - n // 2 :]]


@lru_cache
def _glyphs(family: str) -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(family)).get_charmap())


@lru_cache
def _fall_back(characters: frozenset[str]) -> bool:
    """Add an installed font that has the characters to those that figures use; False where there is none."""
    import matplotlib
    from matplotlib.font_manager import get_font_names

    for family in (name for name in FALLBACKS if name in get_font_names()):
        if {ord(character) for character in characters} <= _glyphs(family):
            families = list(matplotlib.rcParams["font.family"])
            matplotlib.rcParams["font.family"] = [*families, *(f for f in (family,) if f not in families)]
            return True
    return False
