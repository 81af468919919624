"""Do the canaries fall? Every fault is planted in a copy of a profile's own results, and the table says what was caught.

``python -m avsep_lib.canaries.selftest --profile P --out canaries_tried.json``; `avsep_lib.canary_table` shows it. A canary that falls on the results as they
are is a false alarm. Of the main dataset, a few runs are enough.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from avsep_lib.canaries import CHECKS, run_check
from avsep_lib.canaries.evidence import Evidence, gather, spread
from avsep_lib.canaries.faults import FAULTS, Fault, NothingToSpoilError
from avsep_lib.cli import run_main
from avsep_lib.files import write_json
from avsep_lib.paths import results_root
from avsep_lib.workflow import load_plan

CAUGHT, MISSED, NOTHING = "yes", "no", "nothing to spoil"


def small(evidence: Evidence) -> Evidence:
    """The same evidence with few runs: the best, another row, and two seeds of one row, the best's where it has them."""
    if not evidence.runs:
        return evidence
    best, rows = evidence.best_run, {}
    for run_id, run in evidence.runs.items():
        rows.setdefault(run.row, []).append(run_id)
    own = rows.pop(evidence.runs[best].row)
    if len(own) > 1:
        others = [run_id for run_ids in rows.values() for run_id in run_ids]
        chosen = {best, next(run_id for run_id in own if run_id != best), *spread(others, 1)}
    else:
        chosen = {best, *max(rows.values(), key=len, default=[])[:2]}
    return replace(evidence, runs={r: run for r, run in evidence.runs.items() if r in chosen})


def try_fault(fault: Fault, evidence: Evidence) -> dict[str, Any]:
    """Plant a fault, run its canary, and say what it saw."""
    about = {"canary": fault.canary.__name__, "looks_at": looks_at(fault), "fault": fault.mistake, "data": evidence.key}
    with tempfile.TemporaryDirectory() as folder:
        try:
            with fault.plant(evidence, Path(folder) / "results") as spoiled:
                result = run_check(fault.canary, spoiled)
        except NothingToSpoilError as reason:
            return about | {"caught": NOTHING, "saw": str(reason)}
    saw = result.complaint.replace(folder, "(a spoiled copy)")  # the same words whatever the scratch folder is called
    return about | {"caught": MISSED if result.passed else CAUGHT, "saw": saw}


def looks_at(fault: Fault) -> str:
    """First sentence of a canary's description."""
    return " ".join(fault.canary.__doc__.split("\n\n")[0].split())


def try_all(evidence: Evidence, faults: Iterable[Fault] = FAULTS) -> list[dict[str, Any]]:
    """One entry per fault; each says as well whether its canary fell without it (``false_alarm``)."""
    quiet = {check.__name__: run_check(check, replace(evidence)).passed for check in CHECKS}
    return [found | {"false_alarm": not quiet[found["canary"]]} for found in (try_fault(f, evidence) for f in faults)]


def main() -> None:
    """Command line: try every fault on the profile's main dataset, print and write what was caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    plan = load_plan(arguments.profile)
    evidence = {one.key: one for one in gather(plan, results_root(arguments.profile))}[plan.profile.main_dataset]
    found = try_all(small(evidence))
    write_json(arguments.out, {"profile": arguments.profile, "data": evidence.key, "faults": found})
    print(pd.DataFrame(found)[["canary", "fault", "caught", "false_alarm", "saw"]].to_string(), flush=True)


if __name__ == "__main__":
    run_main(main)
