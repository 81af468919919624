"""The checks that guard the numbers, one line per check over all data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from avsep_lib.errors import DataError
from avsep_lib.files import read_json


def canary_entries(path: Path) -> list[dict[str, Any]]:
    """Per check: `name`, `passed`, `data` (where it ran), and all `findings` with their data and limits.

    Raises
    ------
    DataError
        When the file is missing.
    """
    grouped: dict[str, list[dict[str, Any]]] = {}
    checks = read_json(path, "checks")["checks"]
    if not isinstance(checks, list) or not checks or not all(map(_is_check, checks)):
        raise DataError(f"{path} holds no checks as `make figures` writes them; delete it and run that again")
    for check in checks:
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


def _is_check(check: Any) -> bool:
    kinds = {"name": str, "passed": bool, "data": str, "findings": list}
    if not isinstance(check, dict) or not all(isinstance(check.get(key), kind) for key, kind in kinds.items()):
        return False
    return all(isinstance(f, dict) and {"what", "value", "limit"} <= set(f) for f in check["findings"])


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
