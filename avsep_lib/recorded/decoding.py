"""One video, or a part of it, into a sound file and numbered pictures, without holding either in memory.

Picture k is the one on screen k / fps seconds after the start, whatever the frame rate of the video. Sound and pictures
start together, where the later of the two tracks begins. The channels are averaged. Rotation, mirroring and the shape of
the pixels are applied as a player would. A hole in the sound of at most `GAP_S` is filled with silence so that the rest
stays in time, as players do; a longer one makes the video unreadable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from avsep_lib.errors import DataError
from avsep_lib.recorded.streams import SLACK_S, Decoding, UnusableVideo, Video, check_end, frames_of, open_video
from avsep_lib.sound_files import frame_samples
from avsep_lib.video import upright

AUDIO, FRAME = "audio.flac", "{:06d}.jpg"
JPEG_QUALITY = 90
GAP_S = 0.25  # of a hole in the sound
JITTER_S = 0.03  # time stamps of sound are off by this much without meaning anything


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
        video = open_video(path, how)
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


def _write_sound(path: Path, target: Path, sample_rate: int, video: Video) -> int:
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


def _sound(path: Path, video: Video) -> Iterator[tuple[np.ndarray, int]]:
    """Mono blocks at the track's own rate, without a hole, from the start to the stop."""
    rate, at, promised = 0, video.start, video.ends["audio"]
    for frame in frames_of(path, "audio", video):
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
    check_end("audio", at, video)


def _write_pictures(path: Path, folder: Path, how: Decoding, video: Video, duration: float) -> tuple[int, tuple]:
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


def _on_screen(path: Path, video: Video, fps: float, duration: float) -> Iterator[Any]:
    """The frame on screen at each k / `fps`, for every k whose middle lies within the sound and the pictures."""
    count = max(math.ceil(duration * fps - 0.5), 1)
    shown, k, time, length = None, 0, 0.0, 0.04
    for frame in frames_of(path, "video", video):
        time = float(frame.time) if frame.time is not None else time + length
        while shown is not None and k < count and video.start + k / fps < time - 1e-3:
            yield shown
            k += 1
        if k == count:
            return
        shown, length = frame, _length(frame, length)
    check_end("video", time + length, video, max(SLACK_S, 2 * length))
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
