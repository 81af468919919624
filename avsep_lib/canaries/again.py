"""The last steps of separation done once more, by other lines of code: cut, mix, mask, transform back.

Score rows and estimates are compared with what comes out here. Only the network and the STFT are shared with the path that
made the scores, and the STFT has a check of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from avsep_lib import audio as front_end
from avsep_lib.canaries.evidence import Evidence
from avsep_lib.methods.base import MaskMethod, Query
from avsep_lib.score import MixtureItem
from avsep_lib.settings import AudioSettings

N_AGAIN = 2  # mixtures that every run separates again


@dataclass(frozen=True)
class Again:
    """A mixture that a method has separated again.

    Attributes
    ----------
    mixture_id : str
    references : ndarray, shape (n, n_output)
    masks : Tensor, shape (n, n_rows, n_frames)
    estimates : dict
        ``soft`` and ``binary``, each (n, n_output), from the masks by the lines of this module.
    given : dict
        The same as the method's own `estimate` gives them.
    """

    mixture_id: str
    references: np.ndarray
    masks: torch.Tensor
    estimates: dict[str, np.ndarray]
    given: dict[str, np.ndarray]

    def si_sdr(self, mask: str) -> np.ndarray:
        """SI-SDR in dB of each source, by its definition; NaN for a silent estimate."""
        return np.array([si_sdr_db(r, e) for r, e in zip(self.references, self.estimates[mask])])


def si_sdr_db(reference: np.ndarray, estimate: np.ndarray) -> float:
    """SI-SDR by the cosine between both: ``10 log10(c^2 / (1 - c^2))``."""
    reference, estimate = reference.astype(float), estimate.astype(float)
    norm = np.linalg.norm(reference) * np.linalg.norm(estimate)
    if np.abs(estimate).sum() <= 1e-5:
        return float("nan")
    cosine = float(reference @ estimate / norm)
    return float(10 * np.log10(cosine**2 / max(1 - cosine**2, 1e-300)))


def sources_of(evidence: Evidence, rows: pd.DataFrame) -> np.ndarray:
    """The sources of a listed mixture, (n, n_samples), cut from the clips as the list says."""
    audio, parts = evidence.audio, []
    for row in rows.sort_values("source").itertuples():
        waveform = evidence.store.waveform(row.clip_id)
        start = min(round(row.start_s * audio.sample_rate), len(waveform) - audio.n_samples)
        parts.append(np.clip(waveform[start:][: audio.n_samples] * np.float32(row.gain), -1, 1) / len(rows))
    return np.stack(parts)


def masked(spectrum: torch.Tensor, masks: torch.Tensor, audio: AudioSettings, threshold: float | None) -> np.ndarray:
    """The mixture's spectrogram times masks that were brought to linear frequency first, as waveforms (n, n_output)."""
    linear = torch.einsum("fr,nrt->nft", front_end.unwarp_matrix(audio.n_bins, audio.n_rows).to(masks), masks)
    linear = linear if threshold is None else torch.where(linear > threshold, 1.0, 0.0)
    return front_end.istft(spectrum * linear, audio).clamp(-1, 1).numpy()


@torch.no_grad()
def separate_again(
    evidence: Evidence, method: MaskMethod, queries: list[Query], item: MixtureItem, rows: pd.DataFrame
) -> Again:
    """Separate the mixture of `rows`; `item` is the same mixture as scoring reads it."""
    audio, sources = method.audio, sources_of(evidence, rows)
    spectrum = front_end.stft(torch.from_numpy(sources.sum(axis=0)), audio)
    masks = method.masks(spectrum, queries)
    estimates = {kind: masked(spectrum, masks, audio, level) for kind, level in (("soft", None), ("binary", 0.5))}
    given = method.estimate(item.waveform, queries)
    return Again(item.mixture_id, sources[:, : audio.n_output], masks, estimates, given)


def runs_again(evidence: Evidence) -> dict[str, list[Again]]:
    """A few test mixtures, separated again by every run; computed once."""
    if "runs_again" not in evidence.__dict__:
        evidence.__dict__["runs_again"] = {run_id: list(_run_again(evidence, run_id)) for run_id in evidence.runs}
    return evidence.__dict__["runs_again"]


def _run_again(evidence: Evidence, run_id: str):
    method, test = evidence.method(run_id), evidence.lists["test"]
    for item in evidence.items(N_AGAIN):
        rows = test[test.mixture_id == item.mixture_id]
        yield separate_again(evidence, method, evidence.queries(method, item), item, rows)
