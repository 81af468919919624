"""Run a frozen encoder over the clips once: ``python -m avsep_lib.encoders.embed images|audio``.

Clips are read ahead in threads and embedded block by block (the frames of one clip, the centres of 16), so that memory
does not grow with the dataset. A killed job goes on after the last block; inputs are compared by content.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from avsep_lib.cli import json_argument, run_main
from avsep_lib.clips import ClipStore
from avsep_lib.encoders.base import AudioEncoder, ImageEncoder, load_audio_encoder, load_image_encoder
from avsep_lib.encoders.frames import decode_frame, frame_paths, read_bytes, stack_frames
from avsep_lib.encoders.settings import AudioEncoderSettings, ImageEncoderSettings
from avsep_lib.encoders.store import Entry, StoreWriter
from avsep_lib.errors import DataError
from avsep_lib.files import sha256_text
from avsep_lib.jobs import in_order, with_progress
from avsep_lib.settings import from_dict

AUDIO_BLOCK = 16  # clips
IMAGE_BATCH = 64  # frames


@dataclass(frozen=True)
class Block:
    """What is embedded together: clips, their content keys, and the encoder's input (None: embedded already)."""

    clip_ids: list[str]
    keys: list[str]
    inputs: np.ndarray | None


Held = Callable[[list[str]], bool]  # whether the block of these keys is embedded already


def nothing_held(keys: list[str]) -> bool:
    """`Held` of a job that starts anew."""
    return False


def embedded_clips(clips: ClipStore) -> list[str]:
    """Ids of the clips that get an embedding: all but the encoders' own pretraining split."""
    return list(clips.table.clip_id[clips.table.split != "pretrain"])


def centre_crop(waveform: np.ndarray, n_samples: int) -> np.ndarray:
    """The middle `n_samples` of a waveform; a shorter one comes back whole and is refused by the encoder."""
    start = max(0, (len(waveform) - n_samples) // 2)
    return waveform[start : start + n_samples]


def read_frame_block(encoder_key: str, clips: ClipStore, clip_id: str, held: Held = nothing_held) -> Block:
    """Every frame of a clip; the key covers the bytes of its files, which are decoded only if they are new."""
    row = clips.row(clip_id)
    folder = clips.root / row.frames
    digest = hashlib.sha256(encoder_key.encode())
    paths = frame_paths(folder, int(row.n_frames))
    contents = [read_bytes(path) for path in paths]
    for content in contents:
        digest.update(content)
    keys = [digest.hexdigest()]
    if held(keys):
        return Block([clip_id], keys, None)
    frames = [decode_frame(content, path) for content, path in zip(contents, paths)]
    return Block([clip_id], keys, stack_frames(frames, folder))


def read_audio_block(
    encoder_key: str, clips: ClipStore, clip_ids: list[str], n_samples: int, held: Held = nothing_held
) -> Block:
    """The centre crop of each clip; the keys cover the audio files' hashes and the crop's length."""
    keys = [
        sha256_text(f"{encoder_key} {clips.row(clip_id).sha256} {clips.sample_rate} {n_samples}")
        for clip_id in clip_ids
    ]
    if held(keys):
        return Block(clip_ids, keys, None)
    crops = [centre_crop(clips.waveform(clip_id), n_samples) for clip_id in clip_ids]
    if short := [clip_id for clip_id, crop in zip(clip_ids, crops) if len(crop) < n_samples]:
        raise DataError(
            f"clip {short[0]!r} has {clips.n_samples(short[0])} samples, the audio encoder hears {n_samples}; "
            "drop its row from the manifest or lower audio.n_samples"
        )
    return Block(clip_ids, keys, np.stack(crops))


def image_entries(encoder: ImageEncoder, block: Block) -> list[Entry]:
    """Embed a block of frames: one entry with a row per frame."""
    batches = range(0, len(block.inputs), IMAGE_BATCH)
    rows = [encoder.encode(block.inputs[i : i + IMAGE_BATCH]) for i in batches]
    return [Entry(block.clip_ids[0], np.concatenate(rows), block.keys[0])]


def audio_entries(encoder: AudioEncoder, block: Block, sample_rate: int) -> list[Entry]:
    """Embed a block of waveforms: an entry of one row per clip."""
    rows = encoder.encode(block.inputs, sample_rate)
    return [Entry(clip_id, row[None], key) for clip_id, row, key in zip(block.clip_ids, rows, block.keys)]


def embed_frames(encoder: ImageEncoder, clips: ClipStore, clip_id: str) -> Entry:
    """Every frame of a clip."""
    return image_entries(encoder, read_frame_block(encoder.key, clips, clip_id))[0]


def audio_blocks(clip_ids: list[str]) -> list[list[str]]:
    """Clips that are embedded together."""
    return [clip_ids[i : i + AUDIO_BLOCK] for i in range(0, len(clip_ids), AUDIO_BLOCK)]


def embed_audio(encoder: AudioEncoder, clips: ClipStore, clip_ids: list[str], n_samples: int) -> list[Entry]:
    """The centre crop of each clip, one row each."""
    blocks = (read_audio_block(encoder.key, clips, ids, n_samples) for ids in audio_blocks(clip_ids))
    return [entry for block in blocks for entry in audio_entries(encoder, block, clips.sample_rate)]


def write_blocks(writer: StoreWriter, blocks: Iterable[Block], entries: Callable[[Block], list[Entry]]) -> None:
    """Embed what a killed job has not embedded yet, then finish the store."""
    for block in blocks:
        if block.inputs is None:
            writer.keep(block.clip_ids, block.keys)
        else:
            writer.add(entries(block))
    writer.finish()


def embed(modality: str, values: dict, encoder_folder: Path, clips_folder: Path, out: Path, workers: int = 1) -> None:
    """Embed all clips of one modality into one file; `workers` threads read ahead."""
    clips = ClipStore.open(clips_folder)
    units: list = embedded_clips(clips)
    if modality == "images":
        encoder = load_image_encoder(from_dict(ImageEncoderSettings, values, "image encoder"), encoder_folder)
        read, entries = partial(read_frame_block, encoder.key, clips), partial(image_entries, encoder)
    else:
        settings = from_dict(AudioEncoderSettings, values, "audio encoder")
        encoder, units = load_audio_encoder(settings, encoder_folder), audio_blocks(units)
        read = partial(read_audio_block, encoder.key, clips, n_samples=settings.n_samples)
        entries = partial(audio_entries, encoder, sample_rate=clips.sample_rate)
    writer = StoreWriter(out, modality, encoder.key)
    blocks = in_order(partial(read, held=writer.holds), units, workers)
    write_blocks(writer, with_progress(blocks, len(units), f"{modality}, blocks embedded"), entries)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modality", choices=("images", "audio"))
    parser.add_argument("--settings", type=json_argument, required=True, help="JSON text or file")
    parser.add_argument("--encoder", type=Path, required=True, help="folder written by avsep_lib.encoders.train")
    parser.add_argument("--clips", type=Path, required=True, help="folder written by avsep_lib.clips")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="threads that read clips ahead")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    embed(arguments.modality, arguments.settings, arguments.encoder, arguments.clips, arguments.out, arguments.workers)


if __name__ == "__main__":
    run_main(main)
