"""BSS-eval and SI-SDR against algebra, laws, mir_eval and committed golden values."""

import warnings

import numpy as np
import pytest
from scipy import signal

from avsep_lib import metrics
from avsep_lib.errors import DataError

SAMPLES = 8192
RATE = 11_625


def noise(n=2, samples=SAMPLES, seed=0):
    return np.random.default_rng(seed).standard_normal((n, samples))


def orthonormal(n, samples=256, seed=1):
    """Rows with unit energy, orthogonal to each other to rounding."""
    return np.linalg.qr(noise(n, samples, seed).T)[0].T


def notes(n=2, samples=SAMPLES):
    """Decaying harmonic notes over recording noise: tonal, with a steep spectrum, like instruments."""
    time = np.arange(samples) / RATE
    rows = []
    for i in range(n):
        tone = sum(
            np.sin(2 * np.pi * 196 * 1.19**i * k * time) * np.exp(-2 * k * (time % 0.25)) / k for k in range(1, 9)
        )
        rows.append(0.1 * tone + 1e-4 * noise(1, samples, seed=20 + i)[0])
    return np.array(rows)


def low_passed(n=2):
    """Noise through a low-pass, 40 dB down at the top: an uneven but not an empty spectrum."""
    return signal.sosfilt(signal.butter(2, 0.4, output="sos"), noise(n)) + 1e-2 * noise(n, seed=5)


def leaky(references, leak=0.2, floor=0.05):
    """Estimates with interference from the next source and noise of their own."""
    scale = references.std(axis=1, keepdims=True)
    return references + leak * np.roll(references, 1, axis=0) + floor * scale * noise(*references.shape, seed=9)


def mir_eval_scores(references, estimates):
    from mir_eval import separation  # pinned below 0.9, which drops it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return np.array(separation.bss_eval_sources(references, estimates, compute_permutation=False)[:3])


def stacked(scores):
    return np.array([scores.sdr_db, scores.sir_db, scores.sar_db])


# algebra ----------------------------------------------------------------------------------------------------------


def test_one_tap_scores_are_the_energy_ratios_of_the_mixing():
    first, second, artefact = orthonormal(3)
    estimate = 2.0 * first + 0.5 * second + 0.25 * artefact
    scores = metrics.bss_eval([first, second], [estimate, second], filter_length=1)
    assert scores.sdr_db[0] == pytest.approx(10 * np.log10(4 / (0.25 + 0.0625)), abs=1e-9)
    assert scores.sir_db[0] == pytest.approx(10 * np.log10(4 / 0.25), abs=1e-9)
    assert scores.sar_db[0] == pytest.approx(10 * np.log10(4.25 / 0.0625), abs=1e-9)


def test_long_white_noise_gives_the_ratios_of_the_mixing():
    # over long white noise delays are nearly orthogonal, so 512 taps change little: within a tenth of a decibel
    references, artefact = noise(2, 2**17), noise(2, 2**17, seed=3)
    scores = metrics.bss_eval(references, references + 0.3 * references[::-1] + 0.2 * artefact)
    assert scores.sdr_db == pytest.approx(10 * np.log10(1 / 0.13), abs=0.1)
    assert scores.sir_db == pytest.approx(10 * np.log10(1 / 0.09), abs=0.1)
    assert scores.sar_db == pytest.approx(10 * np.log10(1.09 / 0.04), abs=0.1)


def test_a_filter_within_the_taps_is_forgiven_and_a_longer_delay_is_not():
    references = noise()
    delayed = [np.r_[np.zeros(delay), references[0][:-delay]] for delay in (511, 512)]
    within, beyond = (metrics.bss_eval(references, [late, references[1]]).sdr_db[0] for late in delayed)
    assert within > 10  # the cut end of the clip is all that is wrong
    assert beyond < -5


def test_si_sdr_of_orthogonal_noise_is_the_energy_ratio():
    source, artefact = orthonormal(2)
    assert metrics.si_sdr([source], [3 * source + 0.3 * artefact])[0] == pytest.approx(20.0, abs=1e-9)


# laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [notes, low_passed, noise])
def test_gains_of_estimates_and_references_change_nothing(make):
    references, gains = make(), np.array([[1e-3], [70.0]])
    estimates = leaky(references)
    plain = stacked(metrics.bss_eval(references, estimates))
    assert stacked(metrics.bss_eval(references, -gains * estimates)) == pytest.approx(plain, abs=1e-8)
    assert stacked(metrics.bss_eval(gains * references, estimates)) == pytest.approx(plain, abs=1e-7)
    assert metrics.si_sdr(gains * references, estimates) == pytest.approx(metrics.si_sdr(references, estimates))


def test_swapping_the_sources_swaps_the_scores():
    references = notes()
    estimates = leaky(references) * [[1.0], [0.5]]
    swapped = stacked(metrics.bss_eval(references[::-1], estimates[::-1]))
    assert swapped[:, ::-1] == pytest.approx(stacked(metrics.bss_eval(references, estimates)), abs=1e-8)


def test_swapped_estimates_are_scored_where_they_stand():
    references = noise()
    assert (metrics.bss_eval(references, leaky(references)[::-1]).sdr_db < 0).all()


def test_leading_axes_are_scored_as_if_one_by_one():
    references = low_passed(3)
    estimates = np.array([[leaky(references, leak, floor) for leak in (0.1, 0.4)] for floor in (0.01, 0.1, 1.0)])
    together = stacked(metrics.References(references).bss_eval(estimates))
    assert together.shape == (3, 3, 2, 3)
    assert metrics.si_sdr(references, estimates).shape == (3, 2, 3)
    for index in np.ndindex(3, 2):
        alone = stacked(metrics.bss_eval(references, estimates[index]))
        assert together[(slice(None), *index)] == pytest.approx(alone, abs=1e-9)


def test_sdr_never_exceeds_sir_or_sar_by_more_than_rounding():
    scores = metrics.bss_eval(notes(), leaky(notes()))
    assert (scores.sdr_db <= np.minimum(scores.sir_db, scores.sar_db) + 1e-6).all()


def test_more_taps_never_score_lower():
    references = low_passed()
    sdr = [metrics.bss_eval(references, leaky(references), taps).sdr_db for taps in (1, 8, 64, 512)]
    assert (np.diff(sdr, axis=0) > 0).all()


# second implementation and golden values -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [notes, low_passed, noise])
@pytest.mark.parametrize("n_sources", [2, 3])
@pytest.mark.parametrize(("leak", "floor"), [(0.5, 0.5), (0.1, 0.01), (1e-3, 1e-3)])
def test_agrees_with_mir_eval(make, n_sources, leak, floor):
    references = make(n_sources)
    estimates = leaky(references, leak, floor)
    ours = stacked(metrics.bss_eval(references, estimates))
    assert ours == pytest.approx(mir_eval_scores(references, estimates), abs=1e-6)


def test_agrees_with_mir_eval_on_levels_far_apart():
    references = notes() * [[1.0], [1e-3]]
    estimates = leaky(references, 0.1)
    assert stacked(metrics.bss_eval(references, estimates)) == pytest.approx(
        mir_eval_scores(references, estimates), abs=1e-6
    )


def test_references_with_an_empty_band_are_loaded_and_stay_close():
    references = signal.sosfilt(signal.butter(6, 0.5, output="sos"), noise(2, 32_767))
    prepared = metrics.References(references)
    assert 0 < prepared.loading <= 1e-10
    estimates = leaky(references)
    ours, theirs = stacked(prepared.bss_eval(estimates)), mir_eval_scores(references, estimates)
    assert ours[0] == pytest.approx(theirs[0], abs=1e-6)
    assert ours[1:] == pytest.approx(theirs[1:], abs=0.05)


def test_golden_values():
    """Written down once from mir_eval 0.8.2; they hold the definition when mir_eval drops the metric."""
    references = notes()
    scores = stacked(metrics.bss_eval(references, leaky(references)))
    assert scores == pytest.approx(np.array(GOLDEN_BSS_EVAL), abs=1e-6)
    assert metrics.si_sdr(references, leaky(references)) == pytest.approx(GOLDEN_SI_SDR, abs=1e-9)


GOLDEN_BSS_EVAL = ((13.810816176, 13.935636953), (14.055989066, 14.185549957), (26.583357088, 26.622531688))
GOLDEN_SI_SDR = (13.681080415472, 13.748264612681)


# silence, infinity, bad input -------------------------------------------------------------------------------------


def test_silence_threshold_is_the_sum_of_magnitudes():
    assert metrics.is_silent(np.zeros(10))
    assert metrics.is_silent(np.full(10, 1e-6))
    assert not metrics.is_silent(np.full(10, -1.1e-6))
    assert metrics.is_silent(np.zeros((3, 2, 10))).shape == (3, 2)


def test_silent_estimate_is_nan_and_its_neighbour_is_scored():
    references = noise()
    estimates = np.stack([np.zeros_like(references[0]), references[1] + 0.1 * references[0]])
    for values in [*stacked(metrics.bss_eval(references, estimates)), metrics.si_sdr(references, estimates)]:
        assert np.isnan(values[0])
        assert np.isfinite(values[1]) or values[1] == np.inf


def test_silent_reference_is_refused_by_name():
    references = np.stack([noise(1)[0], np.zeros(SAMPLES)])
    with pytest.raises(DataError, match="clip_b is silent"):
        metrics.References(references, names=["clip_a", "clip_b"])
    with pytest.raises(DataError, match="reference 1 is silent"):
        metrics.si_sdr(references, references)


@pytest.mark.parametrize("make", [notes, low_passed, noise])
def test_perfect_estimates_are_infinite_and_the_mixture_has_no_artefacts(make):
    references = make()
    assert np.isposinf(stacked(metrics.bss_eval(references, 0.3 * references))).all()
    assert np.isposinf(metrics.si_sdr(references, 0.3 * references)).all()
    mixture = metrics.bss_eval(references, np.tile(references.sum(axis=0), (2, 1)))
    assert np.isposinf(mixture.sar_db).all()
    assert np.isfinite(mixture.sdr_db).all()


def test_an_orthogonal_estimate_is_minus_infinite():
    source, other = orthonormal(2)
    assert np.isneginf(metrics.si_sdr([source], [other])).all()


def test_float32_audio_is_scored_in_float64():
    references = notes().astype(np.float32)
    estimates = leaky(references).astype(np.float32)
    double = metrics.bss_eval(references.astype(float), estimates.astype(float))
    assert (metrics.bss_eval(references, estimates).sdr_db == double.sdr_db).all()


@pytest.mark.parametrize(
    ("references", "estimates", "message"),
    [
        (np.ones(5), np.ones(5), "shape"),
        (noise(2, 50), noise(2, 49), r"expected \(..., 2, 50\)"),
        (noise(2, 50), noise(3, 50), "expected"),
        (np.full((2, 50), np.nan), noise(2, 50), "reference 0, reference 1 holds NaN"),
        (noise(2, 50), np.full((2, 50), np.inf), "estimate holds NaN or infinity"),
    ],
)
def test_bad_input_is_refused(references, estimates, message):
    for score in (metrics.bss_eval, metrics.si_sdr):
        with pytest.raises(DataError, match=message):
            score(references, estimates)


def test_filter_length_must_be_positive():
    with pytest.raises(DataError, match="filter_length is 0"):
        metrics.References(noise(2, 50), filter_length=0)
