"""Real video files of every shape become pictures and sound in time; broken ones are named, and nothing is done twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from fractions import Fraction

import numpy as np
import pytest
import soundfile
from PIL import Image
from recorded_fixture import FPS, RATE, SECONDS, melody, pictures, write_clip, write_frames, write_video

from avsep_lib.clips import read_audio
from avsep_lib.errors import DataError
from avsep_lib.recorded import media, pool
from avsep_lib.recorded.decoding import AUDIO, Decoding, UnusableVideo, decode_to_folder, target_size
from avsep_lib.recorded.measure import SoundMeter, measure_frames, measure_sound
from avsep_lib.recorded.memory import Memory
from avsep_lib.sound_files import read_sound

HOW = Decoding(FPS, RATE, 48)
N = round(SECONDS * FPS)


def decoded(path, folder, how=HOW):
    """(levels of the pictures, sound, what `decode_to_folder` says)."""
    folder.mkdir()
    info = decode_to_folder(path, folder, how)
    names = sorted(file.name for file in folder.iterdir() if file.suffix == ".jpg")
    assert names == [f"{i + 1:06d}.jpg" for i in range(info["n_frames"])]
    levels = [float(np.asarray(Image.open(folder / name), float).mean()) for name in names]
    sound, rate = soundfile.read(folder / AUDIO)
    assert rate == how.sample_rate
    assert len(sound) / rate == pytest.approx(info["duration_s"])
    return np.array(levels), sound, info


def lag(heard, played, most=2000):
    """Samples by which `heard` comes later than `played`, and their correlation there."""
    n = min(len(heard), len(played)) - 2 * most
    window = played[most : most + n]
    values = [float(np.dot(heard[most + k : most + k + n], window)) for k in range(-most, most + 1)]
    k = int(np.argmax(values)) - most
    return k, values[k + most] / float(np.linalg.norm(heard[most + k : most + k + n]) * np.linalg.norm(window))


def unusable(path, folder, problem, words, how=HOW):
    folder.mkdir(exist_ok=True)
    with pytest.raises(UnusableVideo, match=words) as caught:
        decode_to_folder(path, folder, how)
    assert caught.value.problem == problem


# --- what players cope with -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_containers(tmp_path, name):
    rate = 48000 if name == "a.webm" else RATE
    path = write_video(tmp_path / name, pictures(N), melody(1, rate=rate), rate)
    levels, sound, info = decoded(path, tmp_path / "out")
    assert np.abs(levels - pictures(N)[:, 0, 0, 0]).max() < 3
    assert info["duration_s"] == pytest.approx(SECONDS, abs=0.07)  # Matroska does not say how much AAC filled up
    k, alike = lag(sound, melody(1), 1200)
    assert abs(k) <= (1100 if name == "a.mkv" else 20)  # nor how long its run-in is
    assert alike > 0.97


@pytest.mark.parametrize(("layout", "gains"), [("stereo", (1.0, 0.5)), ("5.1", (1.0, 0.5, 0.25, 0.0, 0.0, 0.25))])
def test_channels_are_averaged(tmp_path, layout, gains):
    sound = np.stack([gain * melody(2) for gain in gains])
    write_video(tmp_path / "a.mkv", pictures(N), sound, layout=layout)
    _, heard, _ = decoded(tmp_path / "a.mkv", tmp_path / "out")
    assert np.std(heard) / np.std(melody(2)) == pytest.approx(np.mean(gains), rel=0.06)


def test_another_rate_keeps_the_time(tmp_path):
    write_video(tmp_path / "a.mp4", pictures(N), melody(3, rate=44100), 44100)
    _, heard, info = decoded(tmp_path / "a.mp4", tmp_path / "out")
    assert info["duration_s"] == pytest.approx(SECONDS, abs=0.002)
    assert abs(lag(heard, melody(3), 200)[0]) <= 4


def test_variable_frame_rate(tmp_path):
    times = [0.0, 0.02, 0.3, 0.32, 0.34, 0.9, 1.3, 1.301, 1.8]
    write_video(tmp_path / "a.mp4", pictures(len(times)), melody(4), times=times)
    levels, _, _ = decoded(tmp_path / "a.mp4", tmp_path / "out")
    on_screen = np.searchsorted(times, np.arange(len(levels)) / FPS + 1e-3, side="right") - 1
    assert len(levels) >= 14
    assert np.abs(levels - pictures(len(times))[on_screen, 0, 0, 0]).max() < 3


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_video_is_shown_upright(tmp_path, degrees):
    picture = np.full((48, 64, 3), 30, np.uint8)
    picture[:24, :32] = 220
    write_video(tmp_path / "a.mp4", np.stack([picture] * N), melody(5), rotation=degrees)
    _, _, info = decoded(tmp_path / "a.mp4", tmp_path / "out")
    shown = np.rot90(picture, degrees // 90)  # FFmpeg states the angle counterclockwise, as NumPy does
    assert (info["height"], info["width"]) == shown.shape[:2]
    assert np.abs(np.asarray(Image.open(tmp_path / "out/000001.jpg"), float) - shown).mean() < 6


def test_wide_pixels_become_square(tmp_path):
    write_video(tmp_path / "a.mp4", pictures(N), melody(6), aspect=Fraction(2, 1))
    _, _, info = decoded(tmp_path / "a.mp4", tmp_path / "out")
    assert (info["width"], info["height"]) == (128, 48)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [((1920, 1080, 1.0, 256), (455, 256)), ((1080, 1920, 1.0, 256), (256, 455)), ((200, 100, 1.0, 256), (200, 100)),
     ((720, 576, 16 / 15, 288), (384, 288))],
)  # fmt: skip
def test_the_shorter_side_is_scaled_down_and_never_up(given, wanted):
    assert target_size(*given) == wanted


def test_sound_that_begins_later_starts_with_the_pictures(tmp_path):
    write_video(tmp_path / "a.mp4", pictures(2 * N), melody(7), sound_at=0.5)
    levels, sound, _ = decoded(tmp_path / "a.mp4", tmp_path / "out")
    k, alike = lag(sound, melody(7), 1200)
    begin = 0.5 - k / RATE  # the run-in of AAC may be heard before
    assert abs(k) <= 1100
    assert alike > 0.97
    shown = np.floor((begin + np.arange(len(levels)) / FPS) * FPS + 1e-6).astype(int)
    assert np.abs(levels - pictures(2 * N)[shown, 0, 0, 0]).max() < 3


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_part_of_a_longer_video(tmp_path, name):
    whole = melody(8, 6.0)
    path = write_video(tmp_path / name, pictures(48), whole, options=None)
    how = Decoding(FPS, RATE, 48, 2.5, 4.0)
    levels, sound, info = decoded(path, tmp_path / "out", how)
    assert (info["n_frames"], info["duration_s"]) == (12, 1.5)
    at = 0 if name == "a.mp4" else 1  # Matroska begins with the run-in of AAC, 64 ms before the first picture
    assert np.abs(levels - pictures(48)[20:32, 0, 0, 0]).max() < 3 + 7 * at
    k, alike = lag(sound, whole[round(2.5 * RATE) : round(4.0 * RATE)], 1200)
    assert abs(k) <= 1100 * at + 20
    assert alike > 0.97


def test_a_part_behind_the_end_is_too_short(tmp_path):
    path = write_video(tmp_path / "a.mp4", pictures(N), melody(8))
    unusable(path, tmp_path / "out", "too_short", r"ends at 2\.0. s; the part begins at 5", Decoding(8, RATE, 48, 5, 9))


def test_a_part_over_the_end_is_what_is_there(tmp_path):
    path = write_video(tmp_path / "a.mp4", pictures(N), melody(8))
    _, _, info = decoded(path, tmp_path / "out", Decoding(FPS, RATE, 48, 1.0, 9.0))
    assert info["duration_s"] == pytest.approx(1.0, abs=0.01)


# --- what is broken ---------------------------------------------------------------------------------------------------


def test_missing_tracks(tmp_path):
    unusable(write_video(tmp_path / "mute.mp4", pictures(N), None), tmp_path / "o", "no_audio", "no audio track")
    unusable(write_video(tmp_path / "blind.mp4", None, melody(1)), tmp_path / "o", "no_frames", "no video track")


@pytest.mark.parametrize("share", [0.4, 0.8])
@pytest.mark.parametrize(("name", "options"), [("a.mp4", {}), ("a.mp4", {"movflags": "+faststart"}), ("a.mkv", {})])
def test_truncated(tmp_path, share, name, options):
    path = write_video(tmp_path / name, pictures(N), melody(1), options=options)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    unusable(path, tmp_path / "out", "unreadable", "truncated")


@pytest.mark.parametrize(("name", "options"), [("a.mp4", {"movflags": "+faststart"}), ("a.mkv", {})])
def test_hardly_more_than_a_header(tmp_path, name, options):
    path = write_video(tmp_path / name, pictures(N), melody(1), options=options)
    for share in (0.01, 0.03, 0.05, 0.1):
        (tmp_path / "cut").write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        (tmp_path / "out").mkdir(exist_ok=True)
        with pytest.raises(UnusableVideo):
            decode_to_folder(tmp_path / "cut", tmp_path / "out", HOW)


def test_not_a_video(tmp_path):
    (tmp_path / "a.mp4").write_text("<html>This video is not available</html>")
    unusable(tmp_path / "a.mp4", tmp_path / "out", "unreadable", "not a video")


def test_a_hole_in_the_sound_is_named_and_a_small_one_filled(tmp_path):
    for gap in (0.1, 1.0):
        path = tmp_path / f"gap{gap}.mkv"
        _with_hole(path, gap)
        if gap > 0.25:
            unusable(path, tmp_path / "out", "unreadable", r"hole of 1\.0")
            unusable(path, tmp_path / "out", "unreadable", r"hole of 0\.[67]", Decoding(FPS, RATE, 48, 1.35, 2.5))
        else:
            _, sound, info = decoded(path, tmp_path / "small")
            assert info["duration_s"] == pytest.approx(2.1, abs=0.1)
            assert np.abs(sound[round(1.03 * RATE) : round(1.06 * RATE)]).max() < 1e-3


def _with_hole(path, gap):
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for picture in pictures(round((SECONDS + gap) * FPS)):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        samples = (melody(1) * 32767).astype(np.int16)
        for first in range(0, 31744, 1024):  # whole blocks, so that the encoder keeps each one's time
            frame = av.AudioFrame.from_ndarray(samples[None, first : first + 1024], format="s16", layout="mono")
            late = round(gap * RATE) if first >= RATE else 0
            frame.sample_rate, frame.pts, frame.time_base = RATE, first + late, Fraction(1, RATE)
            container.mux(audio.encode(frame))
        container.mux(audio.encode())


# --- the folder of decoded videos -------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch):
    """Names of the videos that were really decoded."""
    names = []

    def counting(path, folder, how):
        names.append(path.name)
        return decode_to_folder(path, folder, how)

    monkeypatch.setattr(media, "decode_to_folder", counting)
    return names


def test_nothing_is_decoded_twice(tmp_path, counted):
    videos = [write_video(tmp_path / f"{i}.mp4", pictures(4), melody(i, 0.5)) for i in range(2)]
    (tmp_path / "bad.mp4").write_text("no video")
    todo = [(str(path), HOW) for path in (*videos, tmp_path / "bad.mp4")]
    first = media.decode_all(todo, tmp_path / "media", 0)
    assert [d.problem for d in first] == ["", "", "unreadable"]
    assert media.decode_all(todo, tmp_path / "media", 0) == first
    assert counted == ["0.mp4", "1.mp4", "bad.mp4"]
    os.rename(videos[0], tmp_path / "moved.mp4")  # the same content elsewhere
    again = media.decode_all([(str(tmp_path / "moved.mp4"), HOW)], tmp_path / "media", 0)
    assert again == first[:1]
    assert len(counted) == 3
    media.decode_all(
        [(todo[1][0], Decoding(4, RATE, 48)), (todo[1][0], Decoding(FPS, RATE, 48, 0.1))], tmp_path / "media", 0
    )
    assert counted[3:] == ["1.mp4", "1.mp4"]  # other settings, another part
    os.replace(tmp_path / "moved.mp4", videos[1])  # another content under the same name
    assert media.decode_all(todo[1:2], tmp_path / "media", 0) == first[:1]


def test_an_interrupted_run_goes_on(tmp_path, counted):
    videos = [write_video(tmp_path / f"{i}.mp4", pictures(4), melody(i, 0.5)) for i in range(3)]
    todo = [(str(path), HOW) for path in videos]
    first = media.decode_all(todo[:1], tmp_path / "media", 0)
    key = media.media_key(media.sha256_file(videos[1]), HOW)
    (tmp_path / "media" / key).mkdir()  # a folder without media.json is nobody's finished work
    (tmp_path / "media" / key / "000001.jpg").write_bytes(b"half")
    results = media.decode_all(todo, tmp_path / "media", 0)
    assert counted == ["0.mp4", "1.mp4", "2.mp4"]
    assert results[0] == first[0]
    assert all(measure_frames(media.Path(result.folder))[1] == {} for result in results)
    assert not [name for name in os.listdir(tmp_path / "media") if name.startswith(".")]


def test_what_somebody_deleted_is_decoded_again(tmp_path, counted):
    todo = [(str(write_video(tmp_path / "a.mp4", pictures(4), melody(1, 0.5))), HOW)]
    for name in ("000002.jpg", "audio.flac", "media.json"):
        folder = media.Path(media.decode_all(todo, tmp_path / "media", 0)[0].folder)
        (folder / name).unlink()
    media.decode_all(todo, tmp_path / "media", 0)
    assert len(counted) == 4
    assert len(os.listdir(folder)) == 6


def test_what_killed_workers_left_is_removed(tmp_path):
    for name, age in (("old", 7200), ("new", 60)):
        folder = tmp_path / "media" / f".{name}.x1"
        folder.mkdir(parents=True)
        os.utime(folder, (time.time() - age,) * 2)
    media.decode_all([], tmp_path / "media", 0)
    assert [name for name in os.listdir(tmp_path / "media") if name.startswith(".")] == [".new.x1"]


def test_unreachable_files(tmp_path):
    (tmp_path / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "empty.mp4").touch()
    names = ["gone.mp4", "link.mp4", "folder.mp4", "empty.mp4"]
    results = media.decode_all([(str(tmp_path / name), HOW) for name in names], tmp_path / "media", 0)
    assert [r.problem for r in results] == ["missing", "missing", "unreadable", "unreadable"]
    assert all(name in r.detail for name, r in zip(names, results))


def test_two_runs_share_a_folder(tmp_path):
    a, b = Memory(tmp_path), Memory(tmp_path)
    a.put("one", "1")
    b.put("two", "2")
    assert (a.get("one"), a.get("two")) == ("1", None)
    b.close()
    a.close()
    with closing(Memory(tmp_path)) as memory:
        assert (memory.get("one"), memory.get("two"), memory.get("three")) == ("1", "2", None)


def work(task):
    """Ends the process at 3, squares the rest."""
    if task == 3:
        os._exit(11)
    return task**2


def test_a_process_that_dies_takes_only_its_own_task_along():
    results = dict(pool.run_all(work, list(range(8)), 2, "numbers"))
    assert isinstance(results.pop(3), pool.Died)
    assert results == {i: i**2 for i in range(8) if i != 3}


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_changes_no_result(monkeypatch, capsys, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert list(pool.run_all(abs, [-1, -2, 3], 0, "numbers")) == [(0, 1), (1, 2), (2, 3)]
    assert ("numbers: 100%" in capsys.readouterr().err) == terminal


def test_a_video_on_which_the_decoder_dies_is_unreadable(tmp_path, monkeypatch):
    todo = [(str(write_video(tmp_path / f"{i}.mp4", pictures(4), melody(i, 0.5))), HOW) for i in range(2)]
    died = lambda work, tasks, workers, name: iter([(0, pool.Died()), (1, work(tasks[1]))])  # noqa: E731
    monkeypatch.setattr(media, "run_all", died)
    results = media.decode_all(todo, tmp_path / "media", 2)
    assert [r.problem for r in results] == ["unreadable", ""]
    assert "crashed" in results[0].detail
    monkeypatch.undo()
    assert media.decode_all(todo, tmp_path / "media", 0)[0].problem == ""  # it is tried again: memory may have run out


KILLED = """
import sys
from pathlib import Path
from avsep_lib.recorded.media import Decoding, decode_all
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    decode_all([(str(path), Decoding(8, 16000, 48)) for path in sorted(folder.glob("*.mp4"))], folder / "media", 2)
"""


def test_a_killed_run_leaves_nothing_half_and_loses_nothing(tmp_path):
    videos = [write_video(tmp_path / f"{i:02d}.mp4", pictures(N), melody(i)) for i in range(40)]
    (tmp_path / "run.py").write_text(KILLED)
    run = subprocess.Popen([sys.executable, tmp_path / "run.py", tmp_path], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(done := list((tmp_path / "media").glob("*/media.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    run.kill()
    run.wait()
    time.sleep(0.3)  # its workers end by themselves
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "media").glob("[!.]*/media.json")}
    assert 3 <= len(done) < 40
    results = media.decode_all([(str(path), Decoding(8, 16000, 48)) for path in videos], tmp_path / "media", 0)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert len({r.folder for r in results}) == 40
    assert all(len(os.listdir(r.folder)) == N + 2 for r in results)


def test_two_processes_give_what_one_gives(tmp_path):
    videos = [write_video(tmp_path / f"{i}.mp4", pictures(4), melody(i, 0.5)) for i in range(3)]
    todo = [
        (str(path), HOW) for path in (*videos, videos[0])
    ]  # the last one is the first one's content at the same time
    many = media.decode_all(todo, tmp_path / "many", 2)
    one = media.decode_all(todo, tmp_path / "one", 0)
    for a, b in zip(many, one):
        names = sorted(os.listdir(a.folder))
        assert names == sorted(os.listdir(b.folder))
        assert all((media.Path(a.folder) / n).read_bytes() == (media.Path(b.folder) / n).read_bytes() for n in names)


# --- sound files ------------------------------------------------------------------------------------------------------


def sound_file(path, samples, rate=RATE, subtype="PCM_16"):
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def finding(path, problem):
    _, found = measure_sound(path)
    assert list(found) == [problem]
    return found[problem]


def test_measures_of_a_good_file(tmp_path):
    stereo = np.stack([melody(1), 0.5 * melody(1)], axis=1)
    measures, found = measure_sound(sound_file(tmp_path / "a.wav", stereo))
    assert not found
    assert (measures["sample_rate"], measures["channels"], measures["duration_s"]) == (RATE, 2, SECONDS)
    assert measures["peak"] == pytest.approx(np.abs(melody(1)).max(), abs=1e-3)
    assert measures["level_dbfs"] == pytest.approx(20 * np.log10(0.75 * np.std(melody(1))), abs=0.05)
    assert measures["clipped_share"] == 0
    assert len(measures["sha256"]) == 64


def test_clipped_share_counts_runs_also_over_blocks():
    samples = np.zeros((1000, 2), np.float32)
    samples[100] = 1.0  # a single peak is no clipping
    samples[196:206, 0] = -1.0
    samples[399:402, 1] = 1.0
    samples[600:602, 1] = 1.0  # two are none either
    for size in (1000, 200, 7, 2):
        meter = SoundMeter(RATE, 2)
        for first in range(0, 1000, size):
            meter.add(samples[first : first + size])
        assert meter.measures()["clipped_share"] == pytest.approx(13 / 2000), size


def test_broken_sound_files(tmp_path):
    empty = sound_file(tmp_path / "zero.wav", np.zeros(0))
    assert "0 samples" in finding(empty, "no_audio")
    (tmp_path / "bytes.wav").touch()
    assert "0 bytes" in finding(tmp_path / "bytes.wav", "no_audio")
    (tmp_path / "text.wav").write_text("not a sound")
    assert "text.wav cannot be read" in finding(tmp_path / "text.wav", "unreadable")
    (tmp_path / "folder.wav").mkdir()
    assert "is a folder" in finding(tmp_path / "folder.wav", "unreadable")
    os.mkfifo(tmp_path / "pipe.wav")  # nobody writes to it: who opens it waits for ever
    assert "no regular file" in finding(tmp_path / "pipe.wav", "unreadable")
    (tmp_path / "link.wav").symlink_to(tmp_path / "gone.wav")
    assert "link to" in finding(tmp_path / "link.wav", "missing")
    finding(tmp_path / "gone.wav", "missing")
    assert "dBFS" in finding(sound_file(tmp_path / "silent.wav", np.zeros(RATE)), "silent")
    bad = melody(1)
    bad[[100, 200, 300]] = np.nan, np.inf, -np.inf
    assert "3 of 32000" in finding(sound_file(tmp_path / "nan.wav", bad, subtype="FLOAT"), "not_finite")


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_truncated_sound_files(tmp_path, name):
    path = sound_file(tmp_path / name, melody(1))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    finding(path, "unreadable")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path):
    path = sound_file(tmp_path / "a.wav", melody(1))
    path.chmod(0)
    assert "Permission" in finding(path, "unreadable")


def test_what_only_ffmpeg_reads(tmp_path):
    path = write_video(tmp_path / "a.m4a", None, melody(9))
    measures, found = measure_sound(path)
    assert not found
    assert measures["duration_s"] == pytest.approx(SECONDS, abs=0.07)
    samples, rate = read_sound(path)
    assert (samples.shape[1], rate) == (1, RATE)
    waveform = read_audio(path, 8000, measures["duration_s"])  # the clips rule takes what the audit accepted
    assert len(waveform) == pytest.approx(measures["duration_s"] * 8000, abs=2)
    write_video(tmp_path / "blind.mp4", pictures(4), None)
    with pytest.raises(DataError, match="no sound track"):
        read_audio(tmp_path / "blind.mp4", 8000, 1.0)


# --- folders of pictures ----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return write_frames(tmp_path / "frames.mp4", pictures(6))  # folders whose names end in .mp4 are folders


def test_measures_of_good_pictures(folder):
    assert measure_frames(folder) == ({"n_frames": 6, "width": 64, "height": 48, "still": False}, {})
    assert measure_frames(folder, 4)[0]["n_frames"] == 4


def test_a_still_picture(tmp_path):
    frames = np.repeat(pictures(1), 5, axis=0)
    assert measure_frames(write_frames(tmp_path / "still", frames))[0]["still"]
    write_video(tmp_path / "a.mp4", np.repeat(frames[:1], N, axis=0), melody(1))
    decoded(tmp_path / "a.mp4", tmp_path / "out")
    assert measure_frames(tmp_path / "out")[0]["still"]
    frames[3, :8, :8] += 40
    assert not measure_frames(write_frames(tmp_path / "moves", frames))[0]["still"]


def test_missing_pictures(tmp_path, folder):
    assert "6 of 8 promised" in measure_frames(folder, 8)[1]["no_frames"]
    (folder / "000003.jpg").unlink()
    assert "000003.jpg is missing" in measure_frames(folder, 6)[1]["no_frames"]
    (tmp_path / "empty").mkdir()
    assert "holds nothing" in measure_frames(tmp_path / "empty", 6)[1]["no_frames"]
    (folder / "000001.jpg").rename(folder / "frame1.jpg")
    assert "no 000001.jpg" in measure_frames(folder)[1]["no_frames"]
    (tmp_path / "file").write_text("x")
    assert "is a file" in measure_frames(tmp_path / "file")[1]["no_frames"]
    assert "does not exist" in measure_frames(tmp_path / "gone")[1]["missing"]
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert "a link to" in measure_frames(tmp_path / "link")[1]["missing"]


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "folder"])
def test_a_corrupt_picture_is_named(folder, damage):
    path = folder / "000004.jpg"
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes({"cut": content[: len(content) // 2], "garbage": b"no picture", "empty": b""}[damage])
    assert "000004.jpg does not decode" in measure_frames(folder)[1]["unreadable"]


def test_pictures_of_two_sizes(folder):
    Image.fromarray(pictures(1, 48, 48)[0]).save(folder / "000005.jpg")
    assert "64 x 48 and 48 x 48" in measure_frames(folder)[1]["unreadable"]


def test_a_clip_that_lies_there(tmp_path):
    row = write_clip(tmp_path, "a", 1)
    assert not measure_sound(media.Path(row["audio"]))[1]
    assert measure_frames(media.Path(row["frames"]))[0]["n_frames"] == N
