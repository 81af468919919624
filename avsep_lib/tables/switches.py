"""Paper against released code, one switch at a time: what each changes, other things being equal.

The default is the whole method, hierarchical fusion with alignment. Every row ``flip_<switch>`` of ``config/runs.csv``
differs from ``flip_none`` by one switch and nothing else: same seed, same number of steps, same test pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from avsep_lib.config import Profile, Run, load_profile, profile_runs, resolve
from avsep_lib.errors import DataError
from avsep_lib.inputs import require
from avsep_lib.intervals import DEFAULT_RESAMPLING, Resampling
from avsep_lib.stats import holm
from avsep_lib.tables.comparable import Comparable, comparable, summary
from avsep_lib.tables.differences import differences
from avsep_lib.tables.inputs import load_scores
from avsep_lib.tables.names import CEILING
from avsep_lib.workflow import audio_key

DEFAULT = "flip_none"
METRIC = "sdri_db"  # improvement over the own mixture: mixtures at another rate are other mixtures

SWEPT = (METRIC, f"{METRIC}_low", f"{METRIC}_high", "n_mixtures")


@dataclass(frozen=True)
class Switch:
    """One discrepancy that can be flipped.

    Attributes
    ----------
    row : str
        Table row of ``config/runs.csv``.
    topic, default, flipped : str
        What is switched, from what, to what; in brackets who says so.
    """

    row: str
    topic: str
    default: str
    flipped: str


SWITCHES = (
    Switch("flip_last", "condition of the bottleneck", "each source's own (paper)", "the last source's (code)"),
    Switch("flip_l1", "separation loss", "weighted cross-entropy (code)", "L1 on magnitudes (paper)"),
    Switch("flip_schedule", "learning rate", "1e-3, warm-up and decay (code)", "1e-4, a tenth at epoch 60 (paper)"),
    Switch("flip_lambda_0", "weight of alignment", "1 (code; paper: open)", "0"),
    Switch("flip_lambda_0.1", "weight of alignment", "1 (code; paper: open)", "0.1"),
    Switch("flip_lambda_10", "weight of alignment", "1 (code; paper: open)", "10"),
    Switch("flip_rate_11025", "sample rate", "11,625 Hz (both)", "11,025 Hz (Sound-of-Pixels)"),
    Switch("flip_rate_16000", "sample rate", "11,625 Hz (both)", "16,000 Hz (CLIPSep)"),
    Switch("flip_solos", "training clips", "solos and duets (code)", "solos only"),
    Switch("flip_same_class", "partner of a clip", "another class (here)", "any class (lineage)"),
)


def switch_runs(profile: Profile) -> dict[str, list[Run]]:
    """Runs of every switch that a profile trains, by table row; the default comes first.

    Raises
    ------
    DataError
        When the profile does not train the default: nothing could be compared.
    """
    runs: dict[str, list[Run]] = {name: [] for name in (DEFAULT, *(switch.row for switch in SWITCHES))}
    for run in profile_runs(profile):
        if run.row in runs:
            runs[run.row].append(run)
    if not runs[DEFAULT]:
        raise DataError(
            f"profile {profile.name!r} leaves out {DEFAULT}, with which every switch is compared; "
            "take it out of leave_out in its YAML"
        )
    return {row: found for row, found in runs.items() if found}


def _comparable_runs(profile: Profile) -> dict[str, list[Run]]:
    """`switch_runs`; empty where the default is not trained."""
    try:
        return switch_runs(profile)
    except DataError:
        return {}


def switch_files(profile: str) -> list[Path]:
    """Scores of all trained switches, and of floor and ceilings on what they are tested on; none without a default."""
    runs = [run for found in _comparable_runs(load_profile(profile)).values() for run in found]
    keys = dict.fromkeys(audio_key(run) for run in runs)
    return require(
        profile, *(f"scores/{run.run_id}.csv" for run in runs), *(f"scores/references-{k}.csv" for k in keys)
    )


def pair_with_default(profile: str, row: str, mask: str) -> Comparable:
    """Scores of one switch and of the default on the mixtures that both separated, with the default's references."""
    runs = switch_runs(load_profile(profile))
    chosen = [*runs[DEFAULT], *runs[row]]
    references = f"scores/references-{audio_key(runs[DEFAULT][0])}.csv"
    return comparable(load_scores(require(profile, *(f"scores/{r.run_id}.csv" for r in chosen), references)), mask)


def switch_effects(profile: str, mask: str, resampling: Resampling = DEFAULT_RESAMPLING) -> pd.DataFrame:
    """Effect of every switch on the SDR improvement, flipped minus default, paired by mixture.

    Returns
    -------
    pandas.DataFrame
        One line per switch, in the order of `SWITCHES`: `row`, `topic`, `default`, `flipped`, `steps`, `sdri_db` of
        the flipped run, `default_sdri_db`, `ceiling_db` (SDR improvement of the ideal mask at the switch's own audio),
        `n_silent`, then the columns of `avsep_lib.tables.differences`; Holm's correction is over the lines. A switch
        that the profile does not train, or has no default to compare with, has NaN and the reason.
    """
    settings = load_profile(profile)
    runs = _comparable_runs(settings)
    lines = [_line(settings, switch, runs, mask, resampling) for switch in SWITCHES]
    table = pd.DataFrame(lines)
    return table.assign(p_holm=holm(table["p_value"].to_numpy(float)))


def _line(
    profile: Profile, switch: Switch, runs: dict[str, list[Run]], mask: str, resampling: Resampling
) -> dict[str, object]:
    about = {"row": switch.row, "topic": switch.topic, "default": switch.default, "flipped": switch.flipped}
    if switch.row not in runs:
        nothing = dict.fromkeys(
            ("sdri_db", "default_sdri_db", "ceiling_db", "difference", "low", "high", "seeds_low", "seeds_high",
             "p_value", "detectable_effect", "steps", "n_silent", "n_mixtures"), np.nan,
        )  # fmt: skip
        reason = f"profile {profile.name} does not train it"
        if not runs:
            reason = f"profile {profile.name} does not train {DEFAULT}, with which every switch is compared"
        named = {"candidate": switch.row, "baseline": DEFAULT, "reason": reason, "found": "not testable here"}
        return about | nothing | named
    data = pair_with_default(profile.name, switch.row, mask)
    means = summary(data, (METRIC,), resampling).set_index("method")
    found = differences(data, [(switch.row, DEFAULT)], METRIC, resampling).iloc[0].to_dict()
    own = {
        "steps": resolve(profile, runs[switch.row][0]).training.steps,
        "sdri_db": means[METRIC].get(switch.row, np.nan),
        "default_sdri_db": means[METRIC].get(DEFAULT, np.nan),
        "ceiling_db": ceiling_db(profile.name, runs[switch.row][0], mask),
        "n_silent": int(data.counts.loc[switch.row, "n_silent"]),
    }
    return about | own | found


def ceiling_db(profile: str, run: Run, mask: str) -> float:
    """Mean SDR improvement of the ideal mask on what a run is tested on: another rate has another ceiling."""
    scores = load_scores(require(profile, f"scores/references-{audio_key(run)}.csv"))
    chosen = scores[(scores["method"] == CEILING[mask]) & (scores["mask"] == mask)]
    return float(chosen[METRIC].replace([np.inf, -np.inf], np.nan).mean())


def lambda_sweep(profile: str, mask: str, resampling: Resampling = DEFAULT_RESAMPLING) -> pd.DataFrame:
    """SDR improvement and final alignment loss for every weight of alignment that was trained.

    Returns
    -------
    pandas.DataFrame
        Sorted by `weight`: `row`, `sdri_db` with ``_low`` and ``_high`` over mixtures common to all weights,
        `alignment` (1 - cosine on training mixtures, mean over the last stretch of the training), `n_mixtures`. No line
        where the default is not trained.
    """
    settings = load_profile(profile)
    runs = _comparable_runs(settings)
    if not runs:
        return pd.DataFrame(columns=["row", "weight", *SWEPT, "alignment"])
    rows = [row for row in runs if row == DEFAULT or row.startswith("flip_lambda")]
    chosen = [run for row in rows for run in runs[row]]
    files = require(profile, *(f"scores/{run.run_id}.csv" for run in chosen))
    references = require(profile, f"scores/references-{audio_key(chosen[0])}.csv")
    means = summary(comparable(load_scores([*files, *references]), mask), (METRIC,), resampling).set_index("method")
    lines = [
        {
            "row": row,
            "weight": resolve(settings, runs[row][0]).training.alignment_weight,
            **means.loc[row, list(SWEPT)].to_dict(),
            "alignment": float(np.mean([_last_alignment(profile, run) for run in runs[row]])),
        }
        for row in rows
    ]
    return pd.DataFrame(lines).sort_values("weight", ignore_index=True)


def _last_alignment(profile: str, run: Run) -> float:
    (history,) = require(profile, f"runs/{run.run_id}/history.csv")
    return float(pd.read_csv(history)["loss_alignment"].iloc[-1])
