"""Training batches of the mini encoders: seeded, with every class at most once per contrast group.

A batch is an array of inputs and one caption per input. In the contrastive loss all other captions of the group are
negatives, so two captions of a group must never mean the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import soxr
import torch
import torch.nn.functional as F

from avsep_lib.clips import ClipStore
from avsep_lib.encoders.captions import TEMPLATES, caption
from avsep_lib.encoders.frames import read_frames, resize_crop
from avsep_lib.errors import DataError

GAIN_DB = 6.0  # random level of a solo, and of each part of a mixture
SEMITONES = (-2.0, -1.0, 0.0, 1.0, 2.0)  # each clip is heard at these transpositions (tape speed)
TILT = 0.4  # random spectral tilt: x[n] + a x[n-1], |a| up to this
SHIFT, ZOOM, ROTATION = 0.12, (0.75, 1.2), 0.15  # random framing: fraction of the side, factor, radians
# What is held in memory while an encoder learns; no rendered dataset of ours comes near, long recordings do.
HELD_FRAMES, HELD_SAMPLES = 40_000, 250_000_000
NEGATIVE, COVER = 0.2, 0.35  # share of negatives; largest covered part of a side


def pretraining_split(clips: ClipStore) -> str:
    """Where the encoders learn: ``pretrain``, or ``train`` where a dataset has no clips to spare for it."""
    return "pretrain" if (clips.table.split == "pretrain").any() else "train"


def pretraining_clips(clips: ClipStore, at_most: int) -> dict[str, list[str]]:
    """Clip ids of the pretraining split's solos by class; no other split is ever read for training.

    Parameters
    ----------
    clips : ClipStore
    at_most : int
        Clips in all, because they are held in memory; every class gives its first ones by id, at least one.

    Raises
    ------
    DataError
        If the split has fewer than two classes.
    """
    split = pretraining_split(clips)
    table = clips.table[clips.table.split == split]
    solos = table[~table.labels.str.contains("|", regex=False)]
    classes = {label: sorted(group.clip_id) for label, group in solos.groupby("labels")}
    if len(classes) < 2:
        raise DataError(
            f"the {split} split has solos of {len(classes)} class(es), contrast needs two; "
            "add solos of another class to it (an embedded dataset: raise videos_per_class.pretrain in the profile)"
        )
    share = max(at_most // len(classes), 1)
    return {label: ids[:share] for label, ids in classes.items()}


def draw_classes(rng: np.random.Generator, classes: Sequence[str], group_size: int) -> list[str]:
    """The classes of one contrast group: all of them, or `group_size` drawn at random (0: all)."""
    if not 0 < group_size < len(classes):
        return list(classes)
    return [classes[index] for index in sorted(rng.choice(len(classes), group_size, replace=False))]


def _caption(rng: np.random.Generator, modality: str, labels: list[str]) -> str:
    """One random wording; the order of two labels is random too."""
    templates = TEMPLATES[modality]
    return caption(templates[rng.integers(len(templates))], list(rng.permutation(labels)))


class FrameSampler:
    """Random augmented frames of the pretraining split, all held in memory at the encoder's resolution."""

    def __init__(self, clips: ClipStore, image_size: int) -> None:
        chosen = pretraining_clips(clips, HELD_FRAMES)
        self.clip_ids = sorted(clip_id for ids in chosen.values() for clip_id in ids)
        share = max(HELD_FRAMES // sum(map(len, chosen.values())), 1)
        self.frames = {
            label: torch.cat([self._read(clips, clip_id, image_size, share) for clip_id in ids])
            for label, ids in chosen.items()
        }

    @staticmethod
    def _read(clips: ClipStore, clip_id: str, size: int, at_most: int) -> torch.Tensor:
        """Frames of a clip; of a long one `at_most`, evenly spaced."""
        row = clips.row(clip_id)
        return resize_crop(read_frames(clips.root / row.frames, int(row.n_frames), at_most), size)

    def draw(self, rng: np.random.Generator, groups: int, group_size: int = 0) -> tuple[torch.Tensor, list[str]]:
        """Return uint8-range float images (groups * classes, 3, size, size) and their captions, group after group."""
        classes = list(self.frames)
        labels = [label for _ in range(groups) for label in draw_classes(rng, classes, group_size)]
        images = torch.stack([self.frames[label][rng.integers(len(self.frames[label]))] for label in labels])
        return augment(images, rng), [_caption(rng, "image", [label]) for label in labels]


def augment(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Random mirror, framing, colour, contrast and occlusion per image; (B, 3, H, W) in [0, 255] in and out.

    Colours are thrown about (order, weights and sign of the channels), because the colour of clothes, backdrop or
    varnish says nothing about the instrument, and a dozen videos per class are too few to learn that from.
    """
    framed = F.grid_sample(
        images.float(), random_grid(rng, images.shape), padding_mode="reflection", align_corners=False
    )
    return cover(recolour(framed, rng), rng)


def random_grid(rng: np.random.Generator, shape: torch.Size) -> torch.Tensor:
    """Sampling grid (B, H, W, 2) of a random zoom, rotation, shift and mirror per image."""
    n = shape[0]
    zoom, angle = rng.uniform(*ZOOM, n), rng.uniform(-ROTATION, ROTATION, n)
    mirror = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    theta = np.empty((n, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = mirror * zoom * np.cos(angle), -zoom * np.sin(angle)
    theta[:, 1, 0], theta[:, 1, 1] = mirror * zoom * np.sin(angle), zoom * np.cos(angle)
    theta[:, :, 2] = rng.uniform(-2 * SHIFT, 2 * SHIFT, (n, 2))
    return F.affine_grid(torch.from_numpy(theta), list(shape), align_corners=False)


def recolour(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Random channel mixing, negative, contrast and tint per image, clipped to [0, 255]."""
    n = len(images)
    order = np.eye(3)[np.stack([rng.permutation(3) for _ in range(n)])]
    share = rng.random((n, 1, 1))
    mixing = (1 - share) * order + share * rng.dirichlet(np.ones(3), (n, 3))
    sign = np.where(rng.random((n, 1, 1)) < NEGATIVE, -1.0, 1.0) * rng.uniform(0.6, 1.4, (n, 1, 1))
    tint = rng.uniform(-40, 40, (n, 3, 1, 1))
    mixed = torch.einsum("nij,njhw->nihw", torch.from_numpy((sign * mixing).astype(np.float32)), images - 127.5)
    return mixed.add_(127.5).add_(torch.from_numpy(tint.astype(np.float32))).clamp_(0, 255)


def cover(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Hide one random rectangle of each image, up to `COVER` of each side, under a random colour (in place)."""
    size = images.shape[-1]
    for image in images:
        height, width = rng.integers(0, int(COVER * size) + 1, 2)
        top, left = rng.integers(0, size - height + 1), rng.integers(0, size - width + 1)
        colour = torch.from_numpy(rng.uniform(0, 255, (3, 1, 1)).astype(np.float32))
        image[:, top : top + height, left : left + width] = colour
    return images


def transposed(waveform: np.ndarray, sample_rate: int) -> list[np.ndarray]:
    """The waveform as if played faster or slower by each of `SEMITONES`, always at `sample_rate` (Hz)."""
    return [
        soxr.resample(waveform, sample_rate * 2 ** (shift / 12), sample_rate) if shift else waveform
        for shift in SEMITONES
    ]


class WaveformSampler:
    """Random crops of the pretraining split's solos, alone and mixed in pairs of different classes."""

    def __init__(self, clips: ClipStore, n_samples: int) -> None:
        self.n_samples = n_samples
        held = HELD_SAMPLES // len(SEMITONES)
        chosen = pretraining_clips(clips, held // (2 * n_samples))
        self.clip_ids = sorted(clip_id for ids in chosen.values() for clip_id in ids)
        share = max(held // sum(map(len, chosen.values())), 2 * n_samples)
        self.waveforms = {
            label: [version for clip_id in ids for version in self._versions(clips, clip_id, share)]
            for label, ids in chosen.items()
        }

    def _versions(self, clips: ClipStore, clip_id: str, at_most: int) -> list[np.ndarray]:
        """The clip at every transposition that leaves it long enough: played faster, a short one may not be.

        Of a long clip, the middle `at_most` samples.
        """
        waveform = clips.waveform(clip_id)
        if len(waveform) <= self.n_samples:
            raise DataError(
                f"pretraining clip {clip_id!r} has {len(waveform)} samples, more than {self.n_samples} are needed"
            )
        start = max(len(waveform) - at_most, 0) // 2
        waveform = waveform[start : start + at_most]
        return [version for version in transposed(waveform, clips.sample_rate) if len(version) > self.n_samples]

    def _crop(self, rng: np.random.Generator, label: str) -> np.ndarray:
        waveform = self.waveforms[label][rng.integers(len(self.waveforms[label]))]
        start = rng.integers(len(waveform) - self.n_samples)
        crop = waveform[start : start + self.n_samples + 1]
        gain = 10 ** (rng.uniform(-GAIN_DB, GAIN_DB) / 20)
        return np.float32(gain) * (crop[1:] + np.float32(rng.uniform(-TILT, TILT)) * crop[:-1])

    def draw(
        self, rng: np.random.Generator, groups: int, mixtures: int, group_size: int = 0
    ) -> tuple[torch.Tensor, list[str]]:
        """Return waveforms (groups * (classes + mixtures), n_samples) and their captions, group after group.

        A group holds every class (or `group_size` of them) once and `mixtures` distinct pairs of its classes (all
        pairs when there are fewer).
        """
        batch: list[np.ndarray] = []
        captions: list[str] = []
        for _ in range(groups):
            classes = draw_classes(rng, list(self.waveforms), group_size)
            pairs = list(combinations(classes, 2))
            chosen = rng.choice(len(pairs), min(mixtures, len(pairs)), replace=False)
            for labels in [(label,) for label in classes] + [pairs[index] for index in chosen]:
                batch.append(np.sum([self._crop(rng, label) for label in labels], axis=0, dtype=np.float32))
                captions.append(_caption(rng, "audio", list(labels)))
        return torch.from_numpy(np.stack(batch)), captions
