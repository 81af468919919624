"""Golden values: every metric and statistic gives the numbers that are on file, and those are right by another way."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path

import numpy as np
import pytest
from golden_cases import CASES, computed, flat, within

GOLDEN = Path(__file__).parent / "golden" / "values.json"
# Where metrics and statistics live; a public function or class of these needs a golden value or a reason below.
MODULES = [
    *("metrics", "bss_eval", "signals", "losses", "audio", "intervals", "comparisons", "stats", "common_set", "tsne"),
    *("training_speed", "probe.accuracy", "probe.fit", "probe.protocol", "encoders.similarity", "encoders.sanity"),
    *(f"modality_gap.{name}" for name in ("centroids", "clouds", "pairing", "tables", "outcome")),
    *(f"descriptors.{name}" for name in ("measure", "notes", "pitch", "spectra")),
    *(f"sound_character.{name}" for name in ("character", "correlations", "gains", "groups", "joint", "outcomes")),
    *(f"tables.{name}" for name in ("comparable", "differences", "switches")),
    *(f"audit.{name}" for name in ("noise", "probe", "rows", "signals")),
    *(f"simulations.{name}" for name in ("batches", "truths", "experiments", "promises")),
    *("simulations", "claims.verdicts", "run_card"),
]
READS_RESULTS = "reads finished results and hands them to functions that have golden values"
ENCODES = "needs an encoder and clips; its numbers are those of `proportion_row` and `nearest`"
SENTENCE = "arithmetic on the paper's printed numbers, said in words; tests/test_audit.py holds every sentence"
MONTE_CARLO = "a simulation; tests/test_simulations.py holds its promises, `make test-long` its counts"
WORDS = "a table or sentence for readers, of numbers that have golden values"
EXCEPTIONS = {
    "tsne.numbers_text": WORDS,
    "training_speed.validation_curves": READS_RESULTS, "training_speed.pairs_here": READS_RESULTS,
    "training_speed.steps_outcome": READS_RESULTS,
    "probe.accuracy.predictions_file": READS_RESULTS, "probe.accuracy.load_predictions": READS_RESULTS,
    "probe.accuracy.accuracy_outcome": READS_RESULTS,
    "probe.protocol.harsh_recording": "draws a room; tests/test_probe.py holds its ranges",
    "probe.protocol.recorded_again": "sounds, no number; tests/test_probe.py holds what it changes",
    "encoders.similarity.clip_vectors": READS_RESULTS, "encoders.similarity.similarities": READS_RESULTS,
    "encoders.sanity.TestSet": READS_RESULTS, "encoders.sanity.sanity_table": ENCODES,
    "encoders.sanity.class_prompts": ENCODES, "encoders.sanity.text_rows": ENCODES,
    "encoders.sanity.mixture_row": ENCODES, "encoders.sanity.main": "a command",
    "encoders.sanity.can_ask_for_pairs": "yes or no",
    "modality_gap.clouds.cloud_files": READS_RESULTS, "modality_gap.clouds.load_clouds": READS_RESULTS,
    "modality_gap.outcome.gap_outcome": READS_RESULTS,
    "descriptors.measure.describe_solos": READS_RESULTS, "descriptors.measure.check_first_row": READS_RESULTS,
    "descriptors.measure.undefined": "counts what `describe` left empty",
    "sound_character.character.descriptors_file": READS_RESULTS, "sound_character.character.load_descriptors": READS_RESULTS,
    **{f"sound_character.outcomes.{name}": READS_RESULTS for name in
       ("load_gains", "correlation_outcome", "group_outcome", "instrument_outcome")},
    "tables.comparable.steadiness": WORDS, "tables.differences.meaning": WORDS,
    "tables.differences.with_claims": WORDS, "tables.differences.claim_verdicts": READS_RESULTS,
    **{f"tables.switches.{name}": READS_RESULTS for name in
       ("Switch", "switch_runs", "switch_files", "pair_with_default", "switch_effects", "ceiling_db", "lambda_sweep")},
    **{f"audit.probe.{name}": SENTENCE for name in
       ("test_items", "one_item", "alignment_gain", "gap_is_a_vector", "gap_without_approach")},
    **{f"audit.rows.{name}": SENTENCE for name in
       ("quoted_rows", "sound_of_pixels", "late_twice", "increments", "order_of_stages", "trade", "citations")},
    **{f"audit.signals.{name}": SENTENCE for name in
       ("clip_length", "wild_length", "sample_rate", "music_split", "test_set_sizes", "music21_split", "overlaps",
        "training_length", "learning_rate")},
    **{f"simulations.experiments.{name}": MONTE_CARLO for name in
       ("over_mixtures", "across_seeds", "families", "accuracies", "generator")},
    "simulations.promises.Promise": MONTE_CARLO, "simulations.promises.line": MONTE_CARLO,
    "simulations.coverage_table": MONTE_CARLO,
    "claims.verdicts.evaluate": READS_RESULTS,
    "run_card.configuration": WORDS, "run_card.learned": WORDS, "run_card.run_card": WORDS, "run_card.commands": WORDS,
    "run_card.other_runs": READS_RESULTS, "run_card.paths_of_run": READS_RESULTS,
    "run_card.validation_gains": "SI-SDR of a trained run; tests/test_plots_notebooks.py compares it with training's",
}  # fmt: skip


def public_names() -> set[str]:
    """Functions and classes of `MODULES` that are defined there and have no underscore."""
    found = set()
    for name in MODULES:
        module = importlib.import_module(f"avsep_lib.{name}")
        found |= {
            f"{name}.{member}"
            for member, value in vars(module).items()
            if not member.startswith("_")
            and (inspect.isfunction(value) or inspect.isclass(value) or hasattr(value, "__wrapped__"))
            and getattr(value, "__module__", "") == module.__name__
        }
    return found


def test_every_metric_and_statistic_has_a_golden_value():
    covered = {name for case in CASES.values() for name in case.covers}
    assert public_names() - covered - set(EXCEPTIONS) == set()


def test_no_exception_outlives_its_function():
    covered = {name for case in CASES.values() for name in case.covers}
    assert set(EXCEPTIONS) - public_names() == set()
    assert set(EXCEPTIONS) & covered == set()
    for name in covered:
        module, _, member = name.rpartition(".")
        assert hasattr(importlib.import_module(f"avsep_lib.{module}"), member), name


def test_the_file_holds_the_cases_and_nothing_else():
    assert set(json.loads(GOLDEN.read_text())) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_golden_values(name):
    found, golden = computed(name), json.loads(GOLDEN.read_text())[name]
    assert set(found) == set(golden), "run tools/golden.py --write"
    for key, value in found.items():
        wanted = np.array(golden[key], dtype=float)  # null is NaN
        np.testing.assert_allclose(value, wanted, rtol=CASES[name].rtol, atol=1e-9, err_msg=f"{name}: {key}")


@pytest.mark.parametrize("name", CASES)
def test_golden_values_are_right_by_another_way(name):
    """Of what is on file, not of what the code gives today."""
    golden, (_, expected) = json.loads(GOLDEN.read_text())[name], CASES[name].compute()
    assert expected, "a case without another way is only what the code gives today"
    for key, value in expected.items():
        tolerance = value.tolerance if isinstance(value, within) else 1e-6
        value = value.value if isinstance(value, within) else value
        given = np.array(golden[key], dtype=float)
        np.testing.assert_allclose(given, flat(value), rtol=1e-5, atol=tolerance, err_msg=f"{name}: {key}")


def test_a_metric_that_changes_is_noticed(monkeypatch):
    """The values on file are not met by a metric that is off by a hundredth of a decibel."""
    import golden_cases

    original = golden_cases.metrics.si_sdr
    monkeypatch.setattr(golden_cases.metrics, "si_sdr", lambda *given: original(*given) + 0.01)
    with pytest.raises(AssertionError, match="si_sdr"):
        test_golden_values("si_sdr")
