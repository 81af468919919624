"""Is every estimate scored against its own source, and is it an estimate at all?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from avsep_lib import score
from avsep_lib.canaries.again import Again, runs_again
from avsep_lib.canaries.evidence import Evidence
from avsep_lib.canaries.findings import Finding, at_least, at_most, none_of, noted
from avsep_lib.methods.base import MaskMethod
from avsep_lib.methods.references import REFERENCES
from avsep_lib.metrics import si_sdr

MARGIN_DB = 3.0  # ideal masks gain 8 dB and more; the wrong source loses
LEARNED_DB = 0.5
FLAT, TRAINED_FLAT = 1e-6, 0.02  # standard deviation of a mask of any run, and of one that had time to learn
ROW_TOLERANCE_DB = 0.05  # rows hold six decimals; threads and machines differ by less


class Order(NamedTuple):
    """SI-SDR in dB, shape (n_items, n_sources): the mixture's, the estimates', and theirs in swapped order."""

    mixture: np.ndarray
    right: np.ndarray
    swapped: np.ndarray


def in_both_orders(method: MaskMethod, queries: score.QueryMaker, items: list[score.MixtureItem]) -> Order:
    """Score soft estimates against their own references and against the next source's."""
    rows = []
    for item in items:
        estimates = method.estimate(item.waveform, queries(item))["soft"]
        references = item.sources[:, : method.audio.n_output]
        mixture = np.broadcast_to(item.waveform[: method.audio.n_output], references.shape)
        rows.append([si_sdr(references, x) for x in (mixture, estimates, np.roll(estimates, 1, axis=0))])
    return Order(*np.nan_to_num(np.array(rows), nan=-30.0).swapaxes(0, 1))


def row_difference(scores: pd.DataFrame, column: str, items: list[score.MixtureItem], values: np.ndarray) -> float:
    """Largest difference in dB between score rows and recomputed values (n_items, n_sources)."""
    expected = {(item.mixture_id, i): v for item, row in zip(items, values) for i, v in enumerate(row)}
    rows = scores[scores.mixture_id.isin([item.mixture_id for item in items])]
    found = [abs(value - expected[m, s]) for m, s, value in zip(rows.mixture_id, rows.source, rows[column])]
    return float(np.nanmax(found)) if len(found) else float("nan")


def ideal_masks(evidence: Evidence, items: list[score.MixtureItem]) -> list[Finding]:
    """An ideal mask gains for every source, and would lose with the sources swapped."""
    ideal = in_both_orders(REFERENCES["ideal_ratio"](evidence.audio), score.oracle_queries, items)
    everyone = {"floor and ceilings": evidence.references, **evidence.scores}
    baseline = {
        name: row_difference(rows, "mixture_si_sdr_db", items, ideal.mixture) for name, rows in everyone.items()
    }
    worst = max(baseline, key=baseline.get)
    rows = evidence.references[evidence.references.method != "mixture"]
    listed = rows.groupby(["method", "source"]).si_sdri_db.mean()
    soft = rows[(rows.method == "ideal_ratio") & (rows["mask"] == "soft")]
    gain, swapped = (ideal.right - ideal.mixture).mean(axis=0), (ideal.swapped - ideal.mixture).mean(axis=0)
    if evidence.recorded:
        judged = _by_order(ideal, listed)
    else:
        judged = [
            at_least("ideal ratio mask over the mixture, worse source, dB", gain.min(), MARGIN_DB),
            at_most("the same with the sources swapped, better source, dB", swapped.max(), 0.0),
            at_least("ideal masks in the scores, worse source, gain in dB", listed.min(), MARGIN_DB, listed.idxmin()),
        ]
    difference = row_difference(soft, "si_sdr_db", items, ideal.right)
    return [
        *judged,
        at_most("ideal ratio mask against its score rows, dB", difference, ROW_TOLERANCE_DB),
        at_most("mixture baseline against the score rows, dB", baseline[worst], ROW_TOLERANCE_DB, worst),
    ]


def _by_order(ideal: Order, listed: pd.Series) -> list[Finding]:
    """Recordings may be so unequally loud that a mask gains nothing for the louder one; the right order still shows."""
    return [
        at_least("ideal ratio mask, right over swapped order, dB", (ideal.right - ideal.swapped).mean(), MARGIN_DB),
        noted("ideal ratio mask over the mixture, worse source, dB", (ideal.right - ideal.mixture).mean(axis=0).min()),
        noted("ideal masks in the scores, worse source, gain in dB", listed.min()),
    ]


def trained_run(evidence: Evidence) -> list[Finding]:
    """Rows of the best run are what its model does; its estimates resemble their own source (judged once trained)."""
    run_id = evidence.best_run
    method, items = evidence.method(run_id), evidence.items(24)
    order = in_both_orders(method, lambda item: evidence.queries(method, item), items)
    rows = evidence.scores[run_id]
    difference = row_difference(rows[rows["mask"] == "soft"], "si_sdr_db", items, order.right)
    advantage = float((order.right - order.swapped).mean())
    what = f"{run_id}: right over swapped order, dB"
    return [
        at_most(f"{run_id} against its score rows, dB", difference, ROW_TOLERANCE_DB, run_id),
        at_least(what, advantage, LEARNED_DB, run_id) if evidence.is_trained(run_id) else noted(what, advantage),
    ]


def swapped_sources(evidence: Evidence) -> list[Finding]:
    """Estimate i is scored against source i."""
    return [*ideal_masks(evidence, evidence.items()), *(trained_run(evidence) if evidence.runs else [])]


def mask_statistics(found: list[Again]) -> tuple[float, float]:
    """Smallest mean and smallest standard deviation among a run's soft masks."""
    masks = [again.masks.double().flatten(1) for again in found]
    return min(float(m.mean(dim=1).min()) for m in masks), min(float(m.std(dim=1).min()) for m in masks)


def silent_binary_estimates(evidence: Evidence) -> list[Finding]:
    """A binary mask may be empty (no bin passes 0.5), but after training not for half of the sources."""
    family = {run_id: rows for run_id, rows in evidence.scores.items() if run_id in evidence.runs}
    binary = {run_id: rows[rows["mask"] == "binary"] for run_id, rows in family.items()}
    silent = {run_id: int((rows.status != "ok").sum()) for run_id, rows in binary.items()}
    findings = [noted("silent binary estimates", sum(silent.values()))]
    if trained := [run_id for run_id in binary if evidence.is_trained(run_id)]:
        mostly = [run_id for run_id in trained if 2 * silent[run_id] >= len(binary[run_id])]
        findings.append(none_of("runs with half or more of their binary estimates silent", mostly))
    return findings


def zeroed_mask(evidence: Evidence) -> list[Finding]:
    """Masks are neither empty nor constant, no soft estimate is silent, and few binary ones once trained."""
    if not evidence.runs:
        return [noted("runs", 0)]
    statistics = {run_id: mask_statistics(found) for run_id, found in runs_again(evidence).items()}
    emptiest, flattest = (min(statistics, key=lambda r: statistics[r][i]) for i in (0, 1))
    family = {run_id: rows for run_id, rows in evidence.scores.items() if run_id in evidence.runs}
    soft = {run_id: rows[rows["mask"] == "soft"] for run_id, rows in family.items()}
    silent = [run_id for run_id, rows in soft.items() for _ in range(int((rows.status != "ok").sum()))]
    absent = [run_id for run_id, rows in soft.items() if not len(rows)]
    findings = [at_least("smallest standard deviation of a soft mask", statistics[flattest][1], FLAT, flattest)]
    if trained := [run_id for run_id in evidence.runs if evidence.is_trained(run_id)]:
        worst = min(trained, key=lambda run_id: statistics[run_id][1])
        findings.append(at_least("the same among trained runs", statistics[worst][1], TRAINED_FLAT, worst))
    return [
        none_of("runs without soft scores", absent),
        none_of("silent soft estimates", silent),
        at_least("smallest mean of a soft mask", statistics[emptiest][0], 1e-3, emptiest),
        *findings,
        *silent_binary_estimates(evidence),
    ]
