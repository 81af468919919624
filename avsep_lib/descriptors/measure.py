"""One row of descriptors per test solo of a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avsep_lib.clips import read_audio
from avsep_lib.descriptors import notes, pitch, spectra
from avsep_lib.descriptors.catalogue import DESCRIPTORS
from avsep_lib.errors import DataError
from avsep_lib.manifest import is_solo, read_manifest

LONGEST_S = 12.0  # videos last minutes; time and memory grow with the length, and these have notes enough
COLUMNS = ("clip_id", "instrument", *(descriptor.column for descriptor in DESCRIPTORS))


def describe(waveform: NDArray, sample_rate: int) -> dict[str, float]:
    """All descriptors of one clip.

    Parameters
    ----------
    waveform : ndarray, shape (samples,)
        Mono, any level: no descriptor depends on it.
    sample_rate : int
        In Hz.

    Returns
    -------
    dict of str to float
        By column of `avsep_lib.descriptors.DESCRIPTORS`, in its order; NaN for what cannot be measured.

    Raises
    ------
    DataError
        For a waveform that is not one channel, too short for one long frame, or not finite.
    """
    waveform = np.asarray(waveform, dtype=float)
    if waveform.ndim != 1 or waveform.size < spectra.window_length(spectra.LONG_S, sample_rate):
        raise DataError(
            f"waveform of shape {waveform.shape}; descriptors need one channel of {spectra.LONG_S} s or more"
        )
    if not np.isfinite(waveform).all():
        raise DataError("the waveform holds NaN or infinity; replace the clip or drop its row from the manifest")
    values = _of_notes(waveform, sample_rate) | _of_spectra(waveform, sample_rate)
    return {descriptor.column: values[descriptor.column] for descriptor in DESCRIPTORS}


def _of_notes(waveform: NDArray, sample_rate: int) -> dict[str, float]:
    onsets, curve = notes.onset_times(waveform, sample_rate), notes.envelope(waveform, sample_rate)
    return {
        "attack_time_log10_s": notes.attack_time_log10_s(curve, onsets),
        "onset_rate_per_s": notes.onset_rate_per_s(onsets, waveform.size / sample_rate),
        "decay_time_s": notes.decay_time_s(curve, onsets),
    }


def _of_spectra(waveform: NDArray, sample_rate: int) -> dict[str, float]:
    short, long = spectra.short_spectra(waveform, sample_rate), spectra.long_spectra(waveform, sample_rate)
    peaks, found = spectra.partials(long), pitch.periods(waveform, sample_rate, long)
    return {
        "percussive_energy_percent": spectra.percussive_energy_percent(short),
        "spectral_flux_percent": spectra.spectral_flux_percent(short),
        "partials_above_minus_30_db": spectra.number_of_partials(peaks),
        "spectral_entropy_bit": spectra.spectral_entropy_bit(long),
        "inharmonicity_percent": pitch.inharmonicity_percent(peaks, found),
        "harmonic_to_noise_db": pitch.harmonic_to_noise_db(found),
        "spectral_centroid_hz": spectra.spectral_centroid_hz(long),
        "median_pitch_hz": pitch.median_pitch_hz(found),
    }


def describe_solos(manifest: Path, split: str = "test") -> pd.DataFrame:
    """Descriptors of every solo of one split, at the sample rate of its file.

    Parameters
    ----------
    manifest : Path
        See `avsep_lib.manifest`.
    split : str

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, one row per clip, in the order of the manifest.

    Raises
    ------
    DataError
        If the split has no solo, or an audio file is missing, changed or silent.
    """
    table = read_manifest(manifest)
    chosen = table[is_solo(table) & (table.split == split)]
    if chosen.empty:
        raise DataError(f"{manifest} has no solo in split {split!r}; descriptors are measured from solos")
    rows = [
        {"clip_id": clip.clip_id, "instrument": clip.labels, **_describe_clip(clip, manifest)}
        for clip in chosen.itertuples()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _describe_clip(clip: Any, manifest: Path) -> dict[str, float]:
    """Of one row of the manifest; of a long clip, of `LONGEST_S` seconds in its middle."""
    rate = int(clip.sample_rate)
    waveform = read_audio(manifest.parent / clip.audio, rate, float(clip.duration_s), clip.sha256)
    return describe(middle(waveform, round(LONGEST_S * rate)), rate)


def middle(waveform: NDArray, n_samples: int) -> NDArray:
    """The middle `n_samples` samples; all of a shorter waveform."""
    start = max(0, (len(waveform) - n_samples) // 2)
    return waveform[start : start + n_samples]


def check_first_row(table: pd.DataFrame, manifest: Path) -> str:
    """Measure the first clip of a stored table again.

    Returns
    -------
    str
        One sentence with the largest relative difference.

    Raises
    ------
    DataError
        If a descriptor differs by more than one in a thousand: the table is not of this manifest or this code.
    """
    stored = table.iloc[0]
    clips = read_manifest(manifest).set_index("clip_id")
    if stored.clip_id not in clips.index:
        raise DataError(f"clip {stored.clip_id!r} of the stored descriptors is not in {manifest}; measure them again")
    values = _describe_clip(clips.loc[stored.clip_id], manifest)
    a, b = (np.array([row[d.column] for d in DESCRIPTORS], dtype=float) for row in (stored, values))
    difference = np.nanmax(np.abs(a - b) / np.maximum(np.abs(b), 1e-9), initial=0.0)
    if difference > 1e-3 or (np.isnan(a) != np.isnan(b)).any():
        raise DataError(f"descriptors of {stored.clip_id} measured again differ by {difference:.1%}; measure all again")
    return f"descriptors of {stored.clip_id} measured again: largest relative difference {difference:.0e}"


def undefined(table: pd.DataFrame) -> pd.Series:
    """How many clips lack each descriptor, only those that any clip lacks."""
    missing = table[[descriptor.column for descriptor in DESCRIPTORS]].isna().sum()
    return missing[missing > 0]
