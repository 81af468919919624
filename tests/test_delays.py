"""Overlap-save against sums written out."""

import numpy as np
import pytest

from avsep_lib.delays import Delays

LENGTHS = [(5_000, 512), (20_000, 64), (1_024, 512), (300, 512), (50, 1), (7, 3), (1, 1)]


@pytest.mark.parametrize(("samples", "taps"), LENGTHS)
def test_correlations_are_the_inner_products_with_delayed_signals(samples, taps):
    rng = np.random.default_rng(samples)
    signals, other = rng.standard_normal((3, samples)), rng.standard_normal(samples)
    delays = Delays(samples, taps)
    expected = [[signal[: max(samples - k, 0)] @ other[k:] for k in range(taps)] for signal in signals]
    assert delays.correlate(delays.spectra(signals), delays.cut(other)) == pytest.approx(np.array(expected), abs=1e-10)


@pytest.mark.parametrize(("samples", "taps"), LENGTHS)
def test_filtered_signals_are_the_whole_convolutions(samples, taps):
    rng = np.random.default_rng(samples)
    signals, filters = rng.standard_normal((2, samples)), rng.standard_normal((2, taps))
    delays = Delays(samples, taps)
    blocks = delays.filtered(filters, delays.spectra(signals))
    assert blocks.shape == (delays.blocks, delays.hop)
    expected = np.zeros(blocks.size)
    expected[: samples + taps - 1] = sum(map(np.convolve, signals, filters))
    assert blocks.ravel() == pytest.approx(expected, abs=1e-10)


def test_blocks_hold_the_signal_and_zeros_after_it():
    delays = Delays(5_000, 512)
    blocks = delays.cut(np.ones((2, 5_000)))
    assert blocks.shape == (2, delays.blocks, delays.hop)
    assert delays.blocks > 1
    assert (blocks.reshape(2, -1).sum(axis=1) == 5_000).all()
