"""What the YAML of a recorded dataset may say: where the files are, how to read them, what to do with bad ones."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Literal

from avsep_lib.errors import ConfigError
from avsep_lib.settings import INFINITY, POSITIVE, STRICT, _limits

Action = Literal["keep", "drop", "refuse"]
ROLES = ("music11", "music21", "wild")  # whose rows of runs.csv are trained: Tables 1, 2 and 3


@dataclass(frozen=True)
class Policy:
    """What becomes of an item with a problem: `drop` leaves it out and counts it, `refuse` stops, `keep` only tells.

    An item that cannot be used at all (`missing`, `unreadable`, ...) cannot be kept.
    """

    missing: Action = "drop"  # listed, but no such file
    unreadable: Action = "drop"  # not decodable, corrupt picture, truncated
    no_audio: Action = "drop"  # video without sound, or an empty sound file
    no_frames: Action = "drop"  # no pictures, or fewer than the index promises
    not_finite: Action = "drop"  # NaN or infinite samples
    silent: Action = "drop"
    too_short: Action = "drop"  # shorter than a mixture
    duplicate: Action = "drop"  # the same recording as an earlier item; across splits the one in test stays
    clipped: Action = "keep"
    still: Action = "keep"  # the picture never changes
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        for name in UNUSABLE:
            if getattr(self, name) == "keep":
                raise ConfigError(f"policy.{name} is 'keep', but such an item cannot be used; choose drop or refuse")


UNUSABLE = ("missing", "unreadable", "no_audio", "no_frames", "not_finite", "silent", "too_short")
PROBLEMS = tuple(f.name for f in dataclasses.fields(Policy))  # in the order in which an item is asked for them


@dataclass(frozen=True)
class Shares:
    """Shares of the videos of each class, where the lists do not say the split."""

    train: float = 0.7
    val: float = 0.1
    test: float = 0.2
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _limits(self, train=(POSITIVE, 1), val=(POSITIVE, 1), test=(POSITIVE, 1))
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ConfigError(f"shares {self.train}, {self.val} and {self.test} do not add up to 1")


@dataclass(frozen=True)
class RecordedSettings:
    """A dataset of recordings. Paths are absolute once the YAML is read; in it, they are relative to its folder."""

    format: Literal["index", "videos", "list"]
    root: str  # folder that the paths of an index, or the files of a list, are relative to
    title: str = ""  # how tables call it; empty: its name in the profile
    in_place_of: Literal["music11", "music21", "wild"] = "music11"
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)  # split (or `all`) to CSV or JSON files
    path_prefix: str = ""  # how an index begins its paths on the machine it was made on; `root` takes its place
    fps: float = 8.0  # of the frame folders of an index; videos are decoded at this rate
    sample_rate: int = 44_100  # Hz; videos are decoded at this rate, sound files stay as they are
    frame_size: int = 256  # pixels of the shorter side; larger pictures of videos are scaled down to it
    video_id: str = ""  # regular expression whose first group is the video's id within a file stem; empty: by format
    duet_separators: tuple[str, ...] = ("|", "+", "&", ",", "_and_", " and ", " ")
    shares: Shares = field(default_factory=Shares)
    seed: int = 0  # of the splits
    # Splits and test pairs are decided over all that is `listed`, so that two labs that obtained different files share
    # the pairs that both have, or over what is `usable`; `auto`: listed for lists and indexes, usable for own videos.
    decided_over: Literal["auto", "listed", "usable"] = "auto"
    clipped_share: float = 1e-3  # of the samples at full scale, from which on a clip counts as clipped
    policy: Policy = field(default_factory=Policy)
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _limits(self, fps=(POSITIVE, 1000), sample_rate=(1000, 1_000_000), frame_size=(32, 16_384))
        _limits(self, seed=(0, INFINITY), clipped_share=(POSITIVE, 1))
        self.lists.update({split: (files,) for split, files in self.lists.items() if isinstance(files, str)})
        try:
            groups = re.compile(self.video_id).groups
        except re.error as error:
            raise ConfigError(f"video_id {self.video_id!r} is not a regular expression: {error}") from None
        if self.video_id and not groups:
            raise ConfigError(f"video_id {self.video_id!r} has no group; put the id in parentheses, e.g. ^(.+)_part")
        if self.format != "videos" and not self.lists:
            raise ConfigError(
                f"format {self.format!r} needs lists; name at least one file, e.g. lists: {{all: train.csv}}"
            )
        if empty := [split for split, files in self.lists.items() if not files]:
            raise ConfigError(f"lists.{empty[0]} names no file; name one, or leave the line out")
        if not all(self.duet_separators):
            raise ConfigError("duet_separators holds an empty text, which stands between any two letters")
        if unknown := sorted(set(self.lists) - {"all", "train", "val", "test", "pretrain"}):
            raise ConfigError(f"lists.{unknown[0]}: no such split; known: all, train, val, test, pretrain")

    def listed_files(self) -> list[tuple[str, str]]:
        """(split or ``all``, path) of every list file, in order."""
        return [(split, path) for split, paths in self.lists.items() for path in paths]

    @property
    def over_listed(self) -> bool:
        """Whether items that cannot be used take part when splits and test pairs are decided."""
        return self.decided_over == "listed" or (self.decided_over == "auto" and self.format != "videos")
