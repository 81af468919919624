"""Correlations with, and filters over, a few hundred delays of a signal: overlap-save in blocks that stay in the cache.

A signal is cut into blocks of `hop` samples. One spectrum per block, of the block *and* the ``taps - 1`` samples before
it, serves both ways: times the conjugate it correlates, times a filter's transfer function it filters. Both are exact
linear correlation and convolution, up to rounding; blocks of a few thousand samples transform faster than whole clips.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from avsep_lib.signals import Array

Spectra = NDArray[np.complex128]

_BLOCK_PER_TAPS = 8  # transform length over taps: shorter ones repeat more, longer ones leave the cache


class Delays:
    """Correlation and filtering of signals of one length over ``taps`` delays.

    Parameters
    ----------
    samples : int
        Length of the signals.
    taps : int
        Delays 0 ... ``taps - 1`` are considered.

    Attributes
    ----------
    size : int
        Length of a transform.
    hop : int
        New samples in each block.
    blocks : int
        Blocks that hold a filtered signal whole, its tail included.
    """

    def __init__(self, samples: int, taps: int) -> None:
        self.samples, self.taps = samples, taps
        length = samples + taps - 1
        self.size = fft.next_fast_len(min(max(_BLOCK_PER_TAPS * taps, 1024), length + taps - 1), real=True)
        self.hop = self.size - taps + 1
        self.blocks = -(-length // self.hop)

    def cut(self, signals: Array) -> Array:
        """Blocks of signals, zeros after their end: (..., samples) to (..., blocks, hop)."""
        padded = np.zeros((*signals.shape[:-1], self.blocks * self.hop))
        padded[..., : self.samples] = signals
        return padded.reshape(*signals.shape[:-1], self.blocks, self.hop)

    def spectra(self, signals: Array) -> Spectra:
        """Spectra of the blocks of signals (..., samples), each with the samples before it: (..., blocks, bins)."""
        history = self.taps - 1
        padded = np.zeros((*signals.shape[:-1], history + self.blocks * self.hop))
        padded[..., history : history + self.samples] = signals
        return fft.rfft(sliding_window_view(padded, self.size, axis=-1)[..., :: self.hop, :])

    def correlate(self, spectra: Spectra, cut: Array) -> Array:
        """Inner products of delayed signals with another signal.

        Parameters
        ----------
        spectra : ndarray, shape (n, blocks, bins)
            Of n signals, from `spectra`.
        cut : ndarray, shape (blocks, hop)
            The other signal, from `cut`.

        Returns
        -------
        ndarray, shape (n, taps)
            Value k is the sum over t of ``signal[t - k] * other[t]``.
        """
        other = fft.rfft(cut, self.size).conj()
        products = np.stack([np.einsum("bf,bf->f", of_signal, other) for of_signal in spectra])
        lags = fft.irfft(products, self.size)  # of the delay back to the block's first sample: the order is reversed
        return lags[:, self.taps - 1 :: -1]

    def filtered(self, filters: Array, spectra: Spectra) -> Array:
        """Sum of n signals, each through its own filter: (n, taps) and (n, blocks, bins) to (blocks, hop)."""
        transfer = fft.rfft(filters, self.size)
        total = transfer[0] * spectra[0]
        for of_filter, of_signal in zip(transfer[1:], spectra[1:], strict=True):
            total += of_filter * of_signal
        return fft.irfft(total, self.size, overwrite_x=True)[:, self.taps - 1 :]
