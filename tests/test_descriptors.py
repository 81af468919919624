"""Descriptors against signals whose truth is known in closed form."""

import subprocess
import sys

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy import ndimage

from avsep_lib.descriptors import COMPLEXITY, DESCRIPTORS, INDICES, TRANSIENCE, measure, notes, pitch, spectra
from avsep_lib.errors import DataError
from avsep_lib.manifest import COLUMNS as MANIFEST_COLUMNS

RATE = 22050
TIME = np.arange(3 * RATE) / RATE


def noise(level=1.0, seed=0):
    return level * np.random.default_rng(seed).normal(size=TIME.size)


def tone(frequency=440.0):
    return np.sin(2 * np.pi * frequency * TIME)


def harmonics(fundamental, n=10, stretch=0.0):
    """Partials n with amplitude 1/n at ``n f0 sqrt(1 + B n^2)``, as of a stiff string."""
    return sum(tone(k * fundamental * np.sqrt(1 + stretch * k**2)) / k for k in range(1, n + 1))


def events(starts, shape):
    """Each event replaces the one before it, at another pitch."""
    signal = np.zeros(TIME.size)
    for i, start in enumerate(starts):
        u = TIME - start
        signal = np.where(u >= 0, shape(u) * np.sin(2 * np.pi * (440 + 97 * i) * np.maximum(u, 0)), signal)
    return signal + noise(1e-5)


def peaks_and_periods(signal):
    long = spectra.long_spectra(signal, RATE)
    return spectra.partials(long), pitch.periods(signal, RATE, long)


# ---------------------------------------------------------------- notes


@pytest.mark.parametrize("rate", [2.0, 4.0, 8.0])
def test_the_onset_rate_of_clicks_is_their_rate(rate):
    clicks = noise(1e-5)
    starts = np.arange(0.5 / rate, 3, 1 / rate)
    clicks[(starts * RATE).astype(int)] = 1
    onsets = notes.onset_times(clicks, RATE)
    assert notes.onset_rate_per_s(onsets, 3.0) == pytest.approx(rate)
    assert np.abs(onsets - starts).max() < 0.03


def test_a_steady_tone_has_no_notes_and_nothing_is_made_up():
    onsets, curve = notes.onset_times(tone() + noise(1e-4), RATE), notes.envelope(tone(), RATE)
    assert notes.onset_rate_per_s(onsets, 3.0) == 0
    assert np.isnan(notes.attack_time_log10_s(curve, onsets))
    assert np.isnan(notes.decay_time_s(curve, onsets))


@pytest.mark.parametrize("ramp_s", [0.05, 0.1, 0.15])
def test_the_attack_of_a_linear_ramp_is_eight_tenths_of_it(ramp_s):
    signal = events((0.2, 1.1, 2.0), lambda u: np.minimum(u / ramp_s, 1) * np.clip((0.75 - u) / 0.3, 0, 1))
    found = notes.attack_time_log10_s(notes.envelope(signal, RATE), notes.onset_times(signal, RATE))
    assert found == pytest.approx(np.log10(0.8 * ramp_s), abs=0.05)


def test_the_shortest_attack_is_the_smoothing_of_the_envelope():
    clicks = noise(1e-5)
    clicks[RATE // 4 :: RATE // 2] = 1
    found = notes.attack_time_log10_s(notes.envelope(clicks, RATE), notes.onset_times(clicks, RATE))
    assert 10**found == pytest.approx(notes.ENVELOPE_S * (np.arcsin(0.9) - np.arcsin(0.1)) / np.pi, rel=0.05)


@pytest.mark.parametrize("decay_s", [0.3, 0.8, 2.0])
def test_the_decay_time_of_an_exponential_is_its_own(decay_s):
    signal = events(np.arange(0.1, 3, 0.4), lambda u: 10 ** (-3 * u / decay_s))
    found = notes.decay_time_s(notes.envelope(signal, RATE), notes.onset_times(signal, RATE))
    assert found == pytest.approx(decay_s, rel=0.02)


# ---------------------------------------------------------------- spectra


def test_clicks_are_percussive_and_new_a_tone_is_neither_even_a_low_one():
    clicks = noise(1e-6)
    clicks[RATE // 4 :: RATE // 2] = 1
    of_clicks, of_tuba = (spectra.short_spectra(signal, RATE) for signal in (clicks, harmonics(60.0, 20)))
    assert spectra.percussive_energy_percent(of_clicks) > 95
    assert spectra.percussive_energy_percent(of_tuba) < 3
    assert spectra.spectral_flux_percent(of_clicks) > 40
    assert spectra.spectral_flux_percent(of_tuba) < 2


def test_entropy_is_low_for_a_tone_and_that_of_white_noise_for_white_noise():
    of_tone, of_noise = (spectra.long_spectra(signal, RATE) for signal in (tone(), noise()))
    assert spectra.spectral_entropy_bit(of_tone) < 1.5
    euler = 0.5772156649
    expected = np.log2(len(of_noise.power)) - (1 - euler) / np.log(2)  # exponentially distributed powers
    assert spectra.spectral_entropy_bit(of_noise) == pytest.approx(expected, abs=0.03)


def test_the_centroid_is_the_mean_frequency_by_power():
    signal = tone(500.0) + 2 * tone(2000.0)
    centroid = spectra.spectral_centroid_hz(spectra.long_spectra(signal, RATE))
    assert centroid == pytest.approx((500 + 4 * 2000) / 5, rel=0.01)


@pytest.mark.parametrize("n", [1, 5, 12])
def test_partials_are_counted(n):
    peaks, _ = peaks_and_periods(harmonics(220.0, n) + noise(1e-3))
    assert spectra.number_of_partials(peaks) == pytest.approx(n, abs=0.1)
    assert np.median(peaks.frequency_hz[peaks.frame == 3][:1]) == pytest.approx(220.0, abs=0.5)


def test_a_partial_below_30_db_and_noise_are_not_counted():
    peaks, _ = peaks_and_periods(tone() + 10 ** (-33 / 20) * tone(1500.0))
    assert spectra.number_of_partials(peaks) == pytest.approx(1.0)
    assert spectra.number_of_partials(peaks_and_periods(noise())[0]) < 1


def test_silent_frames_do_not_count():
    half = np.where(TIME < 1.5, tone(300.0), 1e-4 * tone(5000.0))
    assert spectra.spectral_centroid_hz(spectra.long_spectra(half, RATE)) == pytest.approx(300.0, rel=0.05)


# ---------------------------------------------------------------- pitch


@pytest.mark.parametrize("frequency", [43.7, 110.0, 440.0, 2093.0])
def test_pitch_is_known_to_a_thousandth_even_without_a_fundamental(frequency):
    n = min(10, int(9000 / frequency))
    for signal in (harmonics(frequency, n), harmonics(frequency, n) - tone(frequency)):
        assert pitch.median_pitch_hz(peaks_and_periods(signal)[1]) == pytest.approx(frequency, rel=1e-3)


def test_noise_has_no_pitch_and_no_inharmonicity():
    peaks, found = peaks_and_periods(noise())
    assert np.isnan(pitch.median_pitch_hz(found))
    assert np.isnan(pitch.inharmonicity_percent(peaks, found))


@pytest.mark.parametrize("ratio_db", [0.0, 10.0, 20.0])
def test_the_harmonic_to_noise_ratio_is_the_one_that_was_mixed(ratio_db):
    clean, dirt = harmonics(220.0), noise()
    dirt *= np.sqrt(clean.var() / dirt.var()) * 10 ** (-ratio_db / 20)
    found = pitch.harmonic_to_noise_db(peaks_and_periods(clean + dirt)[1])
    assert found == pytest.approx(ratio_db, abs=0.8)


@pytest.mark.parametrize("stretch", [0.0, 1e-4, 4e-4, 1e-3])
def test_inharmonicity_of_a_stiff_string(stretch):
    number = np.arange(1, 11)
    frequency, power = number * np.sqrt(1 + stretch * number**2), 1.0 / number**2
    series = (power * number) @ frequency / ((power * number) @ number)
    expected = 200 * power @ np.abs(frequency / series - number) / power.sum()
    peaks, found = peaks_and_periods(harmonics(220.0, stretch=stretch))
    assert pitch.inharmonicity_percent(peaks, found) == pytest.approx(expected, abs=0.15)


def test_two_notes_at_once_are_less_harmonic_than_one():
    one, two = (peaks_and_periods(s) for s in (harmonics(220.0), harmonics(220.0) + harmonics(233.08)))
    assert pitch.inharmonicity_percent(*two) > 5 * pitch.inharmonicity_percent(*one)
    assert pitch.harmonic_to_noise_db(two[1]) < pitch.harmonic_to_noise_db(one[1]) - 10


# ---------------------------------------------------------------- the row and the command


def test_a_row_has_every_descriptor_and_does_not_depend_on_the_level():
    signal = events((0.2, 1.1, 2.0), lambda u: np.exp(-4 * u)) + noise(1e-3)
    loud, faint = measure.describe(signal, RATE), measure.describe(0.01 * signal, RATE)
    assert list(loud) == [descriptor.column for descriptor in DESCRIPTORS]
    assert loud == pytest.approx(faint, rel=1e-3)
    assert np.isfinite(list(loud.values())).all()


@pytest.mark.parametrize("bad", [np.zeros((2, 9000)), np.zeros(100), np.full(9000, np.nan)])
def test_a_bad_waveform_is_refused(bad):
    with pytest.raises(DataError, match=r"descriptors need one channel|NaN or infinity"):
        measure.describe(bad, RATE)


def test_every_descriptor_has_a_unit_and_an_index_member_a_sign():
    units = ("_s", "_per_s", "_percent", "_db", "_bit", "_hz")
    assert all(descriptor.column.endswith(units) for descriptor in DESCRIPTORS)
    assert all(abs(member.sign) == 1 for index in INDICES for member in index.members)
    assert not set(TRANSIENCE.members) & set(COMPLEXITY.members)


def write_manifest(folder, clips):
    rows = []
    for clip_id, labels, split, signal in clips:
        soundfile.write(folder / f"{clip_id}.wav", 0.3 * signal / np.abs(signal).max(), RATE)
        about = {"clip_id": clip_id, "video_id": clip_id, "labels": labels, "split": split, "audio": f"{clip_id}.wav"}
        rows.append(about | {"frames": "f", "n_frames": 1, "fps": 8, "sample_rate": RATE, "duration_s": 3.0})
    path = folder / "manifest.csv"
    pd.DataFrame(rows, columns=list(MANIFEST_COLUMNS)).assign(sha256="").to_csv(path, index=False)
    return path


def test_the_command_measures_test_solos_only_and_counts_what_is_undefined(tmp_path):
    clips = [
        ("a", "flute", "test", harmonics(880.0, 3)),
        ("b", "drum", "test", noise()),
        ("c", "flute|drum", "test", tone()),
        ("d", "flute", "train", tone()),
    ]
    manifest, out = write_manifest(tmp_path, clips), tmp_path / "new" / "descriptors.csv"
    command = [sys.executable, "-m", "avsep_lib.descriptors", "--manifest", str(manifest), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    table = pd.read_csv(out)
    assert table["clip_id"].tolist() == ["a", "b"]
    assert table["instrument"].tolist() == ["flute", "drum"]
    assert table["median_pitch_hz"].isna().tolist() == [False, True]
    assert "2 test solos of 2 classes" in done.stdout
    assert "median_pitch_hz in 1" in done.stdout


def test_a_split_without_solos_says_so(tmp_path):
    manifest = write_manifest(tmp_path, [("c", "flute|drum", "test", tone())])
    with pytest.raises(DataError, match="no solo in split 'test'"):
        measure.describe_solos(manifest)


def test_a_stored_row_is_checked_against_its_clip(tmp_path):
    manifest = write_manifest(tmp_path, [("a", "flute", "test", harmonics(880.0, 3))])
    table = measure.describe_solos(manifest)
    assert "a measured again" in measure.check_first_row(table, manifest)
    with pytest.raises(DataError, match=r"of a measured again differ"):
        measure.check_first_row(table.assign(spectral_centroid_hz=500.0), manifest)
    with pytest.raises(DataError, match=r"'b' of the stored descriptors is not in"):
        measure.check_first_row(table.assign(clip_id="b"), manifest)


# --- recordings ------------------------------------------------------------------------------------------------------


def strange(rate: int) -> dict[str, np.ndarray]:
    """What a microphone may hear that is no note."""
    rng, t = np.random.default_rng(0), np.arange(2 * rate) / rate
    click = np.zeros(t.size)
    click[100] = 1.0
    return {
        "noise": rng.normal(size=t.size),
        "speech": np.convolve(rng.normal(size=t.size) * np.abs(np.sin(8 * np.pi * t)), np.ones(30) / 30, "same"),
        "offset": np.full(t.size, 0.3),
        "click": click,
        "clipped": np.clip(5 * np.sin(440 * np.pi * t), -1, 1),
        "faint": 1e-7 * rng.normal(size=t.size),
    }


@pytest.mark.parametrize("rate", [8000, 48000])
@pytest.mark.parametrize("what", list(strange(8000)))
def test_no_sound_is_an_error_and_what_is_undefined_is_nan(rate, what):
    values = measure.describe(strange(rate)[what], rate)
    assert not any(np.isinf(value) for value in values.values())
    assert sum(np.isnan(value) for value in values.values()) <= 5


def test_of_a_long_recording_the_middle_is_measured():
    assert measure.middle(np.arange(10), 4).tolist() == [3, 4, 5, 6]
    assert measure.middle(np.arange(3), 4).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("width", "axis"), [(31, 0), (31, 1), (8, 0), (3, 1)])
@pytest.mark.parametrize(("padding", "mode"), [("symmetric", "reflect"), ("edge", "nearest")])
def test_the_running_median_is_that_of_scipy(width, axis, padding, mode):
    values = np.random.default_rng(width).random((40, 57)).astype(np.float32)
    size = (width, 1) if axis == 0 else (1, width)
    expected = ndimage.median_filter(values, size=size, mode=mode)
    np.testing.assert_array_equal(spectra.running_median(values, width, axis, padding), expected)


def test_percussive_energy_is_that_of_librosas_masks():
    waveform = np.random.default_rng(3).standard_normal(22_050)
    short = spectra.short_spectra(waveform, 22_050)
    _, mask = librosa.decompose.hpss(np.sqrt(short.power).astype(np.float32), mask=True)
    active = short.power[:, short.active]
    expected = 100 * (mask[:, short.active] * active).sum() / active.sum()
    assert spectra.percussive_energy_percent(short) == pytest.approx(expected, rel=1e-7)
