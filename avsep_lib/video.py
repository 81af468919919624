"""Video files in and out through PyAV: pictures at a wanted frame rate, mono sound at a wanted sample rate."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from avsep_lib.errors import DataError
from avsep_lib.files import atomic_path
from avsep_lib.media_file import open_media

SLACK_S = 0.25  # a stream may end this much before the length its container promises
DISPLAY_ONE = 1 << 16  # 1.0 in a display matrix
LARGEST = 1e9  # bytes of pictures in memory
MEND = "replace the file or drop its row from the manifest"


def encode_video(path: str | Path, frames: np.ndarray, fps: int, audio: np.ndarray, sample_rate: int) -> None:
    """Write an MP4 with H.264 pictures and AAC sound, atomically and with the same bytes every time.

    Parameters
    ----------
    path : path
        File to write.
    frames : numpy.ndarray, shape (n, height, width, 3), uint8
        Pictures; height and width are even.
    fps : int
        Frames per second.
    audio : numpy.ndarray, shape (n_samples,)
        Mono sound within -1..1.
    sample_rate : int
        In Hz.
    """
    import av

    with atomic_path(path) as temporary, av.open(str(temporary), "w", options={"fflags": "+bitexact"}) as container:
        # Its assembly reads memory that nobody has written, and what lay there decides some of its choices: one file in
        # some hundreds had other bytes, and after a lot of other work half of them.
        options = {"crf": "12", "preset": "medium", "threads": "1", "x264-params": "asm=0"}
        video = container.add_stream("libx264", rate=fps, options=options)
        video.height, video.width, video.pix_fmt = *frames.shape[1:3], "yuv420p"
        sound = container.add_stream("aac", rate=sample_rate, layout="mono")
        sound.bit_rate = 128_000
        for picture in frames:
            # Converted here and copied: a picture that the encoder converts has padding of undefined content, which
            # x264 reads, and the bytes of the file would depend on it.
            converted = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            container.mux(video.encode(av.VideoFrame.from_ndarray(converted.to_ndarray(), format="yuv420p")))
        container.mux(video.encode())
        block = av.AudioFrame.from_ndarray(np.asarray(audio, np.float32)[None], format="fltp", layout="mono")
        block.sample_rate = sample_rate
        # with a time stamp the muxer can tell players to skip the encoder's run-in of 1024 samples
        block.pts, block.time_base = 0, Fraction(1, sample_rate)
        container.mux(sound.encode(block))
        container.mux(sound.encode())


def decode_video(path: str | Path, fps: float, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Read a video file as the suite wants it.

    Picture k is the one on screen k / `fps` seconds after the start; sound and pictures start together (what only one of
    the two streams covers at the beginning is cut, nothing is padded).

    Parameters
    ----------
    path : path
        Any container and codec that FFmpeg reads.
    fps : float
        Wanted frames per second.
    sample_rate : int
        Wanted samples per second.

    Returns
    -------
    frames : numpy.ndarray, shape (n, height, width, 3), uint8
        RGB pictures, upright.
    audio : numpy.ndarray, shape (n_samples,), float32
        Mono sound (channels averaged).

    Raises
    ------
    DataError
        If the file is missing, unreadable or truncated, or lacks a video or an audio track.
    """
    import av

    path = Path(path)
    if not path.is_file():
        raise DataError(f"video {path} is missing; put the file there or drop its row from the manifest")
    try:
        with open_media(path) as container:
            for kind, streams in (("video", container.streams.video), ("audio", container.streams.audio)):
                if not streams or streams[0].codec_context is None:
                    raise DataError(f"video {path} has no {kind} track; {MEND}")
            promised = _promised_s(container)
            pictures, blocks = _decode(container, sample_rate)
    except (av.error.FFmpegError, EOFError) as error:
        raise DataError(f"video {path} is truncated or not a video ({error}); {MEND}") from None
    if not pictures or not blocks:
        raise DataError(f"video {path} has an empty {'audio' if pictures else 'video'} track; {MEND}")
    sound = np.concatenate([samples for _, samples in blocks])
    ends = {"video": pictures[-1][1], "audio": blocks[0][0] + len(sound) / sample_rate}
    for kind, end in ends.items():
        if end < promised[kind] - SLACK_S:
            raise DataError(f"video {path} is truncated: {kind} ends at {end:.2f} s of {promised[kind]:.2f} s; {MEND}")
    _check_size(pictures, fps, path)
    start, stop = max(pictures[0][0], blocks[0][0]), promised["audio"] or ends["audio"]  # codecs pad the last block
    first, last = (round((time - blocks[0][0]) * sample_rate) for time in (start, stop))
    return _at_rate(pictures, start, fps), sound[first:last]


def _check_size(pictures: list[tuple[float, float, Any]], fps: float, path: Path) -> None:
    """DataError for more pictures than memory holds; one wrong time stamp is enough for that."""
    seconds, frame = pictures[-1][1] - pictures[0][0], pictures[0][2]
    if (size := seconds * fps * frame.width * frame.height * 3) > LARGEST:
        raise DataError(
            f"video {path} lasts {seconds:.0f} s by its time stamps, {size / 1e9:.0f} GB of pictures; {MEND}"
        )


def _promised_s(container: Any) -> dict[str, float]:
    """End of each stream as the container states it; 0 where it does not."""
    promised = {}
    for kind, stream in (("video", container.streams.video[0]), ("audio", container.streams.audio[0])):
        known = stream.duration is not None
        promised[kind] = float(stream.duration * stream.time_base) if known else (container.duration or 0) / 1e6
    return promised


def _decode(container: Any, sample_rate: int) -> tuple[list[tuple[float, float, Any]], list[tuple[float, np.ndarray]]]:
    """All pictures as (start, end, frame) and all sound as (start, samples), in seconds."""
    import av

    resampler = av.AudioResampler(format="fltp", rate=sample_rate)
    pictures: list[tuple[float, float, Any]] = []
    blocks: list[tuple[float, np.ndarray]] = []
    video, audio = container.streams.video[0], container.streams.audio[0]
    length = 1 / float(video.average_rate or 25)
    for frame in container.decode(video, audio):
        if isinstance(frame, av.VideoFrame):
            time = float(frame.time or 0.0)
            pictures.append((time, time + length, frame))
        else:
            blocks += _samples(resampler.resample(frame))
    return pictures, blocks + list(_samples(resampler.resample(None)))


def _samples(frames: list[Any]) -> Iterator[tuple[float, np.ndarray]]:
    for frame in frames:
        yield float(frame.time or 0.0), frame.to_ndarray().mean(axis=0)


def _at_rate(pictures: list[tuple[float, float, Any]], start: float, fps: float) -> np.ndarray:
    """The picture on screen at `start` + k / `fps`, for every k before the end."""
    starts = np.array([begin for begin, _, _ in pictures])
    count = max(int((pictures[-1][1] - start) * fps + 1e-6), 1)
    shown = np.searchsorted(starts, start + np.arange(count) / fps + 1e-6, side="right") - 1
    matrix = display_matrix(pictures[0][2])
    return np.stack([upright(pictures[max(k, 0)][2].to_ndarray(format="rgb24"), matrix) for k in shown])


def display_matrix(frame: Any) -> tuple[int, int, int, int]:
    """(a, b, c, d) of a frame's display matrix: a pixel at (x, y) is shown at (a x + c y, b x + d y)."""
    from av.sidedata.sidedata import Type

    if (data := frame.side_data.get(Type.DISPLAYMATRIX)) is None:
        return 1, 0, 0, 1
    values = np.frombuffer(bytes(data), np.int32) / DISPLAY_ONE
    matrix = tuple(int(values[i]) if values[i] in (-1, 0, 1) else 2 for i in (0, 1, 3, 4))
    if 2 in matrix or abs(matrix[0] * matrix[3] - matrix[1] * matrix[2]) != 1:
        shown = ", ".join(f"{values[i]:.3g}" for i in (0, 1, 3, 4))
        raise DataError(f"its display matrix ({shown}) is no quarter turn; re-encode it upright")
    return matrix


def upright(picture: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Turn and mirror a picture (height, width, 3) as its display matrix says; see `display_matrix`."""
    a, b, c, d = matrix
    if b or c:  # columns become rows
        picture, a, d = picture.swapaxes(0, 1), c, b
    return np.ascontiguousarray(picture[:: d or 1, :: a or 1])
