"""Which planted faults the canaries caught, as a reader sees it; `avsep_lib.canaries.selftest` wrote it down."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from avsep_lib.files import read_json
from avsep_lib.inputs import require
from avsep_lib.paths import received_root

TRIED = "canaries_tried.json"
COLUMNS = ["canary", "what it looks at", "fault planted", "caught", "false alarm"]
NOT_HERE = "not tried here: the results came from another machine, without models and clips"


def canary_files(profile: str) -> list[Path]:
    """What the table is made of; nothing where results were received from another machine, DataError where it is missing."""
    return [] if received_root(profile).exists() else require(profile, TRIED)


def canary_table(profile: str) -> pd.DataFrame:
    """One line per planted fault.

    Parameters
    ----------
    profile : str

    Returns
    -------
    DataFrame
        Columns `COLUMNS`. *caught* is ``yes``, ``no``, or says why the results gave nothing to spoil; *false alarm* tells
        whether the canary fell on the results as they are. One line says so where nothing could be tried.
    """
    files = canary_files(profile)
    if not files:
        return pd.DataFrame([["all", "", "", NOT_HERE, ""]], columns=COLUMNS)
    rows = [
        (
            found["canary"].replace("_", " "),
            found["looks_at"].replace("``", "`"),
            found["fault"],
            found["caught"] if found["caught"] in ("yes", "no") else f"{found['caught']}: {found['saw']}",
            "yes" if found["false_alarm"] else "no",
        )
        for found in read_json(files[0])["faults"]
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def canary_summary(table: pd.DataFrame) -> str:
    """How many faults were planted and caught, in one sentence."""
    if (table["caught"] == NOT_HERE).all():
        return f"Canaries: {NOT_HERE}."
    planted = table[table["caught"].isin(("yes", "no"))]
    caught, alarms = int((planted["caught"] == "yes").sum()), table[table["false alarm"] == "yes"]["canary"].nunique()
    nothing = len(table) - len(planted)
    return (
        f"{caught} of {len(planted)} planted faults were caught by {table['canary'].nunique()} canaries, with {alarms} false "
        f"alarms on the results as they are; {nothing} more faults found nothing to spoil in this profile."
    )
