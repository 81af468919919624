"""One video's pictures: backdrop and light drawn once, players redrawn for every frame."""

from __future__ import annotations

import numpy as np

from avsep_lib.embedded.drawing.backdrop import draw_backdrop, draw_foreground, light_map
from avsep_lib.embedded.drawing.canvas import Canvas
from avsep_lib.embedded.drawing.clutter import draw_clutter, draw_occluders
from avsep_lib.embedded.drawing.motion import Motion
from avsep_lib.embedded.drawing.person import choose_look
from avsep_lib.embedded.drawing.stage import PROPS, Player
from avsep_lib.embedded.drawing.things import Thing, choose_paint, designs
from avsep_lib.embedded.instruments import Instrument
from avsep_lib.embedded.melody import Note, Piece
from avsep_lib.embedded.seeds import generator, seed_of

SCALE = {1: (0.60, 0.72), 2: (0.42, 0.49)}  # of a player, by how many there are
NECK_Y = {1: (0.30, 0.37), 2: (0.36, 0.43)}
PLACES = {1: (0.5,), 2: (0.29, 0.72)}
BRIGHTNESS = (85.0, 165.0)  # of a picture, mean over its pixels
CAST = 16.0  # spread of the channels around it
REACH = (25.0, 235.0)  # what a backdrop can be repainted to
MOST_OCCLUDERS = 2
EDGE = 0.9  # where they are, of a player's size


class Scene:
    """Draw the frames of one video.

    Parameters
    ----------
    players : list of Instrument
        One or two.
    notes : list of list of Note
        What each plays, in clip time.
    piece : Piece
        Gives the beat that everybody sways to.
    seed : int
        Seed of everything visible.
    size : int
        Width and height of a frame in pixels.
    clutter : (int, int)
        Fewest and most objects that make no sound.
    """

    def __init__(
        self,
        players: list[Instrument],
        notes: list[list[Note]],
        piece: Piece,
        seed: int,
        size: int,
        clutter: tuple[int, int] = (0, 0),
    ) -> None:
        rng = np.random.Generator(np.random.PCG64(seed))
        self._canvas, self._front = Canvas(size), seed_of(seed, "foreground")
        self._players = [
            (_player if player.name in PROPS else _thing)(
                player.name, own, piece.beat, number, len(players), seed_of(seed, "player", number)
            )
            for number, (player, own) in enumerate(zip(players, notes))
        ]
        draw_backdrop(self._canvas, rng)
        mess, self._before = generator(seed, "clutter"), seed_of(seed, "occluders")
        count = int(mess.integers(clutter[0], clutter[1] + 1))
        self._occluders = min(count // 3, MOST_OCCLUDERS)
        draw_clutter(self._canvas, count - self._occluders, mess)
        self._backdrop = self._canvas.pixels.copy()
        self._light = light_map(size, rng)
        self._grain = rng.normal(0, rng.uniform(0.5, 2.5), (2 * size, 2 * size, 1)).astype(np.float32)
        self._rng = rng
        goal = rng.uniform(*BRIGHTNESS) + rng.normal(0, CAST, 3)
        self._backdrop[..., :3] = _tuned(self._backdrop[..., :3], self._drawn(0.0), goal)

    def frame(self, time: float) -> np.ndarray:
        """Picture at `time` seconds: uint8 of shape (size, size, 3)."""
        picture = self._drawn(time) * self._light
        size = len(picture)
        x, y = self._rng.integers(0, size, 2)
        return np.clip(picture + self._grain[y : y + size, x : x + size] + 0.5, 0, 255).astype(np.uint8)

    def _drawn(self, time: float) -> np.ndarray:
        """Backdrop, players and foreground, before light and camera."""
        canvas = self._canvas
        canvas.pixels[:] = self._backdrop
        for player in self._players:
            player.draw(canvas, time)
        before = generator(self._before)
        for player in self._players if self._occluders else ():
            draw_occluders(canvas, self._occluders, player.x, player.y, EDGE * player.scale, before)
        draw_foreground(canvas, np.random.Generator(np.random.PCG64(self._front)))
        return canvas.pixels[..., :3].copy()


def _player(name: str, notes: list[Note], beat: float, number: int, count: int, seed: int) -> Player:
    rng = np.random.Generator(np.random.PCG64(seed))
    return Player(
        prop=PROPS[name],
        look=choose_look(rng),
        motion=Motion(notes, beat, float(rng.uniform(0, 2 * np.pi))),
        x=PLACES[count][number] + float(rng.uniform(-0.05, 0.05) / count),
        y=float(rng.uniform(*NECK_Y[count])),
        scale=float(rng.uniform(*SCALE[count])),
    )


def _thing(name: str, notes: list[Note], beat: float, number: int, count: int, seed: int) -> Thing:
    rng = generator(seed)
    return Thing(
        design=designs()[name],
        paint=choose_paint(rng),
        motion=Motion(notes, beat, float(rng.uniform(0, 2 * np.pi))),
        x=PLACES[count][number] + float(rng.uniform(-0.12, 0.12) / count),
        y=float(rng.uniform(0.4, 0.6)),
        scale=float(rng.uniform(0.26, 0.35)) / count**0.5,
        angle=float(rng.uniform(-0.25, 0.25)),
    )


def _tuned(backdrop: np.ndarray, picture: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Repaint the backdrop so that the mean colour of the whole picture becomes `goal`.

    The mean colour of every video is thus drawn from one distribution, whatever stands in front: it cannot tell the
    class. A power curve per channel keeps black black and white white.
    """
    covered = (picture != backdrop).any(axis=-1)
    share = covered.mean()
    wanted = (goal - share * picture[covered].mean(axis=0)) / (1 - share)
    tuned = np.empty_like(backdrop)
    for c, mean in enumerate(np.clip(wanted, *REACH)):
        tuned[..., c] = _power_curve(backdrop[~covered][:, c], mean)[backdrop[..., c]]
    return tuned


def _power_curve(visible: np.ndarray, mean: float) -> np.ndarray:
    """Tone curve, shape (256,), that brings the mean of `visible` to `mean`; the exponent is found by bisection."""
    levels = np.arange(256) / 255
    share = np.bincount(visible, minlength=256) / visible.size
    low, high = 0.1, 10.0
    for _ in range(20):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if 255 * (share @ levels**middle) > mean else (low, middle)
    return np.round(255 * levels ** ((low * high) ** 0.5)).astype(np.uint8)
