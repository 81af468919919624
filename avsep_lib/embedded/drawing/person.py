"""The performer: body, head, clothes and arms. Unit: about half a person's height; the neck is the origin, y is down."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import numpy as np

from avsep_lib.embedded.drawing.canvas import Canvas
from avsep_lib.embedded.drawing.palette import HAIRS, SKINS, Colour, any_colour, instrument_colour, pick, shade
from avsep_lib.embedded.drawing.shapes import Point, box, disc, mirrored, polygon, smooth

SHOULDER_Y = 0.075
UPPER_ARM, FOREARM = 0.27, 0.26
HEAD = disc(0, 0, 0.105, 0.135)
TORSO = mirrored([(0.0, 0.0), (0.08, 0.015), (0.19, 0.06), (0.205, 0.2), (0.165, 0.42), (0.18, 0.6), (0.0, 0.63)])
CAPS = {
    "short": smooth([(-0.11, 0.0), (-0.115, -0.08), (0.0, -0.155), (0.115, -0.08), (0.11, 0.0), (0.07, -0.07), (-0.04, -0.085)]),
    "long": smooth([(-0.12, 0.16), (-0.14, -0.04), (0.0, -0.165), (0.14, -0.04), (0.12, 0.16), (0.085, 0.05), (0.075, -0.06), (-0.06, -0.075), (-0.085, 0.05)]),
    "bald": smooth([(-0.108, 0.03), (-0.115, -0.04), (-0.1, -0.05), (-0.1, 0.0)]),
    "curly": smooth([(-0.14, 0.03), (-0.15, -0.08), (-0.08, -0.17), (0.03, -0.185), (0.12, -0.14), (0.15, -0.05), (0.13, 0.03), (0.09, -0.06), (0.0, -0.085), (-0.09, -0.05)]),
    "bun": smooth([(-0.11, 0.02), (-0.115, -0.08), (-0.05, -0.15), (-0.045, -0.2), (0.045, -0.2), (0.05, -0.15), (0.115, -0.08), (0.11, 0.02), (0.075, -0.075), (-0.06, -0.08)]),
}  # fmt: skip
DRESS = mirrored([(0.0, 0.5), (0.17, 0.5), (0.3, 1.2), (0.0, 1.25)])


@dataclass(frozen=True)
class Look:
    """Everything about a performer that stays the same during a video."""

    skin: Colour
    hair: Colour
    cap: str
    shirt: Colour
    trousers: Colour
    body: Colour  # of the instrument
    accent: Colour  # metal or dark parts of the instrument
    second: Colour  # case, bow, stand
    sleeves: bool
    glasses: bool
    beard: bool
    dress: bool
    build: float
    odd: tuple[float, ...]  # eight numbers in -1..1 for the instrument's own variation


def choose_look(rng: np.random.Generator) -> Look:
    """Draw a performer; nothing here depends on the instrument."""
    return Look(
        skin=pick(rng, SKINS),
        hair=pick(rng, HAIRS),
        cap=str(rng.choice(sorted(CAPS))),
        shirt=any_colour(rng, 0.12, 0.95),
        trousers=any_colour(rng, 0.12, 0.7),
        body=instrument_colour(rng),
        accent=instrument_colour(rng),
        second=any_colour(rng, 0.1, 0.6),
        sleeves=bool(rng.random() < 0.6),
        glasses=bool(rng.random() < 0.2),
        beard=bool(rng.random() < 0.15),
        dress=bool(rng.random() < 0.25),
        build=float(rng.uniform(0.9, 1.12)),
        odd=tuple(rng.uniform(-1, 1, 8).tolist()),
    )


def draw_legs(canvas: Canvas, look: Look, seated: bool, spread: float = 0.2) -> None:
    """Legs, shoes and, when seated, the chair."""
    if seated:
        wood = shade(look.second, 0.8)
        canvas.solid(box(-0.26, 0.6, 0.26, 0.68, 0.02), wood)
        for side in (-1, 1):
            canvas.line([(side * 0.22, 0.66), (side * 0.24, 1.3)], wood, 0.03)
    for side in (-1, 1):
        foot = (side * spread, 1.22) if seated else (side * 0.11, 1.25)
        knee = (side * (spread + 0.04), 0.78) if seated else (side * 0.12, 0.9)
        canvas.line([(side * 0.1, 0.56), knee, foot], look.trousers, 0.15)
    if look.dress and not seated:
        canvas.solid(DRESS, look.shirt)


def draw_torso(canvas: Canvas, look: Look) -> None:
    """Shirt, collar and neck."""
    canvas.solid(TORSO, look.shirt)
    canvas.draw(box(-0.045, -0.09, 0.045, 0.035, 0.02), shade(look.skin, 0.85))
    canvas.draw(polygon([(-0.06, 0.01), (0.0, 0.1), (0.06, 0.01)]), shade(look.skin, 0.92))
    canvas.line([(0.0, 0.1), (0.0, 0.55)], shade(look.shirt, 0.75), 0.01)


def draw_head(canvas: Canvas, look: Look, turn: float = 0.0, tilt: float = 0.0) -> None:
    """Head with face and hair; `turn` (-1..1) looks to the side, `tilt` leans."""
    with canvas.at(0.0, -0.17, tilt):
        if look.cap == "long":
            canvas.draw(disc(0, 0.0, 0.135, 0.165), shade(look.hair, 0.75))
        canvas.solid(HEAD, look.skin)
        face = 0.045 * turn
        if look.beard:
            canvas.draw(smooth([(-0.09, 0.03), (face, 0.07), (0.09, 0.03), (0.06, 0.125), (-0.06, 0.125)]), look.hair)
        dark = shade(look.skin, 0.3)
        for side in (-1, 1):
            canvas.dot(face + side * 0.042, -0.005, 0.013, dark)
            canvas.line([(face + side * 0.06, -0.042), (face + side * 0.026, -0.046)], shade(look.hair, 0.7), 0.012)
            if look.glasses:
                canvas.draw(disc(face + side * 0.042, -0.005, 0.032), None, dark, 0.01)
        canvas.line([(face * 1.4, 0.01), (face * 1.6, 0.04)], shade(look.skin, 0.72), 0.012)
        canvas.line([(face * 1.2 - 0.025, 0.075), (face * 1.2 + 0.025, 0.075)], (0.6, 0.25, 0.25), 0.014)
        canvas.draw(CAPS[look.cap], look.hair)


def draw_arm(canvas: Canvas, look: Look, side: int, hand: Point, lift: float = 0.0) -> None:
    """One arm from the shoulder to `hand`; `side` -1 is the viewer's left, `lift` > 0 raises the elbow."""
    shoulder = (side * 0.175 * look.build, SHOULDER_Y)
    elbow = _elbow(shoulder, hand, side, lift)
    sleeve = shade(look.shirt, 0.82)
    edge = shade(look.shirt, 0.4)
    canvas.line([shoulder, elbow, hand] if look.sleeves else [shoulder, elbow], edge, 0.1)
    if not look.sleeves:
        canvas.line([elbow, hand], shade(look.skin, 0.55), 0.075)
        canvas.line([elbow, hand], shade(look.skin, 0.94), 0.06)
    canvas.line([shoulder, elbow, hand] if look.sleeves else [shoulder, elbow], sleeve, 0.085)
    draw_hand(canvas, look, hand)


def draw_hand(canvas: Canvas, look: Look, hand: Point) -> None:
    """A hand as a disc with an outline."""
    canvas.solid(disc(*hand, 0.042), look.skin, 0.01)


def _elbow(shoulder: Point, hand: Point, side: int, lift: float) -> Point:
    """Two-bone reach: the elbow bends outward and down, or up with `lift`."""
    dx, dy = hand[0] - shoulder[0], hand[1] - shoulder[1]
    distance = max(hypot(dx, dy), 1e-6)
    reach = min(distance, UPPER_ARM + FOREARM - 1e-3)
    along = (UPPER_ARM**2 - FOREARM**2 + reach**2) / (2 * reach)
    height = max(UPPER_ARM**2 - along**2, 0.0) ** 0.5
    ux, uy = dx / distance, dy / distance
    outward = (-uy, ux) if (-uy * side + ux * (1.0 - 2.0 * lift)) > 0 else (uy, -ux)
    # seen from the front a bent arm is foreshortened, and its elbow hangs
    out, hang = 0.55 * height, 0.4 * height * (1 - 2 * lift)
    return (shoulder[0] + ux * along + outward[0] * out, shoulder[1] + uy * along + outward[1] * out + hang)
