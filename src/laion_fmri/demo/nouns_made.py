"""Nouns that people make."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from laion_fmri.demo.shapes import (
    COLOURS,
    Colour,
    Part,
    box,
    corners,
    ellipse,
    noun,
    shade,
    star_outline,
    stroke,
)

_LETTERS: Mapping[str, tuple[tuple[float, float, float, float], ...]] = {
    "A": ((-0.8, 1, 0, -1), (0.8, 1, 0, -1), (-0.45, 0.25, 0.45, 0.25)),
    "H": ((-0.7, -1, -0.7, 1), (0.7, -1, 0.7, 1), (-0.7, 0, 0.7, 0)),
    "N": ((-0.7, 1, -0.7, -1), (-0.7, -1, 0.7, 1), (0.7, 1, 0.7, -1)),
    "E": ((-0.6, -1, -0.6, 1), (-0.6, -1, 0.7, -1), (-0.6, 0, 0.5, 0), (-0.6, 1, 0.7, 1)),
    "T": ((-0.8, -1, 0.8, -1), (0, -1, 0, 1)),
    "L": ((-0.6, -1, -0.6, 1), (-0.6, 1, 0.7, 1)),
    "M": ((-0.8, 1, -0.8, -1), (-0.8, -1, 0, 0.4), (0, 0.4, 0.8, -1), (0.8, -1, 0.8, 1)),
    "I": ((0, -1, 0, 1),),
}
WORDS = ("TEA", "HAT", "LAMA", "MEAL", "HELLO", "MINT")


def word_on(variant: int) -> str:
    """The word a sign of some variant carries."""
    return WORDS[variant % len(WORDS)]


@noun
def _house(c: Colour, v: int) -> list[Part]:
    roof = COLOURS[("brown", "red", "grey", "purple")[v % 4]]
    glass, frame = (172, 214, 236), (250, 246, 236)
    parts: list[Part] = [
        (shade(roof, 0.7), box(0.42, -0.85, 0.6, -0.3)),
        (c, box(-0.8, -0.1, 0.8, 1)),
        (shade(c, 0.84), box(0.3, -0.1, 0.8, 1)),
        (roof, corners(-1, -0.08, 0, -0.95, 1, -0.08)),
        (shade(roof, 0.72), box(-0.16, 0.36, 0.2, 1)),
        ((250, 220, 120), ellipse(0.12, 0.68, 0.035, 0.035)),
    ]
    for x in (-0.62, 0.38):
        parts += [
            (frame, box(x - 0.03, 0.1, x + 0.33, 0.5)),
            (glass, box(x, 0.13, x + 0.3, 0.47)),
            (frame, box(x + 0.13, 0.13, x + 0.17, 0.47)),
        ]
    return parts


@noun
def _car(c: Colour, v: int) -> list[Part]:
    glass, tyre, rim = (190, 222, 238), (44, 44, 50), (198, 200, 206)
    return [
        (shade(c, 0.9), corners(-0.55, 0.15, -0.34, -0.32, 0.34, -0.32, 0.62, 0.15)),
        (glass, corners(-0.44, 0.14, -0.28, -0.23, -0.02, -0.23, -0.02, 0.14)),
        (glass, corners(0.06, 0.14, 0.06, -0.23, 0.3, -0.23, 0.5, 0.14)),
        (c, corners(-1, 0.24, -0.9, 0.12, 0.7, 0.12, 0.98, 0.3, 1, 0.64, -1, 0.64)),
        (shade(c, 1.3), box(-0.95, 0.28, 0.9, 0.33)),
        ((252, 232, 150), ellipse(0.92, 0.4, 0.07, 0.08)),
        (tyre, ellipse(-0.55, 0.66, 0.26, 0.26)),
        (tyre, ellipse(0.55, 0.66, 0.26, 0.26)),
        (rim, ellipse(-0.55, 0.66, 0.12, 0.12)),
        (rim, ellipse(0.55, 0.66, 0.12, 0.12)),
    ]


@noun
def _boat(c: Colour, v: int) -> list[Part]:
    sail = (250, 246, 234)
    return [
        ((110, 78, 54), box(-0.04, -1, 0.04, 0.5)),
        (sail, corners(0.08, -0.92, 0.8, 0.3, 0.08, 0.3)),
        (shade(c, 1.35), corners(-0.08, -0.75, -0.08, 0.3, -0.62, 0.3)),
        (c, corners(-1, 0.42, 1, 0.42, 0.68, 1, -0.7, 1)),
        (shade(c, 0.7), corners(-0.9, 0.62, 0.9, 0.62, 0.8, 0.78, -0.82, 0.78)),
    ]


@noun
def _ball(c: Colour, v: int) -> list[Part]:
    pale = shade(c, 1.75)
    return [
        (c, ellipse(0, 0, 1, 1)),
        (pale, np.concatenate([ellipse(0, 0, 0.38, 1, -90, 90), ellipse(0, 0, 0.05, 1, 90, -90)])),
        (
            pale,
            np.concatenate([ellipse(0, 0, 1, 1, 120, 240), ellipse(0, 0, 0.66, 0.87, 240, 120)]),
        ),
        (shade(c, 1.5), ellipse(-0.36, -0.5, 0.16, 0.11)),
    ]


@noun
def _kite(c: Colour, v: int) -> list[Part]:
    parts: list[Part] = [
        (c, corners(0, -1, 0, -0.25, -0.6, -0.25)),
        (shade(c, 1.4), corners(0, -1, 0.6, -0.25, 0, -0.25)),
        (shade(c, 0.75), corners(0, -0.25, 0.6, -0.25, 0, 0.5)),
        (shade(c, 1.2), corners(0, -0.25, 0, 0.5, -0.6, -0.25)),
        ((90, 84, 80), stroke(0, 0.5, 0.16, 1, 0.03)),
    ]
    for y in (0.64, 0.84):
        x = (y - 0.5) * 0.32
        parts.append(
            (
                shade(c, 0.8),
                corners(
                    x - 0.14, y - 0.06, x + 0.14, y + 0.06, x + 0.14, y - 0.06, x - 0.14, y + 0.06
                ),
            )
        )
    return parts


@noun
def _cup(c: Colour, v: int) -> list[Part]:
    ring = np.concatenate(
        [ellipse(0.62, 0.1, 0.36, 0.42, -90, 90), ellipse(0.62, 0.1, 0.22, 0.27, 90, -90)]
    )
    return [
        (shade(c, 0.82), ring),
        (c, corners(-0.74, -0.5, 0.7, -0.5, 0.54, 0.86, -0.58, 0.86)),
        (shade(c, 0.86), corners(0.3, -0.5, 0.7, -0.5, 0.54, 0.86, 0.26, 0.86)),
        (c, ellipse(-0.02, 0.86, 0.56, 0.13)),
        (shade(c, 1.3), ellipse(-0.02, -0.5, 0.72, 0.2)),
        ((92, 58, 40), ellipse(-0.02, -0.47, 0.62, 0.14)),
    ]


@noun
def _book(c: Colour, v: int) -> list[Part]:
    page = (250, 246, 232)
    parts: list[Part] = [
        (shade(c, 0.7), corners(-0.6, -0.9, 0.72, -0.9, 0.72, 0.96, -0.6, 0.96)),
        (page, box(-0.5, -0.84, 0.68, 0.9)),
        (c, corners(-0.72, -0.98, 0.58, -0.98, 0.58, 0.86, -0.72, 0.86)),
        (shade(c, 0.78), box(-0.72, -0.98, -0.56, 0.86)),
    ]
    return [
        *parts,
        (shade(c, 1.65), box(-0.38, -0.7, 0.42, -0.56)),
        (shade(c, 1.65), box(-0.38, -0.46, 0.24, -0.36)),
        (shade(c, 1.4), star_outline(5, 0.45) * 0.26 + (0.02, 0.26)),
    ]


@noun
def _sign(c: Colour, v: int) -> list[Part]:
    letters = [k if k in _LETTERS else None for k in word_on(v)]
    parts: list[Part] = [
        ((120, 88, 62), box(-0.07, 0.2, 0.07, 1)),
        (shade(c, 0.7), box(-1, -0.8, 1, 0.3)),
        (c, box(-0.95, -0.75, 0.95, 0.25)),
    ]
    width = 1.7 / len(letters)
    for i, letter in enumerate(letters):
        x = -0.85 + width * (i + 0.5)
        if letter is None:  # O: the one letter that is not made of bars
            ring = np.concatenate([ellipse(0, 0, 0.85, 1.1), ellipse(0, 0, 0.5, 0.74, 360, 0)])
            parts.append(((252, 250, 244), ring * (width * 0.36, 0.28) + (x, -0.25)))
        for x0, y0, x1, y1 in _LETTERS.get(letter or "", ()):
            sx, sy = width * 0.36, 0.28
            parts.append(
                (
                    (252, 250, 244),
                    stroke(x + x0 * sx, -0.25 + y0 * sy, x + x1 * sx, -0.25 + y1 * sy, 0.08),
                )
            )
    return parts


@noun
def _balloon(c: Colour, v: int) -> list[Part]:
    stripe = shade(c, 1.6)
    return [
        (c, ellipse(0, -0.34, 0.66, 0.66)),
        (c, corners(-0.6, -0.1, 0.6, -0.1, 0.2, 0.56, -0.2, 0.56)),
        (stripe, ellipse(0, -0.34, 0.24, 0.655)),
        (stripe, corners(-0.22, 0, 0.22, 0, 0.08, 0.56, -0.08, 0.56)),
        ((100, 80, 60), stroke(-0.18, 0.54, -0.14, 0.76, 0.03)),
        ((100, 80, 60), stroke(0.18, 0.54, 0.14, 0.76, 0.03)),
        ((150, 104, 64), corners(-0.2, 0.74, 0.2, 0.74, 0.16, 1, -0.16, 1)),
    ]


@noun
def _umbrella(c: Colour, v: int) -> list[Part]:
    parts: list[Part] = [
        ((84, 70, 62), box(-0.03, -0.9, 0.03, 0.9)),
        (
            (84, 70, 62),
            np.concatenate(
                [ellipse(0.14, 0.84, 0.17, 0.16, 0, 180), ellipse(0.14, 0.84, 0.1, 0.09, 180, 0)]
            ),
        ),
    ]
    for i, (x0, x1) in enumerate(((-1, -0.5), (-0.5, 0), (0, 0.5), (0.5, 1))):
        parts.append(
            (shade(c, (0.82, 1.0, 1.18, 0.9)[i]), corners(x0, 0, 0.1 * x0 + 0.1 * x1, -0.92, x1, 0))
        )
        arc = ellipse(0, 0, 1, 0.92, 180 + 45 * i, 225 + 45 * i)
        parts.append(
            (shade(c, (0.82, 1.0, 1.18, 0.9)[i]), np.concatenate([arc, [[x1, 0], [x0, 0]]]))
        )
    return parts


@noun
def _lamp(c: Colour, v: int) -> list[Part]:
    return [
        ((80, 74, 72), box(-0.05, -0.2, 0.05, 0.92)),
        ((80, 74, 72), ellipse(0, 0.92, 0.36, 0.08)),
        ((255, 244, 190), ellipse(0, -0.2, 0.44, 0.16)),
        (c, corners(-0.3, -1, 0.3, -1, 0.62, -0.2, -0.62, -0.2)),
        (shade(c, 1.3), corners(-0.3, -1, -0.05, -1, -0.2, -0.2, -0.62, -0.2)),
    ]


@noun
def _chair(c: Colour, v: int) -> list[Part]:
    wood = shade(c, 0.72)
    return [
        (wood, box(-0.55, 0.2, -0.42, 1)),
        (wood, box(0.42, 0.2, 0.55, 1)),
        (wood, box(-0.4, 0.2, -0.3, 0.84)),
        (wood, box(0.3, 0.2, 0.4, 0.84)),
        (c, box(-0.52, -1, 0.52, -0.05)),
        (shade(c, 1.3), box(-0.36, -0.86, 0.36, -0.2)),
        (shade(c, 0.9), corners(-0.5, 0.02, 0.5, 0.02, 0.66, 0.28, -0.66, 0.28)),
    ]
