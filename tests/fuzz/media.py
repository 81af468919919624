"""Kinds of input that are sounds, pictures, videos and tensors, and whole folders of them."""

# ruff: noqa: PT018 - assertions are what the oracle says, not a test's last words

from __future__ import annotations

import dataclasses
import functools
import json
import math
import shutil
import struct
import tempfile
import zlib
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import soundfile
from PIL import Image
from recorded_fixture import melody, pictures, write_frames, write_video

from avsep_lib.clips import read_audio
from avsep_lib.encoders.files import read_header
from avsep_lib.encoders.frames import decode_frame, read_bytes
from avsep_lib.encoders.store import EmbeddingStore, Entry, write_store
from avsep_lib.encoders.weights import load_strict, read_weights, save_weights
from avsep_lib.errors import DataError
from avsep_lib.explorer.uploads import _read as read_upload
from avsep_lib.pictures import load_frame
from avsep_lib.recorded import build
from avsep_lib.recorded.decoding import Decoding
from avsep_lib.recorded.inspection import inspect_items
from avsep_lib.recorded.measure import measure_frames, measure_sound
from avsep_lib.recorded.media import Task, decode_task
from avsep_lib.recorded.settings import PROBLEMS, RecordedSettings
from avsep_lib.separation.footage import Crop, read_crops
from avsep_lib.separation.footage import read_sound as read_track
from avsep_lib.separation.inputs import read_image, read_recording
from avsep_lib.training_data import load_features
from avsep_lib.video import decode_video
from fuzz.mutate import FILE_STATES, spoiled, spoiled_file, spoiled_tree
from fuzz.watch import Case, Kind

RATE, SECONDS, FPS, SIZE = 16_000, 1.5, 8, (48, 64)  # height, width
WANTED = 11_625  # Hz
SUFFIXES = ("wav", "flac", "ogg", "mp3")


_KEPT: list[tempfile.TemporaryDirectory] = []


def _folder() -> Path:
    """A folder that lasts as long as this process."""
    _KEPT.append(tempfile.TemporaryDirectory(prefix="good-inputs-"))
    return Path(_KEPT[-1].name)


@functools.cache
def base() -> Path:
    """Sound files, pictures, videos and tensors in order, made once per process."""
    folder = _folder()
    sound = melody(1, SECONDS, RATE)
    for suffix in SUFFIXES:
        soundfile.write(folder / f"a.{suffix}", sound, RATE)
    soundfile.write(folder / "float.wav", np.stack([sound, 0.5 * sound], axis=1), RATE, subtype="FLOAT")
    frames = pictures(round(SECONDS * FPS), *SIZE)
    for suffix in ("jpg", "png"):
        Image.fromarray(_scene()).save(folder / f"a.{suffix}")
    for suffix in ("mp4", "mkv", "webm"):
        write_video(folder / f"a.{suffix}", frames, _at(sound, 48_000 if suffix == "webm" else RATE),
                    rate=48_000 if suffix == "webm" else RATE)  # fmt: skip
    write_video(folder / "mute.mp4", frames, None)
    write_video(folder / "blind.mp4", None, sound)
    write_video(folder / "late.mp4", frames, sound, sound_at=0.4)
    write_video(folder / "turned.mp4", frames, sound, rotation=90)
    write_video(folder / "fast.mp4", frames, sound, times=[i / 1000 for i in range(len(frames))])
    write_video(folder / "slow.mkv", frames[:3], sound, times=[0, 1000, 100_000])
    write_video(folder / "short.mp4", frames[:1], sound[:200])
    return folder


def _scene() -> np.ndarray:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.stack([4 * x, 5 * y, 2 * (x + y)], axis=-1).astype(np.uint8)


def _at(sound: np.ndarray, rate: int) -> np.ndarray:
    return np.interp(np.arange(round(SECONDS * rate)) / rate, np.arange(len(sound)) / RATE, sound).astype(np.float32)


def _spoil(path: Path, rng: Random, head: int = 0) -> str:
    """Spoil the bytes of a file, mostly, or put something else in its place."""
    if rng.random() < 0.08:
        state = rng.choice(FILE_STATES)
        spoiled_file(path, state)
        return state
    what, data = spoiled(path.read_bytes(), rng)
    path.write_bytes(data)
    return what


# Sounds


def wav(sound: np.ndarray, **lies: int) -> bytes:
    """A 16-bit WAV whose header says what `lies` say: rate, channels, bits, align, tag, data, riff."""
    data = (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()
    said = {
        "tag": 1,
        "channels": 1,
        "rate": RATE,
        "bits": 16,
        "align": 2,
        "data": len(data),
        "riff": 36 + len(data),
    } | lies
    form = struct.pack(
        "<HHIIHH", said["tag"], said["channels"], said["rate"], (said["rate"] * 2) % 2**32, said["align"], said["bits"]
    )
    return (
        b"RIFF"
        + struct.pack("<I", said["riff"])
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", said["data"])
        + data
    )


# Lies of a WAV's header, and whether they can be accepted.
WAV_LIES: list[tuple[dict[str, int], str]] = [
    ({"rate": 0}, "refuse"), ({"rate": 1}, "refuse"), ({"rate": 100}, "refuse"), ({"rate": 2**31}, "refuse"),
    ({"rate": 2**32 - 1}, "refuse"), ({"rate": 2**31 - 1}, "refuse"), ({"rate": 2_000_000}, "refuse"),
    ({"channels": 0}, "refuse"), ({"channels": 65535}, "refuse"), ({"channels": 255, "align": 510}, "any"),
    ({"channels": 65535, "align": 65535}, "refuse"), ({"channels": 2, "align": 4}, "any"),
    ({"bits": 0}, "refuse"), ({"bits": 1}, "any"), ({"bits": 7}, "any"), ({"bits": 64}, "any"), ({"bits": 65535}, "any"),
    ({"align": 0}, "any"), ({"align": 65535}, "any"), ({"tag": 0}, "any"), ({"tag": 3}, "any"), ({"tag": 0xFFFE}, "any"),
    ({"tag": 0x55}, "any"), ({"tag": 2}, "any"), ({"tag": 0x31}, "any"), ({"tag": 7}, "any"),
    ({"data": 2**31}, "any"), ({"data": 2**32 - 1}, "any"), ({"data": 0}, "any"), ({"data": 3}, "any"),
    ({"riff": 2**31}, "refuse"), ({"riff": 0}, "any"), ({"riff": 10**6}, "refuse"), ({"riff": 4}, "any"),
]  # fmt: skip


def _write_sound(path: Path, suffix: str, rng: Random) -> tuple[Path, str, str]:
    """A spoiled sound file: its path, what was done, and what must follow."""
    how = rng.choice(["bytes"] * 6 + ["lie"] * 3 + ["samples"] * 2 + ["name", "same"])
    if suffix != "wav" and how in ("lie", "samples"):
        how = "bytes"
    path = path.with_suffix(f".{suffix}")
    if how == "lie":
        lies, must = rng.choice(WAV_LIES)
        path.write_bytes(wav(melody(1, SECONDS, RATE), **lies))
        return path, f"header says {lies}", must
    if how == "samples":
        return path, *_bad_samples(path, rng)
    shutil.copy(base() / f"a.{suffix}", path)
    if how == "same":
        return path, "untouched", "accept"
    if how == "name":
        path = path.rename(path.with_suffix(rng.choice([".txt", ".mp4", "", ".WAV", ".jpg", ".mp3"])))
        return path, f"called {path.name}", "any"
    what = _spoil(path, rng)
    return path, what, "refuse" if what in FILE_STATES else "any"


def _bad_samples(path: Path, rng: Random) -> tuple[str, str]:
    sound = np.stack([melody(1, SECONDS, RATE)] * 2, axis=1).astype(np.float64)
    how = rng.choice(["nan", "inf", "huge", "one sample", "no sample", "silent", "opposite", "8 channels"])
    at = rng.randrange(len(sound))
    if how in ("nan", "inf", "huge"):
        sound[at, 0] = {"nan": np.nan, "inf": -np.inf, "huge": 1e38}[how]
    sound = {"one sample": sound[:1], "no sample": sound[:0], "silent": 0 * sound, "8 channels": np.tile(sound, 4)}.get(
        how, sound
    )
    if how == "opposite":
        sound[:, 1] *= -1
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    return how, "any" if how in ("huge", "8 channels", "one sample") else "refuse"


def _measured(path: Path) -> dict:
    """As the audit of a recorded dataset does; what it finds unusable is a refusal with its reason."""
    measures, findings = measure_sound(path)
    if findings:
        raise DataError(f"{path.name}: {'; '.join(filter(None, findings.values()))}")
    return measures


def _check_measures(found: dict) -> None:
    assert 0 < found["duration_s"] < 1000, f"{found['duration_s']} s"
    assert 1000 <= found["sample_rate"] <= 1_000_000, f"{found['sample_rate']} Hz"
    assert found["channels"] >= 1 and not found["silent"] and not found["not_finite"], f"{found}"
    assert all(math.isfinite(found[k]) for k in ("level_dbfs", "peak", "clipped_share")), f"{found}"
    assert 0 <= found["clipped_share"] <= 1 and len(found["sha256"]) == 64, f"{found}"


def _check_waveform(samples: np.ndarray) -> None:
    assert samples.dtype == np.float32 and samples.ndim == 1, f"{samples.dtype} {samples.shape}"
    assert 0 < len(samples) < 100 * WANTED, f"{len(samples)} samples"
    assert np.isfinite(samples).all() and np.abs(samples).sum() > 0, "not finite or silent"


def _check_recording(recording: Any) -> None:
    samples = recording.samples
    assert samples.dtype == np.float32 and samples.ndim == 2 and samples.size, f"{samples.dtype} {samples.shape}"
    assert np.isfinite(samples).all(), "not finite"
    assert 1000 <= recording.sample_rate <= 1_000_000 and math.isfinite(recording.start_s), f"{recording.sample_rate}"


def _sound(suffix: str, folder: Path, rng: Random) -> Case:
    path, what, must = _write_sound(folder / "sound", suffix, rng)
    reader = rng.choice(["measure", "clip", "recording", "upload"])
    if must == "refuse" and what == "no sample" and reader == "clip":
        reader = "measure"
    read, check = {
        "measure": (lambda: _measured(path), _check_measures),
        "clip": (lambda: read_audio(path, WANTED, 0.1), _check_waveform),
        "recording": (lambda: read_recording(path), _check_recording),
        "upload": (lambda: read_upload((f"../../{path.name}", _content(path)), read_recording), _check_recording),
    }[reader]
    if "riff" in what and reader in ("recording", "upload"):
        must = "any"  # of one's own recording, what is there is taken
    if what == "one sample":
        must = "any" if reader in ("recording", "upload", "measure") else "refuse"
    return Case(f"{reader}: {what}", read, (path.name,), check, must)


def _content(path: Path) -> bytes:
    """What a browser would send of a file; nothing where there is none."""
    return path.read_bytes() if path.is_file() else b""


# Pictures


def png(width: int, height: int, data: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG (grey, 8 bit) that says it has this size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*c) for c in more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@functools.cache
def _bomb() -> bytes:
    """A PNG of 400 million black pixels in 400 KB."""
    packer = zlib.compressobj(9)
    return b"".join([packer.compress(bytes(20_001)) for _ in range(20_000)]) + packer.flush()


def _picture_lie(path: Path, rng: Random) -> tuple[str, str]:
    how = rng.choice(
        [
            "65535 x 65535",
            "0 x 0",
            "2**31",
            "bomb",
            "text bomb",
            "EPS",
            "SVG",
            "GIF",
            "RGBA",
            "16 bit",
            "CMYK",
            "one pixel",
            "exif",
            "TIFF",
        ]
    )
    jpeg = (base() / "a.jpg").read_bytes()
    at = jpeg.index(b"\xff\xc0") + 5
    sizes = {"65535 x 65535": (65535, 65535), "0 x 0": (0, 0), "2**31": (2**31 - 1, 2**31 - 1)}
    if how in sizes and path.suffix == ".jpg":
        path.write_bytes(jpeg[:at] + struct.pack(">HH", *(min(n, 65535) for n in sizes[how])) + jpeg[at + 4 :])
    elif how in sizes:
        path.write_bytes(png(*sizes[how], zlib.compress(bytes(1000))))
    elif how == "bomb":
        path.write_bytes(png(20_000, 20_000, _bomb()))
    elif how == "text bomb":
        path.write_bytes(png(1, 1, zlib.compress(b"\0\0"), (b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000)))))
    elif how == "EPS":
        path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    elif how == "SVG":
        path.write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>')
    elif how == "exif":
        exif = b"Exif\0\0MM\0*\0\0\0\x08" + bytes(rng.randrange(256) for _ in range(60))
        path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])
        return how, "any"
    else:
        scene = Image.fromarray(_scene())
        kinds = {"RGBA": ("PNG", scene.convert("RGBA")), "16 bit": ("PNG", Image.fromarray(np.full(SIZE, 300, np.uint16))),
                 "CMYK": ("JPEG", scene.convert("CMYK")), "one pixel": ("PNG", scene.resize((1, 1))), "GIF": ("GIF", scene),
                 "TIFF": ("TIFF", scene)}  # fmt: skip
        format, picture = kinds[how]
        with path.open("wb") as stream:
            picture.save(stream, format)
        return how, "accept"
    return how, "any" if how == "text bomb" else "refuse"


def _folder_measured(folder: Path) -> dict:
    measures, findings = measure_frames(folder)
    if findings:
        raise DataError("; ".join(findings.values()))
    return measures


def _check_picture(array: np.ndarray) -> None:
    assert array.dtype == np.uint8 and array.ndim == 3 and 3 in (array.shape[0], array.shape[-1]), (
        f"{array.dtype} {array.shape}"
    )
    assert 0 < array.size < 4e8, f"{array.size} values"


def _check_frames(found: dict) -> None:
    assert found["n_frames"] == 2 and min(found["width"], found["height"]) >= 1, f"{found}"


def _picture(suffix: str, folder: Path, rng: Random) -> Case:
    path = folder / "pictures" / ("000002.jpg" if suffix == "jpg" else "000002.png")
    path.parent.mkdir()
    shutil.copy(base() / f"a.{suffix}", path)
    must = "any"
    how = rng.random()
    if how < 0.35:
        what, must = _picture_lie(path, rng)
    elif how < 0.4:
        what, must = "untouched", "accept"
    else:
        what = _spoil(path, rng)
        must = "refuse" if what in FILE_STATES else "any"
    reader = rng.choice(["frame", "image", "load", "upload"] + (["measure"] * 2 if suffix == "jpg" else []))
    first = Image.open(base() / "a.jpg")
    if reader == "measure" and what in ("one pixel",):
        must = "any"  # of another size than the first
    first.save(path.with_name("000001.jpg"))
    store = SimpleNamespace(frame_path=lambda clip_id, frame: path)
    read, check = {
        "frame": (lambda: decode_frame(read_bytes(path), path), _check_picture),
        "image": (lambda: read_image(path), _check_picture),
        "load": (lambda: load_frame(store, "clip0", 1, 32), _check_picture),
        "upload": (lambda: read_upload((f"../{path.name}", _content(path)), read_image), _check_picture),
        "measure": (lambda: _folder_measured(path.parent), _check_frames),
    }[reader]
    return Case(f"{reader}: {what}", read, (path.name, "pictures"), check, must)


# Videos

OTHERS = {"mute.mp4": "refuse", "blind.mp4": "refuse", "late.mp4": "accept", "turned.mp4": "accept", "fast.mp4": "any",
          "slow.mkv": "any", "short.mp4": "any"}  # fmt: skip
PLAYLISTS = {
    "an HLS playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{good}\n#EXT-X-ENDLIST\n",
    "an ffconcat script": "ffconcat version 1.0\nfile '{name}'\n",
    "an HLS playlist of the network": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    "an SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
}


def _write_video(path: Path, rng: Random) -> tuple[str, str]:
    how = rng.random()
    if how < 0.12:
        name = rng.choice(list(OTHERS))
        shutil.copy(base() / name, path)
        return name, OTHERS[name]
    if how < 0.18:
        what = rng.choice(list(PLAYLISTS))
        shutil.copy(base() / "a.mp4", path.with_name("other.mp4"))
        path.write_text(PLAYLISTS[what].format(good=path.with_name("other.mp4"), name="other.mp4"))
        return what, "refuse"
    shutil.copy(base() / f"a{path.suffix}", path)
    if how < 0.22:
        return "untouched", "accept"
    if how < 0.4 and path.suffix == ".mp4":
        return _atom_lie(path, rng), "any"
    what = _spoil(path, rng)
    return what, "refuse" if what in FILE_STATES else "any"


def _atom_lie(path: Path, rng: Random) -> str:
    """Change a number in one of the tables of an MP4: rates, durations, sizes, offsets, counts."""
    data = bytearray(path.read_bytes())
    atom = rng.choice(
        [
            b"mvhd",
            b"tkhd",
            b"mdhd",
            b"stts",
            b"stsc",
            b"stsz",
            b"stco",
            b"elst",
            b"avc1",
            b"mp4a",
            b"esds",
            b"avcC",
            b"ctts",
        ]
    )
    places = [i for i in range(len(data) - 4) if data[i : i + 4] == atom]
    if not places:
        return f"no {atom.decode()}"
    at = rng.choice(places) + 4 + 4 * rng.randrange(1, 10)
    value = rng.choice([0, 1, 2, 255, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1])
    data[at : at + 4] = struct.pack(">I", value)
    path.write_bytes(data)
    return f"{atom.decode()} + {at % 64}: {value}"


def _decoded(path: Path, media: Path) -> dict:
    media.mkdir()
    found = decode_task(Task(str(path), "", Decoding(FPS, RATE, 32), str(media)))
    if found.problem:
        assert found.problem in PROBLEMS and not found.folder, f"{found}"
        raise DataError(f"{path.name}: {found.detail}" if found.detail else "no reason")
    return {"folder": Path(found.folder)} | json.loads((Path(found.folder) / "media.json").read_text())


def _check_decoded(found: dict) -> None:
    info = soundfile.info(found["folder"] / "audio.flac")
    assert info.samplerate == RATE and info.channels == 1 and info.frames > 0, f"{info}"
    assert abs(info.frames / RATE - found["duration_s"]) < 1e-3 and found["duration_s"] < 1000, f"{found}"
    assert 1 <= found["n_frames"] <= found["duration_s"] * FPS + 1, (
        f"{found['n_frames']} pictures for {found['duration_s']} s"
    )
    names = sorted(p.name for p in found["folder"].glob("*.jpg"))
    assert names == [f"{i + 1:06d}.jpg" for i in range(found["n_frames"])], f"{names}"


def _check_video(found: tuple[np.ndarray, np.ndarray]) -> None:
    frames, sound = found
    assert frames.dtype == np.uint8 and frames.ndim == 4 and frames.shape[-1] == 3 and len(frames), f"{frames.shape}"
    assert sound.ndim == 1 and len(sound) and np.isfinite(sound).all(), f"{sound.shape}"


def _check_crops(found: list[np.ndarray]) -> None:
    for part in found:
        assert part.dtype == np.uint8 and part.shape[0] == 3 and part.shape[-1] == 3 and part.size, f"{part.shape}"


def _check_track(found: tuple) -> None:
    samples, rate, begin = found
    assert samples.dtype == np.float32 and samples.ndim == 2, f"{samples.shape}"
    assert rate > 0 and math.isfinite(begin) and len(samples) < 1000, f"{rate} Hz from {begin}"


def _video(suffix: str, folder: Path, rng: Random) -> Case:
    path = folder / f"video.{suffix}"
    what, must = _write_video(path, rng)
    reader = rng.choice(["decode", "decode", "decode", "whole", "crops", "track", "recording"])
    if (what, reader) in (("mute.mp4", "crops"), ("blind.mp4", "track"), ("blind.mp4", "recording")):
        must = "accept"
    crop = Crop.parse("0,0,0.5,1")
    read, check = {
        "decode": (lambda: _decoded(path, folder / "media"), _check_decoded),
        "whole": (lambda: decode_video(path, FPS, RATE), _check_video),
        "crops": (lambda: read_crops(path, [crop], [0.1, 0.5, 0.9]), _check_crops),
        "track": (lambda: read_track(path), _check_track),
        "recording": (lambda: read_recording(path), _check_recording),
    }[reader]
    if reader == "track" and what in ("a pipe", "empty", "unreadable"):
        must, read, check = (
            "any",
            (lambda: read_recording(path)),
            _check_recording,
        )  # its caller looks at the file first
    return Case(f"{reader}: {what}", read, (path.name,), check, must)


# Tensors


@functools.cache
def tensors() -> Path:
    """Small safetensors files of every sort."""
    import torch
    from safetensors.torch import save_file

    from avsep_lib.methods.registry import network_class
    from avsep_lib.models.separator import Separator
    from avsep_lib.settings import AudioSettings, ModelSettings, RunConfig, TrainingSettings, to_dict

    folder = _folder()
    rng = np.random.default_rng(0)
    save_weights(folder / "weights.safetensors", _network())
    rows = [Entry(f"clip{i}", rng.standard_normal((i + 1, 512)).astype(np.float32), f"key{i}") for i in range(3)]
    write_store(folder / "store.safetensors", "images", "encoder", rows)
    save_file({"mixture": torch.zeros(3, 1, 4, 4), "teacher": torch.ones(3, 512)}, folder / "features.safetensors")
    config = RunConfig(
        "tiny-s0", 0, True, AudioSettings(8000, 2047, 256, 128, 16),
        ModelSettings(channels=(4, 8, 16), n_maps=4, embedding_dim=16, mid_dim_hierarchical=16, frame_size=32),
        TrainingSettings(steps=4, batch_size=4),
    )  # fmt: skip
    state = {k: v.contiguous() for k, v in Separator(config.model).state_dict().items()}
    save_file(state, folder / "run.safetensors", {"config": json.dumps(to_dict(config))})
    header = {"runs": [["late-s0", "late", 0]], "items": {"solos": {"item": ["a", "b"], "split": ["train", "test"]}}}
    save_file({"late-s0/solos": torch.zeros(2, 8)}, folder / "latents.safetensors", {"latents": json.dumps(header)})
    config, classes = dataclasses.replace(config, run_id="label-s0", method="label_sep", options={}), ("bell", "flute")
    state = {k: v.contiguous() for k, v in network_class("label_sep")(config, classes).state_dict().items()}
    save_file(state, folder / "learnt.safetensors", {"config": json.dumps(to_dict(config) | {"classes": classes})})
    header = {"item": ["a", "b"], "label": list(classes), "video": ["v", "w"]}
    header = {"run_id": "sgn-s0", "classes": classes, "items": header}
    vectors = {"grouped": torch.zeros(2, 8), "bottleneck": torch.ones(2, 4), "presence": torch.ones(2, 2)}
    save_file(vectors, folder / "sgn.safetensors", {"sgn_features": json.dumps(header)})
    return folder


def _network() -> Any:
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv1d(2, 3, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(4, 5))


def _parts(data: bytes) -> tuple[dict, bytes]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _joined(header: Any, data: bytes) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + data


def _spoiled_tensors(path: Path, rng: Random) -> tuple[str, str]:
    original = path.read_bytes()
    header, data = _parts(original)
    names = [name for name in header if name != "__metadata__"]
    how = rng.choice(
        ["bytes"] * 3
        + [
            "length",
            "entry",
            "entry",
            "metadata",
            "metadata",
            "extra",
            "missing",
            "nan",
            "tail",
            "pickle",
            "twice",
            "same",
        ]
    )
    if how == "bytes":
        what = _spoil(path, rng)
        return what, "refuse" if what in FILE_STATES else "any"
    if how == "length":
        length = rng.choice([0, 1, 2**31, 2**63, 2**64 - 1, 100_000_001, len(original), 7])
        path.write_bytes(length.to_bytes(8, "little") + original[8:])
        return f"a header of {length} bytes", "refuse"
    if how == "entry":
        name = rng.choice(names)
        key, value = rng.choice([
            ("dtype", "F64"), ("dtype", "F16"), ("dtype", "I8"), ("dtype", "BOOL"), ("dtype", "X9"), ("dtype", None),
            ("shape", [10**12]), ("shape", [-1]), ("shape", []), ("shape", [0]), ("shape", "x"), ("shape", [2**63, 2]), ("shape", None),
            ("data_offsets", [0, 10**12]), ("data_offsets", [8, 4]), ("data_offsets", [-4, 0]), ("data_offsets", [0]),
            ("data_offsets", [0, 0]), ("data_offsets", [1, 5]), ("data_offsets", None), ("data_offsets", [2**64, 2**65]),
        ])  # fmt: skip
        same = header[name][key] == value
        header[name] = header[name] | {key: value}
        path.write_bytes(_joined(header, data))
        return f"{name}.{key} = {value}", "any" if same else "refuse"
    if how == "metadata":
        return _spoiled_metadata(path, header, data, rng)
    if how == "extra":
        header["extra"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}
        path.write_bytes(_joined(header, data + bytes(4)))
        return "one tensor more", "any"
    if how == "missing":
        last = max(names, key=lambda n: header[n]["data_offsets"][1])
        data = data[: header[last]["data_offsets"][0]]
        del header[last]
        path.write_bytes(_joined(header, data))
        return f"without {last}", "any" if "features" in path.name else "refuse"
    if how == "nan":
        floats = [
            n
            for n in names
            if header[n]["dtype"] == "F32" and header[n]["data_offsets"][1] > header[n]["data_offsets"][0]
        ]
        at = header[rng.choice(floats)]["data_offsets"][0]
        value = struct.pack("<f", rng.choice([np.nan, np.inf, -np.inf]))
        path.write_bytes(_joined(header, data[:at] + value + data[at + 4 :]))
        return "a value that is not finite", "any" if "features" in path.name else "refuse"
    if how == "tail":
        path.write_bytes(original + bytes(rng.randint(1, 100)))
        return "bytes after the end", "refuse"
    if how == "pickle":
        import pickle

        path.write_bytes(pickle.dumps({"a": [1, 2]}))
        return how, "refuse"
    if how == "twice":
        text = json.dumps(header)[:-1] + f', "{names[0]}": {json.dumps(header[names[0]])}}}'
        path.write_bytes(len(text).to_bytes(8, "little") + text.encode() + data)
        return "a tensor named twice", "any"
    return "untouched", "accept"


def _spoiled_metadata(path: Path, header: dict, data: bytes, rng: Random) -> tuple[str, str]:
    """Of the JSON inside of the metadata, or of the metadata themselves."""
    metadata = header.get("__metadata__")
    if not metadata or rng.random() < 0.3:
        value = rng.choice([None, 1, [], {"x": 1}, {"index": "{"}, {"config": "[]", "latents": "1", "index": "null"}])
        header["__metadata__"] = value
        path.write_bytes(_joined(header, data))
        needed = "weights" not in path.name and "features" not in path.name
        return f"metadata {value}", "refuse" if needed else "any"
    (name, text), *_ = metadata.items()
    what, tree = spoiled_tree(json.loads(text), rng)
    header["__metadata__"] = {name: json.dumps(tree, skipkeys=True)}
    path.write_bytes(_joined(header, data))
    return f"metadata: {what}", "any"


def _read_store(path: Path) -> Any:
    store = EmbeddingStore.open(path)
    return store, {clip_id: store.frames(clip_id) for clip_id in store.clip_ids}


def _check_store(found: tuple) -> None:
    store, rows = found
    assert rows and isinstance(store.modality, str) and isinstance(store.encoder_key, str), "a store that says nothing"
    for clip_id, values in rows.items():
        assert values.dtype == np.float32 and values.ndim == 2 and values.shape[1] == 512 and len(values), (
            f"{clip_id} {values.shape}"
        )
        assert np.isfinite(values).all(), f"{clip_id} is not finite"
        assert isinstance(store.key(clip_id), str), f"key {store.key(clip_id)!r}"


def _read_network(path: Path) -> Any:
    network = _network()
    read_header(path, "Fetch it again.")
    load_strict(network, read_weights(path, "Fetch it again."), path, "Fetch it again.")
    return network


def _check_network(network: Any) -> None:
    import torch

    assert all(torch.isfinite(value).all() for value in network.state_dict().values()), "not finite"


def _check_run(method: Any) -> None:
    _check_network(method.model)
    assert method.config.run_id, "no run id"


def _read_latents(path: Path) -> Any:
    from avsep_lib.latents import Latents

    latents = Latents.open(path)
    return latents, {name: latents.vectors(name, "solos") for name in latents.runs.index}, latents.items("solos")


def _check_latents(found: tuple) -> None:
    _, vectors, items = found
    assert len(items) and vectors, "nothing"
    for name, values in vectors.items():
        assert values.ndim == 2 and len(values) == len(items) and np.isfinite(values).all(), f"{name} {values.shape}"


def _check_learnt(method: Any) -> None:
    _check_network(method.network)
    assert method.config.run_id and method.config.method == "label_sep", "another run"
    assert all(isinstance(name, str) for name in method.classes), f"classes {method.classes}"


def _read_sgn(path: Path) -> Any:
    from avsep_lib.sgn_features import SGNFeatures

    return SGNFeatures.open(path)


def _check_sgn(found: Any) -> None:
    assert isinstance(found.run_id, str) and len(found.items), "says nothing"
    assert set(found.items["label"]) <= set(found.classes), "a class that is none"
    for values in (found.grouped, found.bottleneck, found.presence):
        assert values.ndim == 2 and len(values) == len(found.items) and np.isfinite(values).all(), values.shape
    assert found.presence.shape[1] == len(found.classes), "presence of other classes"


def _check_features(found: dict) -> None:
    assert found, "nothing"  # values are not looked at when the file is mapped: training stops at a loss that is NaN


def _tensors(folder: Path, rng: Random) -> Case:
    sort = rng.choice(["weights", "weights", "store", "store", "features", "run", "latents", "learnt", "sgn"])
    path = folder / f"{sort}.safetensors"
    shutil.copy(tensors() / path.name, path)
    what, must = _spoiled_tensors(path, rng)

    def run() -> Any:
        from avsep_lib.methods.hfra import HFRA

        return HFRA.load(path)

    def learnt() -> Any:
        from avsep_lib.methods.registry import load_method

        return load_method(path)

    read, check = {
        "weights": (lambda: _read_network(path), _check_network),
        "store": (lambda: _read_store(path), _check_store),
        "features": (lambda: load_features(path), _check_features),
        "run": (run, _check_run),
        "latents": (lambda: _read_latents(path), _check_latents),
        "learnt": (learnt, _check_learnt),
        "sgn": (lambda: _read_sgn(path), _check_sgn),
    }[sort]
    return Case(f"{sort}: {what}", read, (path.name,), check, must)


# A whole dataset


@functools.cache
def dataset() -> Path:
    """Twelve recordings of three classes, in order."""
    folder = _folder()
    for i in range(12):
        label = ("flute", "violin", "tuba")[i % 3]
        (folder / "audio" / label).mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / "audio" / label / f"clip{i}.wav", melody(100 + i, SECONDS, RATE), RATE)
        write_frames(folder / "frames" / label / f"clip{i}", pictures(4, *SIZE))
    return folder


def _dataset(folder: Path, rng: Random) -> Case:
    """One recording of a dataset is bad; the audit must have a line for it, with the reason, and the others stay."""
    root = folder / "data"
    shutil.copytree(dataset(), root)
    number = rng.randrange(12)
    label = ("flute", "violin", "tuba")[number % 3]
    if rng.random() < 0.6:
        path = root / "audio" / label / f"clip{number}.wav"
        _, what, _ = _write_sound(path.with_suffix(""), "wav", rng)
    else:
        path = root / "frames" / label / f"clip{number}" / "000002.jpg"
        what = _spoil(path, rng) if rng.random() < 0.5 else _picture_lie(path, rng)[0]
    lines = [
        f"audio/{c}/clip{i}.wav,frames/{c}/clip{i},4" for i in range(12) for c in [("flute", "violin", "tuba")[i % 3]]
    ]
    (root / "all.csv").write_text("\n".join(lines) + "\n")
    out = folder / "out"

    def read() -> tuple[pd.DataFrame, pd.DataFrame]:
        settings = RecordedSettings("index", str(root), lists={"all": (str(root / "all.csv"),)}, fps=float(FPS))
        with mock.patch.object(
            build, "inspect_items", lambda items, known, media, workers: inspect_items(items, known, media, 0)
        ):
            build.build_recorded(settings, "own", 1.0, folder / "media", out)  # in this process, which is watched
        return pd.read_csv(out / "audit.csv", keep_default_na=False), pd.read_csv(out / "manifest.csv")

    def check(found: tuple[pd.DataFrame, pd.DataFrame]) -> None:
        audit, manifest = found
        assert len(audit) == 12, f"{len(audit)} lines in the audit"
        assert set(audit.clip_id[audit.status == "kept"]) == set(manifest.clip_id), "kept and not in the manifest"
        others = audit[audit.clip_id != f"clip{number}"]
        assert (others.status == "kept").all(), f"others are dropped: {others[others.status != 'kept'].detail.tolist()}"
        bad = audit[audit.clip_id == f"clip{number}"].iloc[0]
        assert bad.status == "kept" or (bad.reason in PROBLEMS and bad.detail), (
            f"dropped without a reason: {bad.to_dict()}"
        )
        assert np.isfinite(manifest[["n_frames", "fps", "sample_rate", "duration_s"]].to_numpy(float)).all(), (
            "not finite"
        )

    return Case(f"{path.relative_to(root)}: {what}", read, ("audit.csv", f"clip{number}"), check)


def _kinds() -> list[Kind]:
    found = [Kind(f"{suffix.upper()} sound", functools.partial(_sound, suffix)) for suffix in SUFFIXES]
    found += [Kind(f"{suffix.upper()} picture", functools.partial(_picture, suffix)) for suffix in ("jpg", "png")]
    found += [Kind(f"{suffix.upper()} video", functools.partial(_video, suffix)) for suffix in ("mp4", "mkv", "webm")]
    return [*found, Kind("safetensors", _tensors), Kind("recorded dataset", _dataset)]


KINDS = {kind.name: kind for kind in _kinds()}
