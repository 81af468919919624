"""What every drawn instrument answers; the defaults suit a standing player who faces us."""

from __future__ import annotations

from math import pi

from avsep_lib.embedded.drawing.canvas import Canvas
from avsep_lib.embedded.drawing.motion import Gesture
from avsep_lib.embedded.drawing.person import Look
from avsep_lib.embedded.drawing.shapes import Point

DEGREE = pi / 180


class Prop:
    """An instrument in the hands of a player, in the player's coordinates (see `person`).

    Attributes
    ----------
    seated : bool
        Whether the player sits.
    spread : float
        Half the distance between the knees of a seated player.
    centre : float
        Where the middle of player and instrument lies; the picture is moved by as much the other way.
    zoom : float
        Relative size of player and instrument in the picture.
    turn : float
        Direction of the face, -1 (viewer's left) .. 1.
    lifts : (float, float)
        How far each elbow is raised, viewer's left and right.
    """

    seated = False
    spread = 0.2
    centre = 0.0
    zoom = 1.0
    drop = 0.0
    turn = 0.0
    lifts = (0.0, 0.0)

    def behind(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        """Draw what is behind the player."""

    def front(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        """Draw what is in front of the player's body."""
        raise NotImplementedError

    def over(self, canvas: Canvas, look: Look, gesture: Gesture) -> None:
        """Draw what is in front of the arms and hands."""

    def hands(self, look: Look, gesture: Gesture) -> tuple[Point, Point]:
        """Where the hands are: viewer's left, viewer's right."""
        raise NotImplementedError
