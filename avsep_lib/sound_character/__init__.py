"""Does the sound of an instrument decide which fusion suits it? Gains per instrument against acoustic descriptors.

The *gain* of an instrument is the mean difference between two table rows (candidate minus baseline) in the scores of
that instrument's own estimates, over the test mixtures in which it plays. `gains` computes it with its intervals,
`character` what an instrument sounds like (medians of `avsep_lib.descriptors` over its test solos), `correlations` puts
the two together, `groups` tests a division of the instruments that somebody else made, `outcomes` is for claims and
`text` for readers.

There are as many data points as instruments: eleven. Everything about correlations is exploratory, and says so.
"""

from avsep_lib.sound_character.character import (
    descriptors_file,
    instrument_character,
    load_descriptors,
    undefined_clips,
    z_scores,
)
from avsep_lib.sound_character.correlations import correlate, interval_over_instruments, rho_needed, seed_rhos
from avsep_lib.sound_character.gains import (
    OwnGains,
    check_average,
    instrument_gains,
    own_gains,
    seed_gains,
    weighted_gain,
)
from avsep_lib.sound_character.groups import (
    PAPER_GROUPS,
    PAPER_LATE,
    PAPER_MIDDLE,
    assignment_p_value,
    compare_groups,
    group_difference,
)
from avsep_lib.sound_character.outcomes import LABELS, correlation_outcome, group_outcome, instrument_outcome

__all__ = [
    "LABELS",
    "PAPER_GROUPS",
    "PAPER_LATE",
    "PAPER_MIDDLE",
    "OwnGains",
    "assignment_p_value",
    "check_average",
    "compare_groups",
    "correlate",
    "correlation_outcome",
    "descriptors_file",
    "group_difference",
    "group_outcome",
    "instrument_character",
    "instrument_gains",
    "instrument_outcome",
    "interval_over_instruments",
    "load_descriptors",
    "own_gains",
    "rho_needed",
    "seed_gains",
    "seed_rhos",
    "undefined_clips",
    "weighted_gain",
    "z_scores",
]
