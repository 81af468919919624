"""Features of test solos: the vectors are those of the network itself, on the crops of the test mixtures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from method_tools import config as method_config
from safetensors.torch import save_file

from avsep_lib import sgn_features
from avsep_lib.audio import LOG_FLOOR, stft, warp
from avsep_lib.clips import ClipStore, build_clips
from avsep_lib.errors import DataError, WeightsError
from avsep_lib.files import canonical_json
from avsep_lib.methods.sgn import SGN
from avsep_lib.mixtures import build_lists
from avsep_lib.score import list_items
from avsep_lib.settings import AudioSettings, MixtureSettings, ModelSettings, RunConfig, TrainingSettings, to_dict
from avsep_lib.sgn_features import SGNFeatures, write_features

CLASSES = ("flute", "trumpet", "tuba", "xylophone")
AUDIO = AudioSettings(sample_rate=11625, n_samples=16383, n_fft=1024, hop_length=512, n_rows=32)  # 32 x 32


def saved(folder: Path, classes: tuple[str, ...] = CLASSES, audio: AudioSettings = AUDIO) -> tuple[Path, SGN]:
    """A checkpoint of an untrained network whose batch norm has heard something."""
    torch.manual_seed(0)
    options = {"dim": 16, "patch": 8, "depth": 1, "heads": 2}
    model = ModelSettings(channels=(4, 8, 16))
    run = RunConfig("sgn-s0", 0, False, audio, model, TrainingSettings(steps=1, batch_size=4), "sgn", options)
    network = SGN(run, classes)
    network.presence(torch.randn(2, 1, 32, 32))
    metadata = {"config": canonical_json(to_dict(run) | {"classes": list(classes)})}
    save_file(network.state_dict(), folder / "model.safetensors", metadata)
    return folder / "model.safetensors", network.eval()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Decoded clips and mixture lists of a toy dataset, without the rest of the toy project."""
    from conftest import TOY_PROFILE

    from avsep_lib.config import check_profile
    from avsep_lib.embedded.build import build_dataset
    from avsep_lib.mixtures import write_lists

    folder = tmp_path_factory.mktemp("data")
    profile = check_profile(TOY_PROFILE, "toy", "toy")
    build_clips(build_dataset(profile.datasets["music11"], folder / "dataset"), AUDIO.sample_rate, folder / "clips")
    store = ClipStore.open(folder / "clips")
    write_lists(build_lists(store, AUDIO, MixtureSettings(pool_size=4)), folder / "mixtures", store)
    return folder


@pytest.fixture(scope="module")
def written(data, tmp_path_factory) -> tuple[Path, SGN]:
    folder = tmp_path_factory.mktemp("features")
    model, network = saved(folder)
    return write_features(model, data / "clips", folder / "features.safetensors"), network


def test_every_test_solo_has_a_row(data, written):
    found, table = SGNFeatures.open(written[0]), ClipStore.open(data / "clips").table
    expected = table[(table.split == "test") & ~table.labels.str.contains("|", regex=False)]
    assert list(found.items["item"]) == list(expected.clip_id)
    assert list(found.items["label"]) == list(expected.labels)
    assert (found.run_id, found.classes) == ("sgn-s0", CLASSES)
    n = len(expected)
    assert (n, found.grouped.shape, found.bottleneck.shape, found.presence.shape) == (8, (n, 16), (n, 16), (n, 4))


def test_vectors_are_the_networks_on_the_sources_of_the_test_mixtures(data, written):
    path, network = written
    found, store, seen = SGNFeatures.open(path), ClipStore.open(data / "clips"), 0
    for item in list_items(store, data / "mixtures", AUDIO, "test"):
        for clip_id, source in zip(item.rows.clip_id, item.sources):
            solo = torch.from_numpy(source * len(item.sources))  # a mixture divides its sources by their number
            log_magnitude = torch.log(warp(stft(solo, AUDIO).abs() + LOG_FLOOR, AUDIO))[None, None]
            (row,) = found.items.index[found.items["item"] == clip_id]
            own = CLASSES.index(found.items["label"][row])
            with torch.no_grad():
                grouped, presence = network.grouped(log_magnitude)[0, own], network.presence(log_magnitude)[0]
                bottleneck = network.unet.encode(log_magnitude)[-1].mean(dim=(-2, -1))[0]
            np.testing.assert_allclose(found.grouped[row], grouped, atol=1e-4)
            np.testing.assert_allclose(found.presence[row], presence, atol=1e-4)
            np.testing.assert_allclose(found.bottleneck[row], bottleneck, atol=1e-5)
            seen += 1
    assert seen == len(found.items)
    assert found.grouped.std(axis=0).min() > 0


def test_the_command_writes_the_same_file(data, written, tmp_path, monkeypatch):
    arguments = ["--model", written[0].parent / "model.safetensors", "--clips", data / "clips", "--out", tmp_path / "f"]
    monkeypatch.setattr(sys, "argv", ["sgn_features", *map(str, arguments)])
    sgn_features.main()
    assert (tmp_path / "f").read_bytes() == written[0].read_bytes()


def test_foreign_checkpoints_classes_and_rates_are_refused(data, tmp_path):
    model, _ = saved(tmp_path, CLASSES[:3])
    with pytest.raises(DataError, match="class 'xylophone' was not in the training; known: flute, trumpet, tuba"):
        write_features(model, data / "clips", tmp_path / "out")
    model, _ = saved(tmp_path, audio=AudioSettings(8000, 16383, 1024, 512, 32))
    with pytest.raises(DataError, match=r"audio\.sample_rate is 8000"):
        write_features(model, data / "clips", tmp_path / "out")
    run = method_config("rpca")
    save_file({"x": torch.zeros(1)}, model, {"config": canonical_json(to_dict(run))})
    with pytest.raises(WeightsError, match="is of method rpca"):
        sgn_features.load_sgn(model)
    assert not (tmp_path / "out").exists()


def test_damaged_files_are_named(written, tmp_path):
    path = tmp_path / "f.safetensors"
    with pytest.raises(DataError, match=r"f\.safetensors cannot be read \(no such file\)"):
        SGNFeatures.open(path)
    path.write_bytes(written[0].read_bytes()[:-10])
    with pytest.raises(DataError, match="cannot be read"):
        SGNFeatures.open(path)
    found = SGNFeatures.open(written[0])
    items = found.items.to_dict("list")
    for vectors, classes in (
        ({"grouped": found.grouped * np.nan}, CLASSES),
        ({"bottleneck": found.bottleneck[1:]}, CLASSES),
        ({}, CLASSES[1:]),
    ):
        tensors = {name: torch.tensor(getattr(found, name)) for name in sgn_features.VECTORS}
        tensors |= {name: torch.tensor(values) for name, values in vectors.items()}
        header = {"run_id": "x", "classes": classes, "items": items}
        save_file(tensors, path, {"sgn_features": json.dumps(header)})
        with pytest.raises(DataError, match="cannot be read"):
            SGNFeatures.open(path)
