"""Are the score rows complete, each counted once, and this run's own?"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from avsep_lib.canaries.evidence import Evidence
from avsep_lib.canaries.findings import Finding, none_of, noted
from avsep_lib.canaries.seeds import METRICS, first_kernel
from avsep_lib.canaries.sources import silent_binary_estimates
from avsep_lib.files import sha256_file

ITEM = ["mixture_id", "source"]
UNCUT = ("soft", "none")  # one row per source, of masks that are not binarised or of no mask
MASK_TYPES = (frozenset({"soft", "binary"}), frozenset({"none"}))
NUMBERS = [*METRICS, "mixture_sdr_db", "mixture_si_sdr_db"]


def everyone(evidence: Evidence) -> dict[str, pd.DataFrame]:
    """Score rows by file: every run, and each of the references, which lie in one file."""
    references = {str(name): rows for name, rows in evidence.references.groupby("method")}
    return {**references, **evidence.scores}


def unequal_silence(evidence: Evidence) -> list[Finding]:
    """Every run and reference has a row for every source of every test mixture and mask: silence is counted, not dropped."""
    listed = set(map(tuple, evidence.lists["test"][ITEM].to_numpy()))
    lacking, mislabelled = [], []
    for name, rows in everyone(evidence).items():
        for mask, part in rows.groupby("mask"):
            found = set(map(tuple, part[ITEM].to_numpy()))
            lacking += [f"{name} {mask}: {m} source {s}" for m, s in sorted(listed ^ found)]
        silent = rows.status != "ok"
        wrong = (silent != rows.sdr_db.isna()) | ~rows.status.isin(("ok", "silent_estimate"))
        mislabelled += [
            f"{name}: {m} source {s}, {status}" for m, s, status in rows[wrong][[*ITEM, "status"]].to_numpy()
        ]
    masks = {name: frozenset(rows["mask"]) for name, rows in evidence.scores.items()}
    return [
        none_of("sources without a row, or with one too many", lacking),
        none_of("rows whose status is not what their numbers say", mislabelled),
        none_of(
            "runs without both mask types, or without any mask", [n for n, m in masks.items() if m not in MASK_TYPES]
        ),
        silent_binary_estimates(evidence)[0],
    ]


def counted_twice(evidence: Evidence) -> list[Finding]:
    """A test mixture is scored once, and no clip or pair of clips counts as two of them."""
    twice = [
        f"{name}: {m} source {s} {mask}"
        for name, rows in everyone(evidence).items()
        for m, s, mask in rows[rows.duplicated([*ITEM, "mask"])][[*ITEM, "mask"]].to_numpy()
    ]
    used = {name: evidence.lists[name].clip_id for name in ("val", "test")}
    same = [
        f"{name}: {' = '.join(sorted(ids))}"
        for name, rows in everyone(evidence).items()
        for ids in _same_numbers(rows[rows["mask"].isin(UNCUT)])
    ]
    return [
        none_of("sources scored twice", twice),
        none_of(
            "clips in two mixtures of a list", [f"{n}: {c}" for n, ids in used.items() for c in ids[ids.duplicated()]]
        ),
        none_of("mixtures with the same numbers", same),
    ]


def _same_numbers(rows: pd.DataFrame) -> list[list[str]]:
    """Mixtures of a run whose finite numbers are all equal, source order aside."""
    numbers = rows.sort_values(NUMBERS).groupby("mixture_id")[NUMBERS].apply(lambda part: part.to_numpy().tobytes())
    finite = rows.groupby("mixture_id")[NUMBERS].apply(lambda part: bool(np.isfinite(part).all().all()))
    groups = numbers[finite].groupby(numbers[finite]).groups.values()
    return [list(ids) for ids in groups if len(ids) > 1]


def reshuffled_pairs(evidence: Evidence) -> list[Finding]:
    """Everything tested on the same sounds is tested on the same frozen pairs, and the scores are of these."""
    test = evidence.lists["test"]
    ours, theirs = (
        sha256_file(evidence.results / "data" / key / "mixtures" / "test.csv")
        for key in (evidence.key, evidence.tested_as)
    )
    order = test.mixture_id.drop_duplicates().tolist()
    moved = [
        name
        for name, rows in everyone(evidence).items()
        if rows[rows["mask"].isin(UNCUT)].mixture_id.drop_duplicates().tolist() not in (order, [])
    ]
    partners = test.groupby("mixture_id", sort=False).clip_id.apply(list)
    other = [
        f"{name}: {m}"
        for name, rows in everyone(evidence).items()
        for m, clips in rows[rows["mask"] == rows["mask"].iloc[0]]
        .sort_values("source")
        .groupby("mixture_id")
        .clip_id.apply(list)
        .items()
        if clips != partners.get(m)
    ]
    return [
        none_of("mixtures whose scored clips are not the listed pair", other),
        none_of("runs that were scored in another order than the list's", moved),
        none_of("test lists beside that of the floor and the ceilings", [] if ours == theirs else [evidence.key]),
    ]


def copied_run(evidence: Evidence) -> list[Finding]:
    """Rows carry their run's name, row and seed; no two runs share numbers or weights, whatever rows they belong to."""
    if not evidence.runs:
        return [noted("runs", 0)]
    named = {run_id: (run_id, run.row, run.seed) for run_id, run in evidence.every_run.items()}
    columns = ["run_id", "method", "seed"]
    other = [r for r, rows in evidence.scores.items() if set(map(tuple, rows[columns].to_numpy())) != {named[r]}]
    numbers = {r: rows[METRICS].to_numpy(float).tobytes() for r, rows in evidence.scores.items()}
    kernels = {run_id: first_kernel(evidence.model_path(run_id)) for run_id in evidence.runs}
    settings = {run_id: replace(evidence.config(run_id), run_id="") for run_id in evidence.every_run}
    # Two names for one training, such as a row and the switch that flips nothing, are the same by intention.
    pairs = [(a, b) for a, b in combinations(evidence.every_run, 2) if settings[a] != settings[b]]
    trained = [pair for pair in pairs if kernels.keys() >= set(pair)]
    return [
        none_of("runs whose rows carry another run's name, row or seed", other),
        none_of("pairs of runs with the same numbers", [f"{a} and {b}" for a, b in pairs if numbers[a] == numbers[b]]),
        none_of(
            "pairs of runs with the same weights", [f"{a} and {b}" for a, b in trained if kernels[a] == kernels[b]]
        ),
    ]
