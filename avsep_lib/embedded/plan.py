"""Which clips the dataset has: an ordered list, known before anything is rendered."""

from __future__ import annotations

from dataclasses import dataclass

from avsep_lib.embedded.seeds import seed_of
from avsep_lib.embedded.settings import SPLITS, EmbeddedSettings


@dataclass(frozen=True)
class Clip:
    """One clip to build; `index` counts within its split and label set."""

    labels: tuple[str, ...]
    split: str
    index: int
    base_seed: int

    @property
    def clip_id(self) -> str:
        """Unique name, for example ``train_violin_003`` or ``test_flute-trumpet_001``."""
        return f"{self.split}_{'-'.join(self.labels)}_{self.index:03d}"

    def seed(self, purpose: str) -> int:
        """Seed for one purpose (``melody``, ``recording``, ``drawing``), shared with no other clip."""
        return seed_of(self.base_seed, "|".join(self.labels), self.split, self.index, purpose)


def plan_clips(settings: EmbeddedSettings) -> list[Clip]:
    """List every clip: per split, solos by class, then duets dealt evenly to their types."""
    clips = []
    for split in SPLITS:
        for name in sorted(settings.classes):
            clips += _clips((name,), split, settings.videos_per_class[split], settings.seed)
        types = settings.duet_types
        total = settings.duets.get(split, 0)
        for position, pair in enumerate(types):
            clips += _clips(pair, split, total // len(types) + (position < total % len(types)), settings.seed)
    return clips


def mp4_clips(clips: list[Clip], n_mp4: int) -> set[str]:
    """Names of the clips that are also written as MP4: from test and train by turns, each from another class."""
    order = [sorted((c for c in clips if c.split == split), key=lambda c: c.index) for split in ("test", "train")]
    turns = [clip for pair in zip(*order) for clip in pair]
    return {clip.clip_id for clip in turns[:n_mp4]}


def _clips(labels: tuple[str, ...], split: str, count: int, seed: int) -> list[Clip]:
    return [Clip(labels, split, index, seed) for index in range(count)]
