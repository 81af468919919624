"""Text that people or other programs wrote: read once, strictly, with messages that name the file and the way out.

`read_text` is the door for JSON, YAML and CSV alike: a pipe would make its reader wait for ever, and bytes that are no
text make every parser fail in a way of its own.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsep_lib.errors import AvsepError, ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

LARGEST_YAML = 200_000  # bytes; written by people
MOST_VALUES = 100_000  # of a YAML file once its aliases are written out
MOST_BRACKETS = 5000
DEEPEST = 50  # levels of YAML within each other
_OPENING = re.compile(r"[\[{]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # but tabs and line ends


def read_text(path: str | os.PathLike, error: type[AvsepError] = DataError, way_out: str = "correct it") -> str:
    """Text of a file in UTF-8, with or without a byte-order mark; line ends become ``\\n``.

    Parameters
    ----------
    path : path
    error : type
        What is raised, with the file named.
    way_out : str
        Last words of the message.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise error(f"{path} is missing; {way_out}")
        if not path.is_file():
            raise error(f"{path} is {'a folder' if path.is_dir() else 'no regular file'}, not a text file; {way_out}")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as reason:
        raise error(f"{path} is not UTF-8 text ({reason.reason} at byte {reason.start}); {way_out}") from None
    except (OSError, ValueError) as reason:  # ValueError: a name that no file can have
        raise error(f"{path} cannot be read ({getattr(reason, 'strerror', None) or reason}); {way_out}") from None
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise error(f"{path} line {line} holds the control character {found[0]!r}; {way_out}")
    return text


def parse_json(text: str) -> Any:
    """JSON; ValueError for anything else, also for a key that is given twice, and for what is nested too deeply."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return found


def read_yaml(path: str | os.PathLike, way_out: str = "correct it") -> Any:
    """Plain values of a YAML file; ConfigError as `read_text` and `parse_yaml`."""
    text = read_text(path, ConfigError, way_out)
    if len(text) > LARGEST_YAML:
        raise ConfigError(f"{path} has {len(text):,} characters; a YAML file here has at most {LARGEST_YAML:,}")
    return parse_yaml(text, str(path))


def parse_yaml(text: str, place: str) -> Any:
    """Plain values of YAML text; `place` begins each message.

    Raises
    ------
    ConfigError
        No YAML, a tag other than those of plain values, a key that is given twice, or more than `MOST_VALUES` values
        once aliases are written out (a few lines of them can mean billions).
    """
    import yaml

    if len(_OPENING.findall(text)) > MOST_BRACKETS:
        raise ConfigError(f"{place}: not valid YAML: more than {MOST_BRACKETS:,} brackets")
    try:
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{place}: not valid YAML: {error}") from None
    try:
        if (node := loader.get_single_node()) is None:
            return None
        _count(node, place, {})
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # ValueError: 2001-99-99 is no date
        raise ConfigError(f"{place}: not valid YAML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{place}: not valid YAML: it is nested too deeply") from None
    finally:
        loader.dispose()


def _count(node: Any, place: str, known: dict[int, int], above: tuple[int, ...] = ()) -> int:
    """Values below a YAML node, aliases written out; ConfigError for a circle, a key given twice, or too many."""
    import yaml

    if id(node) in above or len(above) > DEEPEST:
        raise ConfigError(f"{place}: not valid YAML: values within each other more than {DEEPEST} times")
    if id(node) in known:
        return known[id(node)]
    parts: Iterable[Any] = node.value if isinstance(node, yaml.SequenceNode) else ()
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            line = node.start_mark.line + 1
            raise ConfigError(f"{place}: key {twice!r} is given twice in the mapping that begins in line {line}")
        parts = [part for pair in node.value for part in pair]
    total = 1 + sum(_count(part, place, known, (*above, id(node))) for part in parts)
    if total > MOST_VALUES:
        raise ConfigError(f"{place}: not valid YAML here: its aliases stand for more than {MOST_VALUES:,} values")
    known[id(node)] = total
    return total


def read_table(
    path: str | os.PathLike,
    columns: Iterable[str] = (),
    text: Iterable[str] = (),
    missing: bool = True,
    error: type[AvsepError] = DataError,
    way_out: str = "correct it",
    whole: bool = False,
) -> pd.DataFrame:
    """A CSV table whose lines are all as long as its header.

    Parameters
    ----------
    path : path
    columns : iterable of str
        Columns that must be there.
    text : iterable of str
        Columns that are text, whatever they look like.
    missing : bool
        Whether an empty cell, ``NA`` and their like mean a missing value; otherwise they are text.
    error, way_out
        As `read_text`.
    whole : bool
        A file of ours, whose last line ends: one that does not was cut off.

    Raises
    ------
    error
        No such file, no such table: a column is missing or given twice, a line is longer or shorter than the header.
    """
    import pandas as pd

    content = read_text(path, error, way_out)
    if whole and content and not content.endswith("\n"):
        raise error(f"{path}: its last line is cut off; {way_out}")
    _check_lines(content, path, tuple(columns), error, way_out)
    kept = tuple(text)
    try:
        return pd.read_csv(
            io.StringIO(content), dtype=dict.fromkeys(kept, str), keep_default_na=missing, index_col=False
        )
    except (ValueError, OverflowError) as reason:  # pandas' own errors are ValueErrors
        raise error(f"{path} is no CSV table ({reason}); {way_out}") from None


def _check_lines(content: str, path: Any, columns: tuple[str, ...], error: type[AvsepError], way_out: str) -> None:
    width = 0
    lines = csv.reader(io.StringIO(content), strict=True)
    try:
        for line in lines:
            if not line:
                continue
            if not width:
                width = len(line)
                if absent := [column for column in columns if column not in line]:
                    known = ", ".join(columns)
                    raise error(f"{path}: missing column {', '.join(absent)}; expected {known}; {way_out}")
                if len(set(line)) < width:
                    twice = next(column for column in line if line.count(column) > 1)
                    raise error(f"{path}: column {twice!r} is there twice; {way_out}")
            if len(line) != width:
                raise error(f"{path} line {lines.line_num}: {len(line)} values in {width} columns; {way_out}")
    except csv.Error as reason:
        raise error(f"{path} line {lines.line_num}: {reason}; {way_out}") from None
    if not width:
        raise error(f"{path} is empty; {way_out}")


def check_numbers(
    table: pd.DataFrame, place: str, limits: dict[str, tuple[float, float]], whole: Iterable[str] = (), key: str = ""
) -> None:
    """DataError for the first value of a column that is no number within its limits (both included).

    Parameters
    ----------
    table : DataFrame
    place : str
        First words of the message.
    limits : dict
        Column to its lowest and highest value.
    whole : iterable of str
        Those of the columns whose values have no fraction.
    key : str
        Column that names a row in the message.
    """
    import pandas as pd

    for column, (low, high) in limits.items():
        values = pd.to_numeric(table[column], errors="coerce").astype(float)
        fine = (values >= low) & (values <= high)
        fine &= (values % 1 == 0) if column in set(whole) else True
        if not fine.all():
            row = table[~fine].iloc[0]
            of = f"{key.removesuffix('_id')} {row[key]!r} has " if key else ""
            kind = "a whole number" if column in set(whole) else "a number"
            raise DataError(f"{place}: {of}{column} = {row[column]!r}; it must be {kind} from {low:g} to {high:g}")
