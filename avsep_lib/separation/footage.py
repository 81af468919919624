"""Videos as FFmpeg reads them: their sound with all channels, and a part of the picture at chosen times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avsep_lib.errors import ConfigError, DataError
from avsep_lib.media_file import check_rate, open_media
from avsep_lib.video import SLACK_S, display_matrix, upright


@dataclass(frozen=True)
class Crop:
    """A rectangle of the upright picture: left, top, width, height, in pixels or as fractions of the picture."""

    text: str
    values: tuple[float, float, float, float]
    fractions: bool

    @classmethod
    def parse(cls, text: str) -> Crop:
        """``"x,y,w,h"``: whole pixels, or fractions when no value exceeds 1 (``"0,0,0.5,1"``).

        Raises
        ------
        ConfigError
            Not four numbers, pixels that are not whole, or an empty rectangle.
        """
        try:
            x, y, width, height = values = tuple(float(part) for part in text.split(","))
        except ValueError:
            raise ConfigError(f"crop {text!r} is not x,y,w,h: four numbers, separated by commas") from None
        fractions = max(values) <= 1
        if not all(np.isfinite(values)) or min(x, y) < 0 or min(width, height) <= 0:
            raise ConfigError(f"crop {text!r}: x and y must be at least 0, width and height more than 0")
        if not fractions and any(value % 1 for value in values):
            raise ConfigError(f"crop {text!r} mixes pixels and fractions; write whole pixels, or fractions from 0 to 1")
        return cls(text, values, fractions)

    def box(self, width: int, height: int, path: Path) -> tuple[int, int, int, int]:
        """Left, top, right and bottom pixel in a picture of this size; DataError when it does not lie within."""
        scale = np.array([width, height] * 2) if self.fractions else np.ones(4)
        x, y, w, h = np.asarray(self.values) * scale
        left, top, right, bottom = (round(float(edge)) for edge in (x, y, x + w, y + h))
        if right > width or bottom > height or right <= left or bottom <= top:
            raise DataError(f"crop {self.text} does not lie within the picture of {path}: {width} x {height} pixels")
        return left, top, right, bottom


def _opened(path: Path, why: str) -> Any:
    import av

    try:
        return open_media(path)
    except (av.error.FFmpegError, OSError, ValueError) as error:  # ValueError: names that are no text
        more = f"; as audio: {why}" if why else ""
        raise DataError(f"{path} is truncated, or neither audio nor video ({error}{more}); export it again") from None


def read_sound(path: Path, why: str = "", most: float = math.inf) -> tuple[np.ndarray, int, float]:
    """All samples (channels, n_samples) of a video's first audio track, its rate in Hz, and when they begin in seconds.

    Raises
    ------
    DataError
        Unreadable (`why` tells what another reader said), no audio track, or more than `most` values.
    """
    import av

    with _opened(path, why) as container:
        if not container.streams.audio or container.streams.audio[0].codec_context is None:
            raise DataError(f"{path} has no audio track that can be decoded; name a recording with sound")
        stream, blocks, begin, n_values = container.streams.audio[0], [], None, 0
        check_rate(stream.rate or 0, path)
        resampler = av.AudioResampler(format="fltp", rate=stream.rate)
        try:
            for frame in container.decode(stream):
                begin = float(frame.time or 0.0) if begin is None else begin
                blocks += [block.to_ndarray() for block in resampler.resample(frame)]
                n_values += frame.samples * len(frame.layout.channels)
                if n_values > most:
                    raise DataError(f"recording {path} holds more than {most:,.0f} samples; cut it shorter")
            blocks += [block.to_ndarray() for block in resampler.resample(None)] if blocks else []
            sound = np.concatenate(blocks or [np.zeros((1, 0), np.float32)], axis=1)
        except (av.error.FFmpegError, EOFError, ValueError) as error:  # ValueError: another number of channels midway
            raise DataError(f"the sound of {path} is truncated or damaged ({error}); export it again") from None
        begin, rate = begin or 0.0, stream.rate
        promised = float(stream.duration * stream.time_base) if stream.duration is not None else 0.0
        if begin + sound.shape[1] / rate < promised - SLACK_S:
            found = begin + sound.shape[1] / rate
            raise DataError(f"the sound of {path} ends at {found:.2f} s of {promised:.2f} s; export it again")
        return sound.astype(np.float32), rate, begin


def read_crops(path: str | Path, crops: Sequence[Crop], times: Sequence[float]) -> list[np.ndarray]:
    """Parts of a video's picture at given times.

    Parameters
    ----------
    path : path
    crops : sequence of Crop
    times : sequence of float
        Rising, in seconds of the file's own clock. Shown is the picture on screen then; before the first picture or
        after the last one, that one.

    Returns
    -------
    list of ndarray, uint8, shape (len(times), height, width, 3)
        One per crop. Only these parts are kept in memory.

    Raises
    ------
    DataError
        Missing, unreadable or without a video track; a crop outside the picture, whose size is named.
    """
    import av

    path, found = Path(path), [[] for _ in crops]
    if not path.is_file():
        raise DataError(f"video {path} is missing; name a video file")
    with _opened(path, "") as container:
        if not container.streams.video or container.streams.video[0].codec_context is None:
            raise DataError(
                f"{path} has no video track that can be decoded, which --crops are cut from; give --images instead"
            )
        container.streams.video[0].thread_type = "AUTO"
        try:
            for frame in _on_screen(container.decode(video=0), times):
                picture = _upright(frame, path)
                boxes = [crop.box(picture.shape[1], picture.shape[0], path) for crop in crops]
                for kept, (left, top, right, bottom) in zip(found, boxes):
                    kept.append(picture[top:bottom, left:right].copy())
        except (av.error.FFmpegError, EOFError) as error:
            raise DataError(f"the picture of {path} is truncated or damaged ({error}); export it again") from None
    if not found[0]:
        raise DataError(f"{path} has an empty video track; give --images instead")
    try:
        return [np.stack(kept) for kept in found]
    except ValueError:
        raise DataError(f"the picture of {path} changes its size; export the video at one size") from None


def _on_screen(frames: Iterator[Any], times: Sequence[float]) -> Iterator[Any]:
    """The frame shown at each of the rising times."""
    shown, waiting = None, list(times)
    for frame in frames:
        while shown is not None and waiting and float(frame.time or 0.0) > waiting[0] + 1e-6:
            waiting.pop(0)
            yield shown
        shown = frame
        if not waiting:
            return
    if shown is not None:
        yield from (shown for _ in waiting)


def _upright(frame: Any, path: Path) -> np.ndarray:
    """RGB picture (height, width, 3) as a player shows it: phones store turned pictures with a note."""
    try:
        return upright(frame.to_ndarray(format="rgb24"), display_matrix(frame))
    except DataError as error:
        raise DataError(f"video {path}: {error}") from None
