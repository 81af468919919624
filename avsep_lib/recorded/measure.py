"""What is in one sound file and one folder of pictures, measured block by block and picture by picture.

Conventions
-----------
Levels are RMS in dB relative to full scale (dBFS) of the channels' mean. A sample is clipped when it lies in a run of at
least `CLIPPED_RUN` samples of its channel whose magnitude is `CLIPPED_AT` or more; a single full-scale peak is not.
Pictures stand still when no pixel of their grey 16 x 16 thumbnails differs from that of the first picture by
`STILL_LEVELS` of 255 levels or more. Measured: noisy stills after H.264 (CRF 18 to 42) reach 1 to 5 levels, the drawn
performers of the embedded dataset, which move little, 16 at least and 62 in the median.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from avsep_lib.errors import DataError
from avsep_lib.files import sha256_file
from avsep_lib.media import open_picture
from avsep_lib.recorded.fingerprint import Fingerprinter
from avsep_lib.signals import SILENCE_SUM
from avsep_lib.sound_files import open_sound

CLIPPED_AT, CLIPPED_RUN = 0.999, 3
THUMBNAIL = 16  # pixels
STILL_LEVELS = 6.0

Findings = dict[str, str]  # problem (one of settings.PROBLEMS) to what exactly was found


class SoundMeter:
    """Takes a sound block by block, shape (n, channels), and gives its measures."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.sample_rate, self.channels = sample_rate, channels
        self.n = self.not_finite = self.clipped = 0
        self.squares = self.magnitudes = self.peak = 0.0
        self._tail = np.zeros((0, channels), bool)  # full-scale samples at the end of the last block
        self._print = Fingerprinter(sample_rate)

    def add(self, block: np.ndarray) -> None:
        """Take the next samples."""
        self.n += len(block)
        if bad := int((~np.isfinite(block)).any(axis=1).sum()):
            self.not_finite += bad
            block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)  # only so that the rest can be measured
        mono = block.mean(axis=1, dtype=np.float64)
        self.squares += float(np.square(mono).sum())
        self.magnitudes += float(np.abs(mono).sum())
        self.peak = max(self.peak, float(np.abs(block).max(initial=0.0)))
        self._count_clipped(np.abs(block) >= CLIPPED_AT)
        self._print.add(mono)

    def _count_clipped(self, loud: np.ndarray) -> None:
        """Count samples in runs, also in those that go on from one block into the next."""
        joined = np.concatenate([self._tail, loud])
        self.clipped += int(_in_runs(joined).sum() - _in_runs(self._tail).sum())
        self._tail = joined[-CLIPPED_RUN:]

    def measures(self) -> dict:
        """Rate, channels, duration, level, peak, shares, and the fingerprint (hexadecimal)."""
        n = max(self.n, 1)
        return {
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "duration_s": round(self.n / self.sample_rate, 6),
            "level_dbfs": round(float(10 * np.log10(self.squares / n + 1e-20)), 2),
            "peak": round(self.peak, 5),
            "clipped_share": self.clipped / (n * self.channels),
            "silent": self.magnitudes <= SILENCE_SUM,
            "not_finite": self.not_finite,
            "fingerprint": self._print.codes().astype("<u4").tobytes().hex(),
        }


def _in_runs(loud: np.ndarray) -> np.ndarray:
    """True where a sample lies in a run of at least `CLIPPED_RUN` true ones; over axis 0."""
    if len(loud) < CLIPPED_RUN:
        return np.zeros_like(loud)
    whole = np.lib.stride_tricks.sliding_window_view(loud, CLIPPED_RUN, axis=0).all(axis=-1)
    found = np.zeros_like(loud)
    for k in range(CLIPPED_RUN):
        found[k : len(whole) + k] |= whole
    return found


def measure_sound(path: Path) -> tuple[dict, Findings]:
    """Measures of a sound file (see `SoundMeter.measures`, and its SHA-256) and what is wrong with it."""
    if finding := _file_problem(path):
        return {}, finding
    try:
        with open_sound(path) as sound:
            meter = SoundMeter(sound.sample_rate, sound.channels)
            for block in sound.blocks:
                meter.add(block)
        measures = meter.measures() | {"sha256": sha256_file(path)}
    except (DataError, OSError) as error:
        return {}, {"unreadable": str(error)}
    if not meter.n:
        return measures, {"no_audio": f"{path.name} holds 0 samples"}
    findings = {}
    if meter.not_finite:
        findings["not_finite"] = f"{meter.not_finite} of {meter.n} samples are NaN or infinite"
    elif measures["silent"]:
        findings["silent"] = f"level {measures['level_dbfs']:.0f} dBFS"
    return measures, findings


def _file_problem(path: Path) -> Findings:
    if path.is_symlink() and not path.exists():
        return {"missing": f"{path} is a link to {os.readlink(path)}, which does not exist"}
    try:
        path.stat()
    except FileNotFoundError:
        return {"missing": f"{path} does not exist"}
    except OSError as error:
        return {"unreadable": f"{path}: {error.strerror}"}
    if not path.is_file():
        return {"unreadable": f"{path} is {'a folder' if path.is_dir() else 'no regular file'}, not a sound file"}
    if not path.stat().st_size:
        return {"no_audio": f"{path} has 0 bytes"}
    return {}


def measure_frames(folder: Path, promised: int = 0) -> tuple[dict, Findings]:
    """Measures of a folder of pictures ``000001.jpg``...: every one of them is decoded.

    Parameters
    ----------
    folder : Path
        The folder.
    promised : int
        Number of pictures that the index states; 0 where it does not.

    Returns
    -------
    dict
        n_frames (the promised ones, else those found without a gap from the first on), width, height, still.
    dict
        Findings.
    """
    try:
        names = set(os.listdir(folder))
    except OSError as error:
        return {}, _folder_problem(folder, error)
    found = next(i for i in range(len(names) + 1) if f"{i + 1:06d}.jpg" not in names)
    if not found:
        what = f"{len(names)} files but no 000001.jpg" if names else "nothing"
        return {}, {"no_frames": f"{folder} holds {what}"}
    if found < promised:
        return {"n_frames": found}, {
            "no_frames": f"{found} of {promised} promised pictures; {found + 1:06d}.jpg is missing"
        }
    n = promised or found
    try:
        sizes, still = _look(folder, n)
    except (OSError, ValueError, SyntaxError) as error:  # SyntaxError: Pillow's word for a broken PNG
        return {"n_frames": n}, {"unreadable": str(error)}
    measures = {"n_frames": n, "width": sizes[0][0], "height": sizes[0][1], "still": still}
    if len(sizes) > 1:
        (w, h), (w2, h2) = sizes[:2]
        return measures, {"unreadable": f"pictures of {folder} differ in size: {w} x {h} and {w2} x {h2}"}
    return measures, {}


def _folder_problem(folder: Path, error: OSError) -> Findings:
    if isinstance(error, FileNotFoundError):
        link = f" (a link to {os.readlink(folder)})" if folder.is_symlink() else ""
        return {"missing": f"{folder}{link} does not exist"}
    if isinstance(error, NotADirectoryError):
        return {"no_frames": f"{folder} is a file, not a folder of pictures"}
    return {"unreadable": f"{folder}: {error.strerror}"}


def _look(folder: Path, n: int) -> tuple[list[tuple[int, int]], bool]:
    """Different sizes (width, height) in the order in which they occur, and whether the picture never changes."""
    sizes: dict[tuple[int, int], None] = {}
    still, first = True, None
    for number in range(1, n + 1):
        size, small = _thumbnail(folder / f"{number:06d}.jpg")
        sizes[size] = None
        first = small if first is None else first
        still &= float(np.abs(small - first).max()) < STILL_LEVELS
    return list(sizes), still


def _thumbnail(path: Path) -> tuple[tuple[int, int], np.ndarray]:
    """Size of a picture, and its grey thumbnail; OSError naming the file when it does not decode to its end."""
    from PIL import Image

    try:
        with open_picture(path) as picture:
            size = picture.size
            picture.draft("L", (4 * THUMBNAIL, 4 * THUMBNAIL))  # the whole file is still read and decoded, only smaller
            small = picture.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OSError(f"picture {path} does not decode ({error})") from None
    return size, np.asarray(small, np.float32)
