"""What the embedded dataset shall contain: a frozen, strictly checked dataclass."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avsep_lib import settings as plain_settings
from avsep_lib.embedded.catalogue import SETS, expand, instrument
from avsep_lib.embedded.instruments import DUET_TYPES, MUSIC_CLASSES
from avsep_lib.errors import ConfigError, DataError

SPLITS = ("train", "val", "test", "pretrain")
PLACE = "embedded dataset settings"
NOISE_DB = (-52.0, -36.0)  # a quiet room
LIMITS = {  # smallest and largest sensible value
    "seconds": (2.0, 600.0),
    "fps": (1, 60),
    "frame_size": (32, 1024),
    "sample_rate": (8000, 48000),
    "n_mp4": (0, 10_000),
    "noise_db": (-90.0, 0.0),
    "clutter": (0, 40),
    "seed": (0, 2**62),
}


@dataclass(frozen=True)
class EmbeddedSettings:
    """Size and format of the embedded dataset.

    Attributes
    ----------
    classes : tuple of str
        At least two, each known to `avsep_lib.embedded.catalogue`; the name of a set (``music``, ``music21``,
        ``wild``) stands for its classes.
    videos_per_class : dict
        Solo videos of each class per split (``train``, ``val``, ``test``: at least 2; ``pretrain``: at least 1).
    duets : dict
        Duet videos in all per split (``train``, ``val``, ``test``), dealt to the duet types that `classes` allows.
    seconds : float
        Length of a clip.
    fps, frame_size, sample_rate : int
        Frames per second, frame width and height in pixels (even, for H.264), audio samples per second.
    n_mp4 : int
        How many clips are also written as MP4.
    noise_db : (float, float)
        Background noise relative to the sound, in dB: every video draws a level between the two.
    clutter : (int, int)
        Fewest and most objects strewn about the picture that make no sound.
    soundfont : str
        Path of another General-MIDI SoundFont; empty names the one inside pretty_midi.
    seed : int
        Everything is drawn from it.
    """

    classes: tuple[str, ...] = MUSIC_CLASSES
    videos_per_class: dict[str, int] = field(
        default_factory=lambda: {"train": 24, "val": 6, "test": 16, "pretrain": 12}
    )
    duets: dict[str, int] = field(default_factory=lambda: {"train": 27, "val": 3, "test": 18})
    seconds: float = 6.0
    fps: int = 8
    frame_size: int = 96
    sample_rate: int = 22050
    n_mp4: int = 6
    noise_db: tuple[float, float] = NOISE_DB
    clutter: tuple[int, int] = (0, 0)
    soundfont: str = ""
    seed: int = 1234

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", expand(self.classes))
        _check_classes(self.classes)
        _check_counts("videos_per_class", self.videos_per_class, SPLITS, smallest=2)
        _check_counts("duets", self.duets, SPLITS[:3], smallest=0)
        if any(self.duets.values()) and not self.duet_types:
            raise ConfigError(
                f"{PLACE}: duets asks for {dict(self.duets)}, but no duet type can be played by {self.classes}; "
                f"add classes or set duets to 0 (types: {', '.join('|'.join(pair) for pair in DUET_TYPES)})"
            )
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not all(low <= v <= high for v in (value if isinstance(value, tuple) else (value,))):
                raise ConfigError(f"{PLACE}: {name} is {value}; choose a value from {low} to {high}")
        for name in ("noise_db", "clutter"):
            _check_range(name, getattr(self, name))
        if self.frame_size % 2:
            raise ConfigError(f"{PLACE}: frame_size is {self.frame_size}; H.264 needs an even number of pixels")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], place: str = PLACE) -> EmbeddedSettings:
        """Build settings from parsed JSON or YAML; absent keys keep their defaults.

        Raises
        ------
        ConfigError
            For an unknown key, a wrong type, an unknown class, or too few clips.
        """
        return plain_settings.from_dict(cls, values, place)

    @property
    def n_frames(self) -> int:
        """Frames of one clip."""
        return round(self.seconds * self.fps)

    @property
    def n_samples(self) -> int:
        """Audio samples of one clip."""
        return round(self.seconds * self.sample_rate)

    @property
    def duet_types(self) -> tuple[tuple[str, str], ...]:
        """Duet types of MUSIC whose two instruments are both among `classes`."""
        return tuple(pair for pair in DUET_TYPES if set(pair) <= set(self.classes))

    def soundfont_path(self) -> Path:
        """The SoundFont to play; a missing one is a `DataError`."""
        return find_soundfont(self.soundfont)


def find_soundfont(name: str = "") -> Path:
    """Path of the SoundFont `name`, or of the one in the installed pretty_midi (which is not imported: that is slow)."""
    if name:
        path = Path(name)
    else:
        spec = importlib.util.find_spec("pretty_midi")
        if spec is None or spec.origin is None:
            raise DataError(
                "pretty_midi is not installed, so its SoundFont is missing; run `make env` or set soundfont"
            )
        path = Path(spec.origin).parent / "TimGM6mb.sf2"
    if not path.is_file():
        raise DataError(f"SoundFont {path} is missing; reinstall pretty_midi or set soundfont to an .sf2 file")
    return path


def _check_classes(classes: tuple[str, ...]) -> None:
    for name in classes:
        instrument(name)
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise ConfigError(
            f"{PLACE}: classes is {classes}; name at least two different ones, or a set: {', '.join(SETS)}"
        )


def _check_range(name: str, values: tuple[float, ...]) -> None:
    if len(values) != 2 or values[0] > values[1]:
        raise ConfigError(f"{PLACE}: {name} is {values}; write two numbers, the smaller one first")


def _check_counts(name: str, counts: Mapping[str, int], splits: tuple[str, ...], smallest: int) -> None:
    """Every split named once, with a whole number that leaves room for a cross-class matching."""
    if set(counts) != set(splits):
        raise ConfigError(f"{PLACE}: {name} names the splits {sorted(counts)}; name exactly {', '.join(splits)}")
    for split, count in counts.items():
        least = min(smallest, 1) if split == "pretrain" else smallest
        if count < least:
            raise ConfigError(
                f"{PLACE}: {name}.{split} is {count}, too few clips; set it to at least {least}"
                + (" so that every clip finds a partner of another class" if least == 2 else "")
            )
