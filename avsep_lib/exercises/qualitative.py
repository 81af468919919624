"""Exercises of ``09_qualitative``: pictures that lie, and masks that do not add up to one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avsep_lib.examples import Bench, Example
from avsep_lib.exercises import Answer, db, percent, unanswered
from avsep_lib.methods.base import MaskType
from avsep_lib.score import factorise

NO_CHANGE_DB = 0.05


def pictures_exchanged(bench: Bench, examples: Sequence[Example], run_id: str, mask: MaskType) -> Answer:
    """SDR of the middle example when each source is asked for with the other one's picture."""
    example = examples[len(examples) // 2]
    method, queries = bench.methods[run_id], bench.queries(run_id)(example.item)
    if len(queries) != 2:
        return unanswered(f"this mixture has {len(queries)} sources, and only two can change places")
    estimates = method.estimate(example.item.waveform, queries[::-1])[mask]
    exchanged = factorise(example.item, method.audio).bss_eval(estimates).sdr_db
    own = example.scores[example.scores["run_id"] == run_id].set_index("source")
    if not np.isfinite(exchanged).all():
        return unanswered("with exchanged pictures an estimate is silent, which has no SDR")
    names = [name.replace("_", " ") for name in example.instruments]
    fell = float(own["sdr_db"].mean() - exchanged.mean())
    return Answer(
        f"Mean SDR {db(float(exchanged.mean()))} instead of {db(float(own['sdr_db'].mean()))}: {_change(fell)}.",
        "If the score falls, the picture decides what is taken, and a lying picture takes the wrong source. If it hardly "
        "moves, the model separates by ear and ignores what it sees; a score that does not depend on its condition is "
        "worth a look at the masks.",
        {
            f"{name}: own picture, exchanged, mixture": f"{db(own.loc[i, 'sdr_db'])}, {db(exchanged[i])}, "
            f"{db(own.loc[i, 'mixture_sdr_db'])}"
            for i, name in enumerate(names)
        },
    )


def sum_of_masks(examples: Sequence[Example], run_id: str) -> Answer:
    """Do the masks of a mixture add up to one, and the estimates to the mixture?"""
    sums = np.concatenate([example.masks[run_id].sum(axis=0).ravel() for example in examples])
    left = [_left_over(example, run_id) for example in examples]
    return Answer(
        f"No: the mean sum is {sums.mean():.2f}, and {percent(float((np.abs(sums - 1) > 0.1).mean()))} of the points are "
        "more than 0.1 away from one."
        if (np.abs(sums - 1) > 0.1).any()
        else f"Yes, nearly: no point is more than {np.abs(sums - 1).max():.2f} away from one.",
        "Every mask is computed on its own, with its own picture, and nothing in training makes them share a point "
        "fairly. Two sources may both take a point, or neither. A softmax over the sources would add up to one by "
        "construction, and could not say that something else sounds.",
        {
            "points that both leave (sum below 0.5)": percent(float((sums < 0.5).mean())),
            "points that both take (sum above 1.5)": percent(float((sums > 1.5).mean())),
            "mixture minus estimates, relative to the mixture": ", ".join(db(value) for value in left),
        },
    )


def _left_over(example: Example, run_id: str) -> float:
    """Level, in dB, of what the estimates leave of the mixture or add to it, relative to the mixture."""
    estimates = example.estimates[run_id]
    mixture = example.item.waveform[: estimates.shape[-1]]
    ratio = ((mixture - estimates.sum(axis=0)) ** 2).sum() / max(float((mixture**2).sum()), 1e-20)
    return float(10 * np.log10(max(ratio, 1e-20)))


def _change(fell_db: float) -> str:
    if abs(fell_db) < NO_CHANGE_DB:
        return "hardly any difference"
    return f"{db(abs(fell_db))} {'lower' if fell_db > 0 else 'higher'}"
