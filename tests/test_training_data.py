"""Streamed training: the batches, weights and resumes of stored spectrograms, and every way it can go wrong."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import TOY_PROFILE, Project

from avsep_lib import features
from avsep_lib.cli import run_main
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.methods.hfra import HFRA
from avsep_lib.settings import RunConfig, to_dict
from avsep_lib.train import train
from avsep_lib.training_data import StoredPool, StreamedPool, load_features, open_pool

RESULTS = ("model.safetensors", "history.csv")


def results(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in RESULTS]


def write_features(data: Path, out: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    """The features command of the toy project."""
    encoder = json.dumps(TOY_PROFILE["encoders"]["audio"])
    argv = ["--audio", json.dumps(TOY_PROFILE["audio"]), "--audio-encoder-settings", encoder, "--frame-size", "32"]
    argv += ["--clips", data / "clips", "--mixtures", data / "mixtures", "--out", out, *more]
    argv += ["--images", data / "embeddings" / "images.safetensors", "--audio-encoder", data / "encoders" / "audio"]
    monkeypatch.setattr(sys, "argv", ["features", *map(str, argv)])
    features.main()


@pytest.fixture(scope="module")
def streamed(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Streamed features of the toy project."""
    out = tmp_path_factory.mktemp("streamed")
    with pytest.MonkeyPatch.context() as patch:
        write_features(project.data, out, patch, "--pool", "streamed")
    return out


@pytest.fixture
def config(project: Project) -> RunConfig:
    return HFRA.load(project.results / "runs" / "late-s0" / "model.safetensors").config


def with_resnet(config: RunConfig) -> RunConfig:
    model = dataclasses.replace(config.model, backbone="resnet18")
    return dataclasses.replace(config, model=model, training=dataclasses.replace(config.training, steps=2))


# --- the same as stored ----------------------------------------------------------------------------------------------


def test_the_command_writes_the_stored_features_as_before(project, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "CHUNK", 64)
    write_features(project.data, tmp_path, monkeypatch)
    for name in ("train", "val"):
        expected = load_features(project.data / "features" / f"{name}.safetensors")
        found = load_features(tmp_path / f"{name}.safetensors")
        assert set(found) == set(expected)
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_features_in_several_blocks_are_those_of_one(project, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "CHUNK", 5)  # 12 mixtures: two whole blocks and a rest
    write_features(project.data, tmp_path, monkeypatch)
    expected = load_features(project.data / "features" / "train.safetensors")
    found = load_features(tmp_path / "train.safetensors")
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, rtol=0, atol=1e-5 if key == "teacher" else 0)


def test_a_streamed_pool_stores_no_spectrogram(streamed):
    tensors = load_features(streamed / "train.safetensors")
    assert set(tensors) == {"clip", "start", "frame", "gain", "images", "teacher", "labels"}
    assert tensors["clip"].shape == (12, 2)


@pytest.mark.parametrize("workers", [0, 1])
def test_processes_share_streamed_batches_out(project, streamed, config, workers):
    stored = list(open_pool(config, project.data / "features").batches(4))
    halves = []
    for rank in (0, 1):
        pool = open_pool(config, streamed, project.data / "clips", workers)
        pool.share_out(rank, 2)
        halves.append(list(pool.batches(4)))
    assert len(stored) == 2
    for whole, *parts in zip(stored, *halves):
        assert all(torch.equal(torch.cat([part[name] for part in parts]), whole[name]) for name in whole)


@pytest.mark.parametrize("backbone", ["clip", "resnet18"])
@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_batches_are_the_stored_ones(project, streamed, config, backbone, workers):
    config = with_resnet(config) if backbone == "resnet18" else config
    stored = open_pool(config, project.data / "features")
    pool = open_pool(config, streamed, project.data / "clips", workers)
    assert isinstance(stored, StoredPool)
    assert isinstance(pool, StreamedPool)
    for first_step in (0, 1):
        pairs = list(zip(stored.batches(first_step), pool.batches(first_step), strict=True))
        assert len(pairs) == config.training.steps - first_step
        for expected, found in pairs:
            assert set(found) == set(expected) == {"mixture", "sources", "teacher", "visual"}
            assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("stops", [[], [1], [4], [2, 3, 5]])
def test_streamed_training_ends_with_the_same_bytes(project, streamed, config, tmp_path, stops):
    clips = project.data / "clips"
    for stop in stops:
        assert train(config, streamed, tmp_path, clips=clips, stop_after=stop) is None
    train(config, streamed, tmp_path, clips=clips)
    assert results(tmp_path) == results(project.results / "runs" / "late-s0")
    assert 0 < json.loads((tmp_path / "cost.json").read_text())["waiting_share"] < 1


def test_a_killed_streamed_run_ends_as_if_undisturbed(project, streamed, config, tmp_path):
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, steps=60, validations=60))
    arguments = ["--config", json.dumps(to_dict(config)), "--features", streamed, "--out", tmp_path / "killed"]
    command = [sys.executable, "-m", "avsep_lib.train", *map(str, arguments), "--clips", str(project.data / "clips")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed" / "state.ckpt").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert "resuming at step " in printed
    assert "% waiting for data" in printed
    train(config, project.data / "features", tmp_path / "whole")
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


# --- what cannot be streamed -----------------------------------------------------------------------------------------


def test_a_streamed_pool_needs_its_clips(project, streamed, config, tmp_path):
    with pytest.raises(DataError, match=r"does not hold all that run .* with --clips"):
        train(config, streamed, tmp_path)
    with pytest.raises(DataError, match=r"clips\.json is missing"):
        open_pool(config, streamed, tmp_path)
    other = Path(shutil.copytree(project.data / "clips", tmp_path / "a" / "b" / "clips"))
    table = pd.read_csv(other / "clips.csv")
    table.iloc[::-1].to_csv(other / "clips.csv", index=False)
    with pytest.raises(DataError, match=r"clips\.csv does not list \d+ clips one after the other; delete"):
        open_pool(config, streamed, other)
    audio = dataclasses.replace(config.audio, n_rows=16)
    with pytest.raises(DataError, match="or with other audio settings"):
        open_pool(dataclasses.replace(config, audio=audio), streamed, project.data / "clips")
    training = dataclasses.replace(config.training, batch_size=13)
    with pytest.raises(ConfigError, match="batch_size 13 exceeds the pool of 12"):
        open_pool(dataclasses.replace(config, training=training), streamed, project.data / "clips")


def test_an_error_in_a_worker_is_one_line(project_copy, streamed, config, tmp_path, capsys):
    clips = project_copy.data / "clips"
    for path in (project_copy.data / "dataset" / "frames").glob("train_*/000001.jpg"):
        path.write_bytes(b"no picture")
    for path in (project_copy.data / "dataset" / "frames").glob("train_*/00000[2-9].jpg"):
        path.unlink()
    with pytest.raises(SystemExit) as ended:
        run_main(lambda: train(with_resnet(config), streamed, tmp_path, clips=clips))
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("DataError: frame ")
    assert error.count("\n") == 1
    assert not multiprocessing.active_children()


def test_a_killed_worker_is_no_traceback(project, streamed, config):
    training = dataclasses.replace(config.training, steps=200)
    pool = open_pool(dataclasses.replace(config, training=training), streamed, project.data / "clips", 2)
    batches = pool.batches(0)
    next(batches)
    for child in multiprocessing.active_children():
        os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(DataError, match=r"a process that computes batches ended .* memory may be short"):
        list(batches)


def test_little_shared_memory_means_no_workers(project, streamed, config, monkeypatch, capsys):
    usage = namedtuple("usage", "total used free")(10, 0, 10)
    monkeypatch.setattr("avsep_lib.training_data.shutil.disk_usage", lambda path: usage)
    pool = open_pool(config, streamed, project.data / "clips", 2)
    batches = pool.batches(3)
    expected = open_pool(config, project.data / "features").step(3)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in next(batches).items())
    assert not multiprocessing.active_children()
    assert "batches are computed without workers" in capsys.readouterr().out
