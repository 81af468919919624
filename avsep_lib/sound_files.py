"""Sound files of any kind, read in blocks: libsndfile first (WAV, FLAC, MP3, Ogg), FFmpeg for the rest (M4A, AAC...)."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from avsep_lib.errors import DataError
from avsep_lib.media import open_container

BLOCK = 1 << 18  # samples per channel that are in memory at a time
INTEGER_SCALE = {"u1": 128.0, "i2": 2.0**15, "i4": 2.0**31, "i8": 2.0**63}


@dataclass(frozen=True)
class Sound:
    """An open sound file; `blocks` gives float32 arrays of shape (n, channels) and can be run through once."""

    sample_rate: int  # Hz
    channels: int
    blocks: Iterator[np.ndarray]


@contextlib.contextmanager
def open_sound(path: str | Path) -> Iterator[Sound]:
    """Open a sound file for reading in blocks.

    Parameters
    ----------
    path : path
        Any format that libsndfile or FFmpeg reads. Of a file with several sound tracks the first is read.

    Yields
    ------
    Sound
        Rate, channels, and the samples in blocks of at most `BLOCK`.

    Raises
    ------
    DataError
        No such file, not a sound file, or cut short; also while the blocks are read.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"audio {path} is missing; put the file there or drop its row")
    if not path.is_file():  # a pipe would make the reader wait for ever
        what = "a folder" if path.is_dir() else "no regular file"
        raise DataError(f"audio {path} is {what}, not a sound file; correct the path or drop its row")
    with contextlib.ExitStack() as stack:
        try:
            yield _by_libsndfile(path, stack)
            return
        except soundfile.LibsndfileError as error:
            first = error
        except OSError as error:
            raise _unreadable(path, error) from None
        yield _by_ffmpeg(path, stack, first)


def read_sound(path: str | Path) -> tuple[np.ndarray, int]:
    """A whole sound file: float32 array (n, channels) and its sample rate in Hz; raises as `open_sound`."""
    with open_sound(path) as sound:
        blocks = list(sound.blocks)
        return np.concatenate(blocks) if blocks else np.zeros((0, sound.channels), np.float32), sound.sample_rate


def _unreadable(path: Path, reason: object) -> DataError:
    return DataError(f"audio {path} cannot be read ({reason}); replace the file or drop its row")


def _by_libsndfile(path: Path, stack: contextlib.ExitStack) -> Sound:
    """Raises LibsndfileError where libsndfile does not know the format."""
    with open(path, "rb"):  # libsndfile's own message does not say why a file cannot be opened
        pass
    file = stack.enter_context(soundfile.SoundFile(path))
    return Sound(file.samplerate, file.channels, _file_blocks(path, file))


def _file_blocks(path: Path, file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    _check_wav_length(path)
    promised, read = file.frames, 0
    try:
        while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
            read += len(block)
            yield block
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from None
    if file.format == "FLAC" and read < promised:
        raise _unreadable(path, f"truncated: {read} of {promised} samples")


def _check_wav_length(path: Path) -> None:
    """A WAV that is shorter than its header says is truncated; libsndfile reads what is left without a word."""
    with open(path, "rb") as stream:
        head = stream.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return
    promised = struct.unpack("<I", head[4:8])[0]
    if 0 < promised < 0xFFFFFFFF - 8 and promised + 8 - (size := path.stat().st_size) > 1:  # one byte may pad a chunk
        raise _unreadable(path, f"truncated: {size} of {promised + 8} bytes")


def _by_ffmpeg(path: Path, stack: contextlib.ExitStack, first: Exception) -> Sound:
    import av

    try:
        container = stack.enter_context(open_container(path))
    except (av.error.FFmpegError, OSError, ValueError):
        raise _unreadable(path, first) from None  # what libsndfile said is no worse than FFmpeg's message
    if not container.streams.audio:
        raise _unreadable(path, "no sound track in it")
    stream = container.streams.audio[0]
    return Sound(stream.rate, stream.channels, _stream_blocks(path, container, stream))


def _stream_blocks(path: Path, container: Any, stream: Any) -> Iterator[np.ndarray]:
    import av

    try:
        for frame in container.decode(stream):
            if frame.sample_rate != stream.rate:
                raise _unreadable(path, f"its rate changes from {stream.rate} to {frame.sample_rate} Hz")
            yield frame_samples(frame)
    except (av.error.FFmpegError, EOFError) as error:
        raise _unreadable(path, error) from None


def frame_samples(frame: Any) -> np.ndarray:
    """Samples of a PyAV audio frame as float32 (n, channels), whatever its sample format."""
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, len(frame.layout.channels))
    scale = INTEGER_SCALE.get(values.dtype.str[1:])
    if scale is None:
        return values.astype(np.float32, copy=False)
    return ((values.astype(np.float64) - 128 * (values.dtype == np.uint8)) / scale).astype(np.float32)
