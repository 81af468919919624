"""One listed or found item as the readers hand it on, and the text files that list them."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from typing import NamedTuple

from avsep_lib.errors import DataError

NAN = float("nan")


class Row(NamedTuple):
    """What a list or a folder says of one item; `problem` is one of `settings.PROBLEMS` or empty."""

    stem: str  # what its clip id is made of
    label: str
    given: str  # split that the lists say; empty where they say none
    list: str  # where it is listed, e.g. "train.csv row 12"
    video_id: str = ""  # empty: found within `stem`
    audio: str = ""
    frames: str = ""
    n_frames: int = 0
    video: str = ""
    start_s: float = NAN
    end_s: float = NAN
    problem: str = ""
    detail: str = ""


def numbered_lines(path: str) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1; any line ending, with or without a byte-order mark.

    Raises
    ------
    DataError
        A file that cannot be opened or is not UTF-8 text.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # a pipe would make us wait for ever
            raise DataError(f"list {path} is no regular file; correct `lists`")
        with open(path, encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if line := line.strip():
                    yield number, line
    except OSError as error:
        raise DataError(f"list {path} cannot be read ({error.strerror}); mend it or correct `lists`") from None
    except UnicodeDecodeError as error:
        raise DataError(f"list {path} is not UTF-8 text ({error.reason}); save it as UTF-8") from None


def fields(line: str) -> list[str]:
    """Fields of one CSV line, without the spaces around them.

    Every line is read on its own: a quote that is never closed spoils one row, not all that follow.

    Raises
    ------
    csv.Error
        A quote that is not closed.
    """
    if '"' not in line:
        return [text.strip() for text in line.split(",")]
    if line.count('"') % 2:
        raise csv.Error("a quote is not closed")
    return [text.strip() for text in next(csv.reader([line], skipinitialspace=True))]


def csv_rows(path: str, widths: tuple[int, ...], expected: str) -> Iterator[tuple[int, list[str], str]]:
    """Line number, fields and what is wrong with them (empty: nothing) of each line of a CSV file without header.

    Parameters
    ----------
    path : str
        The file.
    widths : tuple of int
        Numbers of columns that such a file may have; its first line decides.
    expected : str
        The columns in words, for messages.

    Raises
    ------
    DataError
        An unreadable or empty file, or a first line with another number of columns: the whole file is something else.
    """
    width = 0
    for number, line in numbered_lines(path):
        try:
            found, wrong = fields(line), ""
        except csv.Error as error:
            found, wrong = [], f"not a CSV line ({error})"
        if not width and len(found) not in widths:
            raise DataError(
                f"{path}, line {number}: {len(found)} columns, expected {expected}, without a header: {line[:80]!r}"
            )
        width = width or len(found)
        if not wrong and len(found) != width:
            wrong = f"{len(found)} columns where {width} are expected: {expected}"
        yield number, found, wrong
    if not width:
        raise DataError(f"list {path} is empty; expected {expected} in every line")
