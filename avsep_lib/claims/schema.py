"""The claims of the paper as data: ``paper/claims.yaml``, one entry per sentence, strictly read.

A claim says what is measured and which sign the paper expects; how that is computed is `avsep_lib.claims.evaluators`'
business. A sentence that nothing here can test is listed too, as `Untestable` with its reason: a list that leaves out
what it cannot check would read as complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from avsep_lib.common_set import METRICS
from avsep_lib.errors import ConfigError
from avsep_lib.parameters import NOTEBOOKS
from avsep_lib.paths import project_root
from avsep_lib.settings import from_dict
from avsep_lib.text_files import read_yaml

Direction = Literal["greater", "less"]
GapPart = Literal["total", "spread", "direction"]
LABEL_LENGTH = 46  # characters; a line of the overview figure


@dataclass(frozen=True)
class Difference:
    """A score of `candidate` minus that of `baseline` on the same mixtures, optionally for some instruments only."""

    kind: ClassVar[str] = "difference"
    candidate: str
    baseline: str
    direction: Direction
    metric: str = "sdr_db"
    dataset: str = "music11"
    instruments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _known_metric(self.metric)


@dataclass(frozen=True)
class Best:
    """`candidate` has a higher score than every one of `others`."""

    kind: ClassVar[str] = "best"
    direction: ClassVar[Direction] = "greater"
    candidate: str
    others: tuple[str, ...]
    metric: str = "sdr_db"
    dataset: str = "music11"

    def __post_init__(self) -> None:
        _known_metric(self.metric)
        if not self.others or self.candidate in self.others:
            raise ConfigError(f"others are {', '.join(self.others) or 'none'}; name the rows that must be exceeded")


@dataclass(frozen=True)
class Correlation:
    """Rank correlation, over instruments, of an acoustic index with what `candidate` gains over `baseline`."""

    kind: ClassVar[str] = "correlation"
    index: str
    direction: Direction
    candidate: str = "middle"
    baseline: str = "late"
    metric: str = "sdr_db"
    dataset: str = "music11"

    def __post_init__(self) -> None:
        _known_metric(self.metric)


@dataclass(frozen=True)
class Groups:
    """`candidate` gains more over `baseline` for the instruments `greater` than for the instruments `less`."""

    kind: ClassVar[str] = "groups"
    direction: ClassVar[Direction] = "greater"
    greater: tuple[str, ...]
    less: tuple[str, ...]
    candidate: str = "middle"
    baseline: str = "late"
    metric: str = "sdr_db"
    dataset: str = "music11"

    def __post_init__(self) -> None:
        _known_metric(self.metric)
        if not (self.greater and self.less) or set(self.greater) & set(self.less):
            raise ConfigError("greater and less must be two groups of instruments without a common one")


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of a linear probe on features of `candidate` minus that of `baseline`."""

    kind: ClassVar[str] = "accuracy"
    candidate: str
    baseline: str
    direction: Direction
    inputs: str = "solos"
    dataset: str = "music11"


@dataclass(frozen=True)
class Gap:
    """Modality gap of `candidate` minus that of `baseline`, or what a part of it contributes to that difference.

    `part` is the whole (``total``), what the concentration of the sounds does (``spread``), or what the angle between
    mean sound and mean picture does (``direction``).
    """

    kind: ClassVar[str] = "gap"
    candidate: str
    baseline: str
    direction: Direction
    part: GapPart = "total"
    dataset: str = "music11"


@dataclass(frozen=True)
class Steps:
    """Training steps to a fixed validation score, of `candidate` minus of `baseline`."""

    kind: ClassVar[str] = "steps"
    candidate: str
    baseline: str
    direction: Direction
    dataset: str = "music11"


@dataclass(frozen=True)
class Untestable:
    """A sentence that nothing here can test, and why."""

    kind: ClassVar[str] = "untestable"
    reason: str


Test = Difference | Best | Correlation | Groups | Accuracy | Gap | Steps | Untestable
KINDS: dict[str, type] = {
    cls.kind: cls for cls in (Difference, Best, Correlation, Groups, Accuracy, Gap, Steps, Untestable)
}


@dataclass(frozen=True)
class _Words:
    """A `Claim` but for its test."""

    id: str
    label: str
    sentence: str
    section: str
    notebook: str = ""
    confound: str = ""
    suspicion: str = ""


@dataclass(frozen=True, kw_only=True)
class Claim(_Words):
    """One sentence of the paper.

    Attributes
    ----------
    id, label : str
        Name, and a few words for a figure.
    sentence, section : str
        What the paper says, in our words, and where.
    notebook : str
        Stem of the notebook with the evidence; empty for an untestable sentence.
    confound : str
        What keeps even a clear result from being the paper's; always printed.
    suspicion : str
        Why the claim may fail to show here; printed only when it does.
    test : one of `KINDS`
        What is measured and which sign the sentence expects.
    """

    test: Test


def claims_path() -> Path:
    """``paper/claims.yaml``."""
    return project_root() / "paper" / "claims.yaml"


def load_claims(notebook: str | None = None, kind: str | None = None, path: Path | None = None) -> list[Claim]:
    """The claims, or those of one notebook or one kind of test.

    Raises
    ------
    ConfigError
        Not YAML; unknown or missing key, wrong type, kind, direction, metric or notebook, or an id given twice; names the entry.
    """
    path = path or claims_path()
    entries = read_yaml(path)
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{path}: expected a list of claims, got {type(entries).__name__}")
    claims = [_claim(entry, f"{path.name} entry {number}") for number, entry in enumerate(entries, start=1)]
    ids = [claim.id for claim in claims]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ConfigError(f"{path.name}: id {', '.join(twice)} occurs twice")
    return [claim for claim in claims if notebook in (None, claim.notebook) and kind in (None, claim.test.kind)]


def _claim(entry: object, place: str) -> Claim:
    """One entry, with its place named in every message; the test by its kind."""
    if not isinstance(entry, dict):
        raise ConfigError(f"{place}: expected a mapping of keys, got {entry!r}")
    place = f"{place} ({entry['id']})" if isinstance(entry.get("id"), str) else place
    words = from_dict(_Words, {key: value for key, value in entry.items() if key != "test"}, place)
    if not words.id.strip():
        raise ConfigError(f"{place}: id is empty")
    if "test" not in entry:
        raise ConfigError(f"{place}: missing key 'test'")
    claim = Claim(test=_test(entry["test"], f"{place}.test"), **vars(words))
    if len(claim.label) > LABEL_LENGTH:
        raise ConfigError(f"{place}.label: {len(claim.label)} characters; a line of the figure holds {LABEL_LENGTH}")
    if isinstance(claim.test, Untestable) != (not claim.notebook):
        raise ConfigError(f"{place}: a claim names its notebook, an untestable one none; got {claim.notebook!r}")
    if claim.notebook and claim.notebook not in NOTEBOOKS:
        raise ConfigError(f"{place}.notebook: no notebook {claim.notebook!r}; known: {', '.join(NOTEBOOKS)}")
    return claim


def _test(entry: object, place: str) -> Test:
    if not isinstance(entry, dict) or entry.get("kind") not in list(KINDS):
        kind = entry.get("kind") if isinstance(entry, dict) else entry
        raise ConfigError(f"{place}.kind: {kind!r} is not one of {', '.join(map(repr, KINDS))}")
    return from_dict(KINDS[entry["kind"]], {key: value for key, value in entry.items() if key != "kind"}, place)


def _known_metric(metric: str) -> None:
    if metric not in METRICS:
        raise ConfigError(f"metric is {metric!r}; a score is one of {', '.join(METRICS)}")
