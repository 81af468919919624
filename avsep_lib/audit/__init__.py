"""Audit of the published numbers: exact arithmetic, and what each result implies.

Nothing here is measured except the noise that the steps of Table 6 are held against, and that is passed in. A finding
says what a number can carry; it is no statement about anybody's intentions.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from avsep_lib.audit import probe, rows, signals
from avsep_lib.audit.data import audit_path, load_audit
from avsep_lib.audit.finding import Finding
from avsep_lib.paths import project_root

__all__ = ["Finding", "audit_path", "audit_table", "deviations_path", "findings", "load_audit"]


def deviations_path() -> Path:
    """``paper/deviations.md``: the ledger of paper, released code and what runs here."""
    return project_root() / "paper" / "deviations.md"


def findings(sd_db: float | None = None) -> list[Finding]:
    """All findings, in the order of the paper's tables.

    Parameters
    ----------
    sd_db : float, optional
        See `avsep_lib.audit.rows.increments`.
    """
    data = load_audit()
    separation = [find(data) for find in rows.FINDINGS]
    return [*separation, rows.increments(data, sd_db), *(find(data) for find in (*probe.FINDINGS, *signals.FINDINGS))]


def audit_table(sd_db: float | None = None) -> pd.DataFrame:
    """`findings` as a table with the columns topic, place, published, computed, result, implication."""
    names = {"statement": "published", "computation": "computed"}
    return pd.DataFrame([vars(finding) for finding in findings(sd_db)]).rename(columns=names)
