"""A small vector canvas: Agg's anti-aliased paths, a stack of transforms, nothing global."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import cos, sin, sqrt

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, TransformedPath

from avsep_lib.embedded.drawing.palette import Colour, shade
from avsep_lib.embedded.drawing.shapes import Point, disc, polyline


class Canvas:
    """Draw shapes given in local coordinates, x to the right and y down; the picture itself spans 0..1.

    Parameters
    ----------
    size : int
        Width and height in pixels.

    Attributes
    ----------
    pixels : numpy.ndarray, shape (size, size, 4), uint8
        The picture so far (RGBA); writable.
    """

    def __init__(self, size: int) -> None:
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
    def at(self, x: float = 0.0, y: float = 0.0, angle: float = 0.0, scale: float = 1.0) -> Iterator[None]:
        """Inside the block the origin is (x, y), turned by `angle` (radians, clockwise on screen) and scaled."""
        before = self._matrix
        c, s = cos(angle) * scale, sin(angle) * scale
        self._matrix = before @ np.array([[c, -s, x], [s, c, y], [0.0, 0.0, 1.0]])
        try:
            yield
        finally:
            self._matrix = before

    @contextmanager
    def within(self, path: Path) -> Iterator[None]:
        """Inside the block nothing is painted outside `path`."""
        self._context.set_clip_path(TransformedPath(path, Affine2D(self._matrix)))
        try:
            yield
        finally:
            self._context.set_clip_path(None)

    def draw(
        self, path: Path, fill: Colour | None = None, line: Colour | None = None, width: float = 0.0, alpha: float = 1.0
    ) -> None:
        """Fill and outline `path`; `width` is in local units, and never thinner than half a pixel."""
        context, m = self._context, self._matrix
        context.set_linewidth(0.0)
        if line is not None:
            context.set_linewidth(max(width * sqrt(abs(m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0])), 0.5))
            context.set_foreground((*line, alpha), isRGBA=True)
        self._renderer.draw_path(context, path, m, None if fill is None else (*fill, alpha))

    def solid(self, path: Path, fill: Colour, width: float = 0.012) -> None:
        """Fill `path` and outline it in a darker shade of the same colour."""
        self.draw(path, fill, shade(fill, 0.45), width)

    def line(self, points: Sequence[Point], colour: Colour, width: float, alpha: float = 1.0) -> None:
        """An open polyline with round ends."""
        self.draw(polyline(points), None, colour, width, alpha)

    def dot(self, x: float, y: float, r: float, colour: Colour, alpha: float = 1.0) -> None:
        """A filled disc."""
        self.draw(disc(x, y, r), colour, alpha=alpha)
