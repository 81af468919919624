"""Rooms, stages and the odd thing in front: drawn once per video."""

from __future__ import annotations

import numpy as np

from avsep_lib.embedded.drawing.canvas import Canvas
from avsep_lib.embedded.drawing.palette import Colour, any_colour, hsv, shade
from avsep_lib.embedded.drawing.shapes import box, disc, polygon, smooth


def draw_backdrop(canvas: Canvas, rng: np.random.Generator) -> None:
    """A wall or a landscape, a floor, and some furniture."""
    wall = any_colour(rng, 0.25, 0.98)
    _gradient(canvas, wall, shade(wall, float(rng.uniform(0.55, 1.25))), rng)
    kinds = (_curtain, _window, _bricks, _shelf, _spots, _outdoors, _panels, _pictures)
    kinds[rng.integers(len(kinds))](canvas, rng, wall)
    floor = float(rng.uniform(0.74, 0.95))
    canvas.draw(box(-0.1, floor, 1.1, 1.1), shade(any_colour(rng, 0.2, 0.8), 0.9))
    canvas.line([(-0.1, floor), (1.1, floor)], shade(wall, 0.5), 0.012)
    for side in (-1, 1):
        if rng.random() < 0.35:
            _plant(
                canvas, 0.5 + side * float(rng.uniform(0.34, 0.48)), floor + 0.08, float(rng.uniform(0.2, 0.42)), rng
            )


def draw_foreground(canvas: Canvas, rng: np.random.Generator) -> None:
    """Now and then something between camera and player: a music stand, a microphone, heads of the audience."""
    kind = rng.random()
    side = 1 if rng.random() < 0.5 else -1
    x = 0.5 + side * float(rng.uniform(0.2, 0.42))
    dark = any_colour(rng, 0.08, 0.3)
    if kind < 0.25:  # music stand
        y = float(rng.uniform(0.72, 0.84))
        canvas.line([(x, y), (x, 1.05)], dark, 0.02)
        canvas.draw(
            polygon([(x - 0.11, y - 0.1), (x + 0.11, y - 0.1), (x + 0.13, y + 0.05), (x - 0.13, y + 0.05)]), dark
        )
        canvas.draw(
            polygon([(x - 0.08, y - 0.085), (x + 0.08, y - 0.085), (x + 0.095, y + 0.03), (x - 0.095, y + 0.03)]),
            (0.95, 0.94, 0.9),
        )
    elif kind < 0.4:  # microphone
        y = float(rng.uniform(0.55, 0.75))
        canvas.line([(x, y), (x + side * 0.03, 1.05)], dark, 0.016)
        canvas.draw(disc(x, y - 0.02, 0.026, 0.038), (0.4, 0.4, 0.42), dark, 0.008)
    elif kind < 0.52:  # audience
        for _ in range(int(rng.integers(1, 4))):
            canvas.draw(disc(float(rng.uniform(0, 1)), 1.02, 0.07, 0.09), dark)
    elif kind < 0.6:
        _plant(canvas, 0.5 + side * 0.46, 1.05, 0.35, rng)


def light_map(size: int, rng: np.random.Generator) -> np.ndarray:
    """Gain per pixel and channel, shape (size, size, 3): light from one side, darker corners, a tint of the lamp."""
    y, x = np.mgrid[0:size, 0:size] / (size - 1) - 0.5
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.45)
    vignette = rng.uniform(0.0, 0.9)
    gain = 1 + strength * (x * np.cos(angle) + y * np.sin(angle)) - vignette * (x**2 + y**2)
    return (gain[..., None] * rng.normal(1.0, 0.04, 3)).astype(np.float32)


def _gradient(canvas: Canvas, top: Colour, bottom: Colour, rng: np.random.Generator) -> None:
    size = len(canvas.pixels)
    ramp = np.linspace(0, 1, size)[:, None, None]
    if rng.random() < 0.3:
        ramp = ramp.transpose(1, 0, 2)
    canvas.pixels[..., :3] = (255 * (np.array(top) * (1 - ramp) + np.array(bottom) * ramp)).astype(np.uint8)
    canvas.pixels[..., 3] = 255


def _curtain(canvas: Canvas, rng: np.random.Generator, wall: Colour) -> None:
    cloth, folds = any_colour(rng, 0.25, 0.85), int(rng.integers(7, 15))
    for k in range(folds):
        x, width = k / folds, 1 / folds
        canvas.draw(box(x, -0.1, x + width, 1.1), shade(cloth, float(rng.uniform(0.75, 1.0))))
        canvas.draw(box(x, -0.1, x + width * 0.4, 1.1), shade(cloth, 0.65), alpha=0.5)


def _window(canvas: Canvas, rng: np.random.Generator, wall: Colour) -> None:
    x, y, w, h = rng.uniform(0.02, 0.55), rng.uniform(0.02, 0.12), rng.uniform(0.3, 0.42), rng.uniform(0.35, 0.5)
    sky = hsv(float(rng.uniform(0.05, 0.65)), float(rng.uniform(0.1, 0.5)), float(rng.uniform(0.3, 1.0)))
    canvas.draw(box(x - 0.02, y - 0.02, x + w + 0.02, y + h + 0.02), shade(wall, 1.4))
    canvas.draw(box(x, y, x + w, y + h), sky)
    canvas.draw(box(x, y + h * 0.7, x + w, y + h), shade(any_colour(rng, 0.3, 0.7), 0.8))
    for line in ([(x + w / 2, y), (x + w / 2, y + h)], [(x, y + h / 2), (x + w, y + h / 2)]):
        canvas.line(line, shade(wall, 1.4), 0.018)


def _bricks(canvas: Canvas, rng: np.random.Generator, wall: Colour) -> None:
    clay, rows = any_colour(rng, 0.35, 0.8), int(rng.integers(9, 14))
    for row in range(rows):
        for column in range(-1, 7):
            x = (column + 0.5 * (row % 2)) / 6
            brick = box(x, row / rows, x + 0.158, (row + 0.88) / rows)
            canvas.draw(brick, shade(clay, float(rng.uniform(0.82, 1.05))))


def _shelf(canvas: Canvas, rng: np.random.Generator, wall: Colour) -> None:
    wood = any_colour(rng, 0.25, 0.6)
    left, right = (
        (-0.05, float(rng.uniform(0.35, 1.05))) if rng.random() < 0.5 else (float(rng.uniform(0.0, 0.65)), 1.05)
    )
    for y in (0.2, 0.44, 0.68):
        x = left
        while x < right - 0.04:
            width, height = float(rng.uniform(0.02, 0.05)), float(rng.uniform(0.1, 0.19))
            if rng.random() < 0.85:
                canvas.draw(box(x, y - height, x + width * 0.92, y), any_colour(rng, 0.25, 0.9))
            x += width
        canvas.draw(box(left, y, right, y + 0.025), wood)


def _spots(canvas: Canvas, rng: np.random.Generator, wall: Colour) -> None:
    canvas.draw(box(-0.1, -0.1, 1.1, 1.1), any_colour(rng, 0.05, 0.3), alpha=0.8)
    for _ in range(int(rng.integers(2, 5))):
        x, foot, width = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.08, 0.2)
        beam = polygon([(x - 0.02, -0.05), (x + 0.02, -0.05), (foot + width, 1.05), (foot - width, 1.05)])
        canvas.draw(beam, any_colour(rng, 0.6, 1.0), alpha=0.28)


def _outdoors(canvas: Canvas, rng: np.random.Generator, wall: Colour) -> None:
    for k in range(3):
        y = 0.45 + 0.12 * k
        tops = [
            (-0.1, 1.2),
            *[(x, y + float(rng.uniform(-0.1, 0.1))) for x in (-0.1, 0.15, 0.4, 0.65, 0.9, 1.1)],
            (1.1, 1.2),
        ]
        canvas.draw(smooth(tops), any_colour(rng, 0.3, 0.85))
    canvas.draw(disc(float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.06, 0.25)), 0.06), shade(wall, 1.7))


def _panels(canvas: Canvas, rng: np.random.Generator, wall: Colour) -> None:
    count = int(rng.integers(4, 9))
    second = shade(wall, float(rng.uniform(0.7, 1.25)))
    for k in range(0, count, 2):
        if rng.random() < 0.5:
            canvas.draw(box(k / count, -0.1, (k + 1) / count, 1.1), second)
        else:
            canvas.draw(box(-0.1, k / count, 1.1, (k + 1) / count), second)


def _pictures(canvas: Canvas, rng: np.random.Generator, wall: Colour) -> None:
    for _ in range(int(rng.integers(1, 4))):
        x, y, w, h = rng.uniform(0, 0.8), rng.uniform(0.02, 0.4), rng.uniform(0.12, 0.28), rng.uniform(0.12, 0.3)
        canvas.draw(box(x, y, x + w, y + h), any_colour(rng, 0.2, 0.9), shade(wall, 0.4), 0.016)
        canvas.draw(disc(x + w / 2, y + h / 2, w / 4, h / 4), any_colour(rng, 0.2, 0.95))


def _plant(canvas: Canvas, x: float, y: float, height: float, rng: np.random.Generator) -> None:
    leaf = hsv(float(rng.uniform(0.2, 0.45)), float(rng.uniform(0.3, 0.8)), float(rng.uniform(0.25, 0.75)))
    for angle in np.linspace(-1.0, 1.0, 7) + rng.normal(0, 0.08, 7):
        with canvas.at(x, y - height * 0.25, float(angle)):
            canvas.draw(
                smooth([(0, 0), (0.035, -height * 0.4), (0, -height * 0.8), (-0.035, -height * 0.4)]),
                shade(leaf, float(rng.uniform(0.7, 1.2))),
            )
    pot = any_colour(rng, 0.3, 0.8)
    canvas.draw(
        polygon([(x - 0.07, y - height * 0.28), (x + 0.07, y - height * 0.28), (x + 0.05, y), (x - 0.05, y)]), pot
    )
