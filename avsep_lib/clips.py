"""Decoded clips at the profile's sample rate: every file is read, checked and resampled exactly once.

``python -m avsep_lib.clips --manifest M --sample-rate HZ --out DIR`` writes ``waveforms.npy`` (float32, all clips one
after the other) and ``clips.csv`` (the manifest plus `start` and `n_samples`). Nothing downstream opens an audio file.
Memory does not grow with the number of clips: writing holds a few of them, reading maps the file.
"""

from __future__ import annotations

import argparse
import os
from contextlib import closing
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
from avsep_lib.jobs import in_order, with_progress
from avsep_lib.manifest import read_manifest
from avsep_lib.signals import is_silent
from avsep_lib.sound_files import read_sound
from avsep_lib.waveform_file import WaveformWriter


def read_audio(path: Path, sample_rate: int, expected_s: float, sha256: str = "") -> np.ndarray:
    """Mono float32 waveform at `sample_rate`, checked.

    Parameters
    ----------
    path : Path
        Any format that libsndfile or FFmpeg reads; channels are averaged.
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
    except soundfile.LibsndfileError:
        samples, rate = read_sound(path)  # FFmpeg reads more; what neither can read is a DataError
    if len(samples) < (expected_s - 0.05) * rate:
        found = len(samples) / rate
        raise DataError(f"audio {path} is truncated: {found:.2f} s of {expected_s:.2f} s; replace it or drop its row")
    waveform = samples.mean(axis=1)
    if not np.isfinite(waveform).all():
        raise DataError(f"audio {path} holds NaN or infinity; replace the file or drop its row")
    if is_silent(waveform):
        raise DataError(f"audio {path} is silent; drop its row from the manifest")
    return soxr.resample(waveform, rate, sample_rate, quality="VHQ") if rate != sample_rate else waveform


TEXT = dict.fromkeys(("clip_id", "video_id", "labels", "split", "audio", "frames", "sha256"), str)


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
            table = pd.read_csv(folder / "clips.csv", dtype=TEXT, keep_default_na=False)  # a class may be called NA
        except (OSError, ValueError) as error:
            raise _incomplete(folder / "clips.csv", error) from None
        table = table.set_index("clip_id", drop=False)
        return cls(folder, table, info["sample_rate"], (folder / info["root"]).resolve())

    @cached_property
    def _flat(self) -> np.ndarray:
        path = self.folder / "waveforms.npy"
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise _incomplete(path, "it is no array of numbers" if "allow_pickle" in str(error) else error) from None
        if not isinstance(found, np.ndarray):
            raise _incomplete(path, "it is an archive of arrays")
        return found

    @cached_property
    def _spans(self) -> tuple[np.ndarray, np.ndarray]:
        """First sample and number of samples of every clip: a crop must not cost a look-up of a whole row."""
        return self.table.start.to_numpy(int), self.table.n_samples.to_numpy(int)

    def position(self, clip_id: str) -> int:
        """Row number of a clip in the table; DataError when unknown."""
        try:
            return self.table.index.get_loc(clip_id)
        except KeyError:
            raise DataError(f"clip {clip_id!r} is not in {self.folder / 'clips.csv'}") from None

    def row(self, clip_id: str) -> pd.Series:
        """Manifest row of a clip; DataError when unknown."""
        return self.table.iloc[self.position(clip_id)]

    def n_samples(self, clip_id: str) -> int:
        """Samples of a clip."""
        return int(self._spans[1][self.position(clip_id)])

    def waveform(self, clip_id: str) -> np.ndarray:
        """Float32 samples of a clip, shape (n_samples,)."""
        return self.crop(clip_id, 0, self.n_samples(clip_id))

    def crop(self, clip_id: str, start: int, n_samples: int) -> np.ndarray:
        """`n_samples` samples from `start`; DataError when the clip does not reach that far (never zero-padded)."""
        (starts, lengths), i = self._spans, self.position(clip_id)
        if start < 0 or start + n_samples > lengths[i]:
            raise DataError(f"clip {clip_id!r} has {lengths[i]} samples; {start}..{start + n_samples} were asked for")
        return np.asarray(self._flat[starts[i] + start : starts[i] + start + n_samples])

    def frame_path(self, clip_id: str, index: int) -> Path:
        """Path of frame `index` (0-based) of a clip."""
        return self.root / self.row(clip_id).frames / f"{index + 1:06d}.jpg"


def _incomplete(path: Path, error: Exception | str) -> DataError:
    return DataError(f"{path} cannot be read ({error}); delete {path.parent} and run `make figures`, which writes it")


def build_clips(manifest: Path, sample_rate: int, out: Path, workers: int = 1) -> Path:
    """Decode every clip of a manifest into `out`; ``clips.json`` is written last and makes the store complete.

    A killed job goes on after its last clip, where the manifest has hashes of the audio files.

    Parameters
    ----------
    manifest : Path
    sample_rate : int
        In Hz.
    out : Path
    workers : int
        Decoding threads; the files are the same for any number.

    Raises
    ------
    DataError
        From `read_manifest` or `read_audio`.
    """
    table = read_manifest(manifest)

    def decode(row: tuple) -> np.ndarray:
        return read_audio(manifest.parent / row.audio, sample_rate, row.duration_s, row.sha256)

    keys = [f"{row.sha256} {row.duration_s} {sample_rate}" if row.sha256 else "" for row in table.itertuples()]
    with closing(WaveformWriter(out / "waveforms.npy", keys)) as writer:
        left = table.iloc[len(writer.lengths) :]
        for waveform in with_progress(in_order(decode, left.itertuples(), workers), len(left), "clips"):
            writer.append(waveform)
        (out / "clips.json").unlink(missing_ok=True)  # from here on an interrupted rebuild must not pass for complete
        writer.finish()
    lengths = np.array(writer.lengths, dtype=np.int64)
    table["start"], table["n_samples"] = np.cumsum(lengths) - lengths, lengths
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
    parser.add_argument("--workers", type=int, default=1, help="decoding threads")
    arguments = parser.parse_args()
    build_clips(arguments.manifest, arguments.sample_rate, arguments.out, arguments.workers)


if __name__ == "__main__":
    run_main(main)
