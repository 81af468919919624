"""Does training read the inputs and targets of the mixture that it hears?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from avsep_lib import audio as front_end
from avsep_lib.canaries.evidence import Evidence, spread
from avsep_lib.canaries.findings import Finding, at_most, not_applicable
from avsep_lib.mixtures import load_sources
from avsep_lib.pictures import load_frame

STORED = ("sources", "images", "teacher", "frames")  # the mixture itself is judged by `test_clip_in_train`
LIMIT = 1e-3  # of the norm: a batch of another size, or another processor, changes rounding only


class PoolItem(NamedTuple):
    """A mixture of the training list, mixed again: its position, rows, waveform and sources (n, n_samples)."""

    index: int
    rows: pd.DataFrame
    mixture: torch.Tensor
    sources: torch.Tensor


def pool_items(evidence: Evidence) -> list[PoolItem]:
    """A few mixtures spread over the training list."""
    pool = evidence.lists["pool"]
    items = []
    for index, mixture_id in spread(list(enumerate(pool.mixture_id.unique()))):
        rows = pool[pool.mixture_id == mixture_id].sort_values("source")
        mixture, sources = front_end.mix(torch.from_numpy(load_sources(evidence.store, rows, evidence.audio)))
        items.append(PoolItem(index, rows, mixture, sources))
    return items


def recomputed(evidence: Evidence, items: list[PoolItem]) -> dict[str, list[torch.Tensor]]:
    """What ``train.safetensors`` should hold of each item, by name, made again from clips, frames and encoders."""
    store, images, size = evidence.store, evidence.embeddings("images"), evidence.profile.model.frame_size
    waveforms = np.stack([item.mixture.numpy() for item in items])
    pictures = [[(row.clip_id, row.frame) for row in item.rows.itertuples()] for item in items]
    expected = {
        "images": [np.stack([images.frames(clip_id)[frame] for clip_id, frame in named]) for named in pictures],
        "frames": [np.stack([load_frame(store, *named, size) for named in ones]) for ones in pictures],
        "teacher": evidence.teacher.encode(waveforms, evidence.audio.sample_rate),
    }
    return {
        "sources": [front_end.warped_magnitudes(item.sources, evidence.audio) for item in items],
        **{name: [torch.from_numpy(one) for one in values] for name, values in expected.items()},
    }


def worst_difference(
    evidence: Evidence, name: str, items: list[PoolItem], expected: Sequence[torch.Tensor]
) -> tuple[float, str]:
    """Largest difference relative to the norm between a stored tensor and what is expected, and its mixture.

    Another size is infinitely different.
    """
    found, read = {}, evidence.training_item
    for item, value in zip(items, expected):
        one, value = read(name, item.index).double().flatten(), value.double().flatten()
        same_size = one.shape == value.shape
        difference = float((one - value).norm() / value.norm()) if same_size else float("inf")
        found[item.rows.mixture_id.iloc[0]] = difference
    worst = max(found, key=lambda mixture_id: np.nan_to_num(found[mixture_id], nan=np.inf))
    return found[worst], worst


def missing_items(evidence: Evidence) -> int:
    """How far the number of stored items is from that of listed mixtures, for the tensor where it is furthest."""
    listed = evidence.lists["pool"].mixture_id.nunique()
    return max(abs(len(tensor) - listed) for tensor in evidence.training_tensors.values())


def shuffled_features(evidence: Evidence) -> list[Finding]:
    """Sources, pictures and teacher vectors that training reads are those of the mixture at the same position.

    A streamed pool has them computed here as training computes them; its frames are read from the clips at that moment.
    """
    items = pool_items(evidence)
    expected = recomputed(evidence, items)
    findings = [at_most("stored training items beside the listed number", missing_items(evidence), 0)]
    for name in STORED:
        if name == "frames" and evidence.streamed:
            findings.append(not_applicable("stored frames against recomputed ones", "the pool is streamed"))
            continue
        difference, worst = worst_difference(evidence, name, items, expected[name])
        findings.append(at_most(f"stored against recomputed {name}, relative difference", difference, LIMIT, worst))
    return findings
