"""Polygons, colours and the register of nouns that pictures are made of.

Coordinates are in a box from -1 to 1, y pointing down, the object standing on y = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

Colour = tuple[int, int, int]
Part = tuple[Colour, np.ndarray]
"""A fill colour and the corners of a polygon, array of shape (n, 2)."""

COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        "red": (206, 55, 52),
        "orange": (233, 132, 44),
        "yellow": (243, 203, 66),
        "green": (84, 158, 78),
        "teal": (42, 150, 150),
        "blue": (55, 108, 190),
        "purple": (132, 84, 170),
        "pink": (235, 138, 164),
        "brown": (136, 92, 62),
        "white": (240, 238, 230),
        "grey": (138, 142, 148),
        "black": (48, 48, 56),
    }
)
SKINS: tuple[Colour, ...] = ((246, 213, 184), (224, 178, 140), (178, 126, 90), (118, 78, 56))
HAIRS: tuple[Colour, ...] = ((58, 42, 34), (112, 72, 40), (206, 158, 84), (150, 66, 38))


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` darker (factor < 1) or nearer to white (factor > 1)."""
    if factor <= 1:
        return tuple(round(c * factor) for c in colour)  # type: ignore[return-value]
    return tuple(round(c + (255 - c) * (factor - 1)) for c in colour)  # type: ignore[return-value]


def ellipse(x: float, y: float, rx: float, ry: float, start: float = 0, stop: float = 360):
    """An ellipse, or the part of one between two angles (degrees, clockwise from the right)."""
    t = np.radians(np.linspace(start, stop, 48))
    return np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], axis=1)


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """An upright rectangle."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=float)


def corners(*xy: float) -> np.ndarray:
    """A polygon from x, y, x, y …"""
    return np.array(xy, dtype=float).reshape(-1, 2)


def star_outline(points: int, inner: float) -> np.ndarray:
    """A star with its first point up."""
    t = np.arange(2 * points) * np.pi / points - np.pi / 2
    r = np.where(np.arange(2 * points) % 2 == 0, 1.0, inner)
    return np.stack([r * np.cos(t), r * np.sin(t)], axis=1)


def stroke(x0: float, y0: float, x1: float, y1: float, width: float) -> np.ndarray:
    """A straight bar of some width."""
    along = np.array([x1 - x0, y1 - y0])
    side = np.array([-along[1], along[0]]) / np.linalg.norm(along) * width / 2
    a, b = np.array([x0, y0]), np.array([x1, y1])
    return np.stack([a + side, b + side, b - side, a - side])


Drawer = Callable[[Colour, int], list[Part]]
NOUNS: dict[str, Drawer] = {}
"""Every noun, with the function that draws it from a colour and a variant number."""


def noun(drawer: Drawer) -> Drawer:
    """Register a function as the way to draw the noun it is named after."""
    NOUNS[drawer.__name__.removeprefix("_")] = drawer
    return drawer


@noun
def _circle(c: Colour, v: int) -> list[Part]:
    return [(c, ellipse(0, 0, 1, 1))]


@noun
def _square(c: Colour, v: int) -> list[Part]:
    return [(c, box(-0.9, -0.9, 0.9, 0.9))]


@noun
def _triangle(c: Colour, v: int) -> list[Part]:
    return [(c, corners(0, -1, 0.95, 0.8, -0.95, 0.8))]


@noun
def _ring(c: Colour, v: int) -> list[Part]:
    return [(c, np.concatenate([ellipse(0, 0, 1, 1), ellipse(0, 0, 0.62, 0.62, 360, 0)]))]


@noun
def _cross(c: Colour, v: int) -> list[Part]:
    return [(c, corners(-0.3, -1, 0.3, -1, 0.3, -0.3, 1, -0.3, 1, 0.3, 0.3, 0.3, 0.3, 1, -0.3, 1,
                        -0.3, 0.3, -1, 0.3, -1, -0.3, -0.3, -0.3))]  # fmt: skip


@noun
def _blob(c: Colour, v: int) -> list[Part]:
    t = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    k = np.array([2, 3, 5]) + v % 2
    r = 0.78 + (0.1 * np.cos(k[:, None] * t + v * k[:, None])).sum(axis=0)
    return [(c, np.stack([r * np.cos(t), r * np.sin(t)], axis=1))]


PLAIN_SHAPES = ("circle", "square", "triangle", "ring", "cross", "blob")
