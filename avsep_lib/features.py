"""What training reads, computed once per dataset: spectrograms, embeddings and teacher vectors of the mixtures.

``train.safetensors`` holds, for every pooled mixture, warped magnitudes of the mixture and its sources, the image
embedding of each source's frame, the teacher's embedding of the *mixture waveform* (HFRA Eqs. 6 and 7: averaging the
sources' embeddings would be another method) and the frames themselves for trained visual backbones. Of a streamed pool
it holds the embeddings and, in place of spectrograms and frames, a table of crops (see `avsep_lib.training_data`).
``val.safetensors`` holds waveforms instead of spectrograms, because the checkpoint is chosen by SI-SDR.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from avsep_lib.audio import mix
from avsep_lib.cli import json_argument, run_main
from avsep_lib.clips import ClipStore
from avsep_lib.encoders import load_audio_encoder
from avsep_lib.encoders.base import AudioEncoder
from avsep_lib.encoders.settings import AudioEncoderSettings
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.jobs import with_progress
from avsep_lib.mixtures import crop_start, load_sources, read_list
from avsep_lib.pictures import load_frame
from avsep_lib.settings import AudioSettings, from_dict
from avsep_lib.tensor_file import create_tensors
from avsep_lib.training_data import spectrograms, streamed_from

CHUNK = 64  # mixtures per STFT batch: bounds memory


def list_chunks(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows of `CHUNK` mixtures at a time, in list order; all mixtures have equally many sources."""
    n_rows = CHUNK * table.source.nunique()
    for i in range(0, len(table), n_rows):
        yield table.iloc[i : i + n_rows]


def visual_inputs(store: ClipStore, table: pd.DataFrame, images: EmbeddingStore, size: int) -> dict[str, torch.Tensor]:
    """Image embeddings (N, n, 512) and frames uint8 (N, n, 3, size, size) of a mixture list."""
    n = table.source.nunique()
    embeddings = np.stack([images.frame(row.clip_id, row.frame) for row in table.itertuples()])
    frames = np.stack([load_frame(store, row.clip_id, row.frame, size) for row in table.itertuples()])
    return {
        "images": torch.from_numpy(embeddings).unflatten(0, (-1, n)),
        "frames": torch.from_numpy(frames).unflatten(0, (-1, n)),
    }


def mixed(store: ClipStore, table: pd.DataFrame, audio: AudioSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """Waveforms of the mixtures (N, samples) and of their scaled sources (N, n, samples)."""
    groups = (rows for _, rows in table.groupby("mixture_id", sort=False))
    return mix(torch.from_numpy(np.stack([load_sources(store, rows, audio) for rows in groups])))


def _encode(teacher: AudioEncoder, mixture: torch.Tensor, audio: AudioSettings) -> torch.Tensor:
    return torch.from_numpy(teacher.encode(mixture.numpy(), audio.sample_rate))


def pool_features(
    store: ClipStore, table: pd.DataFrame, audio: AudioSettings, teacher: AudioEncoder
) -> dict[str, torch.Tensor]:
    """Warped magnitudes ``mixture`` (N, 1, R, T) and ``sources`` (N, n, R, T), and ``teacher`` (N, 512)."""
    mixture, sources = mixed(store, table, audio)
    return spectrograms(mixture, sources, audio) | {"teacher": _encode(teacher, mixture, audio)}


def waveform_features(store: ClipStore, table: pd.DataFrame, audio: AudioSettings) -> dict[str, torch.Tensor]:
    """``waveform`` (N, samples) and ``references`` (N, n, n_output) of a mixture list."""
    mixture, sources = mixed(store, table, audio)
    return {"waveform": mixture, "references": sources[..., : audio.n_output].contiguous()}


def crop_table(
    store: ClipStore, table: pd.DataFrame, audio: AudioSettings, teacher: AudioEncoder, images: EmbeddingStore
) -> dict[str, torch.Tensor]:
    """What a streamed pool is computed from: embeddings, and per source its clip, first sample, frame and gain.

    ``clip`` (N, n) are rows of ``clips.csv``, ``start`` (N, n) samples; ``teacher`` is (N, 512), ``images`` (N, n, 512).
    """
    n = table.source.nunique()
    rows = list(table.itertuples())
    columns = {
        "clip": torch.tensor([store.position(row.clip_id) for row in rows], dtype=torch.int32),
        "start": torch.tensor([crop_start(store, row.clip_id, row.start_s, audio) for row in rows]),
        "frame": torch.tensor([row.frame for row in rows], dtype=torch.int32),
        "gain": torch.tensor([row.gain for row in rows], dtype=torch.float32),
        "images": torch.from_numpy(np.stack([images.frame(row.clip_id, row.frame) for row in rows])),
    }
    parts = {name: column.unflatten(0, (-1, n)) for name, column in columns.items()}
    return parts | {"teacher": _encode(teacher, mixed(store, table, audio)[0], audio)}


Part = Callable[[pd.DataFrame], dict[str, torch.Tensor]]


def write_features(path: Path, table: pd.DataFrame, part: Part, metadata: dict[str, str] | None = None) -> None:
    """Write the tensors that `part` computes of a mixture list, `CHUNK` mixtures at a time, as one file.

    Parameters
    ----------
    path : Path
    table : DataFrame
        Mixture list.
    part : callable
        From some mixtures of the list to tensors, whose first axis is mixtures.
    metadata : dict, optional
    """
    n_items = table.mixture_id.nunique()
    chunks = with_progress(
        list_chunks(table), -(-n_items // CHUNK), f"{path.stem} features, blocks of {CHUNK} mixtures"
    )
    first = part(next(chunks))
    layout = {name: (str(t.numpy().dtype), (n_items, *t.shape[1:])) for name, t in first.items()}
    with create_tensors(path, layout, metadata) as tensors:
        start = 0
        for values in itertools.chain([first], map(part, chunks)):
            end = start + len(values["teacher"])
            for name, value in values.items():
                tensors[name][start:end] = value.numpy()
            start = end


def main() -> None:
    """Command line: write ``train.safetensors`` and ``val.safetensors``."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("audio", "audio-encoder-settings"):
        parser.add_argument(f"--{name}", type=json_argument, required=True)
    for name in ("clips", "mixtures", "images", "audio-encoder", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--frame-size", type=int, required=True)
    parser.add_argument("--pool", choices=("stored", "streamed"), default="stored", help="mixtures.features")
    arguments = parser.parse_args()
    store, audio = ClipStore.open(arguments.clips), from_dict(AudioSettings, arguments.audio)
    settings = from_dict(AudioEncoderSettings, arguments.audio_encoder_settings)
    teacher, images = load_audio_encoder(settings, arguments.audio_encoder), EmbeddingStore.open(arguments.images)
    pool, val = (read_list(arguments.mixtures, name) for name in ("pool", "val"))

    def stored(rows: pd.DataFrame) -> dict[str, torch.Tensor]:
        return pool_features(store, rows, audio, teacher) | visual_inputs(store, rows, images, arguments.frame_size)

    def streamed(rows: pd.DataFrame) -> dict[str, torch.Tensor]:
        return crop_table(store, rows, audio, teacher, images)

    def validation(rows: pd.DataFrame) -> dict[str, torch.Tensor]:
        values = waveform_features(store, rows, audio)
        values["teacher"] = _encode(teacher, values["waveform"], audio)
        return values | visual_inputs(store, rows, images, arguments.frame_size)

    if arguments.pool == "stored":
        write_features(arguments.out / "train.safetensors", pool, stored)
    else:
        write_features(arguments.out / "train.safetensors", pool, streamed, streamed_from(store, audio))
    write_features(arguments.out / "val.safetensors", val, validation)


if __name__ == "__main__":
    run_main(main)
