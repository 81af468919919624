"""Class names: one spelling per class, and duets recognised by their label."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from avsep_lib.errors import DataError

# Words that pandas reads as a missing value.
NOTHING_IN_TABLES = frozenset(
    [
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "None",
        "n/a",
        "nan",
        "null",
    ]
)


def tidy(label: str) -> str:
    """A label in composed Unicode with single spaces and none around it."""
    return " ".join(unicodedata.normalize("NFC", label).split())


def same_label(one: str, other: str) -> bool:
    """True when two labels differ in case, spaces or Unicode form only."""
    return _key(one) == _key(other)


def class_names(labels: Iterable[str], separators: Sequence[str]) -> dict[str, str]:
    """What every label of a dataset becomes in the manifest.

    Parameters
    ----------
    labels : iterable of str
        The labels as listed, one per item; a repeated one counts as often.
    separators : sequence of str
        What may stand between the two classes of a duet, in the order in which they are tried.

    Returns
    -------
    dict
        Label to class name. Labels that differ in case or spaces only are one class, spelt as most often. A label made
        of two or more other labels of the dataset is a duet and becomes ``"flute|violin"``, sorted; ``playing violin``
        stays one class unless both ``playing`` and ``violin`` are labels themselves.

    Raises
    ------
    DataError
        A label with ``|`` whose parts are no labels of the dataset: the manifest could not tell it from a duet. A label
        that tables take for a missing value, such as ``NA``.
    """
    counts = Counter(labels)
    if nothing := sorted(NOTHING_IN_TABLES & {tidy(label) for label in counts}):
        raise DataError(f"label {nothing[0]!r} means a missing value where tables are read; rename it")
    spelling: dict[str, str] = {}
    totals = Counter[str]()
    for label, count in counts.items():
        totals[tidy(label)] += count
    for label, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0])):
        spelling.setdefault(_key(label), label)
    return {label: "|".join(_classes(label, spelling, separators)) for label in counts}


def _key(label: str) -> str:
    """Equal for labels that mean the same class; folding case may undo the composed form, hence twice."""
    return tidy(tidy(label).casefold())


def _classes(label: str, spelling: dict[str, str], separators: Sequence[str]) -> list[str]:
    """Sorted class names of a label: one, or those of a duet."""
    for separator in separators:
        parts = [_key(part) for part in tidy(label).split(separator)]
        if len(parts) > 1 and len(set(parts)) == len(parts) and all(part in spelling for part in parts):
            return sorted({name for part in parts for name in _classes(spelling[part], spelling, separators)})
    if "|" in label:
        raise DataError(
            f"label {label!r}: its parts are not labels of this dataset, and | may only join the classes of a duet; "
            f"rename it, or add solo videos of its parts"
        )
    return [spelling[_key(label)]]
