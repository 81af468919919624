"""Names beside the points of a scatter plot, placed so that none covers another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avsep_lib.plots.style import TEXT

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

DISTANCES = (6.0, 8.0, 10.0, 13.0, 17.0, 22.0, 28.0, 35.0, 45.0)  # points from the centre of a mark
APART = 3.0  # points between two names, or they read as one
HIDDEN = 20.0  # times as bad as lying on a line
HALF_LINE = 1.5  # points: half the width that a line takes up
POINT = 4.5  # points: half the size of a mark
ANGLES = np.deg2rad(np.arange(0, 360, 15.0))


def place_labels(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    names: Sequence[str],
    avoid: Iterable[Artist] = (),
    lines: Iterable[tuple[float, float, float, float]] = (),
    fontsize: float = 8.0,
) -> list[Annotation]:
    """Annotate points; a name that had to move far gets a thin line to its point.

    Parameters
    ----------
    ax : Axes
        With its final limits and place: draw the figure once before (``figure.draw_without_rendering()``).
    x, y : array_like, shape (n,)
        In data coordinates.
    names : sequence of str
    avoid : iterable of Artist
        What else must stay readable.
    lines : iterable of (x0, y0, x1, y1)
        Vertical or horizontal lines in data coordinates that a name should rather not lie on.
    fontsize : float

    Returns
    -------
    list of Annotation
        In the order of `names`.
    """
    from matplotlib.patheffects import withStroke

    points = ax.transData.transform(np.column_stack([x, y]))
    scale = ax.figure.dpi / 72
    marks = np.column_stack([points - POINT * scale, points + POINT * scale])
    soft: list[NDArray] = []
    taken = [*marks, *(np.array(artist.get_window_extent().extents) for artist in avoid)]
    for line in lines:
        ends = ax.transData.transform(np.reshape(line, (2, 2)))
        taken.append(
            np.concatenate([ends.min(axis=0), ends.max(axis=0)]) + HALF_LINE * scale * np.array([-1, -1, 1, 1])
        )
    inside = np.array(ax.get_window_extent().extents)
    labels: dict[int, Annotation] = {}
    for i in _most_crowded_first(points):
        label = ax.annotate(names[i], (x[i], y[i]), (0, 0), textcoords="offset points", fontsize=fontsize, color=TEXT)
        label.set_path_effects([withStroke(linewidth=1.8, foreground="white", alpha=0.8)])
        extent = label.get_window_extent()
        size = np.array([extent.width, extent.height])
        offset, box = _best(points[i], size, scale, (taken, soft, inside), np.delete(points, i, axis=0))
        label.set_position(offset)
        label.set_ha("left")
        label.set_va("bottom")
        if np.hypot(*_gap(points[i], box)) > 1.6 * POINT * scale:
            ends = (x[i], y[i]), ax.transData.inverted().transform(_nearest(points[i], box))
            ax.plot(*zip(*ends), color=TEXT, lw=0.5, alpha=0.7, zorder=2.5, scalex=False, scaley=False)
        taken.append(box + APART * scale * np.array([-1, 0, 1, 0]))
        labels[i] = label
    return [labels[i] for i in range(len(names))]


def _most_crowded_first(points: NDArray) -> NDArray[np.intp]:
    distance = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance.min(axis=1)) if len(points) > 1 else np.arange(len(points))


def _best(
    point: NDArray,
    size: NDArray,
    scale: float,
    obstacles: tuple[Sequence[NDArray], Sequence[NDArray], NDArray],
    others: NDArray,
) -> tuple[tuple[float, float], NDArray]:
    """Offset in points of the lower left corner, and the box in pixels, with the least overlap; the nearest of these."""
    taken, soft, inside = obstacles
    best = None
    for rank, distance in enumerate(DISTANCES):
        for angle in ANGLES:
            direction = np.array([np.cos(angle), np.sin(angle)])
            corner = point + direction * distance * scale + (direction - 1) / 2 * size
            box = np.concatenate([corner, corner + size])
            hidden = sum(_overlap(box, other) for other in taken) + size.prod() - _overlap(box, inside)
            crossed = _passed(point, _nearest(point, box), others, 1.3 * POINT * scale) * HIDDEN * size.prod() / 4
            cost = rank + sum(_overlap(box, other) for other in soft) + crossed + HIDDEN * hidden
            if best is None or cost < best[0]:
                best = cost, tuple((corner - point) / scale), box
    return best[1:]


def _overlap(a: NDArray, b: NDArray) -> float:
    """Shared area of two boxes (x0, y0, x1, y1), in square pixels."""
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    return float(max(width, 0) * max(height, 0))


def _passed(start: NDArray, end: NDArray, others: NDArray, reach: float) -> int:
    """How many other points a line from `start` to `end` comes close to: it would seem to be theirs."""
    way = end - start
    along = np.clip((others - start) @ way / max(way @ way, 1e-9), 0, 1)
    return int((np.hypot(*(others - start - along[:, None] * way).T) < reach).sum())


def _nearest(point: NDArray, box: NDArray) -> NDArray:
    return np.clip(point, box[:2], box[2:])


def _gap(point: NDArray, box: NDArray) -> NDArray:
    return _nearest(point, box) - point
