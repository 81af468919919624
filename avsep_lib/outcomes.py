"""What an analysis hands to a claim: an estimate with its intervals, and what it was made from."""

from __future__ import annotations

from dataclasses import dataclass

from avsep_lib.intervals import Interval


@dataclass(frozen=True)
class Outcome:
    """A measured quantity whose sign a claim is about.

    Attributes
    ----------
    tested_as : str
        What was compared with what, for a reader: ``"Hierarchical − Late, SDR"``.
    unit : str
        Of the estimate: ``"dB"``, ``"points"`` (of accuracy), ``"steps"``, ``"1"``.
    over_items : Interval
        For these trained models, over items like these; holds the smallest detectable effect.
    across_seeds : Interval
        For the method trained again; NaN bounds with a reason where it cannot be said.
    p_value : float
        Two-sided, uncorrected; Holm's correction is made over the table of claims.
    items : str
        What was resampled: ``"mixtures"``, ``"clips"``, ``"instruments"``, ``"seeds"``.
    note : str
        What a reader must know beside the number; may be empty.
    runs : tuple of str
        Run ids behind the number.
    """

    tested_as: str
    unit: str
    over_items: Interval
    across_seeds: Interval
    p_value: float = float("nan")
    items: str = "mixtures"
    note: str = ""
    runs: tuple[str, ...] = ()
