"""Which parameters differ between two runs of a job, by their dotted keys."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from typing import Any

SHOWN = 48  # characters of a value


def differing(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """``training.steps 480 -> 600`` for every value that differs between two sets of recorded parameters.

    Parameters
    ----------
    before, after : iterable of str
        Parameters as Snakemake records them: one literal each, of which most hold JSON. Only those that differ matter;
        each is paired with the one on the other side that it has most in common with.

    Returns
    -------
    list of str
        Sorted; a leading ``profile.`` is left out.
    """
    old, new = [_values(text) for text in before], [_values(text) for text in after]
    told: set[str] = set()
    for values in old:
        partner = max(new, key=lambda other: len(values.items() & other.items()), default={})
        if partner in new:
            new.remove(partner)
        told |= _pairs(values, partner)
    for values in new:
        told |= _pairs({}, values)
    return sorted(told)


def _pairs(old: dict[str, str], new: dict[str, str]) -> set[str]:
    keys = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    return {f"{key} {_short(old.get(key))} -> {_short(new.get(key))}".strip() for key in keys}


def _short(value: str | None) -> str:
    if value is None:
        return "(none)"
    return value if len(value) <= SHOWN else f"{value[: SHOWN - 3]}..."


def _values(text: str) -> dict[str, str]:
    """Dotted keys and values (as JSON) of one recorded parameter; a bare value has the key ``""``."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {"": value}
    return dict(_flat(value, ""))


def _flat(value: Any, key: str) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            # A notebook is given the whole profile, a job its own sections: the same key for the same setting.
            yield from _flat(inner, name if key in ("", "profile") else f"{key}.{name}")
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for place, item in enumerate(value):
            yield from _flat(item, f"{key}[{item.get('run_id', place)}]")
    else:
        yield key, json.dumps(value)
