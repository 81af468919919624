"""Numbers for the audit that ``paper/published.csv`` does not hold: ``paper/audit.yaml``, strictly read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from avsep_lib.errors import ConfigError
from avsep_lib.paths import project_root
from avsep_lib.settings import from_dict
from avsep_lib.text_files import read_yaml


@dataclass(frozen=True)
class Number:
    """One number and where it is from."""

    name: str
    value: float
    source: str


@dataclass(frozen=True)
class QuotedRow:
    """A row of another paper's table; `hfra_row` is its name in HFRA's Table 1, empty if that has none."""

    row: str
    hfra_row: str
    sdr_db: float
    sir_db: float
    sar_db: float

    @property
    def values(self) -> tuple[float, float, float]:
        """SDR, SIR and SAR in dB."""
        return self.sdr_db, self.sir_db, self.sar_db


@dataclass(frozen=True)
class Citation:
    """A citation, and what the reference list has under its number."""

    named: str
    where: str
    number: int
    entry: str
    same: bool


@dataclass(frozen=True)
class AuditData:
    """The whole file; ``data["music_test"]`` is the value of a number."""

    numbers: tuple[Number, ...]
    sgn_table_1: tuple[QuotedRow, ...]
    citations: tuple[Citation, ...]

    @cached_property
    def _values(self) -> dict[str, float]:
        return {number.name: number.value for number in self.numbers}

    def __getitem__(self, name: str) -> float:
        """Value of a number; ConfigError lists the known names."""
        if name not in self._values:
            raise ConfigError(f"audit.yaml has no number {name!r}; it has: {', '.join(self._values)}")
        return self._values[name]

    def count(self, name: str) -> int:
        """A number that counts something."""
        return round(self[name])


def audit_path() -> Path:
    """``paper/audit.yaml``."""
    return project_root() / "paper" / "audit.yaml"


def load_audit(path: Path | None = None) -> AuditData:
    """Read the file.

    Raises
    ------
    ConfigError
        Unknown or missing key, wrong type, or a name given twice; names the entry.
    """
    path = path or audit_path()
    data: Any = read_yaml(path)
    found = from_dict(AuditData, data, path.name)
    names = [number.name for number in found.numbers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{path.name}: number {', '.join(twice)} is given twice")
    return found
