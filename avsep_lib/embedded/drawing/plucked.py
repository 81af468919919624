"""Guitars and lutes: a body at the waist, a fretted neck, one hand that picks and one that stops the strings."""

from __future__ import annotations

from avsep_lib.embedded.drawing.canvas import Canvas
from avsep_lib.embedded.drawing.motion import Gesture
from avsep_lib.embedded.drawing.palette import shade
from avsep_lib.embedded.drawing.person import Look
from avsep_lib.embedded.drawing.prop import DEGREE, Prop
from avsep_lib.embedded.drawing.shapes import Point, box, disc, mirrored, polygon, rays, smooth, turned

DARK = (0.1, 0.07, 0.06)
STRING = (0.92, 0.9, 0.84)
# Bodies of unit length: top (neck joint) at y = -1, bottom at 0.
FIGURE_EIGHT = mirrored(
    [(0.0, -1.0), (0.13, -0.99), (0.27, -0.88), (0.285, -0.74), (0.225, -0.58), (0.25, -0.46), (0.365, -0.31),
     (0.36, -0.14), (0.2, -0.015), (0.0, 0.0)]
)  # fmt: skip
HORNED = smooth(
    [(0.0, -0.82), (0.1, -0.86), (0.24, -1.06), (0.3, -1.0), (0.23, -0.7), (0.24, -0.5), (0.34, -0.28), (0.28, -0.05),
     (0.05, 0.0), (-0.25, -0.06), (-0.33, -0.28), (-0.23, -0.5), (-0.24, -0.66), (-0.3, -0.84), (-0.24, -0.9), (-0.1, -0.8)]
)  # fmt: skip
PEAR = mirrored([(0.0, -1.0), (0.05, -1.0), (0.12, -0.8), (0.24, -0.5), (0.3, -0.26), (0.25, -0.07), (0.0, 0.0)])


def draw_neck(canvas: Canvas, look: Look, start: float, length: float, half: float, frets: int, pegs: int) -> None:
    """A fretted neck from y = `start` up, with a head that carries `pegs` pegs."""
    top = start - length
    canvas.solid(
        polygon([(-half, start), (half, start), (half * 0.8, top), (-half * 0.8, top)]), shade(look.second, 0.8), 0.02
    )
    for k in range(frets):
        y = start - length * (1 - 0.86 ** (k + 1)) / (1 - 0.86 ** (frets + 1))
        canvas.line([(-half * 0.9, y), (half * 0.9, y)], STRING, 0.014, 0.8)
    canvas.solid(box(-half * 1.5, top - 0.26, half * 1.5, top, 0.03), shade(look.body, 0.7), 0.025)
    for k in range(pegs):
        side, y = (-1) ** k, top - 0.06 - 0.16 * (k // 2) / max(pegs // 2 - 1, 1)
        canvas.draw(disc(side * half * 2.1, y, 0.032), look.accent)
    for x in (-0.45, 0.0, 0.45):
        canvas.line([(x * half, -0.22), (x * half, top)], STRING, 0.007, 0.8)


class Lute(Prop):
    """A player with a plucked instrument across the lap; subclasses say which."""

    seated = True
    centre = 0.13
    body = 0.55
    origin = (-0.36, 0.5)
    angle = 76
    neck = 0.8
    half = 0.055
    frets = 9
    pegs = 6
    pluck = -0.4

    def place(self, look: Look) -> tuple[float, float, float]:
        """Lower end of the body and direction of the neck."""
        return (*self.origin, (self.angle + 8 * look.odd[0]) * DEGREE)

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        with canvas.at(*self.place(look), self.body):
            self.draw_body(canvas, look)

    def draw_body(self, canvas: Canvas, look: Look) -> None:
        """The whole instrument with the neck up, body length 1."""
        raise NotImplementedError

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        place = self.place(look)
        swing = 0.13 * gesture.stroke * (0.4 + gesture.hit) + 0.02
        fret = -1.0 - self.neck * (0.85 - 0.5 * gesture.pitch)
        return turned((swing, self.pluck), *place, self.body), turned((0.04, fret), *place, self.body)


class AcousticGuitar(Lute):
    """Figure-eight body, round sound hole, six strings."""

    body = 0.62
    origin = (-0.39, 0.5)

    def draw_body(self, canvas: Canvas, look: Look) -> None:
        canvas.solid(FIGURE_EIGHT, look.body, 0.035)
        with canvas.at(0, -0.06, 0, 0.88):
            canvas.draw(FIGURE_EIGHT, shade(look.body, 1.25), alpha=0.75)
        canvas.draw(disc(0, -0.6, 0.145), shade(look.body, 0.6))
        canvas.draw(disc(0, -0.6, 0.118), DARK)
        canvas.draw(smooth([(0.1, -0.55), (0.2, -0.5), (0.22, -0.38), (0.12, -0.42)]), shade(look.accent, 0.5))
        canvas.line([(-0.12, -0.24), (0.12, -0.24)], DARK, 0.045)
        draw_neck(canvas, look, -0.78, self.neck + 0.1, self.half, self.frets, self.pegs)


class Ukulele(Lute):
    """A very small guitar, held at the chest, four strings."""

    body = 0.36
    origin = (-0.2, 0.3)
    angle = 66
    neck = 0.75
    half = 0.075
    frets = 6
    pegs = 4
    centre = 0.08

    def draw_body(self, canvas: Canvas, look: Look) -> None:
        canvas.solid(FIGURE_EIGHT, look.body, 0.05)
        canvas.draw(disc(0, -0.62, 0.13), DARK)
        canvas.line([(-0.12, -0.25), (0.12, -0.25)], DARK, 0.06)
        draw_neck(canvas, look, -0.85, self.neck, self.half, self.frets, self.pegs)


class Banjo(Lute):
    """A round drum with brackets around the rim, long neck."""

    body = 0.42
    origin = (-0.3, 0.47)
    neck = 1.35
    half = 0.06
    frets = 10
    pegs = 4
    pluck = -0.45

    def draw_body(self, canvas: Canvas, look: Look) -> None:
        canvas.solid(disc(0, -0.5, 0.5), look.body, 0.04)
        for ray in rays(0, -0.5, 0.4, 0.5, 16):
            canvas.draw(ray, None, look.accent, 0.04)
        canvas.draw(disc(0, -0.5, 0.4), (0.95, 0.93, 0.88), shade(look.body, 0.6), 0.03)
        canvas.line([(-0.12, -0.27), (0.12, -0.27)], DARK, 0.05)
        draw_neck(canvas, look, -0.92, self.neck, self.half, self.frets, self.pegs)


class ElectricBass(Lute):
    """Solid body with two horns, pickups, a very long neck with four pegs."""

    body = 0.5
    origin = (-0.36, 0.46)
    seated = False
    neck = 1.25
    half = 0.05
    frets = 12
    pegs = 4
    centre = 0.18
    zoom = 0.94

    def draw_body(self, canvas: Canvas, look: Look) -> None:
        canvas.solid(HORNED, look.body, 0.035)
        canvas.draw(smooth([(0.05, -0.75), (0.2, -0.62), (0.2, -0.3), (0.05, -0.36)]), shade(look.accent, 1.3))
        for y in (-0.52, -0.34):
            canvas.draw(box(-0.1, y - 0.05, 0.1, y + 0.05), DARK)
        canvas.draw(box(-0.09, -0.2, 0.09, -0.13), STRING)
        draw_neck(canvas, look, -0.68, self.neck + 0.25, self.half, self.frets, self.pegs)

    def behind(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        canvas.line([(-0.32, 0.4), (-0.1, 0.0), (0.14, 0.03), (0.2, 0.3)], DARK, 0.05)  # strap


class Pipa(Lute):
    """Pear-shaped lute held upright on the lap, bent head with four side pegs, frets down the belly."""

    body = 0.78
    origin = (0.03, 0.64)
    angle = 8
    centre = 0.0
    pluck = -0.3
    neck = 0.42

    def draw_body(self, canvas: Canvas, look: Look) -> None:
        top = -1.0 - self.neck * 0.6
        canvas.draw(
            smooth([(0, -0.95), (0, top), (-0.04, top - 0.1), (-0.12, top - 0.12)], False),
            None,
            shade(look.body, 0.6),
            0.09,
        )
        for k in range(4):
            side, y = (-1) ** k, top + 0.04 + 0.07 * k
            canvas.line([(0, y), (side * 0.17, y)], shade(look.accent, 0.5), 0.045)
        canvas.solid(PEAR, look.body, 0.03)
        for k in range(8):
            y = -0.95 + 0.065 * k
            canvas.line([(-0.05 - 0.008 * k, y), (0.05 + 0.008 * k, y)], STRING, 0.02)
        canvas.line([(-0.1, -0.14), (0.1, -0.14)], DARK, 0.04)
        for x in (-0.03, 0.0, 0.03):
            canvas.line([(x, -0.14), (x, top)], STRING, 0.006, 0.8)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        place = self.place(look)
        swing = -0.06 + 0.1 * gesture.stroke * (0.4 + gesture.hit)
        return turned((swing, -0.3), *place, self.body), turned((0.06, -1.12 + 0.35 * gesture.pitch), *place, self.body)


class Guzheng(Prop):
    """A long zither on a stand: many parallel strings, a movable bridge under each."""

    zoom = 0.92
    drop = 0.06

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        for x in (-0.48, 0.48):
            canvas.line([(x - 0.1, 1.2), (x, 0.62), (x + 0.1, 1.2)], shade(look.second, 0.7), 0.05)
        canvas.solid(polygon([(-0.74, 0.44), (0.7, 0.36), (0.76, 0.62), (-0.7, 0.68)]), look.body, 0.02)
        canvas.draw(polygon([(-0.74, 0.44), (-0.64, 0.435), (-0.6, 0.675), (-0.7, 0.68)]), shade(look.body, 0.55))
        canvas.draw(polygon([(0.6, 0.365), (0.7, 0.36), (0.76, 0.62), (0.66, 0.625)]), shade(look.body, 0.55))
        for k in range(9):
            y = 0.455 + 0.024 * k
            left, right = (-0.62, y + 0.01), (0.62, y - 0.055 + 0.002 * k)
            canvas.line([left, right], STRING, 0.008)
            x = -0.3 + 0.075 * k
            canvas.line([(x - 0.016, y + 0.004), (x, y - 0.04), (x + 0.016, y + 0.004)], (0.97, 0.95, 0.9), 0.018)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        pull = 0.03 * gesture.stroke * gesture.hit
        return (-0.42 + 0.1 * gesture.pitch, 0.5 + 0.03 * gesture.slow), (
            0.28 + 0.22 * gesture.pitch + pull,
            0.45 - 0.03 * gesture.hit,
        )
