"""Decoded clips at the profile's sample rate: every file is read, checked and resampled exactly once.

``python -m avsep_lib.clips --manifest M --sample-rate HZ --out DIR`` writes ``waveforms.npy`` (float32, all clips one
after the other) and ``clips.csv`` (the manifest plus `start` and `n_samples`). Nothing downstream opens an audio file.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import soxr

from avsep_lib.cli import run_main
from avsep_lib.errors import DataError
from avsep_lib.files import atomic_path, read_json, sha256_file, write_json
from avsep_lib.manifest import read_manifest
from avsep_lib.signals import is_silent


def read_audio(path: Path, sample_rate: int, expected_s: float, sha256: str = "") -> np.ndarray:
    """Mono float32 waveform at `sample_rate`, checked.

    Parameters
    ----------
    path : Path
        Any format that libsndfile reads; channels are averaged.
    sample_rate : int
        Target rate in Hz (resampled by soxr, very high quality).
    expected_s : float
        Duration promised by the manifest, in seconds; a shorter file is truncated data, not a shorter clip.
    sha256 : str
        Expected hash of the file's bytes; empty to skip.

    Raises
    ------
    DataError
        Missing, unreadable, changed, truncated, silent or non-finite audio.
    """
    if not path.exists():
        raise DataError(f"audio {path} is missing; rebuild the dataset or drop its row from the manifest")
    if sha256 and sha256_file(path) != sha256:
        raise DataError(f"audio {path} is not the file the manifest describes (SHA-256 differs); rebuild the manifest")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f"audio {path} cannot be read ({error}); replace the file or drop its row") from None
    if len(samples) < (expected_s - 0.05) * rate:
        found = len(samples) / rate
        raise DataError(f"audio {path} is truncated: {found:.2f} s of {expected_s:.2f} s; replace it or drop its row")
    waveform = samples.mean(axis=1)
    if not np.isfinite(waveform).all():
        raise DataError(f"audio {path} holds NaN or infinity; replace the file or drop its row")
    if is_silent(waveform):
        raise DataError(f"audio {path} is silent; drop its row from the manifest")
    return soxr.resample(waveform, rate, sample_rate, quality="VHQ") if rate != sample_rate else waveform


@dataclass(frozen=True)
class ClipStore:
    """Read access to a folder written by `build_clips`."""

    folder: Path
    table: pd.DataFrame  # manifest columns + start, n_samples; indexed by clip_id
    sample_rate: int
    root: Path  # folder of the manifest; frame folders are relative to it

    @classmethod
    def open(cls, folder: str | Path) -> ClipStore:
        """Open a store; DataError when it is absent or incomplete."""
        folder = Path(folder)
        info = read_json(folder / "clips.json")
        try:
            table = pd.read_csv(folder / "clips.csv", dtype={"clip_id": str, "video_id": str})
        except (OSError, ValueError) as error:
            raise _incomplete(folder / "clips.csv", error) from None
        table = table.set_index("clip_id", drop=False)
        return cls(folder, table, info["sample_rate"], (folder / info["root"]).resolve())

    @cached_property
    def _flat(self) -> np.ndarray:
        path = self.folder / "waveforms.npy"
        try:
            return np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise _incomplete(path, error) from None

    def row(self, clip_id: str) -> pd.Series:
        """Manifest row of a clip; DataError when unknown."""
        try:
            return self.table.loc[clip_id]
        except KeyError:
            raise DataError(f"clip {clip_id!r} is not in {self.folder / 'clips.csv'}") from None

    def waveform(self, clip_id: str) -> np.ndarray:
        """Float32 samples of a clip, shape (n_samples,)."""
        row = self.row(clip_id)
        return np.asarray(self._flat[row.start : row.start + row.n_samples])

    def crop(self, clip_id: str, start: int, n_samples: int) -> np.ndarray:
        """`n_samples` samples from `start`; DataError when the clip does not reach that far (never zero-padded)."""
        row = self.row(clip_id)
        if start < 0 or start + n_samples > row.n_samples:
            raise DataError(
                f"clip {clip_id!r} has {row.n_samples} samples; {start}..{start + n_samples} were asked for"
            )
        return np.asarray(self._flat[row.start + start : row.start + start + n_samples])

    def frame_path(self, clip_id: str, index: int) -> Path:
        """Path of frame `index` (0-based) of a clip."""
        return self.root / self.row(clip_id).frames / f"{index + 1:06d}.jpg"


def _incomplete(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read ({error}); delete {path.parent} and run `make figures`, which writes it")


def build_clips(manifest: Path, sample_rate: int, out: Path) -> Path:
    """Decode every clip of a manifest into `out`; ``clips.json`` is written last and makes the store complete."""
    table = read_manifest(manifest)
    waveforms = [
        read_audio(manifest.parent / row.audio, sample_rate, row.duration_s, row.sha256) for row in table.itertuples()
    ]
    lengths = np.array([len(w) for w in waveforms])
    table["start"], table["n_samples"] = np.cumsum(lengths) - lengths, lengths
    out.mkdir(parents=True, exist_ok=True)
    (out / "clips.json").unlink(missing_ok=True)  # an interrupted rebuild must not pass for the previous one
    with atomic_path(out / "waveforms.npy") as path:
        np.save(path, np.concatenate(waveforms))
    with atomic_path(out / "clips.csv") as path:
        table.to_csv(path, index=False)
    root = os.path.relpath(manifest.parent.resolve(), out.resolve())
    write_json(out / "clips.json", {"sample_rate": sample_rate, "root": root, "n_clips": len(table)})
    return out / "clips.json"


def main() -> None:
    """Command line: decode all clips of a manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--sample-rate", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    build_clips(arguments.manifest, arguments.sample_rate, arguments.out)


if __name__ == "__main__":
    run_main(main)
