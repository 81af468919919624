"""What training reads, computed once per dataset: spectrograms, embeddings and teacher vectors of the mixtures.

``train.safetensors`` holds, for every pooled mixture, warped magnitudes of the mixture and its sources, the image
embedding of each source's frame, the teacher's embedding of the *mixture waveform* (HFRA Eqs. 6 and 7: averaging the
sources' embeddings would be another method) and the frames themselves for trained visual backbones.
``val.safetensors`` holds waveforms instead of spectrograms, because the checkpoint is chosen by SI-SDR.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save_file

from avsep_lib.audio import LOG_FLOOR, mix, warped_magnitudes
from avsep_lib.cli import json_argument, run_main
from avsep_lib.clips import ClipStore
from avsep_lib.encoders import load_audio_encoder
from avsep_lib.encoders.base import AudioEncoder
from avsep_lib.encoders.settings import AudioEncoderSettings
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.errors import DataError
from avsep_lib.files import atomic_path
from avsep_lib.mixtures import load_sources, read_list
from avsep_lib.settings import AudioSettings, from_dict

CHUNK = 64  # mixtures per STFT batch: bounds memory


def load_frame(store: ClipStore, clip_id: str, frame: int, size: int) -> np.ndarray:
    """One frame as uint8 ``(3, size, size)``; DataError names a missing or unreadable picture."""
    path = store.frame_path(clip_id, frame)
    try:
        with Image.open(path) as picture:
            resized = picture.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    except FileNotFoundError:
        raise DataError(f"frame {path} is missing; rebuild the dataset or correct n_frames in the manifest") from None
    except OSError as error:
        raise DataError(f"frame {path} cannot be read ({error}); rebuild the dataset") from None
    return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))


def mixture_chunks(table: pd.DataFrame) -> Iterator[list[pd.DataFrame]]:
    """The rows of each mixture, `CHUNK` mixtures at a time, in list order."""
    groups = [group for _, group in table.groupby("mixture_id", sort=False)]
    for i in range(0, len(groups), CHUNK):
        yield groups[i : i + CHUNK]


def visual_inputs(store: ClipStore, table: pd.DataFrame, images: EmbeddingStore, size: int) -> dict[str, torch.Tensor]:
    """Image embeddings (N, n, 512) and frames uint8 (N, n, 3, size, size) of a mixture list."""
    n = table.source.nunique()
    embeddings = np.stack([images.frames(row.clip_id)[row.frame] for row in table.itertuples()])
    frames = np.stack([load_frame(store, row.clip_id, row.frame, size) for row in table.itertuples()])
    return {
        "images": torch.from_numpy(embeddings).unflatten(0, (-1, n)),
        "frames": torch.from_numpy(frames).unflatten(0, (-1, n)),
    }


def pool_features(
    store: ClipStore, table: pd.DataFrame, audio: AudioSettings, teacher: AudioEncoder
) -> dict[str, torch.Tensor]:
    """Warped magnitudes ``mixture`` (N, 1, R, T) and ``sources`` (N, n, R, T), and ``teacher`` (N, 512)."""
    parts: dict[str, list[torch.Tensor]] = {"mixture": [], "sources": [], "teacher": []}
    for groups in mixture_chunks(table):
        mixture, sources = mix(torch.from_numpy(np.stack([load_sources(store, g, audio) for g in groups])))
        parts["mixture"].append(warped_magnitudes(mixture, audio, LOG_FLOOR)[:, None])
        parts["sources"].append(warped_magnitudes(sources, audio))
        parts["teacher"].append(torch.from_numpy(teacher.encode(mixture.numpy(), audio.sample_rate)))
    return {name: torch.cat(tensors).contiguous() for name, tensors in parts.items()}


def waveform_features(store: ClipStore, table: pd.DataFrame, audio: AudioSettings) -> dict[str, torch.Tensor]:
    """``waveform`` (N, samples) and ``references`` (N, n, n_output) of a mixture list."""
    stacked = [load_sources(store, g, audio) for groups in mixture_chunks(table) for g in groups]
    mixture, sources = mix(torch.from_numpy(np.stack(stacked)))
    return {"waveform": mixture, "references": sources[..., : audio.n_output].contiguous()}


def main() -> None:
    """Command line: write ``train.safetensors`` and ``val.safetensors``."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("audio", "audio-encoder-settings"):
        parser.add_argument(f"--{name}", type=json_argument, required=True)
    for name in ("clips", "mixtures", "images", "audio-encoder", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--frame-size", type=int, required=True)
    arguments = parser.parse_args()
    store, audio = ClipStore.open(arguments.clips), from_dict(AudioSettings, arguments.audio)
    settings = from_dict(AudioEncoderSettings, arguments.audio_encoder_settings)
    teacher, images = load_audio_encoder(settings, arguments.audio_encoder), EmbeddingStore.open(arguments.images)
    pool, val = (read_list(arguments.mixtures, name) for name in ("pool", "val"))
    tensors = {
        "train": pool_features(store, pool, audio, teacher),
        "val": waveform_features(store, val, audio),
    }
    waveforms = tensors["val"]["waveform"].numpy()
    tensors["val"]["teacher"] = torch.from_numpy(teacher.encode(waveforms, audio.sample_rate))
    for name, table in (("train", pool), ("val", val)):
        tensors[name] |= visual_inputs(store, table, images, arguments.frame_size)
        with atomic_path(arguments.out / f"{name}.safetensors") as path:
            save_file(tensors[name], path)


if __name__ == "__main__":
    run_main(main)
