"""Winds: flute, clarinet, saxophone, trumpet, tuba, bassoon, bagpipe. All reach the mouth at (0, -0.095)."""

from __future__ import annotations

from avsep_lib.embedded.drawing.canvas import Canvas
from avsep_lib.embedded.drawing.motion import Gesture
from avsep_lib.embedded.drawing.palette import shade
from avsep_lib.embedded.drawing.person import Look
from avsep_lib.embedded.drawing.prop import DEGREE, Prop
from avsep_lib.embedded.drawing.shapes import Point, box, disc, polygon, smooth, tube, turned

MOUTH = (0.0, -0.095)
DARK = (0.1, 0.08, 0.08)


def draw_keys(canvas: Canvas, look: Look, points: list[Point], r: float, gesture: Gesture) -> None:
    """Round keys; those pressed for the present pitch are darker."""
    closed = round((1 - gesture.pitch) * len(points))
    for k, (x, y) in enumerate(points):
        canvas.draw(disc(x, y, r), shade(look.accent, 0.7 if k < closed else 1.5), DARK, 0.006)


class Flute(Prop):
    """A thin tube held across, to the viewer's left."""

    centre = -0.2
    zoom = 1.1
    turn = -0.5
    lifts = (0.2, 0.0)
    length = 0.82

    def place(self, look: Look) -> tuple[float, float, float]:
        """Mouth hole and droop."""
        return 0.0, -0.09, (-9 + 7 * look.odd[0]) * DEGREE

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        with canvas.at(*self.place(look)):
            canvas.solid(box(-self.length + 0.12, -0.021, 0.12, 0.021, 0.015), shade(look.body, 1.2), 0.014)
            canvas.line([(-self.length + 0.14, -0.009), (0.1, -0.009)], shade(look.body, 1.7), 0.01)
            for x in (0.06, -0.12, -0.56):
                canvas.line([(x, -0.022), (x, 0.022)], shade(look.accent, 0.6), 0.016)
            canvas.draw(disc(0, -0.012, 0.035, 0.02), shade(look.body, 0.5))

    def over(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        with canvas.at(*self.place(look)):
            draw_keys(canvas, look, [(-0.2 - 0.055 * k, -0.026) for k in range(8)], 0.02, gesture)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        dip = 0.012 * gesture.hit
        place = self.place(look)
        return turned((-0.5, 0.05 + dip), *place), turned((-0.24, 0.045 - dip), *place)


class Clarinet(Prop):
    """A straight dark pipe downwards, ending in a small bell."""

    length = 0.74
    zoom = 1.18
    lifts = (0.0, 0.0)

    def place(self, look: Look) -> tuple[float, float, float]:
        """Mouth and lean."""
        return *MOUTH, 8 * look.odd[0] * DEGREE

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        n = self.length
        with canvas.at(*self.place(look)):
            pipe = [(-0.012, 0.0), (0.012, 0.0), (0.027, 0.1), (0.03, n - 0.14), (0.045, n - 0.07), (0.085, n), (-0.085, n),
                    (-0.045, n - 0.07), (-0.03, n - 0.14), (-0.027, 0.1)]  # fmt: skip
            canvas.solid(polygon(pipe), look.body, 0.016)
            canvas.draw(polygon([(-0.012, 0.0), (0.012, 0.0), (0.026, 0.09), (-0.026, 0.09)]), DARK)
            for y in (0.11, 0.34, n - 0.14):
                canvas.line([(-0.03, y), (0.03, y)], shade(look.accent, 1.4), 0.02)
            canvas.line([(-0.012, 0.14), (-0.012, n - 0.15)], shade(look.body, 1.6), 0.01)

    def over(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        with canvas.at(*self.place(look)):
            draw_keys(canvas, look, [(0.0, 0.17 + 0.05 * k) for k in range(8)], 0.017, gesture)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        dip = 0.012 * gesture.hit
        place = self.place(look)
        return turned((-0.045 - dip, 0.44), *place), turned((0.045 + dip, 0.24), *place)


class Saxophone(Prop):
    """An S of widening tube: crook from the mouth, body down, bow, bell turned up and out."""

    centre = 0.0
    zoom = 1.15
    turn = -0.2

    def place(self, look: Look) -> tuple[float, float, float]:
        """Mouth and swing to the side."""
        return *MOUTH, (3 + 7 * look.odd[0]) * DEGREE

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        with canvas.at(*self.place(look)):
            canvas.solid(
                tube([(0.0, 0.0), (-0.05, -0.03), (-0.11, 0.0), (-0.13, 0.08)], [0.014, 0.018, 0.022, 0.026]),
                look.body,
                0.014,
            )
            canvas.line([(0.004, 0.0), (-0.025, -0.016)], DARK, 0.028)  # mouthpiece
            bell = tube(
                [
                    (-0.13, 0.06),
                    (-0.15, 0.3),
                    (-0.165, 0.56),
                    (-0.12, 0.69),
                    (-0.02, 0.7),
                    (0.04, 0.6),
                    (0.07, 0.44),
                    (0.12, 0.3),
                ],
                [0.03, 0.042, 0.056, 0.066, 0.072, 0.078, 0.095, 0.165],
            )
            canvas.solid(bell, look.body, 0.016)
            with canvas.at(0.125, 0.29, 20 * DEGREE):
                canvas.solid(disc(0, 0, 0.168, 0.055), shade(look.body, 1.25), 0.014)
                canvas.draw(disc(0, 0.006, 0.13, 0.036), shade(look.body, 0.35))
            canvas.line([(-0.155, 0.15), (-0.19, 0.55)], shade(look.body, 1.6), 0.014)
            canvas.line([(-0.1, 0.12), (-0.1, 0.5)], shade(look.accent, 1.2), 0.012)

    def over(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        with canvas.at(*self.place(look)):
            draw_keys(canvas, look, [(-0.14 - 0.004 * k, 0.14 + 0.065 * k) for k in range(7)], 0.028, gesture)
            canvas.draw(disc(-0.01, 0.63, 0.045), shade(look.accent, 1.3), DARK, 0.008)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        dip = 0.014 * gesture.hit
        place = self.place(look)
        return turned((-0.21 - dip, 0.46), *place), turned((-0.09 + dip, 0.2), *place)


class Trumpet(Prop):
    """Held out to the viewer's left: bell, oblong loop of tube, three valves."""

    centre = -0.25
    zoom = 1.05
    turn = -0.8
    lifts = (0.1, 0.1)

    def place(self, look: Look) -> tuple[float, float, float]:
        """Mouth and elevation."""
        return -0.03, -0.09, (-5 + 10 * look.odd[0]) * DEGREE

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        edge = shade(look.body, 0.4)
        with canvas.at(*self.place(look)):
            canvas.solid(polygon([(0.02, -0.024), (0.02, 0.024), (-0.03, 0.009), (-0.03, -0.009)]), look.accent, 0.01)
            loop = smooth([(-0.14, 0.0), (-0.46, 0.0), (-0.5, 0.055), (-0.46, 0.11), (-0.14, 0.11), (-0.1, 0.055)])
            canvas.draw(loop, None, edge, 0.05)
            canvas.draw(loop, None, look.body, 0.032)
            canvas.line([(0.0, 0.0), (-0.44, 0.0)], edge, 0.042)
            canvas.line([(0.0, 0.0), (-0.44, 0.0)], look.body, 0.026)
            bell = tube(
                [(-0.2, 0.11), (-0.45, 0.11), (-0.58, 0.11), (-0.68, 0.11), (-0.74, 0.11)],
                [0.02, 0.026, 0.042, 0.08, 0.15],
            )
            canvas.solid(bell, look.body, 0.014)
            canvas.solid(disc(-0.74, 0.11, 0.035, 0.15), shade(look.body, 1.3), 0.014)

    def over(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        with canvas.at(*self.place(look)):
            for k in range(3):
                x, pressed = -0.23 - 0.06 * k, 0.03 * ((gesture.count >> k) & 1)
                canvas.solid(box(x - 0.024, -0.035, x + 0.024, 0.16, 0.01), shade(look.body, 1.15), 0.012)
                canvas.line([(x, -0.04), (x, -0.085 + pressed)], shade(look.accent, 0.8), 0.018)
                canvas.draw(disc(x, -0.09 + pressed, 0.022, 0.012), shade(look.accent, 1.5), DARK, 0.006)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        place = self.place(look)
        return turned((-0.29, -0.045 + 0.01 * gesture.hit), *place), turned((-0.27, 0.17), *place)


class Tuba(Prop):
    """A large upright horn on the lap: oval loops of tube, the wide bell beside and above the head."""

    seated = True
    centre = 0.06
    zoom = 0.92
    drop = 0.06
    turn = 0.1

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        edge, light = shade(look.body, 0.42), shade(look.body, 1.3)
        with canvas.at(0.05, 0.0, (4 + 4 * look.odd[0]) * DEGREE):
            for rx, ry, width in ((0.255, 0.35, 0.1), (0.16, 0.25, 0.06)):
                loop = disc(0.0, 0.45, rx, ry)
                canvas.draw(loop, None, edge, width + 0.022)
                canvas.draw(loop, None, shade(look.body, 0.92), width)
            flare = tube([(-0.12, 0.76), (0.06, 0.78), (0.2, 0.6), (0.215, 0.3), (0.22, 0.0), (0.225, -0.18), (0.23, -0.3), (0.23, -0.37)],
                         [0.06, 0.075, 0.085, 0.09, 0.1, 0.125, 0.175, 0.285])  # fmt: skip
            canvas.solid(flare, look.body, 0.016)
            canvas.line([(0.18, 0.55), (0.19, -0.1)], light, 0.022, 0.8)
            canvas.solid(disc(0.23, -0.37, 0.285, 0.075), light, 0.016)
            canvas.draw(disc(0.23, -0.365, 0.235, 0.052), shade(look.body, 0.3))
            for k in range(3):
                pressed = 0.03 * ((gesture.count >> k) & 1)
                x = -0.1 + 0.062 * k
                canvas.line([(x, 0.28 + pressed), (x, 0.34)], shade(look.accent, 0.9), 0.02)
                canvas.solid(box(x - 0.026, 0.33, x + 0.026, 0.58, 0.012), shade(look.accent, 1.2), 0.012)
        mouth_pipe = smooth([MOUTH, (0.02, -0.06), (0.13, 0.0), (0.18, 0.12), (0.1, 0.2)], False)
        canvas.draw(mouth_pipe, None, edge, 0.042)
        canvas.draw(mouth_pipe, None, light, 0.026)
        canvas.draw(disc(*MOUTH, 0.038, 0.026), shade(look.accent, 1.3), DARK, 0.008)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        return (-0.06, 0.29 + 0.02 * gesture.hit), (0.33, 0.5)


class Bassoon(Prop):
    """A long pipe slanting from the viewer's lower left to above the head, with a thin curved crook to the mouth."""

    centre = 0.03
    zoom = 0.95
    seated = True

    def place(self, look: Look) -> tuple[float, float, float]:
        """Middle of the pipe and slant."""
        return 0.02, 0.3, (17 + 4 * look.odd[0]) * DEGREE

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        place = self.place(look)
        start = turned((0.0, -0.12), *place)
        crook = smooth([MOUTH, (-0.05, -0.11), (-0.09, -0.04), (-0.05, 0.08), start], False)
        with canvas.at(*place):
            canvas.solid(box(-0.05, -0.2, 0.05, 0.6, 0.03), look.body, 0.016)
            canvas.solid(box(-0.005, -0.84, 0.045, -0.18, 0.01), look.body, 0.016)
            canvas.draw(box(-0.012, -0.86, 0.052, -0.8), (0.95, 0.94, 0.9))
            for y in (-0.5, -0.2, 0.2, 0.5):
                canvas.line([(-0.05 if y > -0.3 else 0.0, y), (0.05, y)], shade(look.accent, 1.4), 0.022)
        canvas.draw(crook, None, DARK, 0.026)
        canvas.draw(crook, None, shade(look.accent, 1.5), 0.014)

    def over(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        with canvas.at(*self.place(look)):
            draw_keys(canvas, look, [(0.0, -0.1 + 0.085 * k) for k in range(7)], 0.022, gesture)

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        place = self.place(look)
        return turned((-0.06, 0.3 + 0.01 * gesture.hit), *place), turned((0.07, -0.05), *place)


class Bagpipe(Prop):
    """A bag under the arm, three drones over the shoulder, a blowpipe and a chanter."""

    centre = 0.05

    def behind(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        for angle, length in ((14, 0.72), (30, 0.6), (45, 0.55)):
            with canvas.at(0.12, 0.14, angle * DEGREE):
                canvas.solid(box(-0.026, -length, 0.026, 0.0, 0.01), shade(look.second, 0.8), 0.014)
                canvas.solid(box(-0.038, -length - 0.02, 0.038, -length + 0.08, 0.015), look.accent, 0.012)
                canvas.line([(-0.03, -0.3), (0.03, -0.3)], (0.95, 0.94, 0.9), 0.03)

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        puff = 1 + 0.05 * gesture.slow
        canvas.solid(
            smooth(
                [(-0.1, 0.2), (0.05, 0.12 / puff), (0.26, 0.16), (0.3, 0.34 * puff), (0.14, 0.46 * puff), (-0.04, 0.36)]
            ),
            look.body,
            0.018,
        )
        for k in range(3):
            canvas.line([(0.0 + 0.09 * k, 0.17), (0.02 + 0.09 * k, 0.42)], shade(look.body, 1.4), 0.014)
        canvas.line([MOUTH, (0.03, 0.18)], DARK, 0.036)
        canvas.line([(-0.06, 0.3), (-0.09, 0.74)], DARK, 0.05)
        canvas.line([(-0.06, 0.3), (-0.09, 0.74)], shade(look.second, 0.9), 0.034)
        canvas.draw(disc(-0.09, 0.75, 0.045, 0.03), (0.95, 0.94, 0.9))

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        dip = 0.015 * gesture.hit
        return (-0.115 - dip, 0.6), (-0.035 + dip, 0.46)
