"""One video's pictures (thin version)."""

from __future__ import annotations

import numpy as np

from avsep_lib.embedded.drawing.canvas import Canvas
from avsep_lib.embedded.instruments import INSTRUMENTS, Instrument
from avsep_lib.embedded.melody import Note, Piece


class Scene:
    """Crude performers: a polygon whose number of corners is the class."""

    def __init__(self, players: list[Instrument], notes: list[list[Note]], piece: Piece, seed: int, size: int) -> None:
        self.players, self.notes, self.size = players, notes, size
        rng = np.random.Generator(np.random.PCG64(seed))
        self.canvas = Canvas(size)
        self.colours = [tuple(rng.uniform(0.1, 0.9, 3)) for _ in players]
        self.back = rng.uniform(0.1, 0.9, 3)

    def frame(self, time: float) -> np.ndarray:
        """Picture at `time` seconds, uint8 (size, size, 3)."""
        self.canvas.pixels[..., :3] = (self.back * 255).astype(np.uint8)
        self.canvas.pixels[..., 3] = 255
        for k, player in enumerate(self.players):
            x = 0.5 if len(self.players) == 1 else 0.27 + 0.46 * k
            corners = 3 + list(INSTRUMENTS).index(player.name)
            started = [n.start for n in self.notes[k] if n.start <= time]
            size = 0.2 + 0.05 * np.exp(-(time - max(started, default=-9)) / 0.1)
            angles = np.arange(corners * 2) * np.pi / corners
            radii = np.where(np.arange(corners * 2) % 2, 0.5, 1.0) * size
            self.canvas.polygon(
                [(x + r * np.cos(a), 0.5 + r * np.sin(a)) for r, a in zip(radii, angles)], self.colours[k]
            )
        return self.canvas.pixels[..., :3].copy()
