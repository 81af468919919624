"""Exercises of ``02_encoders``: how many hits beat chance, a space that is turned, who is taken for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import binom

from avsep_lib.encoders.sanity import TestSet
from avsep_lib.encoders.similarity import class_similarity, clip_vectors, contrast
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.exercises import Answer, percent, plural, unanswered


def hits_needed(n: int, chance: float, level: float = 0.05) -> int:
    """Fewest right answers of `n` that guessing reaches with a probability below `level`; ``n + 1`` if none."""
    return int(binom.isf(level, n, chance)) + 1 if n else 1


def hits_to_beat_chance(sanity: pd.DataFrame) -> Answer:
    """For the first question that was asked, and for a quarter of its items."""
    if sanity.empty:
        return unanswered("no encoder was asked anything")
    row = sanity.iloc[0]
    n, chance, got = int(row["n"]), float(row["chance"]), round(row["value"] * row["n"])
    need, few = hits_needed(n, chance), max(n // 4, 1)
    return Answer(
        f"{_of(need, n)}; guessing gives {n * chance:.0f}. The encoder got {got}.",
        "Chance is no line but a distribution: the fewer the items, the further above the line a guesser lands by "
        "luck. An accuracy without its n and its chance level cannot be judged.",
        {f"with {plural(few, 'item')}": _of(hits_needed(few, chance), few)},
    )


def turned_space(images: EmbeddingStore, sounds: EmbeddingStore, test: TestSet, seed: int = 0) -> Answer:
    """Turn all sounds by one random rotation: which of the three maps change?"""
    seen, heard = clip_vectors(images, test.clip_ids), clip_vectors(sounds, test.clip_ids)
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(heard.shape[1],) * 2))[0]
    turned = (heard @ rotation).astype(heard.dtype)
    before, after = (
        {
            "audio and audio": class_similarity(h, h, test.labels),
            "audio and image": class_similarity(h, seen, test.labels),
        }
        for h in (heard, turned)
    )
    moved = {name: float(np.nanmax(np.abs(after[name] - before[name]), initial=0.0)) for name in before}
    return Answer(
        f"Only the map from sound to picture changes, by up to {moved['audio and image']:.2f}; "
        f"audio and audio moves by {moved['audio and audio']:.0e}."
        if moved["audio and audio"] < 1e-3
        else f"Both maps move, by up to {moved['audio and audio']:.3f} and {moved['audio and image']:.3f}.",
        "Within one encoder only angles count, and a rotation keeps them. Between two encoders that were trained apart "
        "the rotation is arbitrary, so their cosine means nothing until something in training fixes it. Keep this for "
        "the modality gap in notebook 08.",
        {
            "own class minus others, sound to picture, before": f"{contrast(before['audio and image']):+.3f}",
            "after": f"{contrast(after['audio and image']):+.3f}",
        },
    )


def taken_for(maps: Mapping[str, np.ndarray], classes: Sequence[str]) -> Answer:
    """The two classes that each encoder finds most alike."""
    if len(classes) < 3:
        return unanswered(f"with {plural(len(classes), 'class', 'classes')} there is no choice of pairs")
    pairs = {name: _closest(maps[name], classes) for name in ("image and image", "audio and audio")}
    same = "the same pair" if len(set(pairs.values())) == 1 else "two different pairs"
    return Answer(
        f"Looks: {' and '.join(pairs['image and image'])}. Sounds: {' and '.join(pairs['audio and audio'])}; {same}.",
        "A separator is told by the picture what to take and finds it by its sound. A pair that looks alike is asked "
        "for wrongly; a pair that sounds alike is cut wrongly. The two mistakes need different cures.",
    )


def _closest(similarity: np.ndarray, classes: Sequence[str]) -> tuple[str, str]:
    both = np.where(np.isfinite(similarity), (similarity + similarity.T) / 2, -np.inf)
    np.fill_diagonal(both, -np.inf)
    i, j = np.unravel_index(both.argmax(), both.shape)
    return tuple(sorted((classes[i], classes[j])))


def _of(need: int, n: int) -> str:
    return f"{need} of {n} ({percent(need / n)})" if need <= n else f"no number of {n}: all right may be luck"
