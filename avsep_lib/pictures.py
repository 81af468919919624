"""One picture of a clip, as a trained visual network and a reader see it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from avsep_lib.clips import ClipStore
from avsep_lib.errors import DataError
from avsep_lib.media_file import open_picture


def load_frame(store: ClipStore, clip_id: str, frame: int, size: int) -> np.ndarray:
    """One frame as uint8 ``(3, size, size)``; DataError names a missing or unreadable picture."""
    path = store.frame_path(clip_id, frame)
    try:
        with open_picture(path) as picture:
            resized = picture.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    except FileNotFoundError:
        raise DataError(f"frame {path} is missing; rebuild the dataset or correct n_frames in the manifest") from None
    except OSError as error:
        raise DataError(f"frame {path} cannot be read ({error}); rebuild the dataset") from None
    return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))


def film_frames(frame: int, n_frames: int, stride: int, n_of_clip: int) -> list[int]:
    """`n_frames` frames, `stride` apart and centred on `frame`, held at the first and last of a clip."""
    around = (frame + round((k - (n_frames - 1) / 2) * stride) for k in range(n_frames))
    return [min(max(number, 0), n_of_clip - 1) for number in around]


def load_film(store: ClipStore, clip_id: str, frame: int, n_frames: int, stride: int, size: int) -> np.ndarray:
    """Frames around one, as `film_frames` chooses them: uint8 ``(n_frames, 3, size, size)``; errors of `load_frame`."""
    numbers = film_frames(frame, n_frames, stride, int(store.row(clip_id).n_frames))
    pictures = {number: load_frame(store, clip_id, number, size) for number in dict.fromkeys(numbers)}
    return np.stack([pictures[number] for number in numbers])
