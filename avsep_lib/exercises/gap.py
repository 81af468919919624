"""Exercises of ``08_modality_gap``: a gap between orthogonal means, and a gap that is closed by subtraction."""

from __future__ import annotations

import numpy as np
import pandas as pd

from avsep_lib.encoders.sanity import unit
from avsep_lib.exercises import Answer, percent, unanswered
from avsep_lib.modality_gap.centroids import gap_from
from avsep_lib.modality_gap.clouds import Clouds
from avsep_lib.modality_gap.text import name_of

PREFERRED = ("hier_align", "middle_align", "late_align")


def orthogonal_means(gaps: pd.DataFrame) -> Answer:
    """The gap of every row, had its mean sound been at a right angle to the mean picture."""
    table = gaps.dropna(subset=["gap", "audio_norm", "image_norm"])
    if table.empty:
        return unanswered("no row has enough clips for a gap")
    right = gap_from(table["audio_norm"], table["image_norm"], 0.0)
    far = (right - table["gap"]).abs()
    row = table.loc[far.idxmax()]
    return Answer(
        f"The root of the sum of the squared lengths. It differs from what was measured by {far.median():.3f} in the "
        f"median row and by {far.max():.3f} at most ({name_of(row['row'])}).",
        "Where the two numbers agree, the gap says how concentrated the clouds are and nothing about who meets whom: "
        "any unrelated cloud of that concentration would have it. Only where they differ has a direction been found.",
        {
            name_of(r): f"{a:.3f} at right angles, {g:.3f} measured"
            for r, a, g in zip(table["row"], right, table["gap"])
        },
    )


def gap_closed_by_subtraction(clouds: Clouds) -> Answer:
    """Move every sound by the difference of the means: the gap is zero; who finds the class's pictures?"""
    row = next((name for name in (*PREFERRED, *clouds.audio) if name in clouds.audio), None)
    if row is None or len(set(clouds.labels)) < 2:
        return unanswered("it takes sounds and pictures of two classes")
    sounds, pictures = clouds.audio[row][0], clouds.images
    moved = unit(sounds - sounds.mean(axis=0) + pictures.mean(axis=0))
    chance = float((clouds.labels[:, None] == clouds.labels).mean())
    before, after = (_finds(vectors, clouds) for vectors in (sounds, moved))
    gap = np.linalg.norm(sounds.mean(axis=0) - pictures.mean(axis=0))
    return Answer(
        f"The gap falls from {gap:.2f} to 0 before vectors are made unit length again. The nearest picture is one of the "
        f"right class for {percent(before)} of the sounds before, {percent(after)} after; chance is {percent(chance)}.",
        "A gap can be closed by a subtraction that learns nothing, so a smaller gap is no evidence that sound and "
        "vision understand each other. What would be: sounds that find their own pictures.",
        {
            "sounds of": f"{name_of(row)}, first seed",
            "classes, whose clips tend to hit or miss together": str(len(set(clouds.labels))),
        },
    )


def _finds(sounds: np.ndarray, clouds: Clouds) -> float:
    nearest = (sounds @ clouds.images.T).argmax(axis=1)
    return float((clouds.labels[nearest] == clouds.labels).mean())
