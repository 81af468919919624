"""Decoding: every way a file can be bad is refused with its path and a way out; a good one is resampled once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from avsep_lib import clips
from avsep_lib.clips import ClipStore, build_clips, read_audio
from avsep_lib.errors import DataError, LeakageError
from avsep_lib.files import sha256_file
from avsep_lib.jobs import in_order, with_progress
from avsep_lib.manifest import COLUMNS, check_manifest, is_solo, label_list, read_manifest
from avsep_lib.pictures import load_frame
from avsep_lib.waveform_file import WaveformWriter

RATE, SECONDS = 22_050, 1.0


def sine(hertz: float, rate: int = RATE, seconds: float = SECONDS) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    soundfile.write(path, sine(440), RATE)
    return path


def manifest(folder: Path, n: int = 2) -> Path:
    """A manifest of `n` clips with their WAV files."""
    rows = []
    for i in range(n):
        soundfile.write(folder / f"{i}.wav", sine(200 * (i + 1)), RATE)
        values = (f"{i:02d}", f"v{i}", "flute", "train", f"{i}.wav", f"frames/{i}", 8, 8, RATE, SECONDS)
        rows.append(dict(zip(COLUMNS, (*values, sha256_file(folder / f"{i}.wav")))))
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


# --- one file --------------------------------------------------------------------------------------------------------


def test_resampling_keeps_duration_and_pitch(wav):
    waveform = read_audio(wav, 11_625, SECONDS)
    assert waveform.dtype == np.float32
    assert len(waveform) == pytest.approx(11_625 * SECONDS, abs=1)
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    assert np.argmax(spectrum) * 11_625 / len(waveform) == pytest.approx(440, abs=1)
    np.testing.assert_allclose(waveform[500:-500], sine(440, 11_625)[500 : len(waveform) - 500], atol=2e-3)


def test_the_same_rate_is_not_touched(wav):
    np.testing.assert_allclose(read_audio(wav, RATE, SECONDS), sine(440), atol=1e-4)


def test_what_cannot_be_heard_at_the_new_rate_is_removed_not_folded(tmp_path):
    soundfile.write(tmp_path / "high.wav", sine(9000), RATE)
    inner = read_audio(tmp_path / "high.wav", 11_625, SECONDS)[500:-500]
    assert np.abs(inner).max() < 1e-3


def test_channels_are_averaged(tmp_path):
    soundfile.write(tmp_path / "s.wav", np.stack([sine(440), -0.5 * sine(440)], axis=1), RATE)
    np.testing.assert_allclose(read_audio(tmp_path / "s.wav", RATE, SECONDS), 0.25 * sine(440), atol=1e-4)


def refused(path: Path, reason: str, way_out: str, sha256: str = "", expected_s: float = SECONDS) -> None:
    with pytest.raises(DataError) as caught:
        read_audio(path, RATE, expected_s, sha256)
    message = str(caught.value)
    assert str(path) in message
    assert reason in message
    assert way_out in message


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "no.wav", "is missing", "rebuild the dataset or drop its row")


def test_a_changed_file_is_refused(wav):
    digest = sha256_file(wav)
    read_audio(wav, RATE, SECONDS, digest)
    soundfile.write(wav, sine(441), RATE)
    refused(wav, "SHA-256 differs", "rebuild the manifest", digest)


def test_a_file_shorter_than_promised_is_refused(wav):
    refused(wav, "truncated: 1.00 s of 1.50 s", "replace it or drop its row", expected_s=1.5)


def test_a_file_cut_in_transfer_is_refused(wav):
    wav.write_bytes(wav.read_bytes()[: wav.stat().st_size // 2])
    refused(wav, "truncated: ", "replace the file")


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not audio at all"])
def test_something_else_is_refused(tmp_path, content):
    (tmp_path / "x.wav").write_bytes(content)
    refused(tmp_path / "x.wav", "cannot be read", "replace the file or drop its row")


def test_silence_is_refused(tmp_path):
    soundfile.write(tmp_path / "s.wav", np.zeros(RATE), RATE)
    refused(tmp_path / "s.wav", "is silent", "drop its row")


def test_audio_that_is_not_finite_is_refused(tmp_path):
    samples = sine(440)
    samples[100] = np.nan
    soundfile.write(tmp_path / "n.wav", samples, RATE, subtype="FLOAT")
    refused(tmp_path / "n.wav", "NaN or infinity", "replace the file")


# --- the store -------------------------------------------------------------------------------------------------------


def test_the_store_gives_back_every_clip(tmp_path):
    build_clips(manifest(tmp_path, 3), RATE, tmp_path / "clips")
    store = ClipStore.open(tmp_path / "clips")
    assert list(store.table.clip_id) == ["00", "01", "02"]  # ids stay text
    for i in range(3):
        np.testing.assert_allclose(store.waveform(f"{i:02d}"), sine(200 * (i + 1)), atol=1e-4)
    np.testing.assert_array_equal(store.crop("01", 10, 5), store.waveform("01")[10:15])
    assert store.frame_path("02", 0) == (tmp_path / "frames" / "2" / "000001.jpg").resolve()


@pytest.mark.parametrize(("start", "n_samples"), [(-1, 10), (RATE - 5, 6), (0, RATE + 1)])
def test_crops_are_never_padded(tmp_path, start, n_samples):
    build_clips(manifest(tmp_path), RATE, tmp_path / "clips")
    with pytest.raises(DataError, match=f"clip '00' has {RATE} samples"):
        ClipStore.open(tmp_path / "clips").crop("00", start, n_samples)


def test_an_unknown_clip_is_refused(tmp_path):
    build_clips(manifest(tmp_path), RATE, tmp_path / "clips")
    with pytest.raises(DataError, match=r"clip 'x' is not in .*clips.csv"):
        ClipStore.open(tmp_path / "clips").waveform("x")


@pytest.mark.parametrize("name", ["clips.json", "clips.csv", "waveforms.npy"])
def test_an_incomplete_store_is_refused(tmp_path, name):
    build_clips(manifest(tmp_path), RATE, tmp_path / "clips")
    (tmp_path / "clips" / name).unlink()
    with pytest.raises(DataError, match=rf"{name} .*make figures"):
        ClipStore.open(tmp_path / "clips").waveform("00")


def test_truncated_waveforms_are_refused(tmp_path):
    build_clips(manifest(tmp_path), RATE, tmp_path / "clips")
    path = tmp_path / "clips" / "waveforms.npy"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"waveforms\.npy .*make figures"):
        ClipStore.open(tmp_path / "clips").waveform("00")


def test_the_file_is_the_one_that_numpy_saves(tmp_path):
    waveforms = [sine(200), sine(300)[:7], sine(400)]
    writer = WaveformWriter(tmp_path / "a.npy", ["x", "", "z"])
    for waveform in waveforms:
        writer.append(waveform)
    writer.finish()
    assert writer.lengths == [RATE, 7, RATE]
    np.save(tmp_path / "b.npy", np.concatenate(waveforms))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "b.npy"]


class Decoding:
    """`read_audio` that counts its calls and is killed before a given one."""

    def __init__(self, patch: pytest.MonkeyPatch, killed_at: int = 10**9) -> None:
        self.calls, self.killed_at, self.decode = 0, killed_at, read_audio
        patch.setattr(clips, "read_audio", self)

    def __call__(self, *arguments) -> np.ndarray:
        self.calls += 1
        if self.calls > self.killed_at:
            raise KeyboardInterrupt
        return self.decode(*arguments)


@pytest.mark.parametrize("damage", [None, "samples", "log", "another rate"])
def test_an_interrupted_build_goes_on_and_ends_with_the_same_files(tmp_path, monkeypatch, damage):
    path = manifest(tmp_path, 9)
    build_clips(path, 8000, tmp_path / "whole")
    Decoding(monkeypatch, killed_at=5)
    with pytest.raises(KeyboardInterrupt):
        build_clips(path, 11_625 if damage == "another rate" else 8000, tmp_path / "parts")
    part = tmp_path / "parts" / ("waveforms.part.log" if damage == "log" else "waveforms.part")
    if damage in ("samples", "log"):
        part.write_bytes(part.read_bytes()[:-3])
    monkeypatch.undo()
    second = Decoding(monkeypatch)
    build_clips(path, 8000, tmp_path / "parts")
    assert second.calls == {None: 4, "samples": 5, "log": 5, "another rate": 9}[damage]
    for name in ("clips.json", "clips.csv", "waveforms.npy"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert len(list((tmp_path / "parts").iterdir())) == 3


def test_changed_audio_is_decoded_again(tmp_path, monkeypatch):
    path = manifest(tmp_path, 9)
    Decoding(monkeypatch, killed_at=5)
    with pytest.raises(KeyboardInterrupt):
        build_clips(path, 8000, tmp_path / "parts")
    monkeypatch.undo()
    soundfile.write(tmp_path / "2.wav", sine(999), RATE)
    table = pd.read_csv(path, dtype=str)
    table.loc[2, "sha256"] = sha256_file(tmp_path / "2.wav")
    table.to_csv(path, index=False)
    second = Decoding(monkeypatch)
    build_clips(path, 8000, tmp_path / "parts")
    assert second.calls == 7
    build_clips(path, 8000, tmp_path / "whole")
    assert (tmp_path / "parts" / "waveforms.npy").read_bytes() == (tmp_path / "whole" / "waveforms.npy").read_bytes()


def test_the_number_of_workers_changes_nothing(tmp_path):
    path = manifest(tmp_path, 9)
    for workers in (1, 3):
        build_clips(path, 8000, tmp_path / f"clips{workers}", workers)
    for name in ("clips.json", "clips.csv", "waveforms.npy"):
        assert (tmp_path / "clips1" / name).read_bytes() == (tmp_path / "clips3" / name).read_bytes()


def test_the_first_bad_clip_is_named_whatever_finishes_first(tmp_path):
    path = manifest(tmp_path, 9)
    (tmp_path / "3.wav").unlink()
    (tmp_path / "7.wav").write_bytes(b"")
    with pytest.raises(DataError, match=r"3\.wav is missing"):
        build_clips(path, RATE, tmp_path / "clips", workers=4)
    assert all(".part" in found.name for found in (tmp_path / "clips").iterdir())


def test_classes_and_clips_may_be_called_anything(tmp_path):
    table = pd.read_csv(manifest(tmp_path), dtype=str)
    table["labels"], table["clip_id"] = ["NA", "nan"], ["007", "null"]
    table.to_csv(tmp_path / "manifest.csv", index=False)
    build_clips(tmp_path / "manifest.csv", RATE, tmp_path / "clips")
    store = ClipStore.open(tmp_path / "clips")
    assert list(store.table.labels) == ["NA", "nan"]
    assert [store.row(clip_id).labels for clip_id in ("007", "null")] == ["NA", "nan"]


def test_a_failed_build_leaves_no_complete_store(tmp_path, monkeypatch):
    path = manifest(tmp_path)
    build_clips(path, RATE, tmp_path / "clips")
    monkeypatch.setattr(pd.DataFrame, "to_csv", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        build_clips(path, 11_625, tmp_path / "clips")
    with pytest.raises(DataError, match=r"clips\.json is missing"):  # the old index does not describe the new files
        ClipStore.open(tmp_path / "clips")


def test_clips_that_cannot_be_decoded_leave_the_previous_store(tmp_path):
    path = manifest(tmp_path)
    build_clips(path, RATE, tmp_path / "clips")
    (tmp_path / "1.wav").write_bytes(b"")
    with pytest.raises(DataError):
        build_clips(path, RATE, tmp_path / "clips")
    assert len(ClipStore.open(tmp_path / "clips").waveform("01")) == RATE


def test_decoding_works_a_few_clips_ahead_and_no_further():
    started, taken = [], []
    for result in in_order(lambda i: started.append(i) or i, range(50), workers=2):
        taken.append(result)
        assert len(started) <= len(taken) + 4
    assert taken == list(range(50))


def test_progress_says_how_long_it_will_take(monkeypatch, capsys):
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr("avsep_lib.jobs.time.monotonic", lambda: next(clock))
    assert list(with_progress("abcde", 5, "clips")) == list("abcde")
    assert capsys.readouterr().out.splitlines() == ["clips: 2 of 5, 12 s, 18 s left", "clips: 4 of 5, 24 s, 6 s left"]


def test_the_command_ends_with_one_line_and_exit_code_1(tmp_path):
    path = manifest(tmp_path)
    (tmp_path / "1.wav").unlink()
    command = [sys.executable, "-m", "avsep_lib.clips", "--manifest", path, "--sample-rate", "8000", "--out", tmp_path]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("DataError: audio ")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "clips.json").exists()


# --- frames ----------------------------------------------------------------------------------------------------------


def test_bad_frames_are_refused(project_copy):
    store = ClipStore.open(project_copy.data / "clips")
    assert load_frame(store, "test_tuba_000", 1, 32).shape == (3, 32, 32)
    path = store.frame_path("test_tuba_000", 1)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=r"000002\.jpg cannot be read .*rebuild the dataset"):
        load_frame(store, "test_tuba_000", 1, 32)
    path.unlink()
    with pytest.raises(DataError, match=r"000002\.jpg is missing; rebuild the dataset or correct n_frames"):
        load_frame(store, "test_tuba_000", 1, 32)


# --- the manifest ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("clip_id", "00", "clip_id '00' occurs twice"),
        ("split", "trian", "clip '01' has split 'trian'; known: train, val, test, pretrain"),
        ("labels", " ", "clip '01' has no label"),
        ("n_frames", 0, "clip '01' has n_frames = 0; it must be a whole number from 1"),
        ("duration_s", "long", "clip '01' has duration_s = 'long'; it must be a number from"),
    ],
)
def test_a_bad_manifest_row_is_named(tmp_path, column, value, message):
    table = read_manifest(manifest(tmp_path)).astype(object)
    table.loc[1, column] = value
    with pytest.raises(DataError) as caught:
        check_manifest(table, "m.csv")
    assert str(caught.value).startswith(f"m.csv: {message}")


def test_missing_manifest_columns_and_leaking_videos_are_named(tmp_path):
    table = read_manifest(manifest(tmp_path))
    with pytest.raises(DataError, match="missing column fps"):
        check_manifest(table.drop(columns="fps"), "m.csv")
    with pytest.raises(LeakageError, match="video 'v' is in splits test and train"):
        check_manifest(table.assign(video_id="v", split=["train", "test"]), "m.csv")
    with pytest.raises(DataError, match=r"nowhere\.csv is missing"):
        read_manifest(tmp_path / "nowhere.csv")


def test_labels(tmp_path):
    table = read_manifest(manifest(tmp_path)).assign(labels=["flute|violin", "flute"])
    assert label_list("flute|violin") == ["flute", "violin"]
    assert list(is_solo(table)) == [False, True]
