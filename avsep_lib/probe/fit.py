"""Linear classifiers on frozen vectors: one label for a solo, two labels for a mixture.

Vectors are standardised with the statistics of the probe's training items. The strength of the L2 penalty is chosen by
cross-validation within those items, grouped by video, so that nothing of validation or test decides anything.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from avsep_lib.errors import DataError
from avsep_lib.manifest import label_list

FOLDS = 5
PENALTIES = tuple(10.0**k for k in range(-3, 2))  # C, the inverse of the penalty's weight
UNCHOSEN = 1.0  # scikit-learn's default, where too few items leave nothing to choose by
SOLVER = {"max_iter": 2000, "tol": 1e-3}  # a tenth of the default tolerance moves single items at thrice the time
Splits = list[tuple[np.ndarray, np.ndarray]]


class Probe:
    """A fitted linear classifier.

    Parameters
    ----------
    model : Pipeline
        Fitted: rows in, one score per class out.
    classes : sequence of str
    n_labels : int
        How many classes an item has.
    C : float
        The chosen inverse penalty.
    """

    def __init__(self, model: Pipeline, classes: Sequence[str], n_labels: int, C: float) -> None:
        self._model, self.classes, self.n_labels, self.C = model, np.array(classes), n_labels, C

    def predict(self, rows: np.ndarray) -> list[str]:
        """Names of the `n_labels` classes with the highest scores, sorted and joined with ``|``."""
        best = top(_scores(self._model, rows), self.n_labels)
        return ["|".join(sorted(self.classes[indices])) for indices in best]


def top(scores: np.ndarray, n: int) -> np.ndarray:
    """Indices of the n highest scores of each row, shape (rows, n)."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :n]


def fit_solos(rows: np.ndarray, items: pd.DataFrame, C: float | None = None) -> Probe:
    """Multinomial logistic regression on items with one label each.

    Parameters
    ----------
    rows : ndarray, shape (n, dimensions)
    items : DataFrame
        `labels` and `videos` of the same n items.
    C : float, optional
        Inverse penalty; chosen by cross-validation unless given.

    Raises
    ------
    DataError
        For fewer than two classes.
    """
    classes, target = np.unique(items["labels"], return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"a probe needs two classes or more to tell apart; its training solos have {len(classes)}")
    splits = solo_folds(target, items["videos"].to_numpy()) if C is None else []
    return _search(LogisticRegression(C=C or UNCHOSEN, **SOLVER), rows, target, splits, classes, 1)


def fit_mixtures(rows: np.ndarray, items: pd.DataFrame) -> Probe:
    """One logistic regression per class against the rest, on items with two labels each; see `fit_solos`."""
    names = [label_list(text) for text in items["labels"]]
    classes = sorted({name for pair in names for name in pair})
    target = np.array([[name in pair for name in classes] for pair in names], dtype=int)
    model = OneVsRestClassifier(LogisticRegression(C=UNCHOSEN, **SOLVER))
    return _search(model, rows, target, mixture_folds(items["videos"]), classes, 2)


def solo_folds(target: np.ndarray, videos: np.ndarray, folds: int = FOLDS) -> Splits:
    """Stratified folds that keep a video together; none where no class has two items."""
    folds = min(folds, int(np.bincount(target).max()), len(np.unique(videos)))
    if folds < 2:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer items than folds is merely absent from some
        return list(StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(target, target, videos))


def mixture_folds(videos: Sequence[str], folds: int = FOLDS) -> Splits:
    """Folds over the videos behind mixtures, ``"a|b"`` each: both held out, or both learned from.

    A mixture of a held-out and a learned video is in neither part of its fold.
    """
    pairs = [text.split("|") for text in videos]
    names = np.array(sorted({name for pair in pairs for name in pair}))
    fold_of = dict(zip(np.random.default_rng(0).permutation(names), np.arange(len(names)) % folds))
    held = np.array([[fold_of[name] for name in pair] for pair in pairs])
    splits = [(np.flatnonzero((held != k).all(axis=1)), np.flatnonzero((held == k).all(axis=1))) for k in range(folds)]
    return [(train, test) for train, test in splits if len(train) > 1 and len(test)]


def _search(
    model: LogisticRegression | OneVsRestClassifier,
    rows: np.ndarray,
    target: np.ndarray,
    splits: Splits,
    classes: Sequence[str],
    n_labels: int,
) -> Probe:
    pipeline = Pipeline([("scale", StandardScaler()), ("classify", model)])
    name = "classify__estimator__C" if n_labels > 1 else "classify__C"
    rows = np.asarray(rows, dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="Label .* is present in")  # a class absent from, or in all of, a fold
        if not splits:
            return Probe(pipeline.fit(rows, target), classes, n_labels, pipeline.get_params()[name])
        search = GridSearchCV(pipeline, {name: PENALTIES}, scoring=_all_named, cv=splits, error_score="raise")
        search.fit(rows, target)
    return Probe(search.best_estimator_, classes, n_labels, search.best_params_[name])


def _scores(model: Pipeline, rows: np.ndarray) -> np.ndarray:
    """Scores (n, classes) of the classes that the model was fitted with; two classes come as one column."""
    scores = model.decision_function(np.asarray(rows, dtype=np.float64))
    return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores


def _all_named(model: Pipeline, rows: np.ndarray, target: np.ndarray) -> float:
    """Share of items all of whose labels are the highest scores."""
    scores = _scores(model, rows)
    if target.ndim == 1:
        return float(np.mean(model.classes_[scores.argmax(axis=1)] == target))
    return float(np.take_along_axis(target, top(scores, 2), axis=1).all(axis=1).mean())
