"""What the tour (``00_start_here``) shows: one test mixture taken apart, the headline table, a verdict, a knob."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from avsep_lib.audio import apply_mask, stft
from avsep_lib.comparisons import CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE, SUPPORTED
from avsep_lib.examples import Bench, Example, choose_mixtures, separate
from avsep_lib.intervals import Interval, interval_over_mixtures
from avsep_lib.methods.references import IdealBinaryMask
from avsep_lib.plots.style import label_of
from avsep_lib.score import factorise, oracle_queries
from avsep_lib.settings import AudioSettings
from avsep_lib.stats import mixture_means
from avsep_lib.tables.comparable import Comparable
from avsep_lib.tables.names import FLOOR, REFERENCES
from avsep_lib.tables.text import interval_column

PERCENTILE = 75  # of the gains: a mixture that went better than most, chosen by rule
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)
VERDICTS = {
    SUPPORTED: "the whole interval lies on the side that the sentence names",
    CONTRADICTED: "the whole interval lies on the other side",
    INCONCLUSIVE: "the interval holds zero; beside it stands the smallest effect that could have been found",
    NOT_TESTABLE: "a row, a dataset or an interval is missing, or a row is not above the mixture",
}


@dataclass(frozen=True)
class Stencils:
    """The ideal binary mask of one source, and what it leaves of the mixture."""

    mask: np.ndarray  # (n_rows, n_frames)
    estimate: np.ndarray  # (n_output,)


def one_example(bench: Bench, run_id: str) -> Example:
    """The test mixture at `PERCENTILE` of a run's gains, separated with soft masks; the last one of very few."""
    chosen = choose_mixtures(bench.scores[run_id], "soft", (PERCENTILE,))
    return separate(bench, chosen.mixture_id.tolist()[-1:], "soft")[0]


def ideal_mask(example: Example, audio: AudioSettings, source: int = 0) -> Stencils:
    """The best binary mask of one source, from the true sources."""
    method, queries = IdealBinaryMask(audio), oracle_queries(example.item)
    masks = method.masks(stft(torch.from_numpy(example.item.waveform), audio), queries)
    return Stencils(masks[source].numpy(), method.estimate(example.item.waveform, queries)["binary"][source])


def scores_of(
    example: Example, names: Sequence[str] = ("sdr_db", "sir_db", "sar_db", "mixture_sdr_db")
) -> pd.DataFrame:
    """Scores of an example's sources for readers, in dB."""
    shown = {"sdr_db": "SDR", "sir_db": "SIR", "sar_db": "SAR", "mixture_sdr_db": "SDR of the mixture"}
    return example.scores.set_index("instrument")[list(names)].rename(columns=shown)


def headline(summary: pd.DataFrame) -> pd.DataFrame:
    """Row, SDR with its interval over mixtures, seeds: the table of methods without what an expert adds.

    Parameters
    ----------
    summary : DataFrame
        `avsep_lib.tables.summary`.
    """
    seeds = [str(n) if m not in REFERENCES else "–" for m, n in zip(summary["method"], summary["n_seeds"])]
    return pd.DataFrame(
        {
            "row": summary["method"].map(label_of),
            "SDR (dB)": interval_column(summary, "sdr_db", "sdr_db_low", "sdr_db_high"),
            "mixtures": summary["n_mixtures"],
            "trainings": seeds,
        }
    ).set_index("row")


def gains_of_best(data: Comparable) -> tuple[str, np.ndarray, Interval]:
    """Name of the best trained row, its gain over the mixture in every test mixture (dB), and the interval of the mean."""
    means = {name: matrix.to_numpy().mean(axis=0) for name, matrix in mixture_means(data.scores, "sdr_db").items()}
    best = max((name for name in means if name not in REFERENCES), key=lambda name: means[name].mean())
    gains = means[best] - means[FLOOR]
    return best, gains, interval_over_mixtures(gains)


def read_interval(interval: Interval) -> str:
    """An interval as a sentence."""
    if not np.isfinite([interval.low, interval.high]).all():
        return f"Mean gain {interval.mean:+.2f} dB over {interval.n} mixtures; no interval: {interval.reason}."
    side = "above zero" if interval.low > 0 else "below zero" if interval.high < 0 else "on both sides of zero"
    return (
        f"Mean gain {interval.mean:+.2f} dB over {interval.n} mixtures, {interval.level:.0%} interval "
        f"{interval.low:+.2f} to {interval.high:+.2f} dB: {side}.\n"
        f"Of many intervals made this way, {interval.level:.0%} would hold the mean over all mixtures like these."
    )


def read_verdict(verdicts: pd.DataFrame) -> str:
    """The first claim that could be tested, as a sentence with its verdict."""
    tested = verdicts[verdicts["verdict"] != NOT_TESTABLE] if len(verdicts) else verdicts
    if tested.empty:
        return "No claim about these rows can be tested in this profile: either its rows mean nothing, or they are not there."
    line = tested.iloc[0]
    return f"“{line['sentence']}” **{line['verdict']}**: {line['why']}."


def thresholds(bench: Bench, example: Example, run_id: str, chosen: float | None) -> pd.DataFrame:
    """What cutting a run's soft masks at other thresholds does to an example.

    Parameters
    ----------
    bench, example, run_id
        From `one_example`.
    chosen : float or None
        A further threshold between 0 and 1; None adds none.

    Returns
    -------
    DataFrame
        One line per threshold and one for the soft mask: share of points kept in per cent, and SDR, SIR and SAR in dB,
        means over the sources. A silent estimate has NaN.
    """
    audio = bench.methods[run_id].audio
    spectrum = stft(torch.from_numpy(example.item.waveform), audio)
    masks, references = torch.from_numpy(example.masks[run_id]), factorise(example.item, audio)
    cuts = sorted({*THRESHOLDS, *([] if chosen is None else [chosen])})
    lines = {}
    for cut in (*cuts, None):
        scores = references.bss_eval(apply_mask(spectrum, masks, audio, threshold=cut).numpy())
        kept = float((masks if cut is None else (masks > cut).float()).mean())
        name = "soft mask" if cut is None else f"cut at {cut:g}" + (" ← yours" if cut == chosen else "")
        lines[name] = (100 * kept, *(float(v.mean()) for v in (scores.sdr_db, scores.sir_db, scores.sar_db)))
    return pd.DataFrame.from_dict(lines, orient="index", columns=["kept (%)", "SDR", "SIR", "SAR"]).rename_axis("mask")
