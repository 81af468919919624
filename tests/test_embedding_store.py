"""Writing embeddings block by block: the bytes of a file written at once, kills, and nothing embedded twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import save_file

from avsep_lib.clips import ClipStore
from avsep_lib.encoders.embed import (
    audio_blocks,
    audio_entries,
    image_entries,
    read_audio_block,
    read_frame_block,
    write_blocks,
)
from avsep_lib.encoders.store import EmbeddingStore, Entry, StoreWriter, write_store
from avsep_lib.errors import DataError

N_CLIPS, N_FRAMES, N_SAMPLES = 40, 3, 50


class Counting:
    """An encoder whose embedding is its input, and that counts what it was given."""

    key = "encoder"

    def __init__(self, fail_after: int = 10**9) -> None:
        self.seen, self.fail_after = 0, fail_after

    def encode(self, inputs: np.ndarray, sample_rate: int = 0) -> np.ndarray:
        self.seen += len(inputs)
        if self.seen > self.fail_after:
            raise KeyboardInterrupt
        flat = inputs.reshape(len(inputs), -1).astype(np.float32)
        return np.resize(flat.mean(axis=0), 512) + flat[:, :1]  # depends on the batch, as real encoders do a little


@pytest.fixture
def clips(tmp_path: Path) -> ClipStore:
    rng = np.random.default_rng(0)
    for i in range(N_CLIPS):
        (tmp_path / f"{i}").mkdir()
        for frame in range(1, N_FRAMES + 1):
            picture = Image.fromarray(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8))
            picture.save(tmp_path / f"{i}" / f"{frame:06d}.jpg")
    np.save(tmp_path / "waveforms.npy", rng.standard_normal(N_CLIPS * 60).astype(np.float32))
    names = [f"c{i}" for i in range(N_CLIPS)]
    table = pd.DataFrame({"clip_id": names, "frames": map(str, range(N_CLIPS)), "n_frames": N_FRAMES, "sha256": names})
    table = table.assign(start=np.arange(N_CLIPS) * 60, n_samples=60).set_index("clip_id", drop=False)
    return ClipStore(tmp_path, table, 8000, tmp_path)


def embed(clips: ClipStore, modality: str, encoder: Counting, out: Path) -> None:
    """What the command does, with an encoder that needs no weights."""
    ids, writer = list(clips.table.clip_id), StoreWriter(out, modality, encoder.key)
    if modality == "images":
        read, entries = partial(read_frame_block, encoder.key, clips), partial(image_entries, encoder)
    else:
        ids = audio_blocks(ids)
        read = partial(read_audio_block, encoder.key, clips, n_samples=N_SAMPLES)
        entries = partial(audio_entries, encoder, sample_rate=8000)
    write_blocks(writer, (read(unit, held=writer.holds) for unit in ids), entries)


def test_the_file_is_the_one_that_safetensors_writes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    entries = [Entry(f"é{i}", rng.random((i + 1, 512), dtype=np.float32), "k" * 64) for i in range(5)]
    write_store(tmp_path / "a.safetensors", "images", "key", iter(entries))
    index = {"modality": "images", "encoder_key": "key"}
    starts = np.cumsum([0, *(len(e.rows) for e in entries)]).tolist()
    index["clips"] = {e.clip_id: [start, len(e.rows), e.key] for e, start in zip(entries, starts)}
    rows = {"embeddings": np.concatenate([e.rows for e in entries])}
    save_file(rows, tmp_path / "b.safetensors", {"index": json.dumps(index)})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    store = EmbeddingStore.open(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(store.frames("é3"), entries[3].rows)
    np.testing.assert_array_equal(store.frame("é3", 2), entries[3].rows[2])
    for index in (-1, 4):
        with pytest.raises(DataError, match=f"clip 'é3' has 4 embeddings in .*, frame {index} is none of them"):
            store.frame("é3", index)


@pytest.mark.parametrize("modality", ["images", "audio"])
@pytest.mark.parametrize("fail_after", [0, 20, 100])
def test_an_interrupted_job_goes_on_and_ends_with_the_same_bytes(clips, tmp_path, modality, fail_after):
    whole = Counting()
    embed(clips, modality, whole, tmp_path / "whole.safetensors")
    with pytest.raises(KeyboardInterrupt):
        embed(clips, modality, Counting(min(fail_after, whole.seen - 1)), tmp_path / "parts.safetensors")
    assert not (tmp_path / "parts.safetensors").exists()
    second = Counting()
    embed(clips, modality, second, tmp_path / "parts.safetensors")
    unit = N_FRAMES if modality == "images" else 16
    assert second.seen == whole.seen - min(fail_after, whole.seen - 1) // unit * unit
    assert (tmp_path / "parts.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert not (tmp_path / "parts.part").exists()


def test_what_changed_in_between_is_embedded_again(clips, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        embed(clips, "images", Counting(60), tmp_path / "parts.safetensors")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(clips.frame_path("c2", 1))
    second = Counting()
    embed(clips, "images", second, tmp_path / "parts.safetensors")
    assert second.seen == N_FRAMES * (N_CLIPS - 20 + 1)
    embed(clips, "images", Counting(), tmp_path / "whole.safetensors")
    assert (tmp_path / "parts.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


@pytest.mark.parametrize("damage", ["rows", "line", "noise"])
def test_a_torn_end_is_embedded_again(clips, tmp_path, damage):
    with pytest.raises(KeyboardInterrupt):
        embed(clips, "images", Counting(60), tmp_path / "parts.safetensors")
    name = "rows.f32" if damage == "rows" else "blocks.jsonl"
    path = tmp_path / "parts.part" / name
    path.write_bytes(path.read_bytes() + b'{"' if damage == "noise" else path.read_bytes()[:-7])
    second = Counting()
    embed(clips, "images", second, tmp_path / "parts.safetensors")
    assert second.seen == N_FRAMES * (N_CLIPS - (20 if damage == "noise" else 19))
    embed(clips, "images", Counting(), tmp_path / "whole.safetensors")
    assert (tmp_path / "parts.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


def test_a_clip_too_short_for_the_audio_encoder_is_named(clips, tmp_path):
    of_c3 = clips.table.clip_id == "c3"
    lengths = np.where(of_c3, 30, np.where(np.arange(len(of_c3)) == 0, 90, 60))  # as many as the file has in all
    table = clips.table.assign(n_samples=lengths)
    with pytest.raises(DataError, match=r"clip 'c3' has 30 samples, the audio encoder hears 50; drop its row"):
        embed(replace(clips, table=table), "audio", Counting(), tmp_path / "a.safetensors")


def test_a_killed_command_goes_on(project, tmp_path):
    settings = json.dumps({"kind": "mini", "image_size": 32, "width": 8})
    command = [sys.executable, "-m", "avsep_lib.encoders.embed", "images", "--settings", settings]
    command += ["--encoder", project.data / "encoders" / "image", "--clips", project.data / "clips"]
    command = [*map(str, command), "--out", str(tmp_path / "images.safetensors")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    log, deadline = tmp_path / "images.part" / "blocks.jsonl", time.monotonic() + 60
    while process.poll() is None and not (log.exists() and log.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    expected = project.data / "embeddings" / "images.safetensors"
    assert (tmp_path / "images.safetensors").read_bytes() == expected.read_bytes()
