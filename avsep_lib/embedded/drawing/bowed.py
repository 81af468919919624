"""Violin, cello, erhu: hourglass bodies or a small drum on a stick, and a bow that goes to and fro."""

from __future__ import annotations

from avsep_lib.embedded.drawing.canvas import Canvas
from avsep_lib.embedded.drawing.motion import Gesture
from avsep_lib.embedded.drawing.palette import shade
from avsep_lib.embedded.drawing.person import Look
from avsep_lib.embedded.drawing.prop import DEGREE, Prop
from avsep_lib.embedded.drawing.shapes import Point, box, disc, mirrored, polygon, smooth, turned

# Body of unit length: top of the body at y = -1, bottom at 0.
HOURGLASS = mirrored(
    [(0.0, -1.0), (0.1, -0.99), (0.23, -0.9), (0.245, -0.76), (0.19, -0.66), (0.15, -0.55), (0.16, -0.46),
     (0.235, -0.4), (0.285, -0.25), (0.25, -0.07), (0.1, -0.005), (0.0, 0.0)]
)  # fmt: skip
INNER = mirrored(
    [
        (0.0, -0.95),
        (0.18, -0.87),
        (0.19, -0.77),
        (0.11, -0.55),
        (0.19, -0.36),
        (0.23, -0.23),
        (0.18, -0.08),
        (0.0, -0.05),
    ]
)
F_HOLES = [
    smooth([(s * 0.095, -0.52), (s * 0.115, -0.47), (s * 0.1, -0.4), (s * 0.125, -0.33), (s * 0.145, -0.29)], False)
    for s in (-1, 1)
]
DARK = (0.1, 0.07, 0.06)
HAIR = (0.93, 0.91, 0.85)


def draw_fiddle(canvas: Canvas, look: Look, neck: float) -> None:
    """A violin or cello of body length 1, scroll up, with a neck of length `neck`."""
    canvas.solid(HOURGLASS, look.body, 0.035)
    canvas.draw(INNER, shade(look.body, 1.22), alpha=0.7)
    for hole in F_HOLES:
        canvas.draw(hole, None, DARK, 0.035)
    top = -1.0 - neck
    canvas.solid(polygon([(-0.035, -0.95), (0.035, -0.95), (0.028, top), (-0.028, top)]), shade(look.body, 0.7), 0.02)
    canvas.draw(polygon([(-0.045, -0.62), (0.045, -0.62), (0.03, top + 0.1), (-0.03, top + 0.1)]), DARK)
    canvas.draw(polygon([(-0.05, -0.3), (0.05, -0.3), (0.02, -0.02), (-0.02, -0.02)]), DARK)  # tailpiece
    canvas.line([(-0.07, -0.4), (0.07, -0.4)], HAIR, 0.03)  # bridge
    for x in (-0.02, 0.02):
        canvas.line([(x, -0.3), (x, top + 0.1)], HAIR, 0.008, 0.8)
    for y, side in ((top + 0.08, -1), (top + 0.03, 1), (top, -1)):  # pegs
        canvas.line([(0, y), (side * 0.1, y)], DARK, 0.035)
    canvas.solid(disc(0, top - 0.03, 0.05), shade(look.body, 0.8), 0.02)


def draw_bow(canvas: Canvas, look: Look, length: float, thick: float) -> None:
    """A bow along x from the frog at 0 to the tip at `length`."""
    canvas.line([(0.0, 0.022), (length, 0.022)], HAIR, thick * 0.7)
    canvas.line([(-0.03, -0.012), (length * 0.5, 0.002), (length, -0.012)], shade(look.second, 0.7), thick)
    canvas.line([(length, -0.012), (length, 0.022)], shade(look.second, 0.7), thick)
    canvas.draw(box(-0.015, -0.012, 0.03, 0.026), DARK)


class Violin(Prop):
    """Held under the chin, scroll to the viewer's right; the bow hand comes from the viewer's left."""

    centre = 0.12
    zoom = 1.2
    turn = 0.7
    body = 0.41

    def place(self, look: Look) -> tuple[float, float, float]:
        """Where the lower end of the body is, and the angle of the strings."""
        return 0.0, -0.015, (100 + 13 * look.odd[0]) * DEGREE

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        with canvas.at(*self.place(look), self.body):
            draw_fiddle(canvas, look, 0.62)
            canvas.draw(disc(-0.13, -0.08, 0.11, 0.075), DARK)  # chin rest

    def over(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        (x, y), angle = self._frog(look, gesture)
        with canvas.at(x, y, angle):
            draw_bow(canvas, look, 0.62, 0.02)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        x, y, angle = self.place(look)
        finger = turned((0.03, -1.5 + 0.3 * gesture.pitch), x, y, angle, self.body)
        return self._frog(look, gesture)[0], (finger[0], finger[1] + 0.02)

    def _frog(self, look: Look, gesture: Gesture) -> tuple[Point, float]:
        x, y, angle = self.place(look)
        crossing = turned((0.0, -0.5), x, y, angle, self.body)
        direction = angle - 180 * DEGREE + (12 * look.odd[1]) * DEGREE
        return turned((-0.33 - 0.2 * gesture.stroke, -0.02), *crossing, direction), direction


class Cello(Prop):
    """Between the knees, the neck beside the head on the viewer's right, the bow across at hip height."""

    seated = True
    spread = 0.33
    centre = 0.04
    turn = 0.3
    body = 0.68

    def place(self, look: Look) -> tuple[float, float, float]:
        """Lower end of the body and the lean of the strings."""
        return -0.01, 0.96, (13 + 2 * look.odd[0]) * DEGREE

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        x, y, angle = self.place(look)
        canvas.line([(x, y), turned((0, 0.2), x, y, angle)], (0.5, 0.5, 0.52), 0.02)  # end pin
        with canvas.at(x, y, angle, self.body):
            draw_fiddle(canvas, look, 0.66)

    def over(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        (x, y), angle = self._frog(look, gesture)
        with canvas.at(x, y, angle):
            draw_bow(canvas, look, 0.66, 0.026)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        finger = turned((0.03, -1.52 + 0.4 * gesture.pitch), *self.place(look), self.body)
        return self._frog(look, gesture)[0], finger

    def _frog(self, look: Look, gesture: Gesture) -> tuple[Point, float]:
        x, y, angle = self.place(look)
        crossing = turned((0.0, -0.52), x, y, angle, self.body)
        direction = angle * 0.5 + (-8 + 6 * look.odd[1]) * DEGREE
        return turned((-0.35 - 0.19 * gesture.stroke, 0.0), *crossing, direction), direction


class Erhu(Prop):
    """A small drum on the thigh, a long bare stick with two pegs, the bow between the strings just above the drum."""

    seated = True
    spread = 0.2
    drop = -0.04
    turn = 0.2

    def place(self, look: Look) -> tuple[float, float, float]:
        """Middle of the drum and the lean of the stick."""
        return 0.17, 0.56, (3 + 4 * look.odd[0]) * DEGREE

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        with canvas.at(*self.place(look)):
            canvas.line([(0, 0.1), (0, -0.98)], shade(look.body, 0.4), 0.046)
            canvas.line([(0, 0.1), (0, -0.98)], shade(look.body, 0.85), 0.03)
            canvas.draw(smooth([(0, -0.95), (0.0, -1.02), (-0.05, -1.05)], False), None, shade(look.body, 0.85), 0.034)
            for y in (-0.87, -0.77):  # pegs
                canvas.line([(-0.02, y), (0.13, y)], shade(look.body, 0.35), 0.05)
                canvas.line([(-0.02, y), (0.125, y)], shade(look.body, 1.15), 0.034)
            canvas.solid(
                polygon(
                    [
                        (-0.12, -0.06),
                        (-0.066, -0.12),
                        (0.066, -0.12),
                        (0.12, -0.06),
                        (0.12, 0.06),
                        (0.066, 0.12),
                        (-0.066, 0.12),
                        (-0.12, 0.06),
                    ]
                ),
                look.body,
                0.018,
            )
            canvas.draw(disc(0, 0, 0.078), (0.86, 0.82, 0.7))  # snake skin
            for k in range(3):
                canvas.line([(-0.05, -0.03 + 0.03 * k), (0.05, -0.03 + 0.03 * k)], (0.5, 0.45, 0.36), 0.008)
            for x in (-0.022, 0.022):
                canvas.line([(x, -0.03), (x * 0.6, -0.8)], HAIR, 0.008)
            canvas.line([(-0.03, -0.42), (0.03, -0.42)], DARK, 0.02)

    def over(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        (x, y), angle = self._frog(look, gesture)
        with canvas.at(x, y, angle):
            draw_bow(canvas, look, 0.66, 0.022)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        finger = turned((0.035, -0.62 + 0.36 * gesture.pitch), *self.place(look))
        return self._frog(look, gesture)[0], finger

    def _frog(self, look: Look, gesture: Gesture) -> tuple[Point, float]:
        crossing = turned((0.0, -0.15), *self.place(look))
        direction = (3 + 6 * look.odd[1]) * DEGREE
        return turned((-0.34 - 0.2 * gesture.stroke, 0.0), *crossing, direction), direction
