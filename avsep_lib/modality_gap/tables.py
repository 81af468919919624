"""Table 5 with its decomposition, every number with its intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from avsep_lib.comparisons import PairedDifference, holm, paired_difference
from avsep_lib.errors import DataError
from avsep_lib.intervals import DEFAULT_RESAMPLING, Interval, Resampling, interval_across_seeds, interval_over_mixtures
from avsep_lib.modality_gap.centroids import (
    attribution_influences,
    cosine_range,
    gap_from,
    influences,
    p_rotated,
    quantities,
    rotated,
)
from avsep_lib.modality_gap.clouds import Clouds

PAIRS = (("late_align", "late"), ("middle_align", "middle"), ("hier_align", "hier"))
LINE = ("difference", "low", "high", "seeds_low", "seeds_high", "p_value", "detectable_effect")
ENDS = ("", "_low", "_high", "_seeds_low", "_seeds_high")


def gap_table(clouds: Clouds, resampling: Resampling = DEFAULT_RESAMPLING) -> pd.DataFrame:
    """Table 5: one line per row.

    Returns
    -------
    DataFrame
        `row`, `n_clips`, `n_seeds`; `gap`, `audio_norm`, `image_norm` and `cosine`, freed of the bias of few clips, each
        with ``_low`` and ``_high`` (clips resampled: these trained models) and ``_seeds_low`` and ``_seeds_high``
        (trained again); `gap_plain`, Eq. 9 as it stands; and what the gap would be if the audio cloud, as concentrated
        as it is, pointed anywhere: `arbitrary`, its range `arbitrary_low` to `arbitrary_high` (seeds averaged), the
        cosine `arbitrary_cosine` that it then seldom leaves.
    """
    return pd.DataFrame([_gap_row(clouds, row, resampling) for row in clouds.audio])


def _gap_row(clouds: Clouds, row: str, resampling: Resampling) -> dict:
    audio = clouds.of(row)
    line: dict[str, object] = {"row": row, "n_clips": audio.shape[1], "n_seeds": len(audio)}
    values = influences(audio, clouds.images)
    for name, matrix in values.items():
        over, again = interval_over_mixtures(matrix, resampling), interval_across_seeds(matrix, resampling.level)
        line |= {f"{name}{e}": v for e, v in zip(ENDS, (over.mean, over.low, over.high, again.low, again.high))}
    plain = quantities(audio.mean(axis=1), clouds.images.mean(axis=0))
    return line | {"gap_plain": float(plain["gap"].mean())} | _arbitrary(values, audio.shape[-1], resampling.level)


def _arbitrary(values: dict[str, np.ndarray], dimensions: int, level: float) -> dict[str, float]:
    """What a random rotation of the audio cloud would give; `values` from `influences`."""
    seeds = {name: matrix.mean(axis=1) for name, matrix in values.items()}
    gaps = [rotated(*norms, dimensions, level) for norms in zip(seeds["audio_norm"], seeds["image_norm"])]
    line = dict(zip(("arbitrary", "arbitrary_low", "arbitrary_high"), np.mean(gaps, axis=0)))
    return line | {"arbitrary_cosine": cosine_range(dimensions, level)}


def seed_values(clouds: Clouds) -> pd.DataFrame:
    """`QUANTITIES` of every run, freed of bias as in `gap_table`: `row`, `seed`, one column each.

    Column `p_arbitrary` is the probability that a random rotation of the sounds gives a cosine as far from 0.
    """
    parts = []
    for row, audio in clouds.audio.items():
        columns = {name: matrix.mean(axis=1) for name, matrix in influences(audio, clouds.images).items()}
        chances = [p_rotated(cosine, audio.shape[-1]) for cosine in columns["cosine"]]
        parts.append(pd.DataFrame({"row": row, "seed": clouds.seeds[row], **columns, "p_arbitrary": chances}))
    return pd.concat(parts, ignore_index=True)


def corrected(seeds: pd.DataFrame, pairs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`seed_values` and `avsep_lib.modality_gap.pairing.pairing_table`, their p values corrected as one family (Holm).

    Both stand in one table, and whoever searches it for small p values searches all of them: `p_arbitrary` of every
    run, `p_own` and `p_class` of every row.
    """
    own, of_class = pairs["p_own"], pairs["p_class"]
    adjusted = holm(np.concatenate([seeds["p_arbitrary"], own, of_class]))
    first, second, third = np.split(adjusted, [len(seeds), len(seeds) + len(own)])
    return seeds.assign(p_arbitrary=first), pairs.assign(p_own=second, p_class=third)


def identity_error(clouds: Clouds) -> float:
    """Largest deviation, over all runs, of the plain gap from the one that its norms and cosine make."""
    found = [quantities(audio.mean(axis=1), clouds.images.mean(axis=0)) for audio in clouds.audio.values()]
    made = [gap_from(values["audio_norm"], values["image_norm"], values["cosine"]) for values in found]
    return max(float(np.abs(values["gap"] - gaps).max()) for values, gaps in zip(found, made))


def part_differences(
    clouds: Clouds, candidate: str, baseline: str, resampling: Resampling = DEFAULT_RESAMPLING
) -> dict[str, PairedDifference]:
    """Gap of one row minus that of another and the two parts of the difference; clips are resampled together.

    Returns
    -------
    dict
        By name of `centroids.ATTRIBUTED`; the seeds that both rows have.

    Raises
    ------
    DataError
        For a row without latents, or two that share no seed.
    """
    found = attribution_influences(*_same_seeds(clouds, candidate, baseline), clouds.images)
    return {part: _tested(matrix, resampling) for part, matrix in found.items()}


def _same_seeds(clouds: Clouds, candidate: str, baseline: str) -> tuple[np.ndarray, np.ndarray]:
    """Audio vectors of both rows for the seeds that both have."""
    rows = {row: dict(zip(clouds.seeds.get(row, []), clouds.of(row))) for row in (candidate, baseline)}
    shared = [seed for seed in rows[candidate] if seed in rows[baseline]]
    if not shared:
        raise DataError(f"{candidate} and {baseline} share no seed; see config/runs.csv")
    return tuple(np.stack([vectors[seed] for seed in shared]) for vectors in rows.values())


def _tested(matrix: np.ndarray, resampling: Resampling) -> PairedDifference:
    found = paired_difference(matrix, np.zeros_like(matrix), resampling)
    over, across = (_about_clips(i) for i in (found.over_mixtures, found.across_seeds))
    return replace(found, over_mixtures=over, across_seeds=across)


def _about_clips(interval: Interval) -> Interval:
    statement, reason = (text.replace("mixtures", "clips") for text in (interval.statement, interval.reason))
    return replace(interval, statement=statement, reason=reason)


def attributions(
    clouds: Clouds, pairs: Iterable[tuple[str, str]] = PAIRS, resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """What made the gap change with alignment: one line per pair and part.

    Returns
    -------
    DataFrame
        `candidate`, `baseline`, `part` (of `centroids.ATTRIBUTED`), `difference`, `low`, `high` (clips resampled),
        `seeds_low`, `seeds_high` (trained again), `p_value`, `detectable_effect`, `p_holm` (corrected over all lines).
        Pairs without latents are left out.
    """
    lines = []
    for candidate, baseline in pairs:
        if {candidate, baseline} <= set(clouds.audio):
            for part, found in part_differences(clouds, candidate, baseline, resampling).items():
                lines.append({"candidate": candidate, "baseline": baseline, "part": part} | _line(found))
    table = pd.DataFrame(lines, columns=["candidate", "baseline", "part", *LINE])
    return table.assign(p_holm=holm(table["p_value"]))


def _line(found: PairedDifference) -> dict[str, float]:
    over, across = found.over_mixtures, found.across_seeds
    values = (over.mean, over.low, over.high, across.low, across.high, found.p_value, over.detectable_effect)
    return dict(zip(LINE, values))
