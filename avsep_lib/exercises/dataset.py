"""Exercises of ``01_dataset``: levels that give a class away, the mixture as an estimate, leakage by splitting clips."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from avsep_lib.exercises import Answer, db, percent, plural, unanswered


def told_by_level(levels: pd.DataFrame) -> Answer:
    """Name every test solo by its level alone: the class whose training median is the nearest.

    Parameters
    ----------
    levels : DataFrame
        `avsep_lib.datacard.clip_levels`; clips without a measured level are left out.
    """
    solos = levels[levels["solo"] & levels["level_dbfs"].notna()]
    medians = solos[solos["split"] == "train"].groupby("labels")["level_dbfs"].median()
    test = solos[(solos["split"] == "test") & solos["labels"].isin(medians.index)]
    if len(medians) < 2 or test.empty:
        return unanswered("it takes two classes with training solos, and test solos of them")
    distance = np.abs(test["level_dbfs"].to_numpy()[:, None] - medians.to_numpy())
    right = medians.index.to_numpy()[distance.argmin(axis=1)] == test["labels"].to_numpy()
    chance, p = 1 / len(medians), binomtest(int(right.sum()), len(right), 1 / len(medians), "greater").pvalue
    told = "more often than by guessing" if p < 0.05 else "no more often than guessing could"
    odd = (medians - medians.median()).abs().idxmax()
    return Answer(
        f"Right for {percent(right.mean())} of {plural(len(right), 'test solo')}, {told} (chance {percent(chance)}).",
        "Whatever tells classes apart without listening to timbre is a shortcut that a separator may take. Equal levels "
        "close this one; a level drawn anew for every clip closes it for single clips, too.",
        {
            "largest distance from the other classes": f"{odd}, {db(medians[odd] - medians.median(), '+')}",
            "one-sided p against chance": f"{p:.3f}",
        },
    )


def mixture_as_estimate(parts: np.ndarray) -> Answer:
    """SI-SDR of an unprocessed mixture, for each of its two sources.

    Parameters
    ----------
    parts : array_like, shape (2, samples)
        The sources as they are in the mixture.
    """
    from avsep_lib.metrics import si_sdr

    parts = np.asarray(parts, dtype=float)
    energies = (parts**2).sum(axis=-1)
    if len(parts) != 2 or not (energies > 0).all():
        return unanswered("this mixture does not have two sources that sound")
    scores = si_sdr(parts, np.repeat(parts.sum(axis=0)[None], 2, axis=0))
    ratio = 10 * np.log10(energies[0] / energies[1])
    return Answer(
        f"{db(scores[0], '+')} for the first and {db(scores[1], '+')} for the second: mean {db(scores.mean(), '+')}.",
        "With the mixture as the estimate, the other source is the error. So the score is the difference of the two "
        "levels, with one sign for each source, and the mean is near zero unless the sources resemble each other. "
        "That is why every table has a floor: 3 dB is a feat for the softer source and nothing for the louder one.",
        {"first source above the second by": db(ratio, "+")},
    )


def clips_split_instead_of_videos(manifest: pd.DataFrame) -> Answer:
    """Expected share of test clips that had a training clip of the same video, had clips been split and not videos."""
    used = manifest[manifest["split"].isin(["train", "val", "test"])]
    in_train = (used["split"] == "train").mean()
    per_video = used.groupby("video_id")["clip_id"].transform("size")
    if used.empty or not 0 < in_train < 1:
        return unanswered("there is no training and test split to exchange clips between")
    known = 1 - (1 - in_train) ** (per_video - 1)
    rows = {
        "clips of a video, median and largest": f"{per_video.median():g} and {per_video.max():g}",
        "were videos cut into 4 clips": percent(1 - (1 - in_train) ** 3),
    }
    return Answer(
        f"{percent(float(known.mean()))} of the test clips would have been known by their video.",
        "With one clip per video nothing can leak this way; with several, almost everything does. A split by clip then "
        "measures how well a room and a player are remembered, and a random split of the file list is a split by clip.",
        rows,
    )
