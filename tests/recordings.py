"""Datasets as they are found on disk, made from rendered performances, with flaws planted and counted.

`write_videos`, `write_index` and `write_list` write one dataset each in one of the three accepted formats, and return
what an audit has to find: the number of items, and of each problem.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from avsep_lib.embedded.performance import perform
from avsep_lib.embedded.plan import Clip
from avsep_lib.embedded.settings import EmbeddedSettings
from avsep_lib.video import encode_video

RATE, FPS, SIZE, SECONDS = 22_050, 8, 96, 4.0
# How the folders call what is played: a space, another script, and two plain names.
SPOKEN = {"flute": "flute", "acoustic_guitar": "electric guitar", "erhu": "二胡", "xylophone": "xylophone"}


@dataclass(frozen=True)
class Found:
    """What was written and what is wrong with it."""

    items: int
    problems: Counter  # by name of the policy
    yaml: Path


def settings() -> EmbeddedSettings:
    """Sizes of the rendered performances."""
    videos = dict.fromkeys(("train", "val", "test", "pretrain"), 2)
    return EmbeddedSettings(
        tuple(SPOKEN), videos, dict.fromkeys(("train", "val", "test"), 0), SECONDS, FPS, SIZE, RATE, n_mp4=0
    )


def performances(labels: tuple[str, ...], count: int):
    """(sound, pictures) of `count` different performances."""
    for index in range(count):
        performance = perform(Clip(labels, "train", index, 99), settings())
        yield performance.sound.astype(np.float32), np.stack(list(performance.frames()))


def write_videos(folder: Path, solos: int = 8, duets: int = 2) -> Found:
    """``videos/<label>/<id>.mp4``: real MP4 files with H.264 and AAC."""
    root, problems = folder / "videos", Counter()
    for name, label in SPOKEN.items():
        for index, (sound, pictures) in enumerate(performances((name,), solos)):
            _video(root / label / f"{name}{index}.mp4", pictures, sound)
    for index, (sound, pictures) in enumerate(performances(("flute", "xylophone"), duets)):
        _video(root / "flute xylophone" / f"duet{index}.mp4", pictures, sound)
    sound, pictures = next(performances(("flute",), 1))
    first = root / "flute" / "flute0.mp4"
    planted = {
        "silent": lambda path: _video(path, pictures, np.zeros_like(sound)),
        "too_short": lambda path: _video(path, pictures[:8], sound[:RATE]),
        "duplicate": lambda path: _video(path, pictures, 0.5 * sound),  # encoded again, and softer
        "unreadable": lambda path: path.write_bytes(first.read_bytes()[:2000]),
        "no_audio": lambda path: _mute(path, pictures),
    }
    for problem, write in planted.items():
        write(root / "flute" / f"planted_{problem}.mp4")
        problems[problem] += 1
    _video(root / "xylophone" / "planted_still.mkv", np.repeat(_picture(3)[None], len(pictures), 0), _noise(1))
    problems["still"] += 1
    (root / "flute" / "notes.txt").write_text("not a video")
    items = len(SPOKEN) * solos + duets + len(planted) + 1
    return Found(items, problems, _yaml(folder, "videos", "videos"))


def write_index(folder: Path, solos: int = 6) -> Found:
    """``audio,frames,count`` as of Sound-of-Pixels: no header, folders of frames whose names end in .mp4."""
    rows, problems = [], Counter()
    for name, label in SPOKEN.items():
        for index, (sound, pictures) in enumerate(performances((name,), solos)):
            rows.append(_indexed(folder, label, f"{name}{index}", pictures, sound))
    sound, pictures = next(performances(("flute",), 1))

    def plant(problem: str, name: str, sound: np.ndarray | None = None, count: int | None = None) -> Path:
        rows.append(_indexed(folder, "flute", name, pictures, _noise(2) if sound is None else sound, count))
        problems[problem] += 1
        return folder / "frames" / "flute" / f"{name}.mp4"

    plant("unreadable", "corrupt_jpeg").joinpath("000003.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    plant("no_audio", "zero_length", sound[:0])
    plant("not_finite", "nan", np.where(np.arange(len(sound)) == 500, np.nan, _noise(3)).astype(np.float32))
    shutil.rmtree(plant("no_frames", "empty_folder"))
    (folder / "frames" / "flute" / "empty_folder.mp4").mkdir()
    plant("no_frames", "fewer_frames", _noise(4), count=len(pictures) + 5)
    plant("clipped", "clipped", np.clip(20 * _noise(5), -1, 1))
    for index in range(3):
        plant("duplicate", f"same{index}", sound)
    rows.append(["audio/flute/gone.wav", "frames/flute/gone.mp4", "32"])
    problems["missing"] += 1
    rows.append(["../outside.wav", "frames/flute/flute0.mp4", "32"])
    problems["unreadable"] += 1
    rows.append(["audio/flute/flute0.wav", "frames/flute/flute0.mp4"])
    problems["unreadable"] += 1
    (folder / "all.csv").write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
    return Found(len(rows), problems, _yaml(folder, "index", ".", f"fps: {FPS}\nlists: {{all: all.csv}}\n"))


def write_list(folder: Path, solos: int = 5) -> Found:
    """MUSIC's JSON of YouTube ids, of which some can no longer be obtained, and the files that could."""
    listed: dict[str, list[str]] = {}
    for name in SPOKEN:
        ids = [f"{name[:5]}-{index:05d}" for index in range(solos)]
        for video, (sound, pictures) in zip(ids, performances((name,), solos)):
            _video(folder / "obtained" / name / f"{video}.mp4", pictures, sound)
        listed[name] = [*ids, f"{name[:5]}-gone1", f"{name[:5]}-gone2"]
    (folder / "solo.json").write_text(json.dumps({"videos": listed}))
    items = len(SPOKEN) * (solos + 2)
    yaml = _yaml(folder, "list", "obtained", "lists: {all: solo.json}\n")
    return Found(items, Counter(missing=2 * len(SPOKEN)), yaml)


def _yaml(folder: Path, name: str, root: str, more: str = "") -> Path:
    path = folder / f"own_{name}.yaml"
    text = f"title: Own {name}\nformat: {name}\nroot: {root}\nsample_rate: {RATE}\nframe_size: {SIZE}\n{more}"
    path.write_text(text, encoding="utf-8")
    return path


def _video(path: Path, pictures: np.ndarray, sound: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encode_video(path, pictures, FPS, sound, RATE)


def _mute(path: Path, pictures: np.ndarray) -> None:
    """A video without a sound track."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _indexed(
    folder: Path, label: str, name: str, pictures: np.ndarray, sound: np.ndarray, count: int | None = None
) -> list[str]:
    audio, frames = Path("audio") / label / f"{name}.wav", Path("frames") / label / f"{name}.mp4"
    (folder / audio).parent.mkdir(parents=True, exist_ok=True)
    (folder / frames).mkdir(parents=True)
    soundfile.write(folder / audio, sound, RATE, subtype="FLOAT")
    for number, picture in enumerate(pictures, start=1):
        Image.fromarray(picture).save(folder / frames / f"{number:06d}.jpg")
    return [str(audio), str(frames), str(count or len(pictures))]


def _noise(seed: int) -> np.ndarray:
    """Noise whose colour changes, so that no two of them sound alike to a fingerprint."""
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.standard_normal(round(SECONDS * RATE)))
    return (0.1 * np.sin(0.2 * steps) * np.repeat(rng.uniform(0.1, 1, 40), round(SECONDS * RATE / 40))).astype(
        np.float32
    )


def _picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
