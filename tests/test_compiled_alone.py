"""Numba's cache of librosa's functions is written by one process, before jobs could write it at once."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def regenerate():
    specification = importlib.util.spec_from_file_location("regenerate", ROOT / "workflow/regenerate.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def librosa(tmp_path, monkeypatch, regenerate):
    """A folder in librosa's place, with what two processes at once have left; counts compilations."""
    cache = tmp_path / "librosa/util/__pycache__"
    cache.mkdir(parents=True)
    (cache / "guf-utils.f.nbi").write_text("of one process")
    (cache / "utils.f.1.nbc").write_text("of another")
    spec = importlib.util.spec_from_file_location("librosa", tmp_path / "librosa/__init__.py")
    monkeypatch.setattr(regenerate.importlib.util, "find_spec", lambda name: spec)
    runs = []

    def run(words, env, check):
        assert check
        assert env["EAGER_IMPORT"] == "1"
        assert not [*tmp_path.rglob("*.nbi"), *tmp_path.rglob("*.nbc")]
        runs.append(words)

    monkeypatch.setattr(regenerate.subprocess, "run", run)
    return runs


def test_an_environment_is_compiled_once_and_again_when_it_changes(librosa, regenerate, monkeypatch):
    regenerate.compile_alone()
    regenerate.compile_alone()
    assert librosa == [[sys.executable, "-c", "import librosa"]]
    monkeypatch.setattr(regenerate.importlib.metadata, "version", lambda name: "99.0")
    regenerate.compile_alone()
    assert len(librosa) == 2


def test_a_compilation_that_failed_is_tried_again(librosa, regenerate, monkeypatch):
    def fails(words, env, check):
        raise subprocess.CalledProcessError(1, words)

    with monkeypatch.context() as here:
        here.setattr(regenerate.subprocess, "run", fails)
        with pytest.raises(subprocess.CalledProcessError):
            regenerate.compile_alone()
    regenerate.compile_alone()
    assert len(librosa) == 1


def test_descriptors_compile_nothing_more(tmp_path):
    """A function that the import does not compile would be compiled by jobs, and by two of them at once."""
    seconds = np.arange(2 * 22050) / 22050
    soundfile.write(tmp_path / "a.wav", 0.3 * np.sin(2 * np.pi * 440 * seconds) * (seconds % 0.5 < 0.3), 22050)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "numba"), "PYTHONPATH": str(ROOT)}
    code = (
        "import soundfile, sys; from avsep_lib.descriptors.measure import describe; sound, rate = soundfile.read("
        "sys.argv[1], dtype='float32'); print(describe(sound, rate))"
    )

    def functions(words, **more):
        subprocess.run(words, check=True, env=environment | more, cwd=ROOT, stdout=subprocess.DEVNULL)
        return {(path.name, path.stat().st_mtime_ns) for path in (tmp_path / "numba").rglob("*.nbi")}

    compiled = functions([sys.executable, "-c", "import librosa"], EAGER_IMPORT="1")
    assert {name.split(".")[1].split("-")[0] for name, _ in compiled} >= {"__peak_pick", "_pi_wrapper", "_zc_wrapper"}
    assert functions([sys.executable, "-c", code, str(tmp_path / "a.wav")]) == compiled
