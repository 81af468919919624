"""Exercises of ``07_linear_probe``: one clip more or less, naming both, and a second recording."""

from __future__ import annotations

from math import comb

import pandas as pd

from avsep_lib.exercises import Answer, percent, unanswered
from avsep_lib.probe.text import name_of


def clips_apart(level: float = 0.05) -> int:
    """Fewest clips that only one of two classifiers names right for McNemar's exact test to call them different."""
    n = 1
    while 2 * 0.5**n >= level:
        n += 1
    return n


def one_clip_more(accuracies: pd.DataFrame, published_clips: int = 119) -> Answer:
    """How many clips one classifier must be ahead, in the kindest case, and the step that one clip makes."""
    n, need = int(accuracies["n_items"].iloc[0]), clips_apart()
    return Answer(
        f"{need} clips, even if the better one is never wrong where the other is right. "
        f"With {n} clips that is {percent(need / n)}, with {published_clips} it is {percent(need / published_clips)}.",
        "Only the clips on which the two disagree tell them apart, and a fair coin lands alike six times of six in one of "
        "32 trials. Every disagreement the other way makes the lead that is needed longer. Where the two disagree on one "
        "clip only, a coin gives a lead of one clip every time.",
        {
            "one clip of those here": percent(1 / n),
            f"one clip of {published_clips}": percent(1 / published_clips),
        },
    )


def naming_both(solos: pd.DataFrame, mixtures: pd.DataFrame) -> Answer:
    """Both right in a mixture, beside the square of the accuracy on solos as recorded."""
    joined = solos.merge(mixtures, on="representation", suffixes=("", "_both"))
    if joined.empty:
        return unanswered("no representation was asked both questions")
    row = joined.loc[joined["accuracy"].idxmax()]
    square, both = (row["accuracy"] / 100) ** 2, row["accuracy_both"] / 100
    classes = round(100 / row["chance"])
    word = "more" if both > square else "less"
    return Answer(
        f"{name_of(row['representation'])}: {percent(row['accuracy'] / 100)} on solos, squared {percent(square)}; "
        f"found {percent(both)}, {word} than the square.",
        "Two independent answers would both be right with the squared probability. A mixture can be harder, because "
        "one sound covers the other, or easier, because its probe learned on mixtures. Chance falls as well: from one "
        "class to one pair of classes.",
        {
            "chance on solos": f"1 in {classes}",
            "chance in mixtures": f"1 in {comb(classes, 2)}" if classes > 1 else "–",
        },
    )


def recorded_once_more(harsher: pd.DataFrame, plain: pd.DataFrame) -> Answer:
    """Which representation loses most accuracy when the clips are recorded once more."""
    joined = plain.merge(harsher, on="representation", suffixes=("", "_harsher"))
    joined = joined[joined["representation"] != "majority"]
    if joined.empty:
        return unanswered("no representation met both recordings")
    lost = (joined["accuracy"] - joined["accuracy_harsher"]).set_axis(joined["representation"]).sort_values()
    most, least = lost.index[-1], lost.index[0]
    return Answer(
        f"{name_of(most)} loses most, {lost[most]:.0f} points; {name_of(least)} least, {lost[least]:.0f}.",
        "What is lost was knowledge of the recording: of its room, microphone and noise. A representation that learned "
        "from many recordings should lose less. Where even the mean spectrum loses little, the second recording is no "
        "hard test.",
        {name_of(name): f"{value:+.1f} points lost" for name, value in lost[::-1].items()},
    )
