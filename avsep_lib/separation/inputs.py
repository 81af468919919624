"""Reading one's own files: recordings of any rate and number of channels, and pictures of what sounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsep_lib.errors import DataError
from avsep_lib.media_file import RATES, open_picture

BLOCK = 1_000_000  # samples


@dataclass(frozen=True)
class Recording:
    """Sound as it lies in a file.

    Attributes
    ----------
    samples : ndarray, float32, shape (channels, n_samples)
    sample_rate : int
        In Hz.
    start_s : float
        Time of the first sample, in the file's own clock.
    """

    samples: np.ndarray
    sample_rate: int
    start_s: float

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.samples.shape[1] / self.sample_rate


def read_recording(
    path: str | Path, start: float = 0.0, seconds: float | None = None, most: float = math.inf
) -> Recording:
    """Read (a part of) the sound of an audio or video file.

    Parameters
    ----------
    path : path
        Whatever libsndfile or FFmpeg reads.
    start, seconds : float
        The part that is wanted, in seconds from the beginning of the sound; by default all of it.
    most : float
        Samples times channels that are decoded before the file is refused: silence of days fits in a small FLAC.

    Raises
    ------
    DataError
        Missing, unreadable or without sound; shorter than what was asked for; longer than `most`; silent; NaN or
        infinity.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"recording {path} is {'a folder' if path.is_dir() else 'missing'}; name an audio or video file"
        )
    if start < 0 or (seconds is not None and seconds <= 0):
        raise DataError(f"recording {path}: start {start:g} s and seconds {seconds} must not be negative or 0")
    samples, rate, clock = _decode(path, most)
    if not RATES[0] <= rate <= RATES[1]:
        raise DataError(f"recording {path} states {rate} samples per second; its header is damaged, export it again")
    if not samples.size:
        raise DataError(f"recording {path} holds no samples; name a file with sound")
    total = samples.shape[1] / rate
    if start >= total or (seconds is not None and start + seconds > total + 1 / rate):
        asked = f"{start:g} s to " + ("its end" if seconds is None else f"{start + seconds:g} s")
        raise DataError(f"recording {path} lasts {total:.2f} s; {asked} was asked for")
    first = round(start * rate)
    stop = None if seconds is None else first + max(round(seconds * rate), 1)
    samples = np.ascontiguousarray(samples[:, first:stop])
    _check_samples(samples, path)
    return Recording(samples, rate, clock + first / rate)


def _decode(path: Path, most: float) -> tuple[np.ndarray, int, float]:
    """All samples (channels, n_samples), rate in Hz and time of the first sample."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:  # in blocks, because a damaged header may promise any length
            rate, blocks = file.samplerate, [np.zeros((0, file.channels), np.float32)]
            if file.channels > most:
                raise DataError(f"recording {path} has {file.channels:,} channels; export it in stereo")
            length, n_values = int(max(min(BLOCK, most // file.channels), 1)), 0
            while len(block := file.read(length, dtype="float32", always_2d=True)):
                blocks.append(block)
                n_values += block.size
                if n_values > most:
                    raise DataError(f"recording {path} holds more than {most:,.0f} samples; cut it shorter")
        return np.concatenate(blocks).T, rate, 0.0
    except soundfile.LibsndfileError as error:
        from avsep_lib.separation.footage import read_sound

        return read_sound(path, str(error), most)


def _check_samples(samples: np.ndarray, path: Path) -> None:
    """DataError for what no mask can separate."""
    if not np.isfinite(samples).all():
        raise DataError(f"recording {path} holds NaN or infinity; export it again")
    from avsep_lib.signals import is_silent

    if is_silent(samples.mean(axis=0)):
        both = "silent" if is_silent(samples).all() else "silent once its channels are averaged (they cancel out)"
        raise DataError(f"recording {path} is {both}; there is nothing to separate")


def read_image(path: str | Path, most: float = math.inf) -> np.ndarray:
    """A picture as uint8 RGB (height, width, 3), turned upright as its EXIF says.

    Raises
    ------
    DataError
        When it is missing, truncated or not a picture, or has more than `most` pixels.
    """
    from PIL import ImageOps

    path = Path(path)
    if not path.is_file():
        raise DataError(f"picture {path} is {'a folder' if path.is_dir() else 'missing'}; name one picture per source")
    try:
        with open_picture(path) as image:
            if image.width * image.height > most:  # as its header says, before anything is decoded
                raise DataError(f"picture {path} has {image.width} x {image.height} pixels; export it smaller")
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))  # a copy: torch wants it writable
    except OSError as error:
        raise DataError(f"picture {path} is truncated or not a picture ({error}); export it again") from None


def at_rate(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Samples (channels, n_samples) at another rate, as the decoded clips of a dataset were resampled."""
    if rate == wanted:
        return samples
    import soxr

    return np.ascontiguousarray(soxr.resample(samples.T, rate, wanted, quality="VHQ").T)
