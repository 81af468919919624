"""The front end against definitions: DFT frames, the lineage's warp, masks, targets and weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from avsep_lib.audio import (
    LOG_FLOOR,
    apply_mask,
    binary_target,
    istft,
    loss_weight,
    mix,
    ratio_target,
    stft,
    unwarp,
    unwarp_matrix,
    warp,
    warp_matrix,
    warped_magnitudes,
)
from avsep_lib.errors import DataError
from avsep_lib.metrics import si_sdr
from avsep_lib.settings import AudioSettings

PAPER = AudioSettings()
SMALL = AudioSettings(sample_rate=8000, n_samples=4095, n_fft=256, hop_length=128, n_rows=32)


def noise(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return (torch.rand(shape, dtype=dtype, generator=torch.Generator().manual_seed(0)) - 0.5).contiguous()


def tones(*hertz: float, audio: AudioSettings = SMALL) -> torch.Tensor:
    """One sine per row, shape (n, n_samples)."""
    time = torch.arange(audio.n_samples, dtype=torch.float64) / audio.sample_rate
    return torch.stack([torch.sin(2 * torch.pi * f * time) / 2 for f in hertz])


# --- STFT ------------------------------------------------------------------------------------------------------------


def test_the_papers_clip_gives_256_frames_and_65280_samples():
    spectrum = stft(noise((65_535,), torch.float32), PAPER)
    assert spectrum.shape == (513, 256) == (PAPER.n_bins, PAPER.n_frames)
    assert istft(spectrum, PAPER).shape == (65_280,)
    assert PAPER.n_output == 65_280
    assert AudioSettings(n_samples=5 * 11_625).n_frames == 228  # the text's five seconds do not fit the network


@pytest.mark.parametrize("n_samples", [4094, 4096, 0])
def test_another_number_of_samples_is_refused(n_samples):
    with pytest.raises(DataError, match=rf"expected 4095 samples .*got {n_samples}; crop the clip"):
        stft(torch.zeros(n_samples), SMALL)


@pytest.mark.parametrize("frame", [0, 7, 31])
def test_a_frame_is_the_dft_of_a_centred_windowed_segment(frame):
    waveform = noise((SMALL.n_samples,))
    half = SMALL.n_fft // 2
    padded = np.pad(waveform.numpy(), half, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SMALL.n_fft) / SMALL.n_fft)
    segment = padded[frame * SMALL.hop_length : frame * SMALL.hop_length + SMALL.n_fft]
    np.testing.assert_allclose(stft(waveform, SMALL)[:, frame].numpy(), np.fft.rfft(window * segment), atol=1e-10)


def test_inverse_and_leading_axes():
    waveforms = noise((2, 3, SMALL.n_samples))
    spectrum = stft(waveforms, SMALL)
    assert spectrum.shape == (2, 3, 129, 32)
    torch.testing.assert_close(istft(spectrum, SMALL), waveforms[..., : SMALL.n_output])
    torch.testing.assert_close(spectrum[1, 2], stft(waveforms[1, 2], SMALL))


# --- warp ------------------------------------------------------------------------------------------------------------


def grid_sample(magnitude: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """The lineage's resampling: bilinear, aligned corners, zero padding, identity in time; `rows` in [-1, 1]."""
    n_frames = magnitude.shape[-1]
    columns = torch.linspace(-1, 1, n_frames, dtype=rows.dtype)
    grid = torch.stack([columns.expand(len(rows), n_frames), rows[:, None].expand(-1, n_frames)], dim=-1)
    sampled = F.grid_sample(magnitude[None, None], grid[None], mode="bilinear", align_corners=True)
    return sampled[0, 0]


@pytest.mark.parametrize("audio", [PAPER, SMALL, dataclasses.replace(PAPER, n_rows=64)])
def test_warp_and_unwarp_are_the_lineages_grid_sample(audio):
    u = torch.linspace(0, 1, audio.n_rows, dtype=torch.float64)
    y = torch.linspace(-1, 1, audio.n_bins, dtype=torch.float64)
    magnitude, mask = noise((audio.n_bins, 16)).abs(), noise((audio.n_rows, 16)).abs()
    torch.testing.assert_close(warp(magnitude, audio), grid_sample(magnitude, (21**u - 11) / 10), atol=1e-9, rtol=0)
    expected = grid_sample(mask, 2 * torch.log(10 * y + 11) / np.log(21) - 1)
    torch.testing.assert_close(unwarp(mask, audio), expected, atol=1e-9, rtol=0)


def test_warp_positions_follow_the_formula():
    ramp = torch.arange(513.0, dtype=torch.float64)[:, None]  # reads out the linear-frequency position itself
    positions = warp(ramp, PAPER)[:, 0]
    u = torch.linspace(0, 1, 256, dtype=torch.float64)
    torch.testing.assert_close(positions, (21**u - 1) / 20 * 512)
    assert positions[0] == 0
    assert positions[-1] == pytest.approx(512)
    spacing = positions.diff()
    assert (spacing > 0).all()
    assert (spacing.diff() > 0).all()
    assert spacing[0] == pytest.approx(0.306, abs=2e-3)  # bins per row
    assert spacing[-1] == pytest.approx(6.42, abs=0.05)


def test_unwarp_positions_follow_the_formula():
    ramp = torch.arange(256.0, dtype=torch.float64)[:, None]
    positions = unwarp(ramp, PAPER)[:, 0]
    v = torch.linspace(0, 1, 513, dtype=torch.float64)
    torch.testing.assert_close(positions, torch.log1p(20 * v) / np.log(21) * 255)
    assert positions[0] == 0
    assert positions[-1] == pytest.approx(255)
    assert (positions.diff() > 0).all()


def test_warp_matrices_interpolate():
    for matrix in (warp_matrix(513, 256), unwarp_matrix(513, 256)):
        torch.testing.assert_close(matrix.sum(dim=1), torch.ones(len(matrix), dtype=torch.float64))
        assert (matrix >= 0).all()
        assert ((matrix > 0).sum(dim=1) <= 2).all()


def test_unwarp_of_warp_keeps_smooth_curves_and_loses_single_bins():
    v = torch.linspace(0, 1, 513, dtype=torch.float64)[:, None]
    smooth = 1 + torch.cos(3 * v)
    torch.testing.assert_close(unwarp(warp(smooth, PAPER), PAPER), smooth, atol=2e-3, rtol=0)
    comb = torch.zeros(513, 1, dtype=torch.float64)
    comb[501] = 1
    assert unwarp(warp(comb, PAPER), PAPER).max() < 0.7  # no anti-alias filter


# --- masks -----------------------------------------------------------------------------------------------------------


def test_a_mask_of_ones_returns_the_mixture():
    waveforms = noise((2, PAPER.n_samples), torch.float32)
    back = apply_mask(stft(waveforms, PAPER), torch.ones(2, 256, 256), PAPER)
    torch.testing.assert_close(back, waveforms[:, :65_280], atol=1e-5, rtol=0)


def test_binarisation_follows_unwarping():
    waveform = noise((SMALL.n_samples,))
    spectrum = stft(waveform, SMALL)
    mask = (noise((SMALL.n_rows, SMALL.n_frames)) + 0.5).clamp(0, 1)
    found = apply_mask(spectrum, mask, SMALL, threshold=0.5)
    late = (unwarp(mask, SMALL) > 0.5).double()
    early = unwarp((mask > 0.5).double(), SMALL)
    torch.testing.assert_close(found, istft(spectrum * late, SMALL).clamp(-1, 1))
    assert not torch.allclose(found, istft(spectrum * early, SMALL), atol=1e-3)
    torch.testing.assert_close(apply_mask(spectrum, 0 * mask, SMALL), torch.zeros(SMALL.n_output, dtype=torch.float64))


def test_estimates_are_clipped():
    loud = 3 * noise((SMALL.n_samples,))
    assert apply_mask(stft(loud, SMALL), torch.ones(32, 32, dtype=torch.float64), SMALL).abs().max() == 1


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_ideal_masks_separate_two_tones(threshold):
    audio = dataclasses.replace(SMALL, n_rows=128)  # with fewer rows a lone high partial falls between them
    mixture, sources = mix(tones(500, 2500))
    target = binary_target(warped_magnitudes(sources, audio), warped_magnitudes(mixture, audio, LOG_FLOOR))
    estimates = apply_mask(stft(mixture, audio), target, audio, threshold=threshold).numpy()
    references = sources[:, : audio.n_output].numpy()
    baseline = si_sdr(references, np.stack([mixture[: audio.n_output].numpy()] * 2))
    assert (si_sdr(references, estimates) > baseline + 12).all()
    assert (si_sdr(references, estimates[::-1]) < baseline).all()


def test_binary_targets_may_both_be_one_or_neither():
    mixture = torch.tensor([1.0, 1.0, 1.0, 1.0])
    sources = torch.tensor([[0.9, 0.8, 0.3, 0.5], [0.1, 0.7, 0.4, 0.5]])
    assert binary_target(sources, mixture).tolist() == [[1, 1, 0, 0], [0, 1, 0, 0]]  # exactly one half is 0


def test_ratio_target_is_clamped():
    target = ratio_target(torch.tensor([0.5, 3.0, 0.0]), torch.tensor([2.0, 1.0, 0.0]))
    assert target.tolist() == [0.25, 1.0, 0.0]


def test_loss_weight_is_a_clamped_logarithm():
    weight = loss_weight(torch.tensor([0.0, 1e-5, np.e - 1, 1e9], dtype=torch.float64))
    torch.testing.assert_close(weight, torch.tensor([1e-3, 1e-3, 1.0, 10.0], dtype=torch.float64))


@pytest.mark.parametrize("n", [2, 3])
def test_mixing_divides_by_the_number_of_sources(n):
    sources = noise((4, n, 10))
    mixture, scaled = mix(sources)
    torch.testing.assert_close(scaled, sources / n)
    torch.testing.assert_close(mixture, sources.mean(dim=1))


def test_the_mixture_spectrum_is_the_sum_of_the_source_spectra():
    mixture, sources = mix(noise((2, SMALL.n_samples)))
    torch.testing.assert_close(stft(mixture, SMALL), stft(sources, SMALL).sum(dim=0))
