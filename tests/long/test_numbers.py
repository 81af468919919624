"""Numbers guarded: many random inputs for every invariant, and how small a planted fault is still caught."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from canary_fixture import open_evidence, with_analysis
from invariants import INVARIANTS

from avsep_lib import canaries
from avsep_lib.canaries import faults, run_check
from avsep_lib.canaries.evidence import Evidence
from avsep_lib.canaries.selftest import try_all
from avsep_lib.recorded import fingerprint

pytestmark = pytest.mark.long

CASES = 60  # random inputs of each invariant


def test_invariants(long_report):
    """Invariants of metrics, mixtures and statistics."""
    failed: dict[str, list[int]] = {name: [] for name in INVARIANTS}
    for name, check in INVARIANTS.items():
        for seed in range(CASES):
            try:
                check(np.random.default_rng([seed, len(name)]))
            except AssertionError:
                failed[name].append(seed)
    long_report.count("random inputs of an invariant", CASES * len(INVARIANTS), sum(map(len, failed.values())))
    assert not any(failed.values()), failed


@pytest.fixture(scope="module")
def analysed(project, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprint, "MIN_CODES", 12)  # the toy's clips are short
        yield with_analysis(project, tmp_path_factory.mktemp("analysed") / "project", patch)


def test_every_fault(analysed, monkeypatch, long_report):
    """Faults planted in a toy project, each for its canary."""
    found = pd.DataFrame(try_all(open_evidence(analysed, monkeypatch)))
    tried = found[found["caught"] != "nothing to spoil"]
    long_report.count("planted faults", len(tried), int((tried["caught"] != "yes").sum()))
    long_report.count(
        "canaries on results without a fault", len(canaries.CHECKS), found[found["false_alarm"]]["canary"].nunique()
    )
    long_report.table("What was planted and caught.", found[["canary", "fault", "caught"]])
    assert (tried["caught"] == "yes").all()
    assert not found["false_alarm"].any()


@dataclass(frozen=True)
class Scale:
    """A fault in several strengths, the weakest first: what must pass, and what must be caught."""

    canary: Callable
    fault: str
    strengths: tuple[float, ...]
    plant: Callable[[Evidence, float], Evidence | AbstractContextManager[Evidence]]
    passes_at: float
    caught_from: float


def shifted(column: str) -> Callable[[Evidence, float], Evidence]:
    """Score rows of the best run with one column moved by some dB."""

    def plant(evidence: Evidence, by: float) -> Evidence:
        rows = evidence.scores[evidence.best_run]
        return faults.with_scores(evidence, evidence.best_run, rows.assign(**{column: rows[column] + by}))

    return plant


def taught_partly(evidence: Evidence, share: float) -> Evidence:
    def heard(encode: Callable, item) -> np.ndarray:
        return (1 - share) * encode(item.mixture.numpy()[None])[0] + share * encode(item.sources[:1].numpy())[0]

    return faults.taught(evidence, heard)


def moved_features(evidence: Evidence, share: float) -> Evidence:
    """Training pictures mixed with those of the next mixture."""
    return faults.with_tensors(evidence, images=lambda t: (1 - share) * t + share * t.roll(1, dims=0))


SCALES = (
    Scale(canaries.repeated_sound, "seconds later", (0.0, 0.1, 0.2, 0.3), lambda e, x: faults.repeated(e, x, 0.5), -1, 0.0),
    Scale(canaries.repeated_sound, "a copy whose white noise lies so many dB below it", (0.0, 20.0, 40.0, 60.0), lambda e, x: faults.repeated(e, 0.0, 0.5, 10 ** (-x / 20)), -1, 40.0),
    Scale(canaries.backdrop_gives_label_away, "share of the class's colour in the picture", (0.0, 0.1, 0.3, 0.6, 1.0), faults.coloured, 0.0, 1.0),
    Scale(canaries.rescaled_references, "relative change of the level of references", (1e-6, 1e-5, 1e-3, 0.1), lambda e, x: faults.other_references(e, lambda s: s * (1 + x)), 1e-6, 1e-3),
    Scale(canaries.wrong_baseline, "dB added to improvements", (1e-6, 1e-5, 1e-3, 0.1), shifted("sdri_db"), 1e-5, 1e-3),
    Scale(canaries.stale_scores, "dB added to SI-SDR rows", (1e-5, 1e-4, 0.01, 0.1), shifted("si_sdr_db"), 1e-4, 0.01),
    Scale(canaries.teacher_hears_sources, "share of the clean source in the teacher's vector", (0.0, 0.01, 0.1, 0.5, 1.0), taught_partly, 0.0, 0.5),
    Scale(canaries.shuffled_features, "share of the next mixture in the pictures", (0.0, 1e-4, 0.01, 1.0), moved_features, 0.0, 0.01),
)  # fmt: skip


def test_small_faults(analysed, monkeypatch, long_report):
    """How small a planted fault is still caught."""
    torch.set_num_threads(1)
    evidence, lines, wrong = open_evidence(analysed, monkeypatch), [], []
    for scale in SCALES:
        caught = {}
        for strength in scale.strengths:
            planted = scale.plant(evidence, strength)
            with nullcontext(planted) if isinstance(planted, Evidence) else planted as spoiled:
                caught[strength] = not run_check(scale.canary, spoiled).passed
        wrong += [
            (scale.fault, s)
            for s, fell in caught.items()
            if (s <= scale.passes_at and fell) or (s >= scale.caught_from and not fell)
        ]
        told = {f"{s:g}": "caught" if fell else "not seen" for s, fell in caught.items()}
        lines.append(
            {
                "canary": scale.canary.__name__,
                "fault": scale.fault,
                "found": ", ".join(f"{s}: {w}" for s, w in told.items()),
            }
        )
    long_report.count("faults of several strengths", sum(len(s.strengths) for s in SCALES), len(wrong))
    long_report.table("Planted faults by strength, weakest first.", pd.DataFrame(lines))
    assert not wrong, lines
