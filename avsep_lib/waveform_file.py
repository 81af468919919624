"""One .npy file of many waveforms, written clip by clip; a killed writer goes on where it was."""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from avsep_lib.files import writing


def _write_header(stream: BinaryIO, n_samples: int) -> None:
    """Header of `n_samples` float32; NumPy pads it, so that any number of samples takes the same room."""
    layout = {"descr": "<f4", "fortran_order": False, "shape": (n_samples,)}
    np.lib.format.write_array_header_1_0(stream, layout)


class WaveformWriter:
    """Writes float32 waveforms one after the other into ``<name>.part``, which `finish` makes the file.

    Parameters
    ----------
    path : Path
        The .npy file.
    keys : list of str
        What each clip is decoded from, in order; equal keys mean equal samples. "" is equal to nothing.

    Attributes
    ----------
    lengths : list of int
        Samples of the clips written so far; at first those that a killed writer has left.
    """

    def __init__(self, path: Path, keys: list[str]) -> None:
        self.path, self.keys = path, keys
        self._part, self._log_path = path.with_suffix(".part"), path.with_suffix(".part.log")
        with writing(self._part):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._data = self._part.open("r+b" if self._part.exists() else "w+b")
            _write_header(self._data, 0)
            start = self._data.tell()
            left = self._left_before()
            self.lengths = [n for n, _ in left]
            self._data.truncate(start + 4 * sum(self.lengths))
            self._data.seek(0, os.SEEK_END)
            self._log = self._log_path.open("w")
            self._log.writelines(f"{n} {checksum} {key}\n" for (n, checksum), key in zip(left, keys))
            self._log.flush()

    def _left_before(self) -> list[tuple[int, int]]:
        """Lengths and checksums of the leading clips that are complete, unchanged and still wanted; reads from here on."""
        left: list[tuple[int, int]] = []
        lines = self._log_path.read_bytes().splitlines(keepends=True) if self._log_path.exists() else []
        for line, key in zip(lines, self.keys):
            match = re.fullmatch(rb"(\d+) (\d+) (.*)\n", line)
            if not key or not match or match[3] != key.encode():
                break
            n_samples, checksum = int(match[1]), int(match[2])
            samples = self._data.read(4 * n_samples)
            if len(samples) < 4 * n_samples or zlib.crc32(samples) != checksum:
                break
            left.append((n_samples, checksum))
        return left

    def append(self, waveform: np.ndarray) -> None:
        """Write the next clip, shape (n_samples,)."""
        samples = np.ascontiguousarray(waveform, dtype="<f4").data
        with writing(self._part):
            self._data.write(samples)
            self._data.flush()  # before the log says so
            self._log.write(f"{len(waveform)} {zlib.crc32(samples)} {self.keys[len(self.lengths)]}\n")
            self._log.flush()
        self.lengths.append(len(waveform))

    def finish(self) -> None:
        """Complete the file."""
        with writing(self._part):
            self._data.seek(0)
            _write_header(self._data, sum(self.lengths))
            self._data.flush()
            os.fsync(self._data.fileno())
            self.close()
        os.chmod(self._part, 0o644)
        os.replace(self._part, self.path)
        self._log_path.unlink()

    def close(self) -> None:
        """Stop writing; what is there is found by the next writer."""
        for stream in (self._data, self._log):
            with contextlib.suppress(OSError):  # on a full disk: told by the write before
                stream.close()
