"""One video, or a part of it, into a sound file and numbered pictures, without holding either in memory.

Picture k is the one on screen k / fps seconds after the start, whatever the frame rate of the video. Sound and pictures
start together, where the later of the two tracks begins. The channels are averaged. Rotation, mirroring and the shape of
the pixels are applied as a player would. A hole in the sound of at most `GAP_S` is filled with silence so that the rest
stays in time, as players do; a longer one makes the video unreadable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avsep_lib.errors import DataError
from avsep_lib.sound_files import frame_samples
from avsep_lib.video import display_matrix, upright

AUDIO, FRAME = "audio.flac", "{:06d}.jpg"
JPEG_QUALITY = 90
SLACK_S = 0.25  # a track may end this much before the end that the container states
GAP_S = 0.25  # of a hole in the sound
JITTER_S = 0.03  # time stamps of sound are off by this much without meaning anything
PREROLL_S = 1.0  # decoding of a part begins this much earlier: codecs need a run-in


class UnusableVideo(DataError):
    """A video that gives no clip; `problem` is one of `settings.PROBLEMS`, and the message does not name the file."""

    def __init__(self, problem: str, message: str) -> None:
        super().__init__(message)
        self.problem = problem


@dataclass(frozen=True)
class Decoding:
    """How videos are decoded, and which part."""

    fps: float  # pictures per second
    sample_rate: int  # Hz
    frame_size: int  # pixels of the shorter side, of larger pictures
    start_s: float = math.nan  # of a part of the video; NaN: all of it
    end_s: float = math.nan


@dataclass(frozen=True)
class _Video:
    """Where to cut, in the time stamps of the file (seconds), and how pictures are shown."""

    start: float
    stop: float  # infinite: at the end
    ends: dict[str, float]  # of each track as the container states them; 0 where it does not
    pixel_aspect: float  # width by height of a pixel
    matrix: tuple[int, int, int, int]  # see `video.display_matrix`


def decode_to_folder(path: Path, folder: Path, how: Decoding) -> dict:
    """Write ``audio.flac`` (16 bit, mono) and ``000001.jpg``... of a video into `folder`.

    Parameters
    ----------
    path : Path
        Any container and codecs that FFmpeg reads.
    folder : Path
        An empty folder.
    how : Decoding
        Rates, size and part.

    Returns
    -------
    dict
        n_frames, duration_s (of the sound), width and height of the written pictures.

    Raises
    ------
    UnusableVideo
        With its problem: unreadable, no_audio, no_frames or too_short (the part lies behind the end).
    """
    import av

    try:
        video = _open(path, how)
        n_samples = _write_sound(path, folder / AUDIO, how.sample_rate, video)
        if not n_samples:
            raise UnusableVideo("no_audio", f"no sound after {video.start:.2f} s")
        duration = n_samples / how.sample_rate
        n_frames, (width, height) = _write_pictures(path, folder, how, video, duration)
    except UnusableVideo:
        raise
    except DataError as error:
        raise UnusableVideo("unreadable", str(error)) from None
    except (av.error.FFmpegError, EOFError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnusableVideo("unreadable", f"truncated, corrupt or not a video ({reason})") from None
    return {"n_frames": n_frames, "duration_s": duration, "width": width, "height": height}


def _tracks(container: Any) -> dict[str, Any]:
    """First video track (no cover picture) and first audio track."""
    import av

    cover = av.stream.Disposition.attached_pic
    videos = [s for s in container.streams.video if not s.disposition & cover]
    if not container.streams.audio:
        raise UnusableVideo("no_audio", "no audio track")
    if not videos:
        raise UnusableVideo("no_frames", "no video track")
    for stream in (videos[0], container.streams.audio[0]):
        stream.thread_count = 1  # the videos are decoded side by side
    return {"video": videos[0], "audio": container.streams.audio[0]}


def _open(path: Path, how: Decoding) -> _Video:
    """What has to be known before the first frame is written."""
    import av

    firsts, matrix = {}, None
    for kind, problem in (("audio", "no_audio"), ("video", "no_frames")):
        with av.open(str(path)) as container:
            tracks = _tracks(container)
            if (frame := next(container.decode(tracks[kind]), None)) is None:
                raise UnusableVideo(problem, f"an empty {kind} track")
            firsts[kind] = float(frame.time or 0.0)
            if kind == "video":  # once: a frame whose side data was read is not freed before Python looks for cycles
                matrix = display_matrix(frame)
            ends = {name: _stated_end(container, stream) for name, stream in tracks.items()}
            aspect = float(tracks["video"].sample_aspect_ratio or 1)
    start, stop = _cut(how, firsts, ends)
    return _Video(start, stop, ends, aspect, matrix)


def _cut(how: Decoding, firsts: dict[str, float], ends: dict[str, float]) -> tuple[float, float]:
    """Start and stop in the file's own time stamps."""
    start = max(firsts.values())
    if math.isnan(how.start_s):
        return start, math.inf
    zero = min(firsts.values())
    start, end = max(start, zero + how.start_s), max(ends.values())
    if end and start >= end:
        message = f"it ends at {end - zero:.2f} s; the part begins at {how.start_s:.2f} s"
        raise UnusableVideo("too_short", message)
    return start, math.inf if math.isnan(how.end_s) else zero + how.end_s


def _stated_end(container: Any, stream: Any) -> float:
    """End of a track in the file's own time stamps; 0 where the container does not state it."""
    if stream.duration is not None:
        return float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    text = stream.metadata.get("DURATION", "")  # Matroska: "00:00:03.024000000"
    try:
        hours, minutes, seconds = map(float, text.split(":"))
    except ValueError:
        return 0.0
    return 3600 * hours + 60 * minutes + seconds


def _frames(path: Path, kind: str, video: _Video) -> Iterator[Any]:
    """Decoded frames of one track, from shortly before the start on; later ones are not asked for."""
    import av

    for early in (video.start - PREROLL_S, None):  # without a usable index, seeking lands behind: then from the start
        with av.open(str(path)) as container:
            stream = _tracks(container)[kind]
            if early is not None and early > 0 and not _seek(container, stream, early):
                continue
            frames = container.decode(stream)
            first = next(frames, None)
            if early is not None and early > 0 and (first is None or float(first.time or 0.0) > video.start):
                continue
            if first is not None:
                yield first
                yield from frames
            return


def _seek(container: Any, stream: Any, seconds: float) -> bool:
    import av

    try:
        container.seek(int(seconds / stream.time_base), stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def _write_sound(path: Path, target: Path, sample_rate: int, video: _Video) -> int:
    """Write the sound between the two times; returns the number of samples."""
    import soundfile

    wanted = math.inf if video.stop == math.inf else round((video.stop - video.start) * sample_rate)
    written = 0
    with soundfile.SoundFile(target, "w", sample_rate, 1, "PCM_16", format="FLAC") as file:
        for block in _resampled(_sound(path, video), sample_rate):
            block = block[: int(min(len(block), wanted - written))]
            file.write(np.clip(block, -1.0, 1.0))
            written += len(block)
    return written


def _resampled(blocks: Iterator[tuple[np.ndarray, int]], sample_rate: int) -> Iterator[np.ndarray]:
    import soxr

    resampler = None
    for block, rate in blocks:
        if rate != sample_rate and resampler is None:
            resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="VHQ")
        yield block if resampler is None else resampler.resample_chunk(block)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _sound(path: Path, video: _Video) -> Iterator[tuple[np.ndarray, int]]:
    """Mono blocks at the track's own rate, without a hole, from the start to the stop."""
    rate, at, promised = 0, video.start, video.ends["audio"]
    for frame in _frames(path, "audio", video):
        if rate and frame.sample_rate != rate:
            change = f"from {rate} to {frame.sample_rate} Hz"
            raise UnusableVideo("unreadable", f"it changes its sample rate {change}")
        rate = frame.sample_rate
        block, begin = frame_samples(frame).mean(axis=1), at if frame.time is None else float(frame.time)
        if begin < video.start:
            block, begin = block[round((video.start - begin) * rate) :], video.start
        if not len(block):
            continue
        if (hole := begin - at) > GAP_S:
            raise UnusableVideo("unreadable", f"a hole of {hole:.2f} s in its sound at {at:.2f} s")
        if hole > JITTER_S:
            yield np.zeros(round(hole * rate), np.float32), rate
            at = begin
        elif hole < -JITTER_S:
            block = block[round(-hole * rate) :]
        over = at + len(block) / rate - (min(promised, video.stop) if promised else video.stop)
        if over > 0:  # encoders fill their last block up
            block = block[: max(len(block) - round(over * rate), 0)]
        yield block, rate
        at += len(block) / rate
        if at >= video.stop:
            return
    _check_end("audio", at, video)


def _check_end(kind: str, at: float, video: _Video, slack: float = SLACK_S) -> None:
    if at < min(video.ends[kind], video.stop) - slack:
        message = f"truncated: {kind} ends at {at:.2f} s of {video.ends[kind]:.2f} s"
        raise UnusableVideo("unreadable", message)


def _write_pictures(path: Path, folder: Path, how: Decoding, video: _Video, duration: float) -> tuple[int, tuple]:
    """Write the pictures that the sound needs; returns how many there are and their size (width, height)."""
    from PIL import Image

    number, size = 0, None
    for number, frame in enumerate(_on_screen(path, video, how.fps, duration), start=1):
        picture = upright(_scaled(frame, video.pixel_aspect, how.frame_size), video.matrix)
        size = picture.shape[1::-1]
        Image.fromarray(picture).save(folder / FRAME.format(number), quality=JPEG_QUALITY)
    if not number:
        raise UnusableVideo("no_frames", f"no picture after {video.start:.2f} s")
    return number, size


def _on_screen(path: Path, video: _Video, fps: float, duration: float) -> Iterator[Any]:
    """The frame on screen at each k / `fps`, for every k whose middle lies within the sound and the pictures."""
    count = max(math.ceil(duration * fps - 0.5), 1)
    shown, k, time, length = None, 0, 0.0, 0.04
    for frame in _frames(path, "video", video):
        time = float(frame.time) if frame.time is not None else time + length
        while shown is not None and k < count and video.start + k / fps < time - 1e-3:
            yield shown
            k += 1
        if k == count:
            return
        shown, length = frame, _length(frame, length)
    _check_end("video", time + length, video, max(SLACK_S, 2 * length))
    while shown is not None and k < count and video.start + (k + 0.5) / fps < time + length:
        yield shown
        k += 1


def _length(frame: Any, otherwise: float) -> float:
    """Seconds for which a frame is on screen."""
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else otherwise


def _scaled(frame: Any, pixel_aspect: float, size: int) -> np.ndarray:
    """RGB picture with square pixels, its shorter side at most `size`, not yet turned upright."""
    width, height = target_size(frame.width, frame.height, pixel_aspect, size)
    return frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA").to_ndarray()


def target_size(width: int, height: int, pixel_aspect: float, size: int) -> tuple[int, int]:
    """Width and height in square pixels; the shorter one is `size` or, in smaller pictures, as it was."""
    wide = width * pixel_aspect
    factor = min(1.0, size / min(wide, height))
    return max(round(wide * factor), 1), max(round(height * factor), 1)
