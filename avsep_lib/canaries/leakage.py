"""Has anything of the test split been seen in training?"""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pandas as pd

from avsep_lib import audio as front_end
from avsep_lib.canaries.evidence import Evidence
from avsep_lib.canaries.features import pool_items, worst_difference
from avsep_lib.canaries.findings import Finding, at_most, none_of, not_applicable
from avsep_lib.recorded import fingerprint

SEEDS = ("melody_seed", "recording_seed", "drawing_seed")
SPLIT_OF_LIST = {"pool": "train", "val": "val", "test": "test"}


def in_several_splits(values: pd.Series, splits: pd.Series) -> list:
    """Values that occur in more than one split."""
    counts = splits.groupby(values.to_numpy()).nunique()
    return list(counts.index[counts > 1])


def foreign_clips(table: pd.DataFrame, lists: dict[str, pd.DataFrame]) -> list[str]:
    """``"list: clip (split)"`` for each clip of a mixture list that does not belong to the list's split."""
    found = []
    for name, rows in lists.items():
        splits = table.split.reindex(rows.clip_id.unique())
        found += [f"{name}: {clip} ({split})" for clip, split in splits.items() if split != SPLIT_OF_LIST[name]]
    return found


def feature_difference(evidence: Evidence) -> float:
    """Largest relative difference between stored training spectrograms and those of the listed clips."""
    items = pool_items(evidence)
    expected = [front_end.warped_magnitudes(item.mixture, evidence.audio) for item in items]
    return worst_difference(evidence, "mixture", items, expected)[0]


def shared_seeds(provenance: pd.DataFrame) -> Finding:
    """Seeds that occur in more than one split, of the kinds that the provenance has."""
    what, kinds = "melody, recording or drawing seeds in several splits", [name for name in SEEDS if name in provenance]
    if not kinds:
        return not_applicable(what, "recordings were drawn by no seed")
    return none_of(what, [s for name in kinds for s in in_several_splits(provenance[name], provenance.split)])


def test_clip_in_train(evidence: Evidence) -> list[Finding]:
    """Splits share no video, no file, no sound and no seed, and training reads the training list's clips."""
    table, provenance = evidence.store.table, evidence.table("provenance")
    sounds = pd.Series([sha256(np.ascontiguousarray(evidence.store.waveform(c))).hexdigest() for c in table.clip_id])
    named = dict(zip(sounds, table.clip_id))
    return [
        none_of("videos in several splits", in_several_splits(table.video_id, table.split)),
        none_of("audio files in several splits", in_several_splits(table.sha256, table.split)),
        none_of("decoded sounds in several splits", [named[s] for s in in_several_splits(sounds, table.split)]),
        shared_seeds(provenance),
        none_of("clips in a list of another split", foreign_clips(table, evidence.lists)),
        at_most("training features against the listed clips, relative difference", feature_difference(evidence), 0.01),
    ]


test_clip_in_train.__test__ = False  # a check, not a pytest function


def repeated_sound(evidence: Evidence) -> list[Finding]:
    """No recording is in two splits under another level, cut, rate or encoder: acoustic fingerprints, not file hashes."""
    store, what = evidence.store, "sounds that repeat one of another split"
    if evidence.key != evidence.dataset:
        return [not_applicable(what, f"the recordings are those of {evidence.dataset}, which are looked at there")]
    prints = [fingerprint.fingerprint(store.waveform(clip), store.sample_rate) for clip in store.table.clip_id]
    told = sum(np.count_nonzero(codes) >= fingerprint.MIN_CODES for codes in prints)
    if not told:
        return [not_applicable(what, f"no clip is long enough for {fingerprint.MIN_CODES} codes")]
    ids, splits = list(store.table.clip_id), list(store.table.split)
    pairs = fingerprint.find_duplicates(prints).items()
    found = [f"{ids[i]} ({splits[i]}) = {ids[j]} ({splits[j]})" for i, j in pairs if splits[i] != splits[j]]
    return [none_of(f"{what}, of {told} clips with a fingerprint", found)]
