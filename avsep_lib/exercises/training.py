"""Exercises of ``03_training``: how often a mixture is seen, and how much choosing a checkpoint flatters it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.integrate import quad
from scipy.stats import norm

from avsep_lib.exercises import Answer, db, plural, unanswered
from avsep_lib.settings import TrainingSettings


def times_seen(training: TrainingSettings, n_pool: int) -> Answer:
    """How often training meets each mixture of its pool."""
    drawn = training.steps * training.batch_size
    if n_pool < 1:
        return unanswered("the training pool is empty")
    full = TrainingSettings()
    ratio = full.steps * full.batch_size / drawn
    return Answer(
        f"{training.steps} steps of {training.batch_size} from a pool of {n_pool}: {drawn / n_pool:.1f} times.",
        "The more often the same mixtures come back, the sooner they are known by heart: the training loss then still "
        "falls, and validation does not. A small number here is also a warning: little has been learned yet.",
        {
            "mixtures drawn here": f"{drawn:,}",
            "by the released recipe": f"{full.steps * full.batch_size:,}, {ratio:,.0f} times as many",
        },
    )


def best_of(k: int) -> float:
    """Expected maximum of `k` independent standard normal values."""
    return quad(lambda x: x * k * norm.pdf(x) * norm.cdf(x) ** (k - 1), -8, 8)[0]


def flattery(scores_db: pd.Series, n_validations: int) -> Answer:
    """By how much the best of several equally good checkpoints would look better, at most.

    Parameters
    ----------
    scores_db : Series
        Validation score of every pair, in dB.
    n_validations : int
        Checkpoints to choose from.
    """
    values = scores_db.dropna().to_numpy(dtype=float)
    if len(values) < 3 or n_validations < 2 or not values.std() > 0:
        return unanswered(f"{plural(len(values), 'pair')} and {plural(n_validations, 'validation')} leave no choice")
    error = values.std(ddof=1) / np.sqrt(len(values))
    return Answer(
        f"Up to {db(best_of(n_validations) * error, '+')}, for the best of {n_validations} that are all equally good.",
        "The best of several noisy scores is best partly by luck, and luck does not come back on the test split; that "
        "is why another split judges. It is an upper bound: checkpoints of one training are judged by the same pairs "
        "and resemble each other, so they have less luck to choose from. Choosing among rows or seeds flatters alike.",
        {
            f"standard error over {plural(len(values), 'validation pair')}": db(error),
            "the best of 100 would look better by": db(best_of(100) * error, "+"),
        },
    )
