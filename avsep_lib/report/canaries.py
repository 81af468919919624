"""The checks that guard the numbers, one line per check over all data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from avsep_lib.files import read_json


def canary_entries(path: Path) -> list[dict[str, Any]]:
    """Per check: `name`, `passed`, `data` (where it ran), and all `findings` with their data and limits.

    Raises
    ------
    DataError
        When the file is missing.
    """
    grouped: dict[str, list[dict[str, Any]]] = {}
    for check in read_json(path)["checks"]:
        grouped.setdefault(check["name"], []).append(check)
    return [
        {
            "name": name.replace("_", " "),
            "passed": all(check["passed"] for check in checks),
            "data": [check["data"] for check in checks],
            "findings": [
                {"data": check["data"], "what": f["what"], "value": _number(f["value"]), "limit": f["limit"]}
                for check in checks
                for f in check["findings"]
            ],
        }
        for name, checks in grouped.items()
    ]


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
