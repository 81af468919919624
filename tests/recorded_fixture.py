"""Tiny recordings for the tests of recorded datasets: sounds, pictures, and videos with what players must cope with."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from PIL import Image

RATE, FPS, SECONDS = 16000, 8, 2.0
ITEM = {
    "video_id": "", "labels": "flute", "split": "train", "list": "train.csv row 1", "audio": "", "frames": "",
    "n_frames": 0, "video": "", "start_s": np.nan, "end_s": np.nan, "problem": "", "detail": "",
}  # fmt: skip


def melody(seed: int, seconds: float = SECONDS, rate: int = RATE) -> np.ndarray:
    """Random notes of 1/8 s with four partials each: no two seeds sound alike."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    pitch = 220 * 2 ** (rng.integers(0, 36, round(8 * seconds) + 1) / 12)
    phase = 2 * np.pi * np.cumsum(pitch[np.arange(n) * 8 // rate]) / rate
    return 0.2 * sum(np.sin(k * phase + k) / k for k in range(1, 5)).astype(np.float32)


def pictures(n: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Grey pictures whose level counts: 20, 27, 34..."""
    level = (20 + 7 * (np.arange(n) % 32)).astype(np.uint8)
    return np.broadcast_to(level[:, None, None, None], (n, height, width, 3)).copy()


def write_frames(folder: Path, frames: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    for i, frame in enumerate(frames, start=1):
        Image.fromarray(frame).save(folder / f"{i:06d}.jpg", quality=90)
    return folder


def write_clip(root: Path, name: str, seed: int, seconds: float = SECONDS, rate: int = RATE) -> dict:
    """A sound file and a folder of pictures; the columns audio and frames."""
    audio = root / f"{name}.wav"
    soundfile.write(audio, melody(seed, seconds, rate), rate, subtype="PCM_16")
    frames = write_frames(root / name, pictures(round(seconds * FPS)))
    return {"audio": str(audio), "frames": str(frames)}


def write_video(
    path: Path,
    frames: np.ndarray | None,
    sound: np.ndarray | None,
    rate: int = RATE,
    fps: int = FPS,
    times: list[float] | None = None,  # of the pictures, in seconds; None: regular
    sound_at: float = 0.0,
    rotation: int = 0,
    aspect: Fraction | None = None,
    layout: str = "mono",
    options: dict | None = None,
) -> Path:
    """Write a video of any shape with PyAV; the suffix gives the container (webm: VP8 and Opus, else H.264 and AAC)."""
    import av

    web = path.suffix == ".webm"
    with av.open(str(path), "w", options=options or {}) as container:
        if frames is not None:
            video = container.add_stream("libvpx" if web else "libx264", rate=fps)
            video.height, video.width, video.pix_fmt = *frames.shape[1:3], "yuv420p"
            video.codec_context.time_base = Fraction(1, 1000)
            video.codec_context.thread_count = 1
            if rotation:
                video.set_display_rotation(rotation)
            if aspect:
                video.codec_context.sample_aspect_ratio = aspect
        if sound is not None:
            audio = container.add_stream("libopus" if web else "aac", rate=rate, layout=layout)
        for i, picture in enumerate(frames if frames is not None else []):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = round(1000 * (times[i] if times else i / fps))
            frame.time_base = Fraction(1, 1000)
            container.mux(video.encode(frame))
        if frames is not None:
            container.mux(video.encode())
        if sound is not None:
            block = av.AudioFrame.from_ndarray(np.atleast_2d(sound).astype(np.float32), format="fltp", layout=layout)
            block.sample_rate, block.pts, block.time_base = rate, round(sound_at * rate), Fraction(1, rate)
            container.mux(audio.encode(block))
            container.mux(audio.encode())
    return path


def items(*rows: dict) -> pd.DataFrame:
    """A table as `read_items` gives it; rows state what differs from `ITEM`."""
    made = [ITEM | {"clip_id": f"clip{i}", "list": f"train.csv row {i + 1}"} | row for i, row in enumerate(rows)]
    return pd.DataFrame([row | {"video_id": row["video_id"] or row["clip_id"]} for row in made])
