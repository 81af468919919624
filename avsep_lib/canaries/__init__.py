"""Canaries: checks that look at the finished results of every profile for faults that leave no error message.

Each check is one function on `Evidence`; its name is the fault that it would catch, its first sentence what it looks at.
``python -m avsep_lib.canaries --profile P --out canaries.json`` runs them all. ``python -m avsep_lib.canaries.selftest``
plants the faults of `avsep_lib.canaries.faults` in a copy of the same results, one by one, and writes which were caught.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from avsep_lib.canaries.evidence import Evidence
from avsep_lib.canaries.features import shuffled_features
from avsep_lib.canaries.findings import CheckResult, Finding
from avsep_lib.canaries.labels import shuffled_labels
from avsep_lib.canaries.leakage import repeated_sound, test_clip_in_train
from avsep_lib.canaries.pictures import backdrop_gives_label_away, frame_outside_crop
from avsep_lib.canaries.probes import probe_fitted_on_test
from avsep_lib.canaries.rescored import (
    rescaled_references,
    stale_scores,
    threshold_before_unwarping,
    truth_in_estimate,
    wrong_baseline,
)
from avsep_lib.canaries.rows import copied_run, counted_twice, reshuffled_pairs, unequal_silence
from avsep_lib.canaries.seeds import unused_seed
from avsep_lib.canaries.signals import hop_off_by_one, wrong_phase
from avsep_lib.canaries.sources import swapped_sources, zeroed_mask
from avsep_lib.canaries.training import (
    batch_statistics,
    chosen_otherwise,
    encoder_saw_test,
    other_settings,
    teacher_hears_sources,
)
from avsep_lib.errors import AvsepError, CanaryError

CHECKS: tuple[Callable[[Evidence], list[Finding]], ...] = (
    test_clip_in_train,
    repeated_sound,
    encoder_saw_test,
    backdrop_gives_label_away,
    frame_outside_crop,
    shuffled_labels,
    shuffled_features,
    teacher_hears_sources,
    rescaled_references,
    hop_off_by_one,
    unused_seed,
    other_settings,
    chosen_otherwise,
    batch_statistics,
    copied_run,
    reshuffled_pairs,
    counted_twice,
    unequal_silence,
    wrong_baseline,
    swapped_sources,
    zeroed_mask,
    wrong_phase,
    threshold_before_unwarping,
    truth_in_estimate,
    stale_scores,
    probe_fitted_on_test,
)

__all__ = ["CHECKS", "CheckResult", "Evidence", "Finding", "check_all", "raise_first", "run_check"]


def run_check(check: Callable[[Evidence], list[Finding]], evidence: Evidence) -> CheckResult:
    """Run one check; evidence that cannot be read fails it, because a canary that cannot look has not sung."""
    try:
        findings = check(evidence)
    except AvsepError as error:
        findings = [Finding(f"{type(error).__name__}: {error}", 1, "none", False)]
    return CheckResult(check.__name__, evidence.key, tuple(findings))


def check_all(evidence: Evidence) -> list[CheckResult]:
    """Run every check on the results of one data key."""
    return [run_check(check, evidence) for check in CHECKS]


def raise_first(results: Iterable[CheckResult]) -> None:
    """Raise CanaryError for the first failed check; the fault's name is the first word of the message."""
    for result in results:
        if not result.passed:
            raise CanaryError(f"{result.name} ({result.data}): {result.complaint}; do not use these results")
