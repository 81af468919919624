"""How much two trained rows differ from mixture to mixture: the noise that a step of Table 6 stands in."""

from __future__ import annotations

import numpy as np

from avsep_lib.common_set import mixture_means
from avsep_lib.tables import Comparable

STEPS = (("hier", "late"), ("late_align", "late"), ("hier_align", "hier"))  # (candidate, baseline), as in Table 6


def spread_between_rows(data: Comparable, metric: str = "sdr_db") -> float:
    """Standard deviation (dB), over mixtures, of the difference between two single trainings.

    Parameters
    ----------
    data : Comparable
        Scores that hold the rows of `STEPS`; those it lacks are left out.
    metric : str

    Returns
    -------
    float
        Median over the steps and their paired seeds: the paper trained every row once. NaN without any pair.
    """
    means = mixture_means(data.scores, metric)
    spreads = [
        float((means[candidate].loc[seed] - means[baseline].loc[seed]).std(ddof=1))
        for candidate, baseline in STEPS
        if {candidate, baseline} <= set(means)
        for seed in means[candidate].index.intersection(means[baseline].index)
    ]
    return float(np.median(spreads)) if spreads else float("nan")
