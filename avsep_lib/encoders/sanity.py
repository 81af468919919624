"""How good are the frozen encoders? Zero-shot and retrieval numbers on the test split, with intervals and chance.

``python -m avsep_lib.encoders.sanity`` writes one tidy CSV. The last row is the one that must *not* be good: audio and
image encoders never shared an objective, so finding the picture of an instrument from its sound must stay at chance.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from avsep_lib.cli import json_argument, run_main
from avsep_lib.clips import ClipStore
from avsep_lib.encoders.base import AudioEncoder, ImageEncoder, load_audio_encoder, load_image_encoder
from avsep_lib.encoders.captions import HELD_OUT, caption, class_captions
from avsep_lib.encoders.embed import centre_crop
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.errors import DataError
from avsep_lib.files import atomic_path
from avsep_lib.manifest import is_solo
from avsep_lib.settings import from_dict

COLUMNS = ["encoder", "task", "value", "low", "high", "n", "unit", "chance", "p_chance"]
N_PERMUTATIONS = 10_000
MOST_PAIRS = 10_000  # captions of two classes: of 300 classes there would be 45,000, in six wordings each


@dataclass(frozen=True)
class TestSet:
    """Solos of one split: clip ids, class names and the class index of each clip, shape (n,)."""

    __test__ = False  # not a pytest class
    clip_ids: list[str]
    classes: list[str]
    labels: np.ndarray

    @classmethod
    def of(cls, clips: ClipStore, split: str = "test") -> TestSet:
        """The solos of `split`, sorted by class; DataError when there are fewer than two classes."""
        table = clips.table.reset_index(drop=True)
        table = table[(table.split == split) & is_solo(table)].sort_values(["labels", "clip_id"])
        classes = sorted(table.labels.unique())
        if len(classes) < 2:
            raise DataError(f"the {split} split has solos of {len(classes)} class(es); at least two are needed")
        return cls(list(table.clip_id), classes, np.array([classes.index(label) for label in table.labels]))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows divided by their Euclidean norm."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def wilson_interval(hits: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a proportion; `hits` may be fractional when `n` counts clusters.

    References
    ----------
    Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    share = hits / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def proportion_row(encoder: str, task: str, hits: np.ndarray, chance: float) -> dict:
    """A row for independent hits and misses, with the exact two-sided binomial p-value against chance."""
    from scipy.stats import binomtest

    n, count = len(hits), int(hits.sum())
    low, high = wilson_interval(count, n)
    p_value = binomtest(count, n, chance).pvalue
    return dict(zip(COLUMNS, (encoder, task, count / n, low, high, n, "clip", chance, p_value)))


def class_prompts(encoder: ImageEncoder, classes: list[str], modality: str) -> np.ndarray:
    """Unit vectors (classes, 512): the mean over all training wordings."""
    return unit(np.stack([encoder.encode_text(class_captions(name, modality)).mean(0) for name in classes]))


def nearest(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Index of the most similar candidate (cosine) for each query, shape (n_queries,)."""
    return (unit(queries) @ unit(candidates).T).argmax(1)


def text_rows(encoder: ImageEncoder, modality: str, rows: np.ndarray, test: TestSet) -> list[dict]:
    """Zero-shot class accuracy, and retrieval of the right caption in a wording never seen in training."""
    chance = 1 / len(test.classes)
    found = nearest(rows, class_prompts(encoder, test.classes, modality))
    wording = encoder.encode_text([caption(HELD_OUT[modality], [name]) for name in test.classes])
    retrieved = nearest(rows, wording)
    return [
        proportion_row(modality, "zero-shot class", found == test.labels, chance),
        proportion_row(modality, f"{modality} to text, new wording", retrieved == test.labels, chance),
    ]


def disjoint_pairs(labels: np.ndarray) -> np.ndarray:
    """Pairs (m, 2) of indices with different labels, each index at most once, from labels sorted by class."""
    half = len(labels) // 2
    pairs = np.stack([np.arange(half), np.arange(half) + half], axis=1)
    return pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]


def can_ask_for_pairs(test: TestSet) -> bool:
    """Whether two clips of different classes can be paired, and the captions of all pairs of classes be compared."""
    n_options = len(test.classes) * (len(test.classes) - 1) // 2
    return len(disjoint_pairs(test.labels)) > 0 and n_options <= MOST_PAIRS


def mixture_row(encoder: AudioEncoder, clips: ClipStore, test: TestSet, n_samples: int) -> dict:
    """Is the nearest of all two-instrument captions the right one for a test mixture? The teacher hears mixtures."""
    pairs = disjoint_pairs(test.labels)
    crops = [centre_crop(clips.waveform(clip_id), n_samples) for clip_id in test.clip_ids]
    rows = np.concatenate([encoder.encode((crops[i] + crops[j])[None], clips.sample_rate) for i, j in pairs])
    options = list(combinations(range(len(test.classes)), 2))
    prompts = class_prompts(encoder, ["|".join((test.classes[i], test.classes[j])) for i, j in options], "audio")
    found = [set(options[k]) for k in nearest(rows, prompts)]
    hits = np.array([set(test.labels[pair]) == names for pair, names in zip(pairs, found)])
    return proportion_row("audio", "mixture to the caption of both", hits, 1 / len(options))


def cross_modal_row(audio: np.ndarray, images: np.ndarray, labels: np.ndarray, seed: int = 0) -> dict:
    """Share of test clips whose sound is nearest to a picture of the same class.

    All clips of a class hit or miss together, so the class is the unit: the Wilson interval uses the number of
    classes, and the p-value compares with random one-to-one assignments of the picture classes.

    Parameters
    ----------
    audio, images
        Embeddings (n, 512) of the same clips.
    labels
        Class index of each clip, shape (n,).
    """
    shown = labels[nearest(audio, images)]
    n_classes = len(np.unique(labels))
    rng = np.random.default_rng(seed)
    value = float(np.mean(shown == labels))
    by_chance = [np.mean(rng.permutation(n_classes)[shown] == labels) for _ in range(N_PERMUTATIONS)]
    p_value = (1 + sum(drawn >= value for drawn in by_chance)) / (N_PERMUTATIONS + 1)
    low, high = wilson_interval(value * n_classes, n_classes)
    row = ("audio and image", "audio to image (must be chance)", value, low, high, n_classes, "class", 1 / n_classes)
    return dict(zip(COLUMNS, (*row, p_value)))


def sanity_table(
    image: ImageEncoder, audio: AudioEncoder, clips: ClipStore, images: EmbeddingStore, sounds: EmbeddingStore,
    n_samples: int, split: str = "test",
) -> pd.DataFrame:  # fmt: skip
    """All sanity numbers, one row each.

    Parameters
    ----------
    image, audio
        Frozen encoders; an encoder without text tower (CLAP's audio tower) gives no text rows.
    clips
        Clips the stores were made from.
    images, sounds
        Embeddings of frames and of centre crops; checked against the encoders' keys.
    n_samples
        Length of a mixture.
    split
        Split whose solos are scored.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`: proportion, 95 % Wilson interval, n and its unit, chance level, p-value against chance.
    """
    images.check(image.key)
    sounds.check(audio.key)
    test = TestSet.of(clips, split)
    pictures = [images.frames(clip_id) for clip_id in test.clip_ids]
    centre = np.stack([rows[len(rows) // 2] for rows in pictures])
    heard = np.stack([sounds.vector(clip_id) for clip_id in test.clip_ids])
    rows = []
    if hasattr(image, "encode_text"):
        rows += text_rows(image, "image", centre, test)
    if hasattr(audio, "encode_text"):
        rows += text_rows(audio, "audio", heard, test)
        if can_ask_for_pairs(test):
            rows.append(mixture_row(audio, clips, test, n_samples))
    rows.append(cross_modal_row(heard, np.stack([unit(p).mean(0) for p in pictures]), test.labels))
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("image-settings", "audio-settings"):
        parser.add_argument(f"--{name}", type=json_argument, required=True, help="JSON text or file")
    for name in ("image-encoder", "audio-encoder", "clips", "images", "audio", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    image_settings = from_dict(ImageEncoderSettings, arguments.image_settings, "image encoder")
    audio_settings = from_dict(AudioEncoderSettings, arguments.audio_settings, "audio encoder")
    table = sanity_table(
        load_image_encoder(image_settings, arguments.image_encoder),
        load_audio_encoder(audio_settings, arguments.audio_encoder),
        ClipStore.open(arguments.clips),
        EmbeddingStore.open(arguments.images),
        EmbeddingStore.open(arguments.audio),
        audio_settings.n_samples,
    )
    with atomic_path(arguments.out) as path:
        table.to_csv(path, index=False, float_format="%.6g")


if __name__ == "__main__":
    run_main(main)
