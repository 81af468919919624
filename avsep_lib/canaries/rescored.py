"""Do the score rows hold what the models give, when the last steps are done once more by other lines of code?"""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import torch

from avsep_lib import audio as front_end
from avsep_lib.bss_eval import References
from avsep_lib.canaries.again import masked, runs_again, separate_again, si_sdr_db, sources_of
from avsep_lib.canaries.evidence import Evidence, spread
from avsep_lib.canaries.findings import Finding, at_least, at_most, none_of, not_applicable, noted
from avsep_lib.canaries.rows import ITEM, everyone
from avsep_lib.canaries.sources import ROW_TOLERANCE_DB
from avsep_lib.clips import read_audio
from avsep_lib.methods.references import REFERENCES
from avsep_lib.score import oracle_queries

SAME = 1e-3  # relative difference of two estimates that should be one
LIKE = 1e-4  # the same of sums of float32 samples
ROWS_DB = {"soft": 1e-3, "binary": 0.05}  # another machine rounds otherwise, which turns single bins of a binary mask
QUIET_DB = -20.0  # an estimate as unlike as this is not worth a comparison of decibels: rounding moves them
DIFFERENCE_DB = 1e-4  # rows hold six decimals


def stale_scores(evidence: Evidence) -> list[Finding]:
    """A few mixtures, separated again by every run, give the numbers that stand in its rows."""
    if not evidence.runs:
        return [noted("runs", 0)]
    apart: dict[str, dict[str, float]] = {mask: {} for mask in ROWS_DB}
    silent = []
    for run_id, found in runs_again(evidence).items():
        rows = evidence.scores[run_id].set_index([*ITEM, "mask"]).si_sdr_db
        for again, mask in product(found, ROWS_DB):
            for source, value in enumerate(again.si_sdr(mask)):
                written = rows.get((again.mixture_id, source, mask), np.nan)
                where = f"{run_id} {again.mixture_id} source {source} {mask}"
                if np.isnan(written) != np.isnan(value):
                    silent.append(where)
                elif not np.isnan(value):
                    apart[mask][where] = _apart_db(value, written)
    worst = {mask: max(values, key=values.get, default="") for mask, values in apart.items()}
    return [
        *(
            at_most(
                f"{mask} rows of {len(evidence.runs)} runs against their models, dB",
                v.get(worst[mask], 0.0),
                ROWS_DB[mask],
                worst[mask],
            )
            for mask, v in apart.items()
        ),
        none_of("rows that are silent although the model is not, or the reverse", silent),
    ]


def _apart_db(value: float, written: float) -> float:
    """Difference of two SI-SDR; below `QUIET_DB`, where rounding moves them, everything counts as that."""
    return abs(max(value, QUIET_DB) - max(written, QUIET_DB))


def wrong_baseline(evidence: Evidence) -> list[Finding]:
    """Improvements are over the unprocessed mixture of the same item: the same baseline for all, and the right one."""
    floor = evidence.references[evidence.references.method == "mixture"]
    floor = floor[floor["mask"] == "soft"].set_index(ITEM)
    apart, arithmetic = {}, {}
    for name, rows in everyone(evidence).items():
        at = floor.loc[pd.MultiIndex.from_frame(rows[ITEM])]
        for metric in ("sdr", "si_sdr"):
            baseline, gain = rows[f"mixture_{metric}_db"], rows[f"{metric}i_db"]
            apart[f"{name} {metric}"] = float(np.abs(baseline.to_numpy() - at[f"{metric}_db"].to_numpy()).max())
            arithmetic[f"{name} {metric}"] = float(np.nanmax([0.0, *np.abs(rows[f"{metric}_db"] - baseline - gain)]))
    worst, sums = max(apart, key=apart.get), max(arithmetic, key=arithmetic.get)
    return [
        at_most("baseline against the mixture's own rows, dB", apart[worst], DIFFERENCE_DB, worst),
        at_most("improvement against score minus baseline, dB", arithmetic[sums], DIFFERENCE_DB, sums),
        at_most("mixture's own rows against the mixture, dB", _floor_difference(evidence, floor), ROW_TOLERANCE_DB),
    ]


def _floor_difference(evidence: Evidence, floor: pd.DataFrame) -> float:
    """SDR and SI-SDR of one mixture, mixed again, against the rows of the floor."""
    test = evidence.lists["test"]
    rows = test[test.mixture_id == test.mixture_id.iloc[0]]
    sources = sources_of(evidence, rows)[:, : evidence.audio.n_output]
    mixture = np.broadcast_to(sources.sum(axis=0), sources.shape)
    written = floor.loc[rows.mixture_id.iloc[0]].sort_index()
    si = np.array([si_sdr_db(reference, mixture[0]) for reference in sources])
    sdr = References(sources).bss_eval(mixture).sdr_db
    return float(np.abs(np.concatenate([written.si_sdr_db - si, written.sdr_db - sdr])).max())


def threshold_before_unwarping(evidence: Evidence) -> list[Finding]:
    """Binary estimates are cut at one half on the linear frequency axis, where the lineage cuts, and not before."""
    test, ideal, apart, other_way = evidence.lists["test"], REFERENCES["ideal_ratio"](evidence.audio), [], []
    for item in evidence.items(2):
        rows = test[test.mixture_id == item.mixture_id]
        again = separate_again(evidence, ideal, oracle_queries(item), item, rows)
        apart.append(_relative(again.given["binary"], again.estimates["binary"]))
        spectrum = front_end.stft(torch.from_numpy(item.waveform), evidence.audio)
        early = masked(spectrum, (again.masks > 0.5).to(again.masks), evidence.audio, None)
        other_way.append(_relative(again.given["binary"], early))
    return [
        at_most("binary estimates against a cut after unwarping, relative difference", max(apart), SAME),
        at_least("the same against a cut before unwarping", min(other_way), SAME),
    ]


def truth_in_estimate(evidence: Evidence) -> list[Finding]:
    """An estimate is a function of the mixture and a picture: its mask times the mixture, and the query is the picture."""
    if not evidence.runs:
        return [noted("runs", 0)]
    apart = {
        f"{run_id} {again.mixture_id} {kind}": _relative(again.given[kind], again.estimates[kind])
        for run_id, found in runs_again(evidence).items()
        for again in found
        for kind in again.estimates
    }
    worst = max(apart, key=apart.get)
    return [
        at_most("estimates against mask times mixture, relative difference", apart[worst], SAME, worst),
        none_of("queries that are not the listed picture", _foreign_queries(evidence)),
    ]


def _foreign_queries(evidence: Evidence) -> list[str]:
    """Queries of the best run that hold anything but the embedding, or the frame, that the test list names."""
    method, found = evidence.method(evidence.best_run), []
    if method.config.model.backbone != "clip":
        return []
    images = evidence.embeddings("images")
    for item in evidence.items(2):
        for query, row in zip(evidence.queries(method, item), item.rows.itertuples()):
            if query.kind != "image" or not np.array_equal(query.value, images.frame(row.clip_id, row.frame)):
                found.append(f"{item.mixture_id} {row.clip_id}")
    return found


def _relative(a: np.ndarray, b: np.ndarray) -> float:
    """Norm of the difference over the norm of `b`; 0 where both are silent."""
    difference = float(np.linalg.norm(a - b))
    return difference / float(np.linalg.norm(b)) if np.any(b) else float(difference > 0)


def rescaled_references(evidence: Evidence) -> list[Finding]:
    """True sources are the clips' own samples, cut, scaled by gain and number, and nothing else; the mixture is their sum."""
    test, apart, sums = evidence.lists["test"], {}, []
    for item in evidence.items():
        sources = sources_of(evidence, test[test.mixture_id == item.mixture_id])
        apart[item.mixture_id] = _relative(item.sources, sources)
        sums.append(_relative(item.waveform, item.sources.sum(axis=0)))
    val = evidence.lists["val"]
    for i, (mixture_id, rows) in enumerate(val.groupby("mixture_id", sort=False)):
        if i < 2:
            sources = sources_of(evidence, rows)[:, : evidence.audio.n_output]
            apart[mixture_id] = _relative(evidence.validation["references"][i].numpy(), sources)
    worst = max(apart, key=apart.get)
    return [
        at_most("references against the clips, relative difference", apart[worst], LIKE, worst),
        at_most("test mixtures against the sum of their references, relative difference", max(sums), LIKE),
        _clips_against_files(evidence),
    ]


def _clips_against_files(evidence: Evidence) -> Finding:
    """Decoded clips against their sound files, read and resampled again."""
    what, folder = "decoded clips against their sound files, relative difference", evidence.source / "dataset"
    manifest = evidence.table("manifest")
    chosen = [c for c in spread(list(evidence.lists["test"].clip_id), 2) if c in manifest.index]
    if not all((folder / manifest.audio[c]).is_file() for c in chosen):
        return not_applicable(what, "the sound files are not here any more")
    apart = {}
    for clip_id in chosen:
        waveform = read_audio(folder / manifest.audio[clip_id], evidence.store.sample_rate, 0.0)
        stored = evidence.store.waveform(clip_id)
        n = min(len(waveform), len(stored))
        apart[clip_id] = _relative(stored[:n], waveform[:n]) + abs(len(waveform) - len(stored)) / len(stored)
    worst = max(apart, key=apart.get)
    return at_most(what, apart[worst], LIKE, worst)
