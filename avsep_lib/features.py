"""What training reads, computed once per dataset: spectrograms, embeddings and teacher vectors of the mixtures.

``train.safetensors`` holds, for every pooled mixture, warped magnitudes of the mixture and its sources, the image
embedding of each source's frame, the teacher's embedding of the *mixture waveform* (HFRA Eqs. 6 and 7: averaging the
sources' embeddings would be another method), the frames themselves for trained visual backbones, the classes of each
source, and the table of crops that the mixture is made of, for methods that read sound or films. Of a streamed pool it
holds no spectrograms and no frames (see `avsep_lib.training_data`). ``val.safetensors`` holds waveforms instead of
spectrograms, because the checkpoint is chosen by SI-SDR.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from avsep_lib.manifest import label_list
from avsep_lib.mixtures import crop_start, load_sources, read_list
from avsep_lib.pictures import load_frame
from avsep_lib.settings import AudioSettings, from_dict
from avsep_lib.tensor_file import create_tensors
from avsep_lib.training_data import features_metadata, spectrograms

CHUNK = 64  # mixtures per STFT batch: bounds memory


def list_chunks(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows of `CHUNK` mixtures at a time, in list order."""
    number = table.groupby("mixture_id", sort=False).ngroup()
    for i in range(0, int(number.max()) + 1, CHUNK):
        yield table[number.between(i, i + CHUNK - 1)]


def in_slots(values: np.ndarray, table: pd.DataFrame, n: int, empty: float = 0) -> torch.Tensor:
    """Values of a list's rows (rows, ...) as (mixtures, n, ...); slots of mixtures with fewer sources hold `empty`."""
    mixture = table.groupby("mixture_id", sort=False).ngroup().to_numpy()
    slots = np.full((mixture[-1] + 1, n, *values.shape[1:]), empty, values.dtype)
    slots[mixture, table.groupby("mixture_id", sort=False).cumcount().to_numpy()] = values
    return torch.from_numpy(slots)


def mixed(store: ClipStore, table: pd.DataFrame, audio: AudioSettings, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Waveforms of the mixtures (N, samples) and of their scaled sources (N, n, samples); empty slots are silent."""
    rows = [
        source for _, group in table.groupby("mixture_id", sort=False) for source in load_sources(store, group, audio)
    ]
    return mix(in_slots(np.stack(rows), table, n), table.groupby("mixture_id", sort=False).size().to_numpy())


def class_names(store: ClipStore) -> list[str]:
    """Classes of the training clips, sorted."""
    train = store.table[store.table.split == "train"]
    return sorted({label for labels in train.labels.unique() for label in label_list(labels)})


def label_inputs(store: ClipStore, table: pd.DataFrame, classes: list[str], n: int) -> torch.Tensor:
    """Which classes each source holds, uint8 (N, n, C): two ones for a duet."""
    held = [set(label_list(store.row(clip_id).labels)) for clip_id in table.clip_id]
    return in_slots(np.array([[name in labels for name in classes] for labels in held], np.uint8), table, n)


def _encode(teacher: AudioEncoder, mixture: torch.Tensor, audio: AudioSettings) -> torch.Tensor:
    return torch.from_numpy(teacher.encode(mixture.numpy(), audio.sample_rate))


def crop_table(store: ClipStore, table: pd.DataFrame, audio: AudioSettings, n: int) -> dict[str, torch.Tensor]:
    """What mixtures are made of: ``clip`` (rows of ``clips.csv``), ``start`` (samples), ``frame`` and ``gain``, (N, n).

    Empty slots have clip -1.
    """
    rows = list(table.itertuples())
    columns = {
        "clip": np.array([store.position(row.clip_id) for row in rows], np.int32),
        "start": np.array([crop_start(store, row.clip_id, row.start_s, audio) for row in rows], np.int64),
        "frame": np.array([row.frame for row in rows], np.int32),
        "gain": np.array([row.gain for row in rows], np.float32),
    }
    return {name: in_slots(column, table, n, -1 if name == "clip" else 0) for name, column in columns.items()}


@dataclass(frozen=True)
class Maker:
    """Tensors of some mixtures of a list, all with their first axis over mixtures.

    Attributes
    ----------
    store : ClipStore
    audio : AudioSettings
    teacher : AudioEncoder
    images : EmbeddingStore
    frame_size : int
        Pixels of a side.
    n : int
        Slots for sources; mixtures with fewer leave the last ones empty.
    """

    store: ClipStore
    audio: AudioSettings
    teacher: AudioEncoder
    images: EmbeddingStore
    frame_size: int
    n: int = 2

    def stored(self, rows: pd.DataFrame) -> dict[str, torch.Tensor]:
        """Everything that training reads, spectrograms and frames included."""
        mixture, sources = mixed(self.store, rows, self.audio, self.n)
        heard = spectrograms(mixture, sources, self.audio) | {"teacher": _encode(self.teacher, mixture, self.audio)}
        return self._common(rows) | heard | self._seen(rows)

    def streamed(self, rows: pd.DataFrame) -> dict[str, torch.Tensor]:
        """The same without spectrograms and frames, which are computed while a model trains."""
        mixture = mixed(self.store, rows, self.audio, self.n)[0]
        return self._common(rows) | {
            "images": self._images(rows),
            "teacher": _encode(self.teacher, mixture, self.audio),
        }

    def validation(self, rows: pd.DataFrame) -> dict[str, torch.Tensor]:
        """Waveforms, true sources ``references`` (N, n, n_output), and all that a network may be told."""
        mixture, sources = mixed(self.store, rows, self.audio, self.n)
        heard = {"waveform": mixture, "references": sources[..., : self.audio.n_output].contiguous()}
        teacher = _encode(self.teacher, mixture, self.audio)
        return self._common(rows) | heard | self._seen(rows) | {"teacher": teacher}

    def _common(self, rows: pd.DataFrame) -> dict[str, torch.Tensor]:
        crops = crop_table(self.store, rows, self.audio, self.n)
        return crops | {"labels": label_inputs(self.store, rows, class_names(self.store), self.n)}

    def _images(self, rows: pd.DataFrame) -> torch.Tensor:
        """Image embeddings (N, n, 512)."""
        embeddings = np.stack([self.images.frame(row.clip_id, row.frame) for row in rows.itertuples()])
        return in_slots(embeddings, rows, self.n)

    def _seen(self, rows: pd.DataFrame) -> dict[str, torch.Tensor]:
        """Image embeddings, and frames uint8 (N, n, 3, size, size)."""
        frames = np.stack([load_frame(self.store, r.clip_id, r.frame, self.frame_size) for r in rows.itertuples()])
        return {"images": self._images(rows), "frames": in_slots(frames, rows, self.n)}


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
    n = int(max(pool.source.max(), val.source.max())) + 1
    maker = Maker(store, audio, teacher, images, arguments.frame_size, n)
    made_from = features_metadata(store, audio, class_names(store))
    training = maker.stored if arguments.pool == "stored" else maker.streamed
    write_features(arguments.out / "train.safetensors", pool, training, made_from)
    write_features(arguments.out / "val.safetensors", val, maker.validation, made_from)


if __name__ == "__main__":
    run_main(main)
