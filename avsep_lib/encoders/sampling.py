"""Training batches of the mini encoders: seeded, with every class once per contrast group.

A batch is an array of inputs and one caption per input. In the contrastive loss all other captions of the group are
negatives, so two captions of a group must never mean the same.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
import torch.nn.functional as F

from avsep_lib.clips import ClipStore
from avsep_lib.encoders.captions import TEMPLATES, caption
from avsep_lib.encoders.frames import read_frames, resize_crop
from avsep_lib.errors import DataError

GAIN_DB = 6.0  # random level of a solo, and of each part of a mixture
SHIFT, ZOOM = 0.12, (0.8, 1.2)  # random framing: shift as a fraction of the side, zoom


def pretraining_clips(clips: ClipStore) -> dict[str, list[str]]:
    """Clip ids of the pretraining split's solos by class; no other split is ever read for training.

    Raises
    ------
    DataError
        If the split has fewer than two classes.
    """
    table = clips.table[clips.table.split == "pretrain"]
    solos = table[~table.labels.str.contains("|", regex=False)]
    classes = {label: sorted(group.clip_id) for label, group in solos.groupby("labels")}
    if len(classes) < 2:
        raise DataError(
            f"the pretrain split has solos of {len(classes)} class(es), contrast needs two; "
            "raise the number of pretraining videos in the profile"
        )
    return classes


def _caption(rng: np.random.Generator, modality: str, labels: list[str]) -> str:
    """One random wording; the order of two labels is random too."""
    templates = TEMPLATES[modality]
    return caption(templates[rng.integers(len(templates))], list(rng.permutation(labels)))


class FrameSampler:
    """Random augmented frames of the pretraining split, all held in memory at the encoder's resolution."""

    def __init__(self, clips: ClipStore, image_size: int) -> None:
        self.frames = {
            label: torch.cat([self._read(clips, clip_id, image_size) for clip_id in ids])
            for label, ids in pretraining_clips(clips).items()
        }

    @staticmethod
    def _read(clips: ClipStore, clip_id: str, size: int) -> torch.Tensor:
        row = clips.row(clip_id)
        return resize_crop(read_frames(clips.root / row.frames, int(row.n_frames)), size)

    def draw(self, rng: np.random.Generator, groups: int) -> tuple[torch.Tensor, list[str]]:
        """Return uint8-range float images (groups * classes, 3, size, size) and their captions, group after group."""
        labels = list(self.frames) * groups
        images = torch.stack([self.frames[label][rng.integers(len(self.frames[label]))] for label in labels])
        return augment(images, rng), [_caption(rng, "image", [label]) for label in labels]


def augment(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Random mirror, framing, colour and contrast per image; (B, 3, H, W) in [0, 255] in and out.

    Colours are mixed strongly (random order and weights of the channels), because the colour of a clothing or a
    backdrop says nothing about the instrument, and a dozen videos per class are too few to learn that from.
    """
    n = len(images)
    zoom = rng.uniform(*ZOOM, n) * np.where(rng.random(n) < 0.5, -1.0, 1.0)
    theta = np.zeros((n, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 1, 1] = zoom, np.abs(zoom)
    theta[:, :, 2] = rng.uniform(-2 * SHIFT, 2 * SHIFT, (n, 2))
    grid = F.affine_grid(torch.from_numpy(theta), list(images.shape), align_corners=False)
    framed = F.grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)
    mix = 0.6 * np.eye(3) + 0.4 * rng.dirichlet(np.ones(3), (n, 3))
    gain = rng.uniform(0.7, 1.3, (n, 1, 1, 1)).astype(np.float32)
    offset = rng.uniform(-30, 30, (n, 3, 1, 1)).astype(np.float32)
    mixed = torch.einsum("nij,njhw->nihw", torch.from_numpy(mix.astype(np.float32)), framed)
    return (mixed * torch.from_numpy(gain) + torch.from_numpy(offset)).clamp(0, 255)


class WaveformSampler:
    """Random crops of the pretraining split's solos, alone and mixed in pairs of different classes."""

    def __init__(self, clips: ClipStore, n_samples: int) -> None:
        self.n_samples = n_samples
        self.waveforms = {
            label: [clips.waveform(clip_id) for clip_id in ids] for label, ids in pretraining_clips(clips).items()
        }
        for label, waveforms in self.waveforms.items():
            if (shortest := min(map(len, waveforms))) < n_samples:
                raise DataError(f"a pretraining clip of {label!r} has {shortest} samples, {n_samples} are needed")
        self.pairs = list(combinations(self.waveforms, 2))

    def _crop(self, rng: np.random.Generator, label: str) -> np.ndarray:
        waveform = self.waveforms[label][rng.integers(len(self.waveforms[label]))]
        start = rng.integers(len(waveform) - self.n_samples + 1)
        gain = 10 ** (rng.uniform(-GAIN_DB, GAIN_DB) / 20)
        return np.float32(gain) * waveform[start : start + self.n_samples]

    def draw(self, rng: np.random.Generator, groups: int, mixtures: int) -> tuple[torch.Tensor, list[str]]:
        """Return waveforms (groups * (classes + mixtures), n_samples) and their captions, group after group.

        A group holds every class once and `mixtures` distinct pairs (all pairs when there are fewer).
        """
        batch: list[np.ndarray] = []
        captions: list[str] = []
        for _ in range(groups):
            chosen = rng.choice(len(self.pairs), min(mixtures, len(self.pairs)), replace=False)
            for labels in [(label,) for label in self.waveforms] + [self.pairs[index] for index in chosen]:
                batch.append(np.sum([self._crop(rng, label) for label in labels], axis=0, dtype=np.float32))
                captions.append(_caption(rng, "audio", list(labels)))
        return torch.from_numpy(np.stack(batch)), captions
