"""Scores of one pair, by the scoring code itself, and where they lie among all test pairs of the run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from avsep_lib.bss_eval import References
from avsep_lib.errors import DataError
from avsep_lib.explorer.cache import Cache
from avsep_lib.explorer.session import Session, View
from avsep_lib.metrics import si_sdr

METRICS = ("sdr_db", "sir_db", "sar_db", "si_sdr_db", "sdri_db", "si_sdri_db")


@dataclass(frozen=True)
class Verdict:
    """How good one separation is.

    Attributes
    ----------
    rows : DataFrame
        One line per source that sounds: `source` (0 or 1), `name`, and the columns `METRICS` in dB, as in
        ``scores.csv``; NaN for a silent estimate.
    spread : dict of str to ndarray
        For each metric, the mean over the sources of every test pair of the run, sorted; empty where not scored.
    leak_db : float or None
        With a silenced source: level of what its query took from the mixture, relative to the mixture.
    mask : str
        Mask type that `spread` was scored with.
    note : str
        Why the numbers cannot be laid beside those of the test pairs one to one; empty if they can.
    """

    rows: pd.DataFrame
    spread: dict[str, np.ndarray]
    leak_db: float | None
    mask: str
    note: str

    def mean(self, metric: str) -> float:
        """Mean over the sources, in dB; NaN when one estimate is silent."""
        return float(self.rows[metric].mean(skipna=False))

    def below(self, metric: str) -> float:
        """Share of the test pairs with a lower mean; NaN where nothing can be compared."""
        spread, mean = self.spread.get(metric, np.empty(0)), self.mean(metric)
        if not spread.size or np.isnan(mean) or self.leak_db is not None:
            return float("nan")
        return float((spread < mean).mean())


class Judge:
    """Scores views; the part of BSS-eval that depends on the true sources only is kept.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._references: Cache[References] = Cache(16)
        self._baselines: Cache[tuple] = Cache(64)
        self._spreads: Cache[dict[str, np.ndarray]] = Cache(64)

    def __call__(self, view: View) -> Verdict:
        """Score a view; DataError when a source of it is silent that nobody silenced."""
        choice = view.choice
        sounding = [i for i in (0, 1) if i != choice.silenced]
        references = self._factorised(view, sounding)
        baseline = self._baseline(view, sounding, references)
        own = references.bss_eval(view.estimates[sounding])
        si = si_sdr(view.sources[sounding], view.estimates[sounding])
        rows = pd.DataFrame({"source": sounding, "name": [view.names[i] for i in sounding]})
        rows["sdr_db"], rows["sir_db"], rows["sar_db"], rows["si_sdr_db"] = own.sdr_db, own.sir_db, own.sar_db, si
        with np.errstate(invalid="ignore"):  # of a source that sounds alone the mixture is a perfect estimate
            rows["sdri_db"], rows["si_sdri_db"] = own.sdr_db - baseline[0], si - baseline[1]
        leak = None if choice.silenced is None else _level_db(view.estimates[choice.silenced], view.mixture)
        spread = self._spread(choice.run_id, choice.mask)
        return Verdict(rows, spread, leak, choice.mask, self._note(view, spread))

    def _factorised(self, view: View, sounding: list[int]) -> References:
        """Scores do not depend on the scale of a reference, so one factorisation serves all gains."""
        key = (view.choice.first, view.choice.second, tuple(sounding))
        return self._references.get(
            key, lambda: References(view.sources[sounding], names=[view.names[i] for i in sounding])
        )

    def _baseline(self, view: View, sounding: list[int], references: References) -> tuple:
        """SDR and SI-SDR of the unprocessed mixture as an estimate of each source."""
        choice = view.choice
        key = (choice.first, choice.second, tuple(sounding), choice.gain_db, choice.gain_of)

        def score() -> tuple:
            mixture = np.repeat(view.mixture[None, : view.sources.shape[1]], len(sounding), axis=0)
            return references.bss_eval(mixture).sdr_db, si_sdr(view.sources[sounding], mixture)

        return self._baselines.get(key, score)

    def _spread(self, run_id: str, mask: str) -> dict[str, np.ndarray]:
        return self._spreads.get((run_id, mask), lambda: spread_of(self.session.scores(run_id), mask))

    def _note(self, view: View, spread: dict[str, np.ndarray]) -> str:
        if not spread:
            return f"run {view.choice.run_id} is not scored yet, so there is nothing to compare with"
        if view.choice.silenced is not None:
            return "one source is silent: SIR is infinite, and no test pair is like this"
        if not view.choice.is_plain:
            return "the test pairs were scored with every knob at rest"
        return ""


def spread_of(scores: pd.DataFrame | None, mask: str) -> dict[str, np.ndarray]:
    """Sorted pair means of every metric; pairs with a value that is not finite are left out of that metric."""
    if scores is None:
        return {}
    chosen = scores[scores["mask"] == mask]
    means = chosen.groupby("mixture_id")[list(METRICS)].agg(lambda values: values.mean(skipna=False))
    finite = {metric: means[metric].to_numpy() for metric in METRICS}
    return {metric: np.sort(values[np.isfinite(values)]) for metric, values in finite.items()}


def _level_db(part: np.ndarray, whole: np.ndarray) -> float:
    power = float(np.mean(np.square(whole[: len(part)], dtype=np.float64)))
    if power == 0:
        raise DataError("the mixture is silent; choose other clips")
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.mean(np.square(part, dtype=np.float64)) / power))
