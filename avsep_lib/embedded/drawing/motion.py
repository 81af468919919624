"""What a performer does at a given time, read off the notes."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import exp, pi, sin

from avsep_lib.embedded.melody import Note

TOGETHER_S = 0.04  # notes this close are one gesture


@dataclass(frozen=True)
class Gesture:
    """State of a performer at one moment.

    Attributes
    ----------
    count : int
        Gestures so far; its parity is the bow or strum direction, or the hand.
    stroke : float
        Position along the stroke, -1..1, reversing with every gesture.
    hit : float
        1 at the onset, falling to 0 within about 0.2 s.
    lift : float
        Height of a hand about to strike, 0 at the next onset.
    pitch, coming : float
        Pitch now and next, 0 (lowest) .. 1 (highest) of what this player plays.
    sway : float
        Body sway, -1..1, in time with the beat.
    slow : float
        A breath of several beats, -1..1 (bellows).
    """

    count: int
    stroke: float
    hit: float
    lift: float
    pitch: float
    coming: float
    sway: float
    slow: float


class Motion:
    """Gestures of one player over time."""

    def __init__(self, notes: list[Note], beat: float, phase: float) -> None:
        self.beat, self.phase = beat, phase
        starts, keys = [], []
        for note in notes:
            if starts and note.start - starts[-1] < TOGETHER_S:
                keys[-1] = max(keys[-1], note.key)
            else:
                starts.append(note.start)
                keys.append(note.key)
        low, high = min(keys), max(keys)
        self.starts = starts
        self.pitches = [(key - low) / max(high - low, 1) for key in keys]

    def at(self, time: float) -> Gesture:
        """Gesture at `time` in seconds."""
        now = max(bisect_right(self.starts, time) - 1, 0)
        after = min(now + 1, len(self.starts) - 1)
        age, slot = max(time - self.starts[now], 0.0), max(self.starts[after] - self.starts[now], 0.1)
        done, slide = min(age / slot, 1.0), min(age / 0.09, 1.0)
        before = self.pitches[max(now - 1, 0)]
        return Gesture(
            count=now,
            stroke=(1 - 2 * done) * min(1.0, 0.35 + slot) * (-1) ** now,
            hit=exp(-age / 0.09),
            lift=min(max(self.starts[after] - time, 0.0) / 0.13, 1.0),
            pitch=before + (self.pitches[now] - before) * slide,
            coming=self.pitches[after],
            sway=sin(pi * time / self.beat + self.phase),
            slow=sin(0.5 * pi * time / self.beat + self.phase),
        )
