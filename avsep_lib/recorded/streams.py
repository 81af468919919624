"""The two tracks of a video file: where they begin and end, what to cut, and their frames from there on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_lib.errors import DataError
from avsep_lib.media import open_container
from avsep_lib.video import display_matrix

SLACK_S = 0.25  # a track may end this much before the end that the container states
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
class Video:
    """Where to cut, in the time stamps of the file (seconds), and how pictures are shown."""

    start: float
    stop: float  # infinite: at the end
    ends: dict[str, float]  # of each track as the container states them; 0 where it does not
    pixel_aspect: float  # width by height of a pixel
    matrix: tuple[int, int, int, int]  # see `video.display_matrix`


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


def open_video(path: Path, how: Decoding) -> Video:
    """What has to be known before the first frame is written."""

    firsts, matrix = {}, None
    for kind, problem in (("audio", "no_audio"), ("video", "no_frames")):
        with open_container(path) as container:
            tracks = _tracks(container)
            if (frame := next(container.decode(tracks[kind]), None)) is None:
                raise UnusableVideo(problem, f"an empty {kind} track")
            firsts[kind] = float(frame.time or 0.0)
            if kind == "video":  # once: a frame whose side data was read is not freed before Python looks for cycles
                matrix = display_matrix(frame)
            ends = {name: _stated_end(container, stream) for name, stream in tracks.items()}
            aspect = float(tracks["video"].sample_aspect_ratio or 1)
    start, stop = _cut(how, firsts, ends)
    return Video(start, stop, ends, aspect, matrix)


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


def frames_of(path: Path, kind: str, video: Video) -> Iterator[Any]:
    """Decoded frames of one track, from shortly before the start on; later ones are not asked for."""

    for early in (video.start - PREROLL_S, None):  # without a usable index, seeking lands behind: then from the start
        with open_container(path) as container:
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


def check_end(kind: str, at: float, video: Video, slack: float = SLACK_S) -> None:
    """Raise UnusableVideo when a track was over before its end."""
    if at < min(video.ends[kind], video.stop) - slack:
        message = f"truncated: {kind} ends at {at:.2f} s of {video.ends[kind]:.2f} s"
        raise UnusableVideo("unreadable", message)
