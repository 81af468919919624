"""Non-negative matrix factorisation whose components are clustered by the timbre of their spectra.

As `avsep_lib.methods.nmf`, with mel-frequency cepstral coefficients (MFCC) of the squared templates in place of the
templates themselves: components of one instrument at several pitches share the envelope, not the partials. This is the
older of the readings that separation toolkits have. The zeroth coefficient is left out, because a template's level is
arbitrary: what it is multiplied by, its activation is divided by.

References
----------
Spiertz, Gnann, "Source-filter based clustering for monaural blind source separation", DAFx 2009; Davis, Mermelstein,
1980, doi:10.1109/TASSP.1980.1163420 (the coefficients).
"""

from __future__ import annotations

from functools import lru_cache

import librosa
import numpy as np
from scipy.fft import dct

from avsep_lib.methods.nmf import NMF, unit_columns
from avsep_lib.settings import AudioSettings
from avsep_lib.signals import Array

RANGE_DB = 80.0  # below a template's strongest mel band, where it is cut off


class NMFMFCC(NMF):
    """`NMF` with other features of its components."""

    def features(self, templates: Array) -> Array:
        """Templates (n_bins, J) as what is clustered, (J, n_mfcc)."""
        options = self.config.options
        return mfcc(unit_columns(templates) ** 2, self.audio, options.n_mels, options.n_mfcc).T


def mfcc(power: Array, audio: AudioSettings, n_mels: int, n_mfcc: int) -> Array:
    """Coefficients 1 to `n_mfcc` of power spectra: (n_bins, J) to (n_mfcc, J).

    Those of librosa, each spectrum's range limited on its own (RANGE_DB); a spectrum of zeros has coefficients 0.
    """
    mel = mel_filters(audio.sample_rate, audio.n_fft, n_mels) @ power
    peak = mel.max(axis=0)
    relative = np.maximum(mel / np.where(peak > 0, peak, 1), 10 ** (-RANGE_DB / 10))
    return dct(10 * np.log10(relative), axis=0, type=2, norm="ortho")[1 : n_mfcc + 1]


@lru_cache
def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> Array:
    """Mel filters (n_mels, n_bins), Slaney's scale and areas."""
    return librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, dtype=np.float64)


METHOD = NMFMFCC
