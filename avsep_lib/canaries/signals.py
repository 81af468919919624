"""Do estimates keep the mixture's phase, and does every frame stay where it was?"""

from __future__ import annotations

import numpy as np
import torch
from safetensors import safe_open

from avsep_lib import audio as front_end
from avsep_lib import score
from avsep_lib.canaries.evidence import Evidence
from avsep_lib.canaries.findings import Finding, at_least, at_most
from avsep_lib.methods.references import REFERENCES
from avsep_lib.settings import AudioSettings

IDENTITY_DB = 60.0
PHASE_COSINE = 0.8  # masking makes a spectrogram slightly inconsistent; random phase gives 0
FLOOR_DB = 1e-3


def likeness_db(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Energy of `reference` over that of the difference, in dB; 200 for an exact copy."""
    difference = np.square(reference - estimate, dtype=float).sum()
    return float(10 * np.log10(np.square(reference, dtype=float).sum() / max(difference, 1e-20)))


def phase_cosine(estimate: np.ndarray, item: score.MixtureItem, audio: AudioSettings) -> float:
    """Cosine of the phase difference between estimate and mixture, weighted with the estimate's magnitude."""
    padded = np.pad(estimate, (0, audio.n_samples - audio.n_output))
    waveforms = torch.from_numpy(np.stack([padded, item.waveform]))
    ours, mixture = front_end.stft(waveforms, audio)[..., 1:-1]  # frames that reach over neither end
    aligned = (ours * mixture.conj()).real / mixture.abs().clamp_min(1e-12)
    return float(aligned.sum() / ours.abs().sum().clamp_min(1e-12))


def wrong_phase(evidence: Evidence) -> list[Finding]:
    """A mask of ones gives the mixture back, and estimates have the mixture's phase."""
    items, audio = evidence.items(), evidence.audio
    ones = REFERENCES["mixture"](audio)
    copies = [ones.estimate(item.waveform, score.oracle_queries(item))["soft"] for item in items]
    likeness = [likeness_db(item.waveform[: audio.n_output], row) for item, c in zip(items, copies) for row in c]
    ideal = REFERENCES["ideal_ratio"](audio)
    cosines = {"ideal_ratio": _least_cosine(ideal, score.oracle_queries, items, audio)}
    if evidence.runs:
        run = evidence.method(evidence.best_run)
        cosines[evidence.best_run] = _least_cosine(run, lambda item: evidence.queries(run, item), items, audio)
    worst = min(cosines, key=cosines.get)
    floor = evidence.references[evidence.references.method == "mixture"].si_sdri_db.abs().max()
    return [
        at_least("mixture over its difference from a mask of ones, dB", min(likeness), IDENTITY_DB),
        at_least("cosine of the phase difference to the mixture", cosines[worst], PHASE_COSINE, worst),
        at_most("mixture as an estimate, improvement in its score rows, dB", floor, FLOOR_DB),
    ]


def _least_cosine(method, queries: score.QueryMaker, items: list[score.MixtureItem], audio: AudioSettings) -> float:
    return min(
        phase_cosine(estimate, item, audio)
        for item in items
        for estimate in method.estimate(item.waveform, queries(item))["soft"]
    )


def click_shifts(audio: AudioSettings) -> tuple[float, float]:
    """How far a click moves: in samples through STFT and back, and in frames between waveform and spectrogram."""
    samples, frames = [], []
    for position in np.linspace(2 * audio.n_fft, audio.n_output - 2 * audio.n_fft, 5).astype(int) + np.arange(5):
        click = torch.zeros(audio.n_samples)
        click[position] = 1.0
        spectrum = front_end.stft(click, audio)
        back = front_end.apply_mask(spectrum, torch.ones(audio.n_rows, spectrum.shape[-1]), audio)
        magnitude = spectrum.abs().sum(dim=0).double()  # the window, sampled at hop_length around the click
        centre = float((magnitude * torch.arange(len(magnitude))).sum() / magnitude.sum())
        samples.append(abs(int(back.abs().argmax()) - position))
        frames.append(abs(centre - position / audio.hop_length))
    return max(samples), max(frames)


def stored_features(evidence: Evidence) -> tuple[int, float]:
    """Frames of the training spectrograms; largest difference between a validation mixture and its references' sum."""
    folder = evidence.folder / "features"
    n_frames = evidence.training_item("mixture", 0).shape[-1]
    with safe_open(folder / "val.safetensors", framework="pt") as file:
        mixture, references = file.get_tensor("waveform"), file.get_tensor("references")
    n_samples = references.shape[-1]
    return n_frames, float((references.sum(dim=1) - mixture[:, :n_samples]).abs().max())


def hop_off_by_one(evidence: Evidence) -> list[Finding]:
    """Frames are as many as promised and lie where they should; nothing moves on the way to masks and back."""
    audio = evidence.audio
    noise = torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, audio.n_samples).astype(np.float32))
    spectrum = front_end.stft(noise, audio)
    likeness = likeness_db(noise[: audio.n_output].numpy(), front_end.istft(spectrum, audio).numpy())
    in_samples, in_frames = click_shifts(audio)
    stored, residual = stored_features(evidence)
    promised = 1 + audio.n_samples // audio.hop_length
    return [
        at_most("STFT frames beside the promised number", abs(spectrum.shape[-1] - promised), 0),
        at_most("stored frames beside the promised number", abs(stored - promised), 0),
        at_least("noise over its difference after STFT and inverse, dB", likeness, IDENTITY_DB),
        at_most("shift of a click, samples", in_samples, 0),
        at_most("shift of a click, frames", in_frames, 0.25),
        at_most("validation references against their mixture, largest difference", residual, 1e-4),
    ]
