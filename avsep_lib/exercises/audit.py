"""Exercises of ``11_audit``: verdicts by chance, and how many mixtures a small effect needs."""

from __future__ import annotations

import math

import pandas as pd

from avsep_lib.comparisons import CONTRADICTED, INCONCLUSIVE, SUPPORTED
from avsep_lib.exercises import Answer, db, plural, unanswered


def verdicts_by_chance(found: pd.DataFrame, level: float = 0.05) -> Answer:
    """Verdicts other than inconclusive that chance would make, that there are, and that survive Holm's correction."""
    tested = found[found["verdict"].isin([SUPPORTED, CONTRADICTED, INCONCLUSIVE])]
    if tested.empty:
        return unanswered("no claim could be tested in this profile")
    clear = tested[tested["verdict"] != INCONCLUSIVE]
    kept = int((clear["p_holm"] < level).sum())
    again = int(tested["trained_again"].isin([SUPPORTED, CONTRADICTED]).sum())
    return Answer(
        f"{len(tested) * level:.1f} of {len(tested)} by chance; there are {len(clear)}, of which {kept} survive Holm's "
        f"correction. For the methods trained again, {again} are clear.",
        "A 95 % interval misses the truth once in twenty times, and a table of claims is many times. The number by "
        "chance is an average for claims of which none is true; claims that share rows are not independent, so luck "
        "comes in clusters. Whoever quotes one line of a long table should quote its length.",
        {
            word: plural(int((tested["verdict"] == word).sum()), "claim")
            for word in (SUPPORTED, CONTRADICTED, INCONCLUSIVE)
        },
    )


def mixtures_needed(found: pd.DataFrame, effect_db: float = 0.1) -> Answer:
    """Test mixtures that an effect needs to be found with a probability of 80 %."""
    usable = found[(found["unit"] == "dB") & (found["items"] == "mixtures")].dropna(subset=["detectable_effect"])
    usable = usable[usable["detectable_effect"] > 0]
    if usable.empty:
        return unanswered("no claim in decibels has a smallest detectable effect here")
    needed = usable["n"] * (usable["detectable_effect"] / effect_db) ** 2
    row = usable.loc[(usable["detectable_effect"] - usable["detectable_effect"].median()).abs().idxmin()]
    n = _rounded(needed[row.name])
    return Answer(
        f"About {n:,}; {int(row['n'])} mixtures find {db(row['detectable_effect'])} ({row['tested_as']}).",
        "The smallest detectable effect falls with the root of n: ten times finer takes a hundred times as many "
        "mixtures. A table that ranks methods by hundredths of a decibel on a few hundred mixtures ranks noise, unless "
        "the methods hardly differ from mixture to mixture.",
        {"range over the claims": f"{_rounded(needed.min()):,} to {_rounded(needed.max()):,} mixtures"},
    )


def _rounded(n: float) -> int:
    """Two significant digits: more would be a promise."""
    digits = 1 - math.floor(math.log10(n)) if n >= 1 else 0
    return max(int(round(n, min(digits, 0))), 1)
