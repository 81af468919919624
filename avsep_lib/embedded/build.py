"""Write the embedded dataset: clips in parallel, manifest last."""

from __future__ import annotations

import csv
import multiprocessing
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from avsep_lib.embedded.catalogue import instrument
from avsep_lib.embedded.performance import Performance, perform
from avsep_lib.embedded.plan import Clip, mp4_clips, plan_clips
from avsep_lib.embedded.settings import EmbeddedSettings
from avsep_lib.errors import ConfigError
from avsep_lib.files import atomic_path, sha256_file, write_json, writing
from avsep_lib.settings import to_dict

JPEG_QUALITY = 90
FOLDERS = ("audio", "frames", "video")
MARKER = "settings.json"  # a folder with this file is ours to clear


def build_dataset(settings: EmbeddedSettings, out: str | Path, workers: int = 1) -> Path:
    """Render the whole dataset into the folder `out`.

    The manifest is written last and atomically: a folder without ``manifest.csv`` is an unfinished build. The files are
    the same to the byte for any number of workers.

    Parameters
    ----------
    settings : EmbeddedSettings
        What to render.
    out : path
        Folder; a previous build in it is replaced.
    workers : int
        Processes; 1 renders in this one.

    Returns
    -------
    Path
        ``out/manifest.csv``.

    Raises
    ------
    ConfigError
        If `workers` is below 1, or `out` holds folders that are not from a previous build.
    DataError
        If the SoundFont is missing, unreadable or lacks a preset.
    """
    if workers < 1:
        raise ConfigError(f"workers is {workers}; use at least 1")
    out = Path(out)
    settings.soundfont_path()
    _prepare(settings, out)
    clips = plan_clips(settings)
    as_mp4 = mp4_clips(clips, settings.n_mp4)
    build = partial(build_clip, settings=settings, out=out, as_mp4=as_mp4)
    rows = list(_with_progress(_map(build, clips, workers), len(clips)))
    _write_csv(out / "provenance.csv", [provenance for _, provenance in rows])
    _write_csv(out / "manifest.csv", [row for row, _ in rows])
    return out / "manifest.csv"


def build_clip(clip: Clip, settings: EmbeddedSettings, out: Path, as_mp4: set[str]) -> tuple[dict, dict]:
    """Render one clip to disk; return its manifest row and its provenance row."""
    performance = perform(clip, settings)
    audio, frames = f"audio/{clip.clip_id}.wav", f"frames/{clip.clip_id}"
    write_wav(out / audio, performance.sound, settings.sample_rate)
    write_frames(out / frames, performance.frames())
    if clip.clip_id in as_mp4:
        from avsep_lib.video import encode_video

        pictures = np.stack(list(performance.frames()))
        encode_video(out / f"video/{clip.clip_id}.mp4", pictures, settings.fps, performance.sound, settings.sample_rate)
    row = {
        "clip_id": clip.clip_id,
        "video_id": clip.clip_id,
        "labels": "|".join(clip.labels),
        "split": clip.split,
        "audio": audio,
        "frames": frames,
        "n_frames": settings.n_frames,
        "fps": settings.fps,
        "sample_rate": settings.sample_rate,
        "duration_s": round(settings.n_samples / settings.sample_rate, 6),
        "sha256": sha256_file(out / audio),
    }
    return row, _provenance(clip, performance)


def write_wav(path: Path, sound: np.ndarray, sample_rate: int) -> None:
    """Write mono 16-bit PCM."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path):
        soundfile.write(path, np.round(sound * 32767).astype(np.int16), sample_rate, subtype="PCM_16")


def write_frames(folder: Path, frames: Iterator[np.ndarray]) -> None:
    """Write ``000001.jpg``, ``000002.jpg`` and so on."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, start=1):
        path = folder / f"{number:06d}.jpg"
        with writing(path):
            Image.fromarray(frame).save(path, quality=JPEG_QUALITY)


def _provenance(clip: Clip, performance: Performance) -> dict:
    piece, recording = performance.piece, performance.recording
    stand_ins = [f"{name}: {instrument(name).stand_in}" for name in clip.labels if instrument(name).stand_in]
    return {
        "clip_id": clip.clip_id,
        "split": clip.split,
        "labels": "|".join(clip.labels),
        "programs": "|".join(map(str, performance.programs)),
        "presets": "|".join(performance.presets),
        "keys": "|".join(f"{min(keys)}-{max(keys)}" for keys in performance.keys),
        "n_notes": "|".join(str(len(keys)) for keys in performance.keys),
        "tonic": piece.tonic,
        "scale": piece.scale,
        "tempo_bpm": round(piece.tempo, 3),
        "rt60_s": round(recording.rt60, 3),
        "tilt_db_per_octave": round(recording.tilt_db, 3),
        "noise_db": round(recording.noise_db, 2),
        "level_dbfs": round(recording.level_dbfs, 2),
        "melody_seed": clip.seed("melody"),
        "recording_seed": clip.seed("recording"),
        "drawing_seed": clip.seed("drawing"),
        "stand_in": "; ".join(stand_ins),
    }


def _prepare(settings: EmbeddedSettings, out: Path) -> None:
    """Clear what an earlier build left, manifest first, and mark the folder as ours."""
    foreign = [name for name in FOLDERS if (out / name).exists() and not (out / MARKER).exists()]
    if foreign:
        raise ConfigError(f"{out} already holds {', '.join(foreign)} from elsewhere; name an empty folder with --out")
    for name in ("manifest.csv", "provenance.csv"):
        (out / name).unlink(missing_ok=True)
    for name in FOLDERS:
        shutil.rmtree(out / name, ignore_errors=True)
    write_json(out / MARKER, to_dict(settings) | {"soundfont_sha256": sha256_file(settings.soundfont_path())})


def _map(build: partial, clips: list[Clip], workers: int) -> Iterator[tuple[dict, dict]]:
    """Results in the order of `clips`, whatever process renders them."""
    if workers == 1:
        yield from map(build, clips)
        return
    # Fresh interpreters, not forks: a parent that has started threads (torch, BLAS) cannot be forked safely.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        yield from pool.map(build, clips, chunksize=4)


def _end_with_parent() -> None:
    """Let a worker end when the build is killed; it would wait for work for ever."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _with_progress(results: Iterator[tuple[dict, dict]], total: int) -> Iterator[tuple[dict, dict]]:
    for done, result in enumerate(results, start=1):
        if done % 50 == 0 or done == total:
            print(f"embedded dataset: {done}/{total} clips", file=sys.stderr, flush=True)
        yield result


def _write_csv(path: Path, rows: list[dict]) -> None:
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
