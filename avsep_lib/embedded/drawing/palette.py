"""Colours. Instruments of every class draw from one wide distribution, so that colour does not give the class away."""

from __future__ import annotations

import colorsys

import numpy as np

Colour = tuple[float, float, float]

SKINS: tuple[Colour, ...] = (
    (0.98, 0.84, 0.74), (0.94, 0.76, 0.62), (0.86, 0.66, 0.50), (0.76, 0.55, 0.40), (0.60, 0.42, 0.30),
    (0.45, 0.31, 0.22), (0.35, 0.23, 0.17),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (0.10, 0.08, 0.08), (0.22, 0.14, 0.09), (0.40, 0.25, 0.14), (0.66, 0.46, 0.22), (0.86, 0.72, 0.42),
    (0.62, 0.24, 0.12), (0.62, 0.62, 0.64), (0.88, 0.88, 0.88),
)  # fmt: skip


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Colour from hue, saturation and value, each 0..1."""
    return colorsys.hsv_to_rgb(hue % 1.0, saturation, value)


def shade(colour: Colour, factor: float) -> Colour:
    """Darker for `factor` < 1; for `factor` > 1 mixed with white by ``factor - 1``."""
    if factor <= 1:
        return (colour[0] * factor, colour[1] * factor, colour[2] * factor)
    mix = min(factor - 1, 1.0)
    return tuple(c + (1 - c) * mix for c in colour)


def pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    """One of `colours`, slightly jittered."""
    base = np.array(colours[rng.integers(len(colours))]) + rng.normal(0, 0.02, 3)
    return tuple(np.clip(base, 0, 1).tolist())


def any_colour(rng: np.random.Generator, low: float = 0.15, high: float = 0.95) -> Colour:
    """Any hue, from grey to vivid; value between `low` and `high`."""
    return hsv(rng.random(), rng.uniform(0.0, 0.65), rng.uniform(low, high))


def instrument_colour(rng: np.random.Generator) -> Colour:
    """Body of an instrument: often wood or brass, otherwise anything; the same odds for every class."""
    if rng.random() < 0.55:
        return hsv(rng.uniform(0.01, 0.14), rng.uniform(0.45, 0.95), rng.uniform(0.35, 0.95))
    return hsv(rng.random(), rng.uniform(0.1, 0.85), rng.uniform(0.25, 0.95))
