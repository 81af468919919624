"""What every finding of the audit says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One consequence of published numbers, by arithmetic that a reader can repeat.

    Attributes
    ----------
    topic : str
        A few words.
    place : str
        Section, table or equation of the paper.
    statement : str
        What is published, in our words.
    computation, result : str
        What was computed from it, and what came out.
    implication : str
        What follows, and what does not.
    """

    topic: str
    place: str
    statement: str
    computation: str
    result: str
    implication: str
