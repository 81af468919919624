"""Methods that learn nothing: robust PCA, NMF and NMF-MFCC, on matrices and sounds whose parts are known."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import warnings
from pathlib import Path

import librosa
import method_tools as tools
import numpy as np
import pytest
import torch

from avsep_lib.audio import apply_mask, istft, mix, stft
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.methods import nmf, rpca
from avsep_lib.methods.base import Query
from avsep_lib.methods.closed_form import ClosedForm
from avsep_lib.methods.nmf_mfcc import RANGE_DB, mfcc
from avsep_lib.methods.references import IdealBinaryMask
from avsep_lib.methods.registry import closed_form_class
from avsep_lib.methods.settings import NMFSettings
from avsep_lib.metrics import si_sdr
from avsep_lib.settings import AudioSettings

AUDIO = tools.AUDIO
NAMES = ("rpca", "nmf", "nmf_mfcc")
FACTORISATIONS = ("nmf", "nmf_mfcc")
BINS, FRAMES = AUDIO.n_bins, AUDIO.n_frames


def method(name: str, **options: object) -> ClosedForm:
    return closed_form_class(name)(tools.config(name, **options))


def asked(sources: np.ndarray) -> list[Query]:
    return [Query("audio", source) for source in sources]


def mixed(sounds: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    mixture, scaled = mix(sounds)
    return mixture.numpy(), scaled.numpy()


def improvement(estimates: np.ndarray, mixture: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """SI-SDR improvement in dB of each source."""
    references = sources[:, : AUDIO.n_output]
    return si_sdr(references, estimates) - si_sdr(
        references, np.broadcast_to(mixture, sources.shape)[:, : AUDIO.n_output]
    )


def magnitude_of(n: int = 2) -> np.ndarray:
    return stft(mix(tools.sounds(n))[0], AUDIO).abs().double().numpy()


# --- robust PCA ------------------------------------------------------------------------------------------------------


def planted(n_rows: int, n_columns: int, rank: int = 4, share: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """A matrix of low rank and one with few entries, ten times as large."""
    rng = np.random.default_rng(0)
    low_rank = rng.normal(size=(n_rows, rank)) @ rng.normal(size=(rank, n_columns))
    return low_rank, 10 * (rng.random((n_rows, n_columns)) < share) * rng.normal(size=(n_rows, n_columns))


@pytest.mark.parametrize("shape", [(120, 90), (90, 120)])
def test_a_planted_low_rank_matrix_is_recovered(shape):
    true_low_rank, true_sparse = planted(*shape)
    low_rank, sparse, iterations = rpca.robust_pca(true_low_rank + true_sparse)
    assert iterations < 40
    for found, true in ((low_rank, true_low_rank), (sparse, true_sparse)):
        assert np.linalg.norm(found - true) < 1e-6 * np.linalg.norm(true)
    assert np.linalg.matrix_rank(low_rank, tol=1e-6 * np.linalg.norm(low_rank)) == 4
    assert np.mean((np.abs(sparse) > 1e-4) == (true_sparse != 0)) > 0.999


def test_parts_sum_to_the_matrix_and_cost_less_than_others():
    """||L||_* + lambda ||S||_1 is convex: what costs less than its surroundings is the minimum."""
    matrix = magnitude_of(3)
    low_rank, sparse, iterations = rpca.robust_pca(matrix)
    assert 1 < iterations < 100
    assert np.linalg.norm(matrix - low_rank - sparse) < 1e-7 * np.linalg.norm(matrix)
    weight = 1 / np.sqrt(max(matrix.shape))

    def cost(low: np.ndarray) -> float:
        return np.linalg.norm(low, "nuc") + weight * np.abs(matrix - low).sum()

    best, rng = cost(low_rank), np.random.default_rng(1)
    assert best < min(cost(matrix), cost(np.zeros_like(matrix)))
    left, values, right = np.linalg.svd(low_rank, full_matrices=False)
    nearby = [(left[:, :k] * values[:k]) @ right[:k] for k in (1, 2, 4, 8)] + [
        low_rank * (1 + e) for e in (-0.05, 0.05)
    ]
    nearby += [low_rank + 0.02 * np.abs(low_rank).max() * rng.normal(size=matrix.shape) for _ in range(3)]
    assert best < 0.99 * min(cost(low) for low in nearby)


def test_loose_and_few_iterations():
    matrix = sum(planted(60, 40))
    assert rpca.robust_pca(matrix, iterations=5)[2] == 5
    assert rpca.robust_pca(matrix, tolerance=1e-2)[2] < rpca.robust_pca(matrix, tolerance=1e-7)[2]
    assert rpca.robust_pca(matrix, iterations=60, tolerance=0.0)[2] == 60


def test_the_penalty_starts_grows_and_is_capped(monkeypatch):
    matrix, thresholds = sum(planted(60, 40)), []

    def noted(values: np.ndarray, threshold: float) -> np.ndarray:
        thresholds.append(threshold)
        return np.zeros_like(values)

    monkeypatch.setattr(rpca, "shrink_singular_values", noted)
    rpca.robust_pca(matrix, iterations=60, tolerance=0.0)
    first = np.linalg.norm(matrix, 2) / 1.25
    np.testing.assert_allclose(thresholds, [first / min(1.5**k, 1e7) for k in range(60)])


def test_singular_values_by_the_gram_matrix_are_those_of_the_decomposition(monkeypatch):
    def by_svd(matrix: np.ndarray, threshold: float) -> np.ndarray:
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        return (left * np.maximum(values - threshold, 0)) @ right

    matrix = np.random.default_rng(0).normal(size=(30, 50))
    for shrunk in (matrix, matrix.T):
        np.testing.assert_allclose(rpca.shrink_singular_values(shrunk, 6.0), by_svd(shrunk, 6.0), atol=1e-12)
    sound = magnitude_of(3)
    quick = rpca.robust_pca(sound)
    monkeypatch.setattr(rpca, "shrink_singular_values", by_svd)
    plain = rpca.robust_pca(sound)
    assert quick[2] == plain[2]
    for part, other in zip(quick[:2], plain[:2]):
        np.testing.assert_allclose(part, other, atol=1e-8 * sound.max())


@pytest.fixture(scope="module")
def tone_and_pings() -> tuple[np.ndarray, np.ndarray]:
    """A mixture of a chord that repeats, and twelve short pings, each at another time and pitch; and its sources."""
    time, rng = np.arange(AUDIO.n_samples) / AUDIO.sample_rate, np.random.default_rng(0)
    tone = 0.1 * np.sin(2 * np.pi * 2 * time) ** 2 * sum(np.sin(2 * np.pi * f * time) for f in (250.0, 500.0, 750.0))
    starts, pitches = rng.uniform(0.05, 0.95, 12), rng.uniform(300, 3900, 12)
    pings = sum(
        np.exp(-(((time - t) / 0.008) ** 2) / 2) * np.sin(2 * np.pi * f * time) for t, f in zip(starts, pitches)
    )
    return mixed(torch.tensor(np.stack([tone, 0.3 * pings]), dtype=torch.float32))


def test_robust_pca_parts_a_repeating_tone_from_pings(tone_and_pings):
    mixture, sources = tone_and_pings
    estimates = method("rpca").estimate(mixture, asked(sources))
    ideal = IdealBinaryMask(AUDIO).estimate(mixture, asked(sources))["binary"]
    reached, possible = (improvement(values, mixture, sources) for values in (estimates["soft"], ideal))
    assert (reached > 0.9 * possible).all()
    assert possible.min() > 10
    np.testing.assert_array_equal(estimates["soft"], estimates["binary"])
    masks = method("rpca").linear_masks(stft(torch.from_numpy(mixture), AUDIO).abs().double().numpy(), 2)
    assert set(np.unique(masks)) == {0, 1}
    np.testing.assert_array_equal(masks.sum(axis=0), 1)
    tone_bins = np.round(np.array([250, 500, 750]) / AUDIO.sample_rate * AUDIO.n_fft).astype(int)
    assert masks[0, tone_bins].mean() > 0.9  # low rank comes first


@pytest.mark.parametrize("n", [1, 3, 4])
def test_robust_pca_finds_two_sources_only(n):
    with pytest.raises(DataError, match=f"rpca: finds 2 sources, low rank and sparse, not {n}"):
        method("rpca").estimate(mix(tools.sounds(3))[0].numpy(), [Query("none")] * n)


# --- factorisation and its clusters ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def apart() -> tuple[np.ndarray, np.ndarray]:
    """A mixture of a low and a high sound, each with its own slow beats, and its sources."""
    time = np.arange(AUDIO.n_samples) / AUDIO.sample_rate
    low = np.sin(2 * np.pi * 3 * time) ** 2 * sum(np.sin(2 * np.pi * f * time) for f in (250.0, 500.0))
    high = np.cos(2 * np.pi * 2 * time) ** 2 * sum(np.sin(2 * np.pi * f * time) for f in (2000.0, 2500.0))
    return mixed(torch.tensor(0.3 * np.stack([low, high]), dtype=torch.float32))


@pytest.mark.parametrize("name", FACTORISATIONS)
@pytest.mark.parametrize("beta", ["kullback-leibler", "frobenius"])
def test_sounds_whose_spectra_are_disjoint_are_separated(apart, name, beta):
    mixture, sources = apart
    estimates = method(name, beta=beta).estimate(mixture, asked(sources))
    least = {"kullback-leibler": 17, "frobenius": 10}[beta]
    for kind in ("soft", "binary"):
        assert improvement(estimates[kind], mixture, sources).min() > least


@pytest.mark.parametrize("name", FACTORISATIONS)
@pytest.mark.parametrize("n", [2, 3])
def test_sounds_of_all_tests_are_separated(name, n):
    mixture, sources = mixed(tools.sounds(n))
    estimates = method(name).estimate(mixture, asked(sources))
    least = {2: 0.75, 3: 0.8}[n]
    assert estimates["binary"].shape == (n, AUDIO.n_output)
    assert tools.gain(estimates["binary"], n) > least * tools.ideal_gain(n)
    assert tools.gain(estimates["soft"], n) > 0.9 * least * tools.ideal_gain(n)


def test_components_of_any_cluster_do_not_do(monkeypatch):
    """The tests above can fail: components shared out by lot are no sources."""
    mixture, sources = mixed(tools.sounds(3))
    gains = []
    for lot in range(5):
        labels = np.random.default_rng(lot).integers(0, 3, 20)
        monkeypatch.setattr(nmf, "cluster", lambda *_, labels=labels: labels)
        gains.append(tools.gain(method("nmf").estimate(mixture, asked(sources))["binary"], 3))
    assert np.mean(gains) < 0.3 * tools.ideal_gain(3)


def test_leftovers_are_no_source():
    """Two components that sound and some that hardly do, with other spectra: the former are told apart."""
    templates = np.eye(12)[:, :8]
    templates[:, 2:] += 3 * np.eye(12)[:, 11:]
    weights = np.array([1, 1, *np.full(6, 1e-3)])
    features = method("nmf").features(templates)
    assert len(set(nmf.cluster(features, weights, 2, 0)[:2])) == 2
    assert len(set(nmf.cluster(features, np.ones(8), 2, 0)[:2])) == 1


@pytest.mark.parametrize("name", FACTORISATIONS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_masks_are_shares(name, n):
    masks = method(name).linear_masks(magnitude_of(3), n)
    assert masks.shape == (n, BINS, FRAMES)
    assert masks.min() >= 0
    assert masks.max() <= 1
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-12)


def test_factors_are_non_negative_and_their_product_is_near():
    magnitude = magnitude_of(2)
    templates, activations = nmf.factorise(magnitude, NMFSettings(), 0)
    assert templates.shape == (BINS, 20)
    assert activations.shape == (20, FRAMES)
    assert min(templates.min(), activations.min()) >= 0
    product, relative = templates @ activations, magnitude / magnitude.max()
    assert np.linalg.norm(product - relative) < 0.1 * np.linalg.norm(relative)
    np.testing.assert_allclose(product.sum(), relative.sum(), rtol=1e-3)  # as a minimum of the divergence has it
    few, many = (nmf.factorise(magnitude, NMFSettings(nmf_iterations=k), 0) for k in (5, 50))
    assert np.linalg.norm(few[0] @ few[1] - relative) > np.linalg.norm(many[0] @ many[1] - relative)


def test_more_components_than_frames_and_the_fewest():
    for components in (2, 3, FRAMES + 5):
        masks = method("nmf", components=components, nmf_iterations=10).linear_masks(magnitude_of(2), 2)
        np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-12)
    with pytest.raises(DataError, match="nmf: components = 2 cannot be 3 sources; set components to 3"):
        method("nmf", components=2).linear_masks(magnitude_of(2), 3)


def test_empty_clusters_are_sources_without_sound():
    """Rows that are all alike are one cluster; k-means warns of it, and nobody has to read that."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = nmf.cluster(np.ones((5, 3)), np.ones(5), 3, 0)
    assert set(labels) == {0}
    templates, activations = np.ones((4, 5)), np.ones((5, 6))
    masks = nmf.cluster_masks(templates, activations, labels, 3)
    np.testing.assert_array_equal(masks, np.stack([np.ones((4, 6)), np.zeros((4, 6)), np.zeros((4, 6))]))
    activations[:, 2] = 0
    np.testing.assert_array_equal(nmf.cluster_masks(templates, activations, labels, 3)[:, :, 2], 1 / 3)  # no component


@pytest.mark.parametrize("name", FACTORISATIONS)
def test_one_frame_that_sounds_is_no_obstacle(name):
    magnitude = np.zeros((BINS, FRAMES))
    magnitude[10:20, 5] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        masks = method(name).linear_masks(magnitude, 2)
    assert np.isfinite(masks).all()
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-12)


def test_coefficients_are_those_of_librosa():
    audio = AudioSettings()
    power = np.random.default_rng(0).exponential(size=(audio.n_bins, 6)) ** 4
    power[100:, 3] = 0  # bands cut off at the range
    ours = mfcc(power, audio, 40, 13)
    for j in range(6):
        mel = librosa.feature.melspectrogram(S=power[:, j : j + 1], sr=audio.sample_rate, n_fft=audio.n_fft, n_mels=40)
        theirs = librosa.feature.mfcc(S=librosa.power_to_db(mel, ref=np.max, top_db=RANGE_DB), n_mfcc=14)
        np.testing.assert_allclose(ours[:, j], theirs[1:, 0], rtol=1e-5, atol=1e-4)  # its filters are float32
    gains = np.array([1e-6, 1, 1, 1, 1, 1e6])
    np.testing.assert_allclose(mfcc(power * gains, audio, 40, 13), ours, atol=1e-9)
    np.testing.assert_array_equal(mfcc(np.zeros((audio.n_bins, 2)), audio, 40, 13), 0)
    with pytest.raises(ConfigError, match="n_mfcc = 40"):
        NMFSettings(n_mfcc=40)


def test_timbre_and_pitch_are_clustered_differently():
    """Harmonic templates of two envelopes at several pitches: by their coefficients, not by their spectra."""
    audio, bins = AUDIO, np.arange(BINS)
    pitches = (8, 9, 10, 11, 13)
    combs = [sum(np.exp(-0.5 * ((bins - k * p) / 1.2) ** 2) for k in range(1, BINS // p + 1)) for p in pitches]
    envelopes = [np.exp(-bins / 12), np.exp(-bins / 300)]  # dull, bright
    templates = np.stack([comb * envelope for envelope in envelopes for comb in combs], axis=1)
    found = nmf.cluster(method("nmf_mfcc").features(templates), np.ones(10), 2, 0)
    assert set(found[:5]) != set(found[5:])
    assert len(set(found[:5])) == len(set(found[5:])) == 1
    np.testing.assert_allclose(np.linalg.norm(method("nmf").features(templates), axis=1), 1)
    assert method("nmf_mfcc").features(templates).shape == (10, 13)
    assert audio.n_bins == method("nmf").features(templates).shape[1]


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_gain_changes_no_mask(name):
    magnitude = magnitude_of(2)
    masks = method(name).linear_masks(magnitude, 2)
    for gain in (0.3, 1e-4, 2.0**10):
        other = method(name).linear_masks(gain * magnitude, 2)
        assert np.abs(other - masks).mean() < 1e-3
        heard = magnitude > 1e-3 * magnitude.max()
        np.testing.assert_allclose(other[:, heard], masks[:, heard], atol=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_a_silent_mixture_is_shared_equally(name):
    masks = method(name).linear_masks(np.zeros((BINS, FRAMES)), 2)
    np.testing.assert_array_equal(masks, np.full((2, BINS, FRAMES), 0.5))
    silence = np.zeros(AUDIO.n_samples, dtype=np.float32)
    for estimates in method(name).estimate(silence, [Query("none")] * 2).values():
        np.testing.assert_array_equal(estimates, np.zeros((2, AUDIO.n_output)))
    estimates = method(name).estimate(
        silence, asked(tools.sounds(2).numpy())
    )  # silent estimates, as scoring counts them
    assert not estimates["soft"].any()
    assert [part.any() for part in rpca.robust_pca(np.zeros((4, 3)))[:2]] == [False, False]


@pytest.mark.parametrize("name", NAMES)
def test_a_mixture_that_is_silent_half_the_time(name):
    mixture, sources = mixed(tools.sounds(2))
    mixture, sources = mixture.copy(), sources.copy()
    mixture[4000:], sources[:, 4000:] = 0, 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimates = method(name).estimate(mixture, asked(sources))
    assert all(np.isfinite(value).all() for value in estimates.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_true_sources_only_name_the_outputs(name):
    mixture, sources = mixed(tools.sounds(2))
    estimates, swapped = (method(name).estimate(mixture, asked(s)) for s in (sources, sources[::-1]))
    unnamed = method(name).estimate(mixture, [Query("none")] * 2)
    for kind in ("soft", "binary"):
        np.testing.assert_array_equal(estimates[kind], swapped[kind][::-1])
        assert any(np.array_equal(estimates[kind], unnamed[kind][order]) for order in ([0, 1], [1, 0]))
        better, worse = (si_sdr(sources[:, : AUDIO.n_output], estimates["soft"][order]) for order in ([0, 1], [1, 0]))
        assert better.mean() > worse.mean()
    channels = method(name).separate(np.stack([mixture, mixture[::-1]]), [Query("none")] * 2)
    assert channels.shape == (2, 2, AUDIO.n_output)


@pytest.mark.parametrize("name", NAMES)
def test_queries_of_other_kinds_are_refused(name):
    mixture, sources = mixed(tools.sounds(2))
    for queries in ([Query("image", np.zeros(4))] * 2, [Query("audio", sources[0]), Query("none")]):
        with pytest.raises(DataError, match=f"{name}: query . is of kind"):
            method(name).estimate(mixture, queries)
    with pytest.raises(DataError, match="kind 'audio'"):
        method(name).estimate(mixture, [Query("none"), Query("audio", sources[0])])


DIGEST = """
import sys
sys.path.insert(0, {tests!r})
import hashlib, method_tools as tools, torch
torch.set_num_threads(1)  # as here
from avsep_lib.audio import mix
from avsep_lib.methods.base import Query
from avsep_lib.methods.registry import closed_form_class
mixture = mix(tools.sounds(2))[0].numpy()
for name in {names!r}:
    estimates = closed_form_class(name)(tools.config(name)).estimate(mixture, [Query("none")] * 2)
    print(hashlib.sha256(estimates["soft"].tobytes()).hexdigest())
"""


def test_equal_input_gives_equal_sounds_also_in_another_process():
    def digest(name: str) -> str:
        mixture = mix(tools.sounds(2))[0].numpy()
        return hashlib.sha256(method(name).estimate(mixture, [Query("none")] * 2)["soft"].tobytes()).hexdigest()

    first = [digest(name) for name in NAMES]
    np.random.seed(5)  # noqa: NPY002  the legacy state is scikit-learn's, where no seed is given
    assert [digest(name) for name in NAMES] == first
    code = DIGEST.format(tests=str(Path(tools.__file__).parent), names=NAMES)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == first


def test_a_run_s_seed_is_the_factorisation_s():
    magnitude = magnitude_of(3)
    runs = [closed_form_class("nmf")(tools.config("nmf", seed=seed, components=FRAMES + 5)) for seed in (0, 1)]
    assert not np.array_equal(*[run.linear_masks(magnitude, 3) for run in runs])


# --- masks on the linear grid ----------------------------------------------------------------------------------------


class Fixed(ClosedForm):
    """Masks given beforehand."""

    given: np.ndarray

    def linear_masks(self, magnitude: np.ndarray, n: int) -> np.ndarray:
        return self.given


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_masks_on_the_linear_grid_are_not_unwarped(dtype):
    spectrum = stft(mix(tools.sounds(2))[0].to(dtype), AUDIO)
    rows = torch.linspace(0, 0.9, BINS, dtype=dtype)[:, None].expand(BINS, FRAMES)
    for threshold, mask in ((None, rows), (0.5, (rows > 0.5).to(dtype))):
        found = apply_mask(spectrum, rows, AUDIO, threshold=threshold, linear=True)
        assert found.dtype == dtype
        torch.testing.assert_close(found, istft(spectrum * mask, AUDIO), rtol=0, atol=0)
    assert method("nmf").masks(spectrum, [Query("none")] * 2).dtype == dtype


def test_outputs_of_one_source_are_added_before_they_are_binarised():
    """Three outputs for two sources: neither part of the second exceeds a half, their sum does."""
    mixture, sources = mixed(tools.sounds(2))
    spectra = stft(torch.from_numpy(sources), AUDIO).abs().double().numpy()
    second = spectra[1] / spectra.sum(axis=0).clip(1e-12)
    made = Fixed(tools.config("nmf"))
    made.given = np.stack([0.45 * second, 1 - second, 0.55 * second])
    estimates = made.estimate(mixture, asked(sources))
    spectrum = stft(torch.from_numpy(mixture), AUDIO)
    for threshold, kind in ((None, "soft"), (0.5, "binary")):
        expected = apply_mask(
            spectrum, torch.tensor(np.stack([1 - second, second])).float(), AUDIO, threshold=threshold, linear=True
        )
        np.testing.assert_allclose(estimates[kind], expected, atol=2e-6)
    assert improvement(estimates["binary"], mixture, sources).min() > 10
