"""Figure 1, opened: the gain of one fusion over another, instrument by instrument, with the mixtures behind each bar."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from avsep_lib.config import Profile
from avsep_lib.errors import DataError
from avsep_lib.sound_character.outcomes import load_gains

ROWS = ("late", "middle", "hier", "late_align", "middle_align", "hier_align")


@dataclass(frozen=True)
class Gains:
    """Gains of a candidate over a baseline, in dB of SDR.

    Attributes
    ----------
    candidate, baseline : str
        Table rows.
    mask : str
    instruments : pandas.Series
        Mean gain by instrument, the largest first.
    items : pandas.DataFrame
        One line per separated source: `mixture_id`, `instrument`, `clip_id`, `gain_db` (mean over the seeds).
    """

    candidate: str
    baseline: str
    mask: str
    instruments: pd.Series
    items: pd.DataFrame

    def mixtures(self, instrument: str) -> pd.DataFrame:
        """The lines of one instrument, the largest gain first; DataError when there is none."""
        chosen = self.items[self.items.instrument == instrument]
        if chosen.empty:
            raise DataError(f"no scored mixture with {instrument!r}; known: {', '.join(self.instruments.index)}")
        return chosen.sort_values("gain_db", ascending=False, kind="stable").reset_index(drop=True)


def gains(
    profile: Profile, dataset: str, candidate: str = "middle", baseline: str = "late", mask: str = "binary"
) -> Gains:
    """The numbers behind Figure 1.

    Raises
    ------
    DataError
        When one of the two rows is not trained or not scored here.
    """
    own = load_gains(profile.name, "sdr_db", candidate, baseline, dataset, mask)
    if own.items.empty:
        raise DataError(f"{candidate} and {baseline} have no mixture in common; choose other rows")
    items = own.items.mean(axis=1).rename("gain_db").reset_index()
    return Gains(candidate, baseline, mask, own.of_instruments.sort_values(ascending=False), items)
