"""Invariants of metrics, mixtures and statistics on a few random inputs; `make test-long` tries many more."""

from dataclasses import replace

import numpy as np
import pytest
from invariants import INVARIANTS, gain_of_estimates, sdr_holds_both

from avsep_lib import metrics


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", INVARIANTS)
def test_invariant(name, seed):
    INVARIANTS[name](np.random.default_rng([seed, len(name)]))


def test_a_metric_that_hears_the_level_is_noticed(monkeypatch):
    original = metrics.si_sdr
    monkeypatch.setattr(metrics, "si_sdr", lambda s, e: original(s, e) + 0.001 * np.log10((e**2).sum(axis=-1)))
    with pytest.raises(AssertionError):
        gain_of_estimates(np.random.default_rng(0))


def test_ratios_that_do_not_fit_together_are_noticed(monkeypatch):
    original = metrics.bss_eval
    monkeypatch.setattr(
        metrics, "bss_eval", lambda *given: replace(original(*given), sdr_db=original(*given).sdr_db + 0.01)
    )
    with pytest.raises(AssertionError):
        sdr_holds_both(np.random.default_rng(0))
