"""What the numbers about the frozen encoders say and what they leave out, in words for notebook 02."""

from __future__ import annotations

import pandas as pd

ZERO_SHOT, MIXTURE = "zero-shot class", "mixture to the caption of both"
NO_PAIRS = "Mixtures were not asked about: no two test clips could be paired, or there are too many pairs of classes."


def not_asked(sanity: pd.DataFrame) -> str:
    """One sentence about encoders, or mixtures, that could not be asked about in words; empty when all could.

    Parameters
    ----------
    sanity : DataFrame
        From `avsep_lib.encoders.sanity`.
    """
    asked = set(sanity.loc[sanity["task"] == ZERO_SHOT, "encoder"])
    silent = [name for name in ("image", "audio") if name not in asked]
    if not silent:
        return "" if (sanity["task"] == MIXTURE).any() else NO_PAIRS
    plural = "encoders have" if len(silent) > 1 else "encoder has"
    return (
        f"The {' and '.join(silent)} {plural} no text tower here: whether classes are recognised by name cannot be asked. "
        "The maps of similarity below need no words."
    )


def word(better: bool) -> str:
    """What zero-shot accuracy above chance, or not, says about an encoder."""
    return "recognises classes better than chance" if better else "not trained to mean anything here"
