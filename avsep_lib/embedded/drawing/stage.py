"""Players with their instruments, in drawing order."""

from __future__ import annotations

from dataclasses import dataclass

from avsep_lib.embedded.drawing import bowed, plucked, struck, winds
from avsep_lib.embedded.drawing.canvas import Canvas
from avsep_lib.embedded.drawing.motion import Motion
from avsep_lib.embedded.drawing.person import Look, draw_arm, draw_head, draw_legs, draw_torso
from avsep_lib.embedded.drawing.prop import Prop

PROPS: dict[str, Prop] = {
    "accordion": struck.Accordion(),
    "acoustic_guitar": plucked.AcousticGuitar(),
    "bagpipe": winds.Bagpipe(),
    "banjo": plucked.Banjo(),
    "bassoon": winds.Bassoon(),
    "cello": bowed.Cello(),
    "clarinet": winds.Clarinet(),
    "congas": struck.Congas(),
    "drum": struck.Drum(),
    "electric_bass": plucked.ElectricBass(),
    "erhu": bowed.Erhu(),
    "flute": winds.Flute(),
    "guzheng": plucked.Guzheng(),
    "piano": struck.Piano(),
    "pipa": plucked.Pipa(),
    "saxophone": winds.Saxophone(),
    "trumpet": winds.Trumpet(),
    "tuba": winds.Tuba(),
    "ukulele": plucked.Ukulele(),
    "violin": bowed.Violin(),
    "xylophone": struck.Xylophone(),
}


@dataclass(frozen=True)
class Player:
    """One performer on stage: what they hold, how they look and move, where they are in the picture."""

    prop: Prop
    look: Look
    motion: Motion
    x: float
    y: float
    scale: float

    def draw(self, canvas: Canvas, time: float) -> None:
        """Draw the performer as they are at `time` seconds."""
        gesture, prop, look = self.motion.at(time), self.prop, self.look
        scale = self.scale * prop.zoom
        bob = 0.006 * gesture.sway * gesture.sway
        with canvas.at(self.x - prop.centre * scale, self.y - prop.drop * scale + bob, 0.0, scale):
            draw_legs(canvas, look, prop.seated, prop.spread)
            with canvas.at(0.0, 0.6, 0.035 * gesture.sway), canvas.at(0.0, -0.6):
                prop.behind(canvas, look, gesture)
                draw_torso(canvas, look)
                draw_head(canvas, look, prop.turn, 0.04 * gesture.sway)
                prop.front(canvas, look, gesture)
                for side, hand, lift in zip((-1, 1), prop.hands(look, gesture), prop.lifts):
                    draw_arm(canvas, look, side, hand, lift)
                prop.over(canvas, look, gesture)
