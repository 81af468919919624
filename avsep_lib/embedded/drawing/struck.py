"""Xylophone, accordion, piano, congas, drum kit: instruments with bars, bellows, keys and skins."""

from __future__ import annotations

from avsep_lib.embedded.drawing.canvas import Canvas
from avsep_lib.embedded.drawing.motion import Gesture
from avsep_lib.embedded.drawing.palette import shade
from avsep_lib.embedded.drawing.person import Look
from avsep_lib.embedded.drawing.prop import DEGREE, Prop
from avsep_lib.embedded.drawing.shapes import Point, box, disc, polygon, tube

DARK = (0.09, 0.08, 0.09)
IVORY = (0.96, 0.95, 0.9)


def alternate(gesture: Gesture) -> tuple[tuple[float, float], tuple[float, float]]:
    """(pitch, height) of the left and right hand when they strike by turns."""
    struck = (gesture.pitch, 1 - gesture.hit)
    coming = (gesture.coming, gesture.lift)
    return (struck, coming) if gesture.count % 2 else (coming, struck)


class Xylophone(Prop):
    """A table of bars, longer to the viewer's left, tubes below; a mallet in each hand."""

    zoom = 0.94
    drop = 0.04
    bars = 13

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        for x in (-0.6, 0.6):
            canvas.line([(x, 0.5), (x * 0.95, 1.25)], shade(look.second, 0.7), 0.04)
        for k in range(self.bars):  # resonator tubes
            x, length = self._x(k), 0.36 - 0.02 * k
            canvas.draw(
                box(x - 0.03, 0.58, x + 0.03, 0.58 + length, 0.02),
                shade(look.accent, 0.95),
                shade(look.accent, 0.4),
                0.01,
            )
        for y in (0.44, 0.56):
            canvas.line([(-0.68, y), (0.68, y - 0.02)], DARK, 0.02)
        for k in range(self.bars):
            half = 0.15 - 0.0065 * k
            x = self._x(k)
            tone = shade(look.body, 1.15 - 0.02 * k if k % 2 else 1.3)
            canvas.solid(box(x - 0.042, 0.5 - half, x + 0.042, 0.5 + half, 0.012), tone, 0.012)
            canvas.dot(x, 0.5 - half * 0.62, 0.009, DARK)
            canvas.dot(x, 0.5 + half * 0.62, 0.009, DARK)

    def over(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        for (pitch, height), hand in zip(alternate(gesture), self.hands(look, gesture)):
            tip = (self._x(pitch * (self.bars - 1)), 0.46 - 0.17 * height)
            canvas.line([hand, tip], shade(look.second, 1.5), 0.018)
            canvas.draw(disc(*tip, 0.034), shade(look.accent, 1.2), DARK, 0.01)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        (left, a), (right, b) = alternate(gesture)
        x = [0.72 * self._x(pitch * (self.bars - 1)) for pitch in (left, right)]
        return (min(x[0] - 0.06, 0.1), 0.33 - 0.09 * a), (max(x[1] + 0.06, -0.1), 0.33 - 0.09 * b)

    def _x(self, bar: float) -> float:
        return -0.63 + 1.26 * bar / (self.bars - 1)


class Accordion(Prop):
    """Two boxes with pleated bellows between them; keyboard on the viewer's left, buttons on the right."""

    seated = True
    zoom = 1.02
    top, bottom = 0.06, 0.56

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        half, fan = self._shape(look, gesture)
        pleats = 9
        for k in range(pleats):  # bellows: light and dark folds that open like a fan
            a, b = -1 + 2 * k / pleats, -1 + 2 * (k + 1) / pleats
            dip = 0.02 if k % 2 else 0.0
            tone = shade(look.accent, 0.55 if k % 2 else 1.1)
            quad = [(a * half, self.top + 0.02 + dip), (b * half, self.top + 0.02 + dip),
                    (b * (half + fan), self.bottom - 0.01 - dip), (a * (half + fan), self.bottom - 0.01 - dip)]  # fmt: skip
            canvas.draw(polygon(quad), tone, shade(look.accent, 0.3), 0.008)
        with canvas.at(-half, self.top, fan * 1.9):
            canvas.solid(box(-0.16, -0.02, 0.0, 0.53, 0.03), look.body, 0.016)
            canvas.draw(box(-0.2, 0.01, -0.105, 0.5), IVORY, DARK, 0.01)
            for k in range(1, 10):
                canvas.line([(-0.2, 0.01 + 0.049 * k), (-0.105, 0.01 + 0.049 * k)], DARK, 0.006)
                if k % 7 not in (0, 3):
                    canvas.line([(-0.155, 0.01 + 0.049 * k), (-0.112, 0.01 + 0.049 * k)], DARK, 0.022)
            canvas.line([(-0.07, 0.06), (-0.07, 0.44)], shade(look.body, 1.6), 0.02)
        with canvas.at(half, self.top, -fan * 1.9):
            canvas.solid(box(0.0, -0.02, 0.15, 0.53, 0.03), look.body, 0.016)
            for row in range(7):
                for column in range(3):
                    canvas.dot(0.04 + 0.036 * column, 0.06 + 0.065 * row, 0.012, IVORY)
        for side in (-1, 1):  # shoulder straps
            canvas.line([(side * 0.12, 0.02), (side * 0.16, self.top + 0.03)], DARK, 0.035)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        half, fan = self._shape(look, gesture)
        return (-half - 0.17 - fan * 0.5, 0.46 - 0.28 * gesture.pitch), (
            half + 0.14 + fan * 0.5,
            0.33 + 0.015 * gesture.hit,
        )

    def _shape(self, look: Look, gesture: Gesture) -> tuple[float, float]:
        """Half width of the bellows at the top, and how much further they open at the bottom."""
        opening = 0.5 + 0.5 * gesture.slow
        return 0.13 + 0.1 * opening, 0.02 + (0.06 + 0.02 * look.odd[0]) * opening


class Piano(Prop):
    """A keyboard across the picture with the case below it and the lid behind the player."""

    zoom = 0.92
    drop = 0.05

    def behind(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        canvas.solid(polygon([(-0.72, 0.45), (-0.78, -0.1), (0.55, -0.42), (0.72, 0.45)]), shade(look.body, 0.8), 0.02)

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        canvas.solid(box(-0.8, 0.4, 0.8, 0.98, 0.03), look.body, 0.02)
        canvas.draw(box(-0.72, 0.44, 0.72, 0.62), IVORY, DARK, 0.012)
        for k in range(1, 22):
            x = -0.72 + 1.44 * k / 22
            canvas.line([(x, 0.44), (x, 0.62)], (0.4, 0.4, 0.4), 0.006)
            if k % 7 not in (0, 3):
                canvas.draw(box(x - 0.02, 0.44, x + 0.02, 0.545), DARK)
        canvas.line([(-0.7, 0.72), (0.7, 0.72)], shade(look.body, 1.4), 0.02)
        for x in (-0.7, 0.7):
            canvas.line([(x, 0.98), (x, 1.3)], shade(look.body, 0.6), 0.07)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        left = -0.42 + 0.2 * gesture.slow
        return (left, 0.5 + 0.02 * gesture.hit), (0.1 + 0.45 * gesture.pitch, 0.52 - 0.05 * (1 - gesture.hit))


class Congas(Prop):
    """Two tall barrels played with the hands."""

    drop = 0.03

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        for x, colour in ((-0.22, look.body), (0.22, shade(look.body, 0.85))):
            canvas.solid(tube([(x, 0.5), (x, 0.75), (x, 1.0), (x, 1.25)], [0.17, 0.215, 0.19, 0.13]), colour, 0.018)
            for dx in (-0.1, 0.0, 0.1):
                canvas.line([(x + dx, 0.55), (x + dx * 1.25, 0.75), (x + dx * 1.0, 1.05)], shade(colour, 0.6), 0.012)
            canvas.line([(x - 0.17, 0.54), (x, 0.59), (x + 0.17, 0.54)], look.accent, 0.03)
            canvas.draw(disc(x, 0.5, 0.175, 0.065), IVORY, shade(look.accent, 0.5), 0.022)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        (_, a), (_, b) = alternate(gesture)
        return (-0.17, 0.47 - 0.2 * a), (0.17, 0.47 - 0.2 * b)


class Drum(Prop):
    """A kit: bass drum in front, snare, tom, two cymbals, sticks."""

    zoom = 0.93
    drop = 0.04

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        for x, y, tilt in ((-0.56, 0.12, -10), (0.56, 0.06, 12)):  # cymbals
            canvas.line([(x, y), (x * 0.85, 1.2)], (0.45, 0.45, 0.48), 0.022)
            with canvas.at(x, y, (tilt + 6 * gesture.hit) * DEGREE):
                canvas.solid(disc(0, 0, 0.23, 0.045), shade(look.accent, 1.25), 0.012)
                canvas.draw(disc(0, -0.012, 0.06, 0.022), shade(look.accent, 0.8))
        canvas.solid(disc(0, 0.9, 0.33), look.body, 0.05)
        canvas.draw(disc(0, 0.9, 0.27 + 0.006 * gesture.hit), IVORY, DARK, 0.01)
        canvas.draw(disc(0, 0.9, 0.1), shade(look.body, 0.6))
        for x, y in ((-0.36, 0.5), (0.36, 0.5), (0.0, 0.46)):
            canvas.solid(box(x - 0.16, y, x + 0.16, y + 0.17, 0.02), look.body, 0.016)
            canvas.draw(disc(x, y, 0.165, 0.052), IVORY, shade(look.accent, 0.5), 0.018)

    def over(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        for side, (_, height), hand in zip((-1, 1), alternate(gesture), self.hands(look, gesture)):
            tip = (side * (0.34 if gesture.count % 3 else 0.08), 0.46 - 0.2 * height)
            canvas.line([hand, tip], shade(look.second, 1.6), 0.022)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        (_, a), (_, b) = alternate(gesture)
        return (-0.24, 0.36 - 0.08 * a), (0.24, 0.36 - 0.08 * b)
