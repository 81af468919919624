"""Large tensor files: the same bytes as safetensors writes at once, complete or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from avsep_lib import tensor_file
from avsep_lib.errors import DataError
from avsep_lib.tensor_file import create_tensors, header


def tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "sources": rng.random((5, 2, 3, 7), dtype=np.float32),
        "mixture": rng.random((5, 1, 3, 7), dtype=np.float32),
        "frames": rng.integers(0, 255, (5, 3), dtype=np.uint8),
        "gain": rng.random((5, 2)),
        "clip": np.arange(9, dtype=np.int32),
        "start": np.arange(10),
        "also": np.arange(3, dtype=np.int32),
    }


def layout_of(arrays: dict[str, np.ndarray]) -> dict:
    return {name: (array.dtype.name, array.shape) for name, array in arrays.items()}


@pytest.mark.parametrize("metadata", [None, {"index": 'a "quoted" \\ word\n'}, {"é": "ü"}])
def test_the_bytes_are_those_of_save_file(tmp_path: Path, metadata: dict | None) -> None:
    arrays = tensors()
    save_file({name: torch.from_numpy(array) for name, array in arrays.items()}, tmp_path / "a", metadata)
    with create_tensors(tmp_path / "b", layout_of(arrays), metadata) as made:
        for name, array in arrays.items():
            made[name][:2] = array[:2]
            made[name][2:] = array[2:]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert set(load_file(tmp_path / "b")) == set(arrays)


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), create_tensors(tmp_path / "a", layout_of(tensors())):
        raise RuntimeError
    assert not any(tmp_path.iterdir())


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    layout = {"x": ("float32", (1_000_000_000, 512))}
    with (
        pytest.raises(DataError, match=r"a needs 2048\.0 GB \(No space left on device\); free"),
        create_tensors(tmp_path / "a", layout),
    ):
        pass
    assert not any(tmp_path.iterdir())


def test_an_index_that_no_reader_would_open_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_file, "LARGEST_HEADER", 1000)
    with pytest.raises(DataError, match="split the dataset"):
        header({"x": ("float32", (2,))}, {"index": "x" * 2000})
