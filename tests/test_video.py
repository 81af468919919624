"""Video ingest: what goes in comes out at the wanted rates, and broken files say what is wrong."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type
from recorded_fixture import melody, pictures, write_video

from avsep_lib.errors import DataError
from avsep_lib.video import decode_video, display_matrix, encode_video, upright

RATE, FPS, SECONDS = 16000, 10, 3


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A video whose grey level counts the frames and whose sound is one click per second."""
    frames = np.repeat((20 + 7 * np.arange(FPS * SECONDS))[:, None, None, None], 64, 1)
    frames = np.broadcast_to(frames, (FPS * SECONDS, 64, 64, 3)).astype(np.uint8)
    audio = np.zeros(RATE * SECONDS)
    for second in range(SECONDS):
        audio[second * RATE + 4000 : second * RATE + 4200] = 0.5 * np.sin(np.arange(200) * 0.6)
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    encode_video(path, frames, FPS, audio, RATE)
    return path, frames, audio


@pytest.mark.parametrize("fps", [10, 5, 4, 20])
def test_frames_are_those_on_screen(clip, fps):
    path, frames, _ = clip
    got, _ = decode_video(path, fps, RATE)
    shown = np.floor(np.arange(SECONDS * fps) * FPS / fps + 1e-6).astype(int)
    assert len(got) == len(shown)
    level = got.astype(float).mean(axis=(1, 2, 3))
    assert np.abs(level - frames[shown, 0, 0, 0]).max() < 3  # neighbours differ by 7


@pytest.mark.parametrize("rate", [16000, 8000, 22050])
def test_sound_is_in_time(clip, rate):
    path, _, audio = clip
    _, got = decode_video(path, FPS, rate)
    assert got.dtype == np.float32
    assert abs(len(got) - SECONDS * rate) <= 64
    onset = np.argmax(np.abs(got) > 0.1) / rate
    expected = np.argmax(np.abs(audio) > 0.1) / RATE
    assert abs(onset - expected) < 0.003


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(DataError, match=r"gone\.mp4 is missing"):
        decode_video(tmp_path / "gone.mp4", FPS, RATE)
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(DataError, match=r"text\.mp4 is truncated or not a video"):
        decode_video(tmp_path / "text.mp4", FPS, RATE)


@pytest.mark.parametrize("flags", ["", "+faststart"])  # the index at the end (lost when cut) or at the front (kept)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_truncated_file(clip, tmp_path, flags, share):
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    remux(clip[0], whole, ("video", "audio"), flags)
    decode_video(whole, FPS, RATE)
    content = whole.read_bytes()
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"cut\.mp4 is truncated"):
        decode_video(cut, FPS, RATE)


@pytest.mark.parametrize(("kept", "lost"), [("video", "audio"), ("audio", "video")])
def test_missing_track(clip, tmp_path, kept, lost):
    remux(clip[0], tmp_path / "half.mp4", (kept,), "")
    with pytest.raises(DataError, match=rf"half\.mp4 has no {lost} track"):
        decode_video(tmp_path / "half.mp4", FPS, RATE)


def test_same_bytes_every_time(clip, tmp_path):
    path, frames, audio = clip
    encode_video(tmp_path / "again.mp4", frames, FPS, audio, RATE)
    assert (tmp_path / "again.mp4").read_bytes() == path.read_bytes()


MANY_TIMES = """
import sys
import numpy as np
from avsep_lib.video import encode_video

rng = np.random.default_rng(0)
y, x = np.mgrid[:96, :96]
frames = []
for k in range(24):
    frame = np.stack([60 + y, 200 - x, 120 + (y + x) // 4], axis=-1) + rng.normal(0, 3, (96, 96, 3))
    frame[(y - 48 - 20 * np.sin(k / 3)) ** 2 + (x - 40 - k) ** 2 < 200] = (200, 60, 30)
    frames.append(frame.clip(0, 255).astype(np.uint8))
files = set()
for _ in range(40):
    left = [rng.integers(0, 256, rng.integers(1000, 200_000), dtype=np.uint8) for _ in range(6)]
    del left[::2]
    encode_video(sys.argv[1], np.stack(frames), 8, np.zeros(16000), 16000)
    files.add(open(sys.argv[1], "rb").read())
print(len(files))
"""


def test_same_bytes_whatever_lies_in_memory(tmp_path):
    """x264's assembly read what others had left there: twelve kinds of file where there should be one."""
    words = [sys.executable, "-c", MANY_TIMES, str(tmp_path / "clip.mp4")]
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout == "1\n"


def remux(source, target, kinds, movflags):
    """Copy the streams named in `kinds` without decoding."""
    options = {"movflags": movflags} if movflags else {}
    with av.open(str(source)) as given, av.open(str(target), "w", options=options) as made:
        pairs = {s.index: made.add_stream_from_template(s) for s in given.streams if s.type in kinds}
        for packet in given.demux():
            if packet.dts is not None and packet.stream.index in pairs:
                packet.stream = pairs[packet.stream.index]
                made.mux(packet)


@pytest.mark.parametrize(
    ("layout", "gains"), [("mono", (1.0,)), ("stereo", (1.0, 0.5)), ("5.1", (1.0, 0, 0.5, 0, 0, 0))]
)
def test_channels_are_averaged(tmp_path, layout, gains):
    """FFmpeg's own mixing adds channels up (a factor of 0.71 for each of two), which overloads loud recordings."""
    path = write_video(tmp_path / "a.mkv", pictures(8), np.stack([g * melody(1, 1.0) for g in gains]), layout=layout)
    _, sound = decode_video(path, 8, 16000)
    assert np.std(sound) / np.std(melody(1, 1.0)) == pytest.approx(np.mean(gains), rel=0.07)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_video(tmp_path, degrees):
    picture = np.full((48, 64, 3), 30, np.uint8)
    picture[:24, :32] = 220
    write_video(tmp_path / "a.mp4", np.stack([picture] * 8), melody(1, 1.0), rotation=degrees)
    frames, _ = decode_video(tmp_path / "a.mp4", 8, 16000)
    shown = np.rot90(picture, degrees // 90)
    assert frames.shape[1:] == shown.shape
    assert np.abs(frames[0].astype(float) - shown).mean() < 6


@pytest.mark.parametrize(
    "matrix", [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]
)
def test_every_quarter_turn_and_mirror_image(matrix):
    """Each pixel lands where the matrix says."""
    a, b, c, d = matrix
    picture = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    shown = upright(picture, matrix)
    places = {(a * x + c * y, b * x + d * y): picture[y, x, 0] for y in range(2) for x in range(3)}
    left, top = min(x for x, _ in places), min(y for _, y in places)
    assert {(x - left, y - top): value for (x, y), value in places.items()} == {
        (x, y): shown[y, x, 0] for y in range(shown.shape[0]) for x in range(shown.shape[1])
    }


def test_another_angle_is_refused():
    turned = np.array([46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30], np.int32)
    frame = SimpleNamespace(side_data={Type.DISPLAYMATRIX: turned.tobytes()})
    with pytest.raises(DataError, match=r"0\.707, .* is no quarter turn"):
        display_matrix(frame)
