"""The rows: every module here has ``CASES``, a list of `benchmarks.case.Case`."""

from __future__ import annotations

import importlib
import pkgutil

from benchmarks.case import Case

ORDER = ("training", "separation", "bss_eval", "store", "workflow")


def all_cases() -> list[Case]:
    """The cases of all modules in this folder; topics outside `ORDER` come last, by name."""
    topics = sorted(module.name for module in pkgutil.iter_modules(__path__))
    topics.sort(key=lambda topic: ORDER.index(topic) if topic in ORDER else len(ORDER))
    return [case for topic in topics for case in importlib.import_module(f"{__name__}.{topic}").CASES]
