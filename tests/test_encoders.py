"""Frozen encoders on a toy dataset: three classes told apart by a stripe pattern and by a spectrum."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from avsep_lib.clips import ClipStore

RATE, N_SAMPLES, SECONDS, FPS = 8000, 8192, 2.0, 4
CLASSES = ("acoustic_guitar", "flute", "tuba")


def toy_frame(label: str, rng: np.random.Generator) -> np.ndarray:
    """Stripes along x, along y or both, on a random colour: the mean colour says nothing."""
    y, x = np.mgrid[:96, :96] + rng.integers(24)
    pattern = {"acoustic_guitar": x // 12 % 2, "flute": y // 12 % 2, "tuba": (x // 12 + y // 12) % 2}[label]
    back, front = rng.integers(0, 256, (2, 3))
    return np.where(pattern[..., None] > 0, front, back).astype(np.uint8)


def toy_waveform(label: str, rng: np.random.Generator) -> np.ndarray:
    """Harmonic tones in three registers of timbre: all, odd or only the lowest partial."""
    time = np.arange(int(RATE * SECONDS)) / RATE
    partials = {"acoustic_guitar": range(1, 13), "flute": [1], "tuba": range(1, 16, 2)}[label]
    pitch = rng.uniform(150, 300)
    wave = sum(np.sin(2 * np.pi * pitch * k * time + rng.uniform(0, 6)) for k in partials)
    return (0.1 * wave / np.sqrt(np.mean(wave**2)) + 1e-3 * rng.standard_normal(len(time))).astype(np.float32)


def write_clips(folder: Path, per_class: dict[str, int], duets: int = 0, seed: int = 0) -> ClipStore:
    """Write frames and a clip store as `avsep_lib.clips` would."""
    rng = np.random.default_rng(seed)
    wanted = [(split, (label,)) for split, n in per_class.items() for label in CLASSES for _ in range(n)]
    wanted += [("train", ("flute", "tuba"))] * duets
    rows, waveforms = [], []
    for number, (split, labels) in enumerate(wanted):
        clip_id = f"{split}-{number:03d}"
        frames = folder / "dataset" / "frames" / clip_id
        frames.mkdir(parents=True)
        n_frames = int(SECONDS * FPS)
        for index in range(n_frames):
            frame = toy_frame(labels[index % len(labels)], rng)
            Image.fromarray(frame).save(frames / f"{index + 1:06d}.jpg", quality=90)
        waveforms.append(sum(toy_waveform(label, rng) for label in labels))
        rows.append(
            {
                "clip_id": clip_id, "video_id": clip_id, "labels": "|".join(labels), "split": split,
                "audio": f"audio/{clip_id}.wav", "frames": f"frames/{clip_id}", "n_frames": n_frames, "fps": FPS,
                "sample_rate": RATE, "duration_s": SECONDS, "sha256": f"{number:064x}",
                "start": number * len(waveforms[0]), "n_samples": len(waveforms[0]),
            }
        )  # fmt: skip
    clips = folder / "clips"
    clips.mkdir()
    np.save(clips / "waveforms.npy", np.concatenate(waveforms))
    pd.DataFrame(rows).to_csv(clips / "clips.csv", index=False)
    (clips / "clips.json").write_text(json.dumps({"sample_rate": RATE, "root": "../dataset", "n_clips": len(rows)}))
    return ClipStore.open(clips)
