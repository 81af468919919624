"""Pictures in pages: their size, and a text for those who do not see them."""

from __future__ import annotations

import struct
from html import escape
from pathlib import Path

import pandas as pd

LARGE = 700  # pixels; a wider picture keeps its size on a phone and scrolls, or its words could not be read
LONGEST_SERIES = 6  # columns that a text names


def image_tag(address: str, data: bytes, alt: str) -> str:
    """An ``img`` that keeps its place while it loads."""
    width, height = png_size(data)
    wide = ' class="large"' if width > LARGE else ""
    return (
        f'<img{wide} src="{escape(address)}" alt="{escape(alt)}" width="{width}" height="{height}" loading="lazy" '
        'decoding="async">'
    )


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG in pixels, from its header."""
    return struct.unpack(">II", data[16:24])


def described(caption: str, values: Path | None) -> str:
    """Alternative text of a figure: its caption, and the range of every column of numbers that is drawn.

    Parameters
    ----------
    caption : str
    values : Path or None
        CSV of what is drawn, where the figure has one.
    """
    if values is None or not values.exists():
        return caption
    table = pd.read_csv(values)
    ranges = [_range(name, column) for name, column in table.select_dtypes("number").items() if column.notna().any()]
    shown = "; ".join(ranges[:LONGEST_SERIES])
    names = _names(table)
    return f"{caption} Drawn: {len(table)} rows{f' of {names}' if names else ''}{f'; {shown}' if shown else ''}."


def _range(name: str, column: pd.Series) -> str:
    finite = column[column.abs() != float("inf")].dropna()
    if finite.empty:
        return f"{name} infinite"
    low, high = (f"{value:.3g}" for value in (finite.min(), finite.max()))
    return f"{name} {low}" if low == high else f"{name} from {low} to {high}"


def _names(table: pd.DataFrame) -> str:
    """What the rows are, where that is few enough to say."""
    words = [c for c in table.select_dtypes("object") if 1 < table[c].nunique() <= 12]
    return f"{words[0]} {', '.join(map(str, table[words[0]].dropna().unique()))}" if words else ""
