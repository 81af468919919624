"""Objects put together from simple shapes: one design per wild class, and others that make no sound.

A design is a silhouette, a texture on it and parts around it, all without colour: the colours are the video's own. The
ten silhouettes and eight textures give every one of the eighty classes a pair of its own; mute objects have
silhouettes that no class has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin

import numpy as np
from matplotlib.path import Path

from avsep_lib.embedded.drawing.canvas import Canvas
from avsep_lib.embedded.drawing.motion import Motion
from avsep_lib.embedded.drawing.palette import Colour, any_colour, instrument_colour, shade
from avsep_lib.embedded.drawing.shapes import Point, box, disc, mirrored, polygon, smooth
from avsep_lib.embedded.seeds import generator
from avsep_lib.embedded.wild import WILD


def _star(points: int, inner: float) -> Path:
    """Star (or, with `inner` near 1, a polygon) of outer radius 1, one tip up."""
    angles = np.arange(2 * points) * pi / points - pi / 2
    radii = np.where(np.arange(2 * points) % 2, inner, 1.0)
    return polygon(list(zip((radii * np.cos(angles)).tolist(), (radii * np.sin(angles)).tolist())))


def _arc(outer: float, inner: float, first: float, last: float) -> Path:
    """Bent bar between two radii, from one angle to another."""
    angles = np.linspace(first, last, 25)
    there = [(outer * cos(a), outer * sin(a)) for a in angles]
    return polygon(there + [(inner * cos(a), inner * sin(a)) for a in angles[::-1]])


SOUNDING: dict[str, Path] = {
    "disc": disc(0, 0, 0.9),
    "square": box(-0.8, -0.8, 0.8, 0.8, 0.15),
    "triangle": polygon([(0.0, -1.0), (0.95, 0.75), (-0.95, 0.75)]),
    "star": _star(5, 0.48),
    "hourglass": polygon([(-0.8, -1.0), (0.8, -1.0), (0.2, 0.0), (0.8, 1.0), (-0.8, 1.0), (-0.2, 0.0)]),
    "moon": smooth([(0.5, -0.95), (-0.35, -0.8), (-0.85, 0.0), (-0.35, 0.8), (0.5, 0.95), (-0.05, 0.5), (-0.2, 0.0), (-0.05, -0.5)]),
    "cross": polygon([(-0.36, -1), (0.36, -1), (0.36, -0.36), (1, -0.36), (1, 0.36), (0.36, 0.36), (0.36, 1), (-0.36, 1), (-0.36, 0.36), (-1, 0.36), (-1, -0.36), (-0.36, -0.36)]),
    "drop": mirrored([(0.0, -1.1), (0.25, -0.5), (0.68, 0.1), (0.62, 0.65), (0.0, 0.95)]),
    "arch": _arc(1.0, 0.42, -pi - 0.35, 0.35),
    "lens": disc(0, 0, 1.15, 0.5),
}  # fmt: skip

MUTE: dict[str, Path] = {
    "bottle": mirrored([(0.0, -1.0), (0.2, -1.0), (0.2, -0.5), (0.5, -0.2), (0.5, 0.9), (0.0, 1.0)]),
    "bucket": polygon([(-0.9, -0.7), (0.9, -0.7), (0.55, 0.9), (-0.55, 0.9)]),
    "cloud": smooth([(-0.9, 0.4), (-1.0, 0.0), (-0.5, -0.3), (-0.1, -0.7), (0.4, -0.35), (0.95, -0.2), (0.9, 0.4)]),
    "slab": box(-1.1, -0.35, 1.1, 0.35, 0.05),
    "plank": box(-0.3, -1.1, 0.3, 1.1, 0.05),
    "hexagon": polygon([(cos(k * pi / 3), sin(k * pi / 3)) for k in range(6)]),
    "corner": polygon([(-0.9, -0.9), (-0.2, -0.9), (-0.2, 0.2), (0.9, 0.2), (0.9, 0.9), (-0.9, 0.9)]),
    "kite": polygon([(0.0, -1.0), (0.6, -0.2), (0.0, 1.0), (-0.6, -0.2)]),
}


def _bars() -> list[Path]:
    return [box(-1.2, y, 1.2, y + 0.2) for y in (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0)]


def _poles() -> list[Path]:
    return [box(x, -1.2, x + 0.2, 1.2) for x in (-1.1, -0.7, -0.3, 0.1, 0.5, 0.9)]


def _checks() -> list[Path]:
    steps = np.arange(-1.2, 1.2, 0.4)
    return [box(x, y, x + 0.4, y + 0.4) for i, x in enumerate(steps) for j, y in enumerate(steps) if (i + j) % 2]


def _dots() -> list[Path]:
    return [
        disc(x + 0.22 * (k % 2), y, 0.14)
        for k, y in enumerate((-0.8, -0.4, 0.0, 0.4, 0.8))
        for x in (-0.9, -0.4, 0.1, 0.6)
    ]


def _rings() -> list[Path]:
    return [_arc(r + 0.16, r, 0, 2 * pi) for r in (0.1, 0.45, 0.8)]


def _wedges() -> list[Path]:
    return [polygon([(0, 0)] + [(1.5 * cos(a), 1.5 * sin(a)) for a in (k, k + pi / 8)]) for k in np.arange(8) * pi / 4]


def _slope() -> list[Path]:
    """One half filled, split along a diagonal."""
    return [polygon([(-1.3, -1.3), (1.3, -1.3), (-1.3, 1.3)])]


TEXTURES: dict[str, list[Path]] = {
    "plain": [], "bars": _bars(), "poles": _poles(), "checks": _checks(), "dots": _dots(), "rings": _rings(),
    "wedges": _wedges(), "slope": _slope(),
}  # fmt: skip

# thick strokes drawn behind the silhouette, and blobs at their ends
PARTS: dict[str, tuple[list[list[Point]], list[Point]]] = {
    "none": ([], []),
    "legs": ([[(-0.4, 0.5), (-0.6, 1.35)], [(0.4, 0.5), (0.6, 1.35)]], []),
    "feelers": ([[(-0.3, -0.5), (-0.55, -1.35)], [(0.3, -0.5), (0.55, -1.35)]], [(-0.55, -1.35), (0.55, -1.35)]),
    "ears": ([], [(-0.75, -0.85), (0.75, -0.85)]),
    "mast": ([[(0.0, 0.0), (0.0, -1.55)], [(-0.4, -1.45), (0.4, -1.45)]], []),
    "arms": ([[(-0.5, 0.0), (-1.4, -0.25)], [(0.5, 0.0), (1.4, -0.25)]], []),
    "tail": ([[(0.3, 0.4), (1.1, 0.9), (1.4, 0.4)]], [(1.4, 0.4)]),
}  # fmt: skip


@dataclass(frozen=True)
class Design:
    """What an object is, whatever its colours: names of its silhouette, texture and parts."""

    outline: Path
    texture: str
    parts: str


@cache
def designs() -> dict[str, Design]:
    """The design of every wild class; dealt at random once, so that kinds of sound do not share looks."""
    pairs = [(outline, texture) for outline in SOUNDING.values() for texture in TEXTURES]
    order = generator("designs of the wild classes").permutation(len(pairs))
    parts = list(PARTS)
    return {
        name: Design(*pairs[place], parts[(place // len(TEXTURES) + place) % len(parts)])
        for name, place in zip(sorted(WILD), order)
    }


def mute_design(rng: np.random.Generator) -> Design:
    """An object that belongs to no class; nothing about it depends on who sounds."""
    outline = list(MUTE.values())[rng.integers(len(MUTE))]
    return Design(outline, str(rng.choice(list(TEXTURES))), str(rng.choice(list(PARTS))))


@dataclass(frozen=True)
class Paint:
    """Colours of one object in one video."""

    body: Colour
    marks: Colour
    parts: Colour


def choose_paint(rng: np.random.Generator) -> Paint:
    """Draw colours; marks are much darker or much lighter than the body."""
    body = instrument_colour(rng)
    marks = shade(body, 0.35) if rng.random() < 0.5 else shade(body, 1.65)
    return Paint(body, marks, any_colour(rng, 0.15, 0.9))


def draw_thing(canvas: Canvas, design: Design, paint: Paint) -> None:
    """Draw `design` about the origin, about 1 in radius."""
    strokes, blobs = PARTS[design.parts]
    for stroke in strokes:
        canvas.line(stroke, shade(paint.parts, 0.5), 0.3)
        canvas.line(stroke, paint.parts, 0.2)
    for x, y in blobs:
        canvas.solid(disc(x, y, 0.26), paint.parts, 0.06)
    canvas.draw(design.outline, paint.body)
    with canvas.within(design.outline):
        for mark in TEXTURES[design.texture]:
            canvas.draw(mark, paint.marks)
    canvas.draw(design.outline, None, shade(paint.body, 0.3), 0.09)


@dataclass(frozen=True)
class Thing:
    """The object of a wild class in one video; it jumps, tilts and swells with its sound."""

    design: Design
    paint: Paint
    motion: Motion
    x: float
    y: float
    scale: float
    angle: float

    def draw(self, canvas: Canvas, time: float) -> None:
        """Draw the object as it is at `time` seconds."""
        gesture = self.motion.at(time)
        x, y = self.x + 0.015 * gesture.sway, self.y - 0.05 * gesture.hit
        angle = self.angle + 0.12 * gesture.stroke + 0.04 * gesture.slow
        with canvas.at(x, y, angle, self.scale * (1 + 0.12 * gesture.hit)):
            draw_thing(canvas, self.design, self.paint)
