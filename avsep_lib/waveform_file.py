"""One .npy file of many waveforms, written clip by clip; a killed writer goes on where it was."""

from __future__ import annotations

import contextlib
import os
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
            self.lengths = self._left_before((os.path.getsize(self._part) - start) // 4)
            self._data.truncate(start + 4 * sum(self.lengths))
            self._data.seek(0, os.SEEK_END)
            self._log = self._log_path.open("w")
            self._log.writelines(f"{n} {key}\n" for n, key in zip(self.lengths, keys))
            self._log.flush()

    def _left_before(self, n_samples: int) -> list[int]:
        """Lengths of the leading clips that are complete among `n_samples` samples and still wanted."""
        lengths: list[int] = []
        end = 0
        lines = self._log_path.read_text().splitlines(keepends=True) if self._log_path.exists() else []
        for line, key in zip(lines, self.keys):
            length, _, found = line.partition(" ")
            if not key or found != f"{key}\n" or end + int(length) > n_samples:
                break
            lengths.append(int(length))
            end += lengths[-1]
        return lengths

    def append(self, waveform: np.ndarray) -> None:
        """Write the next clip, shape (n_samples,)."""
        with writing(self._part):
            self._data.write(np.ascontiguousarray(waveform, dtype="<f4").data)
            self._data.flush()  # before the log says so
            self._log.write(f"{len(waveform)} {self.keys[len(self.lengths)]}\n")
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
