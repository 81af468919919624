"""The modality gap as a claim reads it."""

from __future__ import annotations

from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling
from avsep_lib.modality_gap.clouds import load_clouds
from avsep_lib.modality_gap.tables import attributions, gap_difference
from avsep_lib.outcomes import Outcome
from avsep_lib.plots.style import label_of


def gap_outcome(
    profile: str,
    candidate: str,
    baseline: str,
    dataset: str = "music11",
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> Outcome:
    """Modality gap of one row minus that of another, for a claim; the note says what made the difference."""
    clouds = load_clouds(profile, dataset)
    found = gap_difference(clouds, candidate, baseline, resampling)
    parts = attributions(clouds, [(candidate, baseline)], resampling).set_index("part")["difference"]
    return Outcome(
        tested_as=f"{label_of(candidate)} − {label_of(baseline)}, modality gap",
        unit="1",
        over_items=found.over_mixtures,
        across_seeds=found.across_seeds,
        p_value=found.p_value,
        items="clips",
        note=f"of the difference, {parts['spread']:+.3f} by the audio cloud's spread, {parts['direction']:+.3f} by its "
        "direction",
        runs=tuple(sorted(clouds.names[candidate] + clouds.names[baseline])),
    )
