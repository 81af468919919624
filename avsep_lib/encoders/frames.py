"""Video frames as arrays, and CLIP's preprocessing of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import UnidentifiedImageError

from avsep_lib.errors import DataError
from avsep_lib.media import open_picture

# Channel statistics of CLIP's training images (OpenAI), used by open_clip's preprocessing.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def frame_paths(folder: Path, n_frames: int) -> list[Path]:
    """Paths of frames 1 to `n_frames` of a clip."""
    return [folder / f"{index:06d}.jpg" for index in range(1, n_frames + 1)]


def read_bytes(path: Path) -> bytes:
    """Contents of a frame file; DataError when it is missing."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"frame {path} is missing; rebuild the dataset or correct n_frames in the manifest") from None


def decode_frame(content: bytes, path: Path) -> np.ndarray:
    """Decode an image file to uint8 RGB (height, width, 3); DataError naming `path` when truncated or unreadable."""
    try:
        with open_picture(io.BytesIO(content)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"frame {path} is truncated or not an image ({error}); rebuild the dataset") from None


def stack_frames(frames: list[np.ndarray], folder: Path) -> np.ndarray:
    """Frames of one clip as one array (n_frames, height, width, 3); DataError when their sizes differ."""
    if len({frame.shape for frame in frames}) != 1:
        raise DataError(f"frames in {folder} differ in size or there is none; decode the video again at one size")
    return np.stack(frames)


def read_frames(folder: Path, n_frames: int, at_most: int | None = None) -> np.ndarray:
    """Frames 1 to `n_frames` of a clip, or `at_most` of them evenly spaced, as uint8 RGB (n, height, width, 3).

    DataError as in the parts above.
    """
    wanted = np.unique(np.linspace(0, n_frames - 1, min(n_frames, at_most or n_frames)).round().astype(int))
    paths = [frame_paths(folder, n_frames)[index] for index in wanted]
    return stack_frames([decode_frame(read_bytes(path), path) for path in paths], folder)


def resize_crop(frames: np.ndarray, size: int) -> torch.Tensor:
    """Resize the shorter side to `size` (bicubic, antialiased) and crop the centre: uint8 (B, 3, size, size)."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise DataError(f"frames are {frames.dtype} {frames.shape}; uint8 (B, height, width, 3) is needed")
    images = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)  # stays channels-last in memory
    height, width = images.shape[-2:]
    if (height, width) != (size, size):
        target = (size * height // min(height, width), size * width // min(height, width))
        images = F.interpolate(images, size=target, mode="bicubic", antialias=True)
        top, left = (target[0] - size) // 2, (target[1] - size) // 2
        images = images[..., top : top + size, left : left + size]
    return images


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Images (B, 3, H, W) in [0, 255] to CLIP's zero mean and unit variance, float32."""
    mean = torch.tensor(CLIP_MEAN).view(3, 1, 1)
    std = torch.tensor(CLIP_STD).view(3, 1, 1)
    return (images.float() / 255 - mean) / std
