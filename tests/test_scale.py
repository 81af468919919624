"""VGGSound's size without VGGSound: 130,000 clips are opened, mixed and served in seconds, with flat memory.

Each test is a process of its own that reports its peak memory. The waveforms are a sparse file: 60 GB on paper.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import save_file

from avsep_lib.clips import ClipStore
from avsep_lib.features import Maker
from avsep_lib.files import write_json
from avsep_lib.mixtures import training_pool
from avsep_lib.settings import AudioSettings, MixtureSettings, ModelSettings, RunConfig, TrainingSettings, to_dict
from avsep_lib.tensor_file import header
from avsep_lib.training_data import features_metadata

N_CLIPS, N_CLASSES, RATE, SECONDS = 130_000, 309, 11_625, 10
AUDIO = AudioSettings()
POOL = 10_000
CONFIG = RunConfig(
    "large-s0", 0, True, AUDIO, ModelSettings(fusion="late"), TrainingSettings(steps=3, batch_size=4, validations=1)
)


def manifest() -> pd.DataFrame:
    """A manifest of VGGSound's size, with its clip ids, classes and splits."""
    rng = np.random.default_rng(0)
    numbers = np.arange(N_CLIPS)
    classes = np.array([f"class, number {i}" for i in range(N_CLASSES)])
    splits = np.where(numbers % 12 == 0, "test", np.where(numbers % 12 == 1, "val", "train"))
    ids = [f"-vid{i:07d}_{i % 300:06d}" for i in numbers]
    return pd.DataFrame(
        {
            "clip_id": ids,
            "video_id": [f"-vid{i:07d}" for i in numbers],
            "labels": classes[rng.integers(0, N_CLASSES, N_CLIPS)],
            "split": splits,
            "audio": [f"media/audio/{i}.wav" for i in ids],
            "frames": [f"media/frames/{i}" for i in ids],
            "n_frames": 8 * SECONDS,
            "fps": 8,
            "sample_rate": 44_100,
            "duration_s": float(SECONDS),
            "sha256": [hashlib.sha256(i.encode()).hexdigest() for i in ids],
        }
    )


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``manifest.csv`` and what `avsep_lib.clips` and `avsep_lib.features` would make of it."""
    folder = tmp_path_factory.mktemp("large")
    table = manifest()
    table.to_csv(folder / "manifest.csv", index=False)
    clips, n_samples = folder / "clips", RATE * SECONDS
    clips.mkdir()
    table.assign(start=np.arange(N_CLIPS) * n_samples, n_samples=n_samples).to_csv(clips / "clips.csv", index=False)
    with (clips / "waveforms.npy").open("wb") as stream:
        layout = {"descr": "<f4", "fortran_order": False, "shape": (N_CLIPS * n_samples,)}
        np.lib.format.write_array_header_1_0(stream, layout)
        end = stream.tell() + 4 * N_CLIPS * n_samples
        stream.truncate(end)
    write_json(clips / "clips.json", {"sample_rate": RATE, "root": "..", "n_clips": N_CLIPS})
    return folder


class Nothing:
    """Encoder and embeddings of a dataset that nobody has heard or seen."""

    def encode(self, waveforms: np.ndarray, sample_rate: int) -> np.ndarray:
        return np.zeros((len(waveforms), 512), np.float32)

    def frame(self, clip_id: str, index: int) -> np.ndarray:
        return np.zeros(512, np.float32)


@pytest.fixture(scope="module")
def streamed(large: Path) -> Path:
    """Streamed features of the first mixtures of a pool of 10,000."""
    store = ClipStore.open(large / "clips")
    clips = store.table[store.table.split == "train"]
    pool = training_pool(clips, AUDIO.n_samples / RATE, MixtureSettings(pool_size=POOL))
    crops = Maker(store, AUDIO, Nothing(), Nothing(), 32).streamed(pool[:400])
    save_file(crops, large / "train.safetensors", features_metadata(store, AUDIO, ()))
    return large


MEASURE = """
import json, sys, time
from pathlib import Path
def memory():
    lines = dict(line.split(":") for line in open("/proc/self/status") if line.startswith(("VmHWM", "RssAnon")))
    return {name: int(text.split()[0]) / 1024 for name, text in lines.items()}
folder = Path(sys.argv[1])
"""


def measured(folder: Path, preparation: str, work: str) -> dict:
    """Run `preparation`, then `work` in a fresh interpreter; seconds and MB that `work` took, and its `result`."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is measured through /proc")
    code = MEASURE + preparation + "\nbefore, started, result = memory(), time.perf_counter(), None\n" + work
    code += "\nseconds, after = time.perf_counter() - started, memory()"
    code += "\nreport = {'seconds': seconds, 'peak': after['VmHWM'] - before['VmHWM'], 'result': result}"
    code += "\nreport['own'] = after['RssAnon'] - before['RssAnon']"
    code += "\nprint(json.dumps(report))"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    report = json.loads(done.stdout.splitlines()[-1])
    print(report)
    return report


@pytest.mark.slow
def test_a_manifest_is_validated_in_seconds(large):
    prepare = "from avsep_lib.manifest import read_manifest"
    report = measured(large, prepare, "result = len(read_manifest(folder / 'manifest.csv'))")
    assert report["result"] == N_CLIPS
    assert report["seconds"] < 10
    assert report["peak"] < 500


@pytest.mark.slow
def test_decoded_clips_are_opened_in_seconds(large):
    prepare = "from avsep_lib.clips import ClipStore"
    work = """
store = ClipStore.open(folder / "clips")
ids = store.table.clip_id.tolist()
lengths = {len(store.crop(clip_id, 1000, 65535)) for clip_id in ids[::100]}
result = [list(lengths), store.row(ids[-1]).labels]
"""
    report = measured(large, prepare, work)
    assert report["result"][0] == [65_535]
    assert report["result"][-1].startswith("class, number")
    assert report["seconds"] < 10
    assert report["own"] < 400  # the table; the 60 GB are mapped


@pytest.mark.slow
def test_lists_of_a_large_dataset_are_drawn_in_seconds(large):
    prepare = f"""
from avsep_lib.clips import ClipStore
from avsep_lib.mixtures import build_lists, write_lists
from avsep_lib.settings import AudioSettings, MixtureSettings, from_dict
mixtures = from_dict(MixtureSettings, {to_dict(MixtureSettings(pool_size=POOL))})
store = ClipStore.open(folder / "clips")
"""
    work = """
lists = build_lists(store, AudioSettings(), mixtures)
write_lists(lists, folder / "mixtures", store)
result = {name: int(table.mixture_id.nunique()) for name, table in lists.items()}
"""
    report = measured(large, prepare, work)
    assert report["result"] == {"pool": POOL, "val": 5417, "test": 5417}
    assert report["seconds"] < 20
    assert report["peak"] < 500


@pytest.mark.slow
def test_embeddings_of_a_large_dataset_are_opened_in_a_second(large):
    table = pd.read_csv(large / "manifest.csv")
    clips = {clip_id: [80 * i, 80, key] for i, (clip_id, key) in enumerate(zip(table.clip_id, table.sha256))}
    index = {"modality": "images", "encoder_key": "k", "clips": clips}
    first = header({"embeddings": ("float32", (80 * N_CLIPS, 512))}, {"index": json.dumps(index)})
    with (large / "images.safetensors").open("wb") as stream:
        stream.write(first)
        stream.truncate(len(first) + 80 * N_CLIPS * 2048)
    prepare = "from avsep_lib.encoders.store import EmbeddingStore"
    work = """
store = EmbeddingStore.open(folder / "images.safetensors")
result = list({store.frames(clip_id)[7].shape[0] for clip_id in store.clip_ids[::1000]})
"""
    report = measured(large, prepare, work)
    assert report["result"] == [512]
    assert report["seconds"] < 5
    assert report["own"] < 300


@pytest.mark.slow
def test_a_batch_of_a_large_streamed_pool_is_served_at_once(streamed):
    prepare = f"""
import torch
from avsep_lib.settings import RunConfig, from_dict
from avsep_lib.training_data import open_pool
config = from_dict(RunConfig, {to_dict(CONFIG)})
"""
    work = """
pool = open_pool(config, folder, folder / "clips", 2)
batches = list(pool.batches(0))
result = [list(batch["sources"].shape) for batch in batches]
"""
    report = measured(streamed, prepare, work)
    assert report["result"] == [[4, 2, 256, 256]] * 3
    assert report["seconds"] < 20
    assert report["own"] < 500


@pytest.mark.slow
def test_a_stored_pool_larger_than_memory_is_mapped(tmp_path):
    n = 20_000  # 15.7 GB, sparse
    layout = {"mixture": ("float32", (n, 1, 256, 256)), "sources": ("float32", (n, 2, 256, 256))}
    layout |= {"images": ("float32", (n, 2, 512)), "teacher": ("float32", (n, 512))}
    sizes = [4 * int(np.prod(shape)) for _, shape in layout.values()]
    with (tmp_path / "train.safetensors").open("wb") as stream:
        stream.write(header(layout))
        stream.truncate(stream.tell() + sum(sizes))
    prepare = f"""
import torch
from avsep_lib.settings import RunConfig, from_dict
from avsep_lib.training_data import open_pool
config = from_dict(RunConfig, {to_dict(CONFIG)})
"""
    work = """
result = [len(batch["sources"]) for batch in open_pool(config, folder).batches(0)]
"""
    report = measured(tmp_path, prepare, work)
    assert report["result"] == [4, 4, 4]
    assert report["own"] < 100


@pytest.mark.slow
def test_writing_holds_one_clip_at_a_time(tmp_path):
    prepare = """
import numpy as np
from avsep_lib.encoders.store import Entry, write_store
from avsep_lib.waveform_file import WaveformWriter
clip, rows = np.ones(500_000, np.float32), np.ones((1000, 512), np.float32)
"""
    work = """
writer = WaveformWriter(folder / "waveforms.npy", [str(i) for i in range(150)])
for i in range(150):
    writer.append(clip * i)
writer.finish()
write_store(folder / "images.safetensors", "images", "k", (Entry(str(i), rows * i, "k" * 64) for i in range(150)))
result = [path.stat().st_size for path in sorted(folder.iterdir())]
"""
    report = measured(tmp_path, prepare, work)
    assert min(report["result"]) >= 300e6
    assert report["own"] < 40
