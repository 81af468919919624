"""One picture of a clip, as a trained visual network and a reader see it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from avsep_lib.clips import ClipStore
from avsep_lib.errors import DataError
from avsep_lib.media import open_picture


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
