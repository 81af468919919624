"""A small vector canvas: Agg's anti-aliased paths, a stack of transforms, nothing global."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import cos, sin

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

Colour = tuple[float, float, float]


class Canvas:
    """Draw shapes given in local coordinates, x to the right and y down; the picture itself spans 0..1.

    Parameters
    ----------
    size : int
        Width and height in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._renderer = RendererAgg(size, size, 72)
        self._context = self._renderer.new_gc()
        self._context.set_antialiased(True)
        self._context.set_snap(False)
        self._context.set_sketch_params(None)
        self._context.set_joinstyle("round")
        self._context.set_capstyle("round")
        # Agg's y axis points up, ours down
        self._matrix = np.array([[size, 0.0, 0.0], [0.0, -size, size], [0.0, 0.0, 1.0]])
        self.pixels = np.asarray(self._renderer.buffer_rgba())

    @contextmanager
    def at(
        self, x: float = 0.0, y: float = 0.0, angle: float = 0.0, scale: float = 1.0, wide: float = 1.0
    ) -> Iterator[None]:
        """Move the origin to (x, y), turn by `angle` (radians, clockwise on screen), scale; `wide` stretches x."""
        before = self._matrix
        c, s = cos(angle) * scale, sin(angle) * scale
        self._matrix = before @ np.array([[c * wide, -s, x], [s * wide, c, y], [0.0, 0.0, 1.0]])
        try:
            yield
        finally:
            self._matrix = before

    def draw(
        self, path: Path, fill: Colour | None = None, line: Colour | None = None, width: float = 0.0, alpha: float = 1.0
    ) -> None:
        """Fill and outline `path`; `width` is in local units."""
        context = self._context
        if line is None:
            context.set_linewidth(0.0)
        else:
            context.set_linewidth(width * abs(np.linalg.det(self._matrix[:2, :2])) ** 0.5)
            context.set_foreground((*line, alpha), isRGBA=True)
        face = None if fill is None else (*fill, alpha)
        self._renderer.draw_path(context, path, Affine2D(self._matrix), face)

    def line(self, points: list[tuple[float, float]], colour: Colour, width: float, alpha: float = 1.0) -> None:
        """An open polyline with round ends."""
        self.draw(Path(points), None, colour, width, alpha)

    def polygon(
        self, points: list[tuple[float, float]], fill: Colour, line: Colour | None = None, width: float = 0.0
    ) -> None:
        """A closed polygon."""
        self.draw(Path([*points, points[0]], closed=True), fill, line, width)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, fill: Colour | None, line: Colour | None = None,
        width: float = 0.0, angle: float = 0.0, alpha: float = 1.0,
    ) -> None:  # fmt: skip
        """An ellipse with half axes `rx` and `ry`."""
        with self.at(x, y, angle):
            self.draw(CIRCLE.transformed(Affine2D().scale(rx, ry)), fill, line, width, alpha)


CIRCLE = Path.unit_circle()
