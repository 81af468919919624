"""What a check found: numbers beside their limits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Finding:
    """One measured number and its limit.

    Attributes
    ----------
    what : str
        Quantity, with its unit.
    value : float
    limit : str
        For example ``">= 3"``; empty where the number is only noted, `NOT_APPLICABLE` where there is none.
    passed : bool
    culprit : str
        The first thing that breaks the limit, for the message; or why a check does not apply.
    """

    what: str
    value: float
    limit: str
    passed: bool
    culprit: str = ""

    def __str__(self) -> str:
        if self.limit == NOT_APPLICABLE:
            return f"{self.what}: {NOT_APPLICABLE}, {self.culprit}"
        limit = f" (must be {self.limit})" if self.limit else ""
        return f"{self.what} = {self.value:.6g}{limit}" + (f", first: {self.culprit}" if self.culprit else "")


def at_least(what: str, value: float, limit: float, culprit: object = "") -> Finding:
    """Passes from `limit` upwards; NaN does not pass."""
    passed = bool(value >= limit)
    return Finding(what, float(value), f">= {limit:g}", passed, "" if passed else str(culprit))


def at_most(what: str, value: float, limit: float, culprit: object = "") -> Finding:
    """Passes up to `limit`; NaN does not pass."""
    passed = bool(value <= limit)
    return Finding(what, float(value), f"<= {limit:g}", passed, "" if passed else str(culprit))


def none_of(what: str, culprits: list) -> Finding:
    """Passes when the list of culprits is empty; the number of them is the value."""
    return Finding(what, len(culprits), "0", not culprits, str(culprits[0]) if culprits else "")


def noted(what: str, value: float) -> Finding:
    """A number without a limit: the results are not such that it could be judged."""
    return Finding(what, float(value), "", True)


def not_applicable(what: str, why: str) -> Finding:
    """A check that these results give nothing to look at for; it is said, and does not pass for one that was made."""
    return Finding(what, 0.0, NOT_APPLICABLE, True, why)


@dataclass(frozen=True)
class CheckResult:
    """Result of one check on the results of one data key."""

    name: str
    data: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """True when every finding is within its limit."""
        return all(finding.passed for finding in self.findings)

    @property
    def complaint(self) -> str:
        """The findings that break their limits, in words."""
        return "; ".join(str(finding) for finding in self.findings if not finding.passed)

    def __str__(self) -> str:
        found = "; ".join(map(str, self.findings))
        return f"{'ok    ' if self.passed else 'FAILED'} {self.name} ({self.data}): {found}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``canaries.json``."""
        findings = [asdict(finding) for finding in self.findings]
        return {"name": self.name, "data": self.data, "passed": self.passed, "findings": findings}
