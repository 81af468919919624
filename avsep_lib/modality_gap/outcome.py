"""The modality gap as a claim reads it."""

from __future__ import annotations

from avsep_lib.errors import DataError
from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling
from avsep_lib.modality_gap.centroids import ATTRIBUTED
from avsep_lib.modality_gap.clouds import load_clouds
from avsep_lib.modality_gap.tables import part_differences
from avsep_lib.outcomes import Outcome
from avsep_lib.plots.style import label_of

SUFFIXES = {"total": "", "spread": ", by spread", "direction": ", by direction"}


def gap_outcome(
    profile: str,
    candidate: str,
    baseline: str,
    dataset: str = "music11",
    resampling: Resampling = DEFAULT_RESAMPLING,
    part: str = "total",
) -> Outcome:
    """Modality gap of one row minus that of another, for a claim; the note says what made the difference.

    Parameters
    ----------
    profile : str
    candidate, baseline : str
        Table rows.
    dataset : str
    resampling : Resampling
    part : {"total", "spread", "direction"}
        The whole difference, or what the spread of the sounds or their direction contributes to it.

    Raises
    ------
    DataError
        When latents or embeddings are missing, or a row has none; or for an unknown part.
    """
    if part not in ATTRIBUTED:
        raise DataError(f"part {part!r} of a modality gap; known: {', '.join(ATTRIBUTED)}")
    clouds = load_clouds(profile, dataset)
    found = part_differences(clouds, candidate, baseline, resampling)
    means = {name: difference.over_mixtures.mean for name, difference in found.items()}
    return Outcome(
        tested_as=f"{label_of(candidate)} − {label_of(baseline)}, modality gap{SUFFIXES[part]}",
        unit="1",
        over_items=found[part].over_mixtures,
        across_seeds=found[part].across_seeds,
        p_value=found[part].p_value,
        items="clips",
        note=f"of the difference, {means['spread']:+.3f} by the audio cloud's spread, {means['direction']:+.3f} by its "
        "direction",
        runs=tuple(sorted(clouds.names[candidate] + clouds.names[baseline])),
    )
