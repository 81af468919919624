"""Run a frozen encoder over the clips once: ``python -m avsep_lib.encoders.embed images|audio``."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch

from avsep_lib.cli import json_argument, run_main
from avsep_lib.clips import ClipStore
from avsep_lib.encoders.base import AudioEncoder, ImageEncoder, load_audio_encoder, load_image_encoder
from avsep_lib.encoders.frames import decode_frame, frame_paths, read_bytes, stack_frames
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.encoders.store import Entry, write_store
from avsep_lib.files import sha256_text
from avsep_lib.settings import from_dict


def embedded_clips(clips: ClipStore) -> list[str]:
    """Ids of the clips that get an embedding: all but the encoders' own pretraining split."""
    return list(clips.table.clip_id[clips.table.split != "pretrain"])


def centre_crop(waveform: np.ndarray, n_samples: int) -> np.ndarray:
    """The middle `n_samples` of a waveform; a shorter one comes back whole and is refused by the encoder."""
    start = max(0, (len(waveform) - n_samples) // 2)
    return waveform[start : start + n_samples]


def embed_frames(encoder: ImageEncoder, clips: ClipStore, clip_id: str, batch_size: int = 64) -> Entry:
    """Every frame of a clip; the key covers the bytes of its files."""
    row = clips.row(clip_id)
    folder = clips.root / row.frames
    digest = hashlib.sha256(encoder.key.encode())
    frames = []
    for path in frame_paths(folder, int(row.n_frames)):
        content = read_bytes(path)
        digest.update(content)
        frames.append(decode_frame(content, path))
    stacked = stack_frames(frames, folder)
    rows = [encoder.encode(stacked[i : i + batch_size]) for i in range(0, len(stacked), batch_size)]
    return Entry(clip_id, np.concatenate(rows), digest.hexdigest())


def embed_audio(encoder: AudioEncoder, clips: ClipStore, clip_ids: list[str], n_samples: int) -> list[Entry]:
    """The centre crop of each clip, one row each; the key covers the audio file's hash and the crop's length."""
    entries = []
    for i in range(0, len(clip_ids), 16):
        chunk = clip_ids[i : i + 16]
        crops = np.stack([centre_crop(clips.waveform(clip_id), n_samples) for clip_id in chunk])
        rows = encoder.encode(crops, clips.sample_rate)
        for clip_id, vector in zip(chunk, rows):
            key = sha256_text(f"{encoder.key} {clips.row(clip_id).sha256} {clips.sample_rate} {n_samples}")
            entries.append(Entry(clip_id, vector[None], key))
    return entries


def embed(modality: str, values: dict, encoder_folder: Path, clips_folder: Path, out: Path) -> None:
    """Embed all clips of one modality into one file."""
    clips = ClipStore.open(clips_folder)
    clip_ids = embedded_clips(clips)
    if modality == "images":
        encoder = load_image_encoder(from_dict(ImageEncoderSettings, values, "image encoder"), encoder_folder)
        entries = [embed_frames(encoder, clips, clip_id) for clip_id in clip_ids]
    else:
        settings = from_dict(AudioEncoderSettings, values, "audio encoder")
        encoder = load_audio_encoder(settings, encoder_folder)
        entries = embed_audio(encoder, clips, clip_ids, settings.n_samples)
    write_store(out, modality, encoder.key, entries)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modality", choices=("images", "audio"))
    parser.add_argument("--settings", type=json_argument, required=True, help="JSON text or file")
    parser.add_argument("--encoder", type=Path, required=True, help="folder written by avsep_lib.encoders.train")
    parser.add_argument("--clips", type=Path, required=True, help="folder written by avsep_lib.clips")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    embed(arguments.modality, arguments.settings, arguments.encoder, arguments.clips, arguments.out)


if __name__ == "__main__":
    run_main(main)
