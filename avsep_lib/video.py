"""Video files in and out through PyAV: H.264 pictures, AAC sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from avsep_lib.files import atomic_path


def encode_video(path: Path, frames: np.ndarray, fps: int, audio: np.ndarray, sample_rate: int) -> None:
    """Write an MP4 with H.264 pictures and mono AAC sound, the same bytes every time."""
    import av

    with atomic_path(path) as temporary, av.open(str(temporary), "w", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=fps, options={"crf": "14", "preset": "medium", "threads": "1"})
        video.width, video.height, video.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        sound = container.add_stream("aac", rate=sample_rate, layout="mono")
        sound.bit_rate = 128_000
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        block = av.AudioFrame.from_ndarray(audio.astype(np.float32)[None], format="fltp", layout="mono")
        block.sample_rate = sample_rate
        container.mux(sound.encode(block))
        container.mux(sound.encode())
