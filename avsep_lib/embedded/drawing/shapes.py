"""Paths in local coordinates: smooth outlines, boxes, tapering tubes.

Most shapes are the same in every frame, so the functions remember their results; treat a path as immutable.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

Point = tuple[float, float]

CIRCLE = Path.unit_circle()


@lru_cache(maxsize=4096)
def disc(x: float, y: float, rx: float, ry: float | None = None) -> Path:
    """Circle or ellipse with half axes `rx`, `ry`."""
    return CIRCLE.transformed(Affine2D().scale(rx, rx if ry is None else ry).translate(x, y))


def polygon(points: Sequence[Point]) -> Path:
    """Closed polygon."""
    return _straight((*points, points[0]), True)


def polyline(points: Sequence[Point]) -> Path:
    """Open polygon."""
    return _straight(tuple(points), False)


@lru_cache(maxsize=4096)
def _straight(points: tuple[Point, ...], closed: bool) -> Path:
    return Path(points, closed=closed)


@lru_cache(maxsize=4096)
def box(x0: float, y0: float, x1: float, y1: float, r: float = 0.0) -> Path:
    """Axis-parallel rectangle, corners rounded by `r`."""
    if not r:
        return polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    corners = [(x0, y0, 1, 1), (x1, y0, -1, 1), (x1, y1, -1, -1), (x0, y1, 1, -1)]
    points, codes = [], []
    for k, (x, y, dx, dy) in enumerate(corners):
        first, last = (x, y + r * dy), (x + r * dx, y)
        if k % 2:
            first, last = last, first
        points += [first, (x, y), last]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    codes[0] = Path.MOVETO
    return Path([*points, points[0]], [*codes, Path.CLOSEPOLY])


def smooth(points: Sequence[Point], closed: bool = True) -> Path:
    """Catmull-Rom curve through `points` as cubic Bezier segments."""
    return _smooth(tuple(points), closed)


@lru_cache(maxsize=1024)
def _smooth(points: tuple[Point, ...], closed: bool) -> Path:
    p = np.asarray(points, float)
    n = len(p)
    take = (lambda k: p[k % n]) if closed else (lambda k: p[min(max(k, 0), n - 1)])
    vertices, codes = [p[0]], [Path.MOVETO]
    for k in range(n if closed else n - 1):
        a, b, c, d = take(k - 1), take(k), take(k + 1), take(k + 2)
        vertices += [b + (c - a) / 6, c - (d - b) / 6, c]
        codes += [Path.CURVE4] * 3
    if closed:
        vertices.append(p[0])
        codes.append(Path.CLOSEPOLY)
    return Path(vertices, codes)


def mirrored(half: Sequence[Point]) -> Path:
    """Smooth closed outline from its right half (listed from top to bottom), mirrored at x = 0."""
    return smooth([*half, *[(-x, y) for x, y in reversed(half) if x > 0]])


def tube(points: Sequence[Point], radii: Sequence[float], steps: int = 8) -> Path:
    """Outline of a tube along a smooth centre line whose radius goes from value to value of `radii`."""
    return _tube(tuple(points), tuple(radii), steps)


@lru_cache(maxsize=256)
def _tube(points: tuple[Point, ...], radii: tuple[float, ...], steps: int) -> Path:
    p = np.asarray(points, float)
    k = np.arange(len(p))
    at = np.linspace(0, len(p) - 1, (len(p) - 1) * steps + 1)
    centre = np.stack([_spline(k, p[:, axis], at) for axis in (0, 1)], axis=1)
    radius = np.interp(at, k, radii)[:, None]
    along = np.gradient(centre, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    outline = np.concatenate([centre + normal * radius, (centre - normal * radius)[::-1]])
    return polygon([tuple(point) for point in outline.tolist()])


def rays(x: float, y: float, inner: float, outer: float, count: int) -> list[Path]:
    """`count` short radial lines around (x, y)."""
    angles = np.arange(count) * 2 * np.pi / count
    return [polyline([(x + r * np.cos(a), y + r * np.sin(a)) for r in (inner, outer)]) for a in angles]


def turned(point: Point, x: float, y: float, angle: float, scale: float = 1.0) -> Point:
    """`point` of a frame placed at (x, y) and turned by `angle`, seen from outside (as `Canvas.at` places it)."""
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    return (x + c * point[0] - s * point[1], y + s * point[0] + c * point[1])


def _spline(k: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Catmull-Rom interpolation of one coordinate."""
    n = len(values)
    i = np.minimum(at.astype(int), n - 2)
    t = at - i
    a, b, c, d = values[np.maximum(i - 1, 0)], values[i], values[i + 1], values[np.minimum(i + 2, n - 1)]
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
