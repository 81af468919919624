"""Listening: levels are right, players change nothing, panels keep to their budget and say what they did."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile

from avsep_lib.errors import DataError
from avsep_lib.listening import Levels, encode_flac, levels, listening_panel, player

RATE = 16_000


def sine(amplitude, seconds=1.0, hz=440.0):
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


def sounds_in(panel):
    """Decoded waveforms and rates of a panel's players."""
    embedded = re.findall(r"data:audio/flac;base64,([A-Za-z0-9+/=]+)", panel.data)
    return [soundfile.read(io.BytesIO(base64.b64decode(text))) for text in embedded]


def test_levels_of_a_sine():
    found = levels(sine(0.5))
    assert found.rms_dbfs == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1e-6)
    assert found.peak_dbfs == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert found.n_clipped == 0


def test_silence_has_no_level():
    assert levels(np.zeros(10)) == Levels(-np.inf, -np.inf, 0)


def test_only_what_16_bits_cannot_hold_is_clipped():
    assert levels(np.array([1.0, -1.0, 0.5, 1.5, -1.5])).n_clipped == 3  # -1 is a 16-bit sample, +1 is not


@pytest.mark.parametrize("amplitude", [1e-3, 0.1, 0.9])
def test_a_player_keeps_the_level(amplitude):
    waveform = sine(amplitude)
    audio = player(waveform, RATE)
    played, rate = soundfile.read(io.BytesIO(audio.data))
    assert rate == RATE
    assert np.abs(played - waveform).max() <= 0.5 / 32_768 + 1e-12
    assert "audio/flac" in audio._repr_html_()


def test_too_loud_is_clipped_and_not_scaled():
    waveform = sine(2.0)
    played, _ = soundfile.read(io.BytesIO(encode_flac(waveform, RATE)))
    inside = np.abs(waveform) < 0.99
    np.testing.assert_allclose(played[inside], waveform[inside], atol=1e-4)


def test_a_panel_shows_every_sound_with_its_levels():
    panel = listening_panel({"mixture": sine(0.5), "<b>": sine(2.0)}, RATE, title="pair 1")
    assert len(sounds_in(panel)) == 2
    assert "-9.0" in panel.data
    assert "-6.0" in panel.data
    assert "&lt;b&gt;" in panel.data
    assert "<b>pair 1</b>" in panel.data
    assert f">{levels(sine(2.0)).n_clipped}<" in panel.data
    assert "to save space" not in panel.data


def test_a_panel_resamples_before_it_trims():
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE)
    full = len(encode_flac(noise, RATE))
    (played, rate), *_ = sounds_in(panel := listening_panel({"noise": noise}, RATE, budget_bytes=int(0.6 * full)))
    assert rate == RATE // 2
    assert len(played) == pytest.approx(RATE, abs=2)
    assert "resampled to 8000 Hz" in panel.data
    assert "trimmed" not in panel.data
    (played, rate), *_ = sounds_in(panel := listening_panel({"noise": noise}, RATE, budget_bytes=int(0.2 * full)))
    assert rate == RATE // 2
    assert len(played) < 0.6 * RATE
    assert "trimmed to" in panel.data
    assert f"{levels(noise).rms_dbfs:.1f}" in panel.data


@pytest.mark.parametrize(
    ("waveform", "problem"), [(np.zeros((2, 5)), "shape"), (np.zeros(0), "shape"), (np.array([np.nan]), "finite")]
)
def test_a_bad_sound_is_named(waveform, problem):
    with pytest.raises(DataError, match=rf"'estimate'.*{problem}"):
        listening_panel({"estimate": waveform}, RATE)


def test_an_empty_panel_is_an_error():
    with pytest.raises(DataError, match="no sound"):
        listening_panel({}, RATE)
