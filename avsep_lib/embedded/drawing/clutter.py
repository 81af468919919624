"""Objects that make no sound: strewn over the backdrop, and one or two in front of what sounds."""

from __future__ import annotations

import numpy as np

from avsep_lib.embedded.drawing.canvas import Canvas
from avsep_lib.embedded.drawing.things import choose_paint, draw_thing, mute_design

BEHIND, BEFORE = (0.06, 0.12), (0.06, 0.09)  # radius, of the picture


def draw_clutter(canvas: Canvas, count: int, rng: np.random.Generator) -> None:
    """Strew `count` objects over the whole picture."""
    for _ in range(count):
        x, y = rng.uniform(0.0, 1.0, 2)
        _draw_one(canvas, float(x), float(y), BEHIND, rng)


def draw_occluders(canvas: Canvas, count: int, x: float, y: float, reach: float, rng: np.random.Generator) -> None:
    """Put `count` small objects at the edge of what is within `reach` of (x, y)."""
    for _ in range(count):
        direction = rng.uniform(0, 2 * np.pi)
        _draw_one(canvas, x + reach * float(np.cos(direction)), y + reach * float(np.sin(direction)), BEFORE, rng)


def _draw_one(canvas: Canvas, x: float, y: float, radius: tuple[float, float], rng: np.random.Generator) -> None:
    with canvas.at(x, y, float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(*radius))):
        draw_thing(canvas, mute_design(rng), choose_paint(rng))
