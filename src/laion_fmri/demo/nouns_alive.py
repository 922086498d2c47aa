"""Nouns that grow, live or hang in the sky."""

from __future__ import annotations

import numpy as np

from laion_fmri.demo.shapes import (
    COLOURS,
    HAIRS,
    SKINS,
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


@noun
def _sun(c: Colour, v: int) -> list[Part]:
    return [
        (shade(c, 1.25), star_outline(12 + v % 3 * 2, 0.72)),
        (c, ellipse(0, 0, 0.66, 0.66)),
        (shade(c, 1.35), ellipse(-0.12, -0.14, 0.42, 0.4)),
    ]


@noun
def _moon(c: Colour, v: int) -> list[Part]:
    outer, inner = ellipse(0, 0, 1, 1, -110, 110), ellipse(-0.34, 0, 0.94, 0.94, 94, -94)
    return [(shade(c, 1.3), np.concatenate([outer, inner]))]


@noun
def _cloud(c: Colour, v: int) -> list[Part]:
    w = (248, 249, 252)
    return [
        (shade(w, 0.9), ellipse(0, 0.24, 0.98, 0.3)),
        (shade(w, 0.95), ellipse(-0.45, 0.05, 0.42, 0.36)),
        (shade(w, 0.97), ellipse(0.48, 0.08, 0.4, 0.32)),
        (w, ellipse(0.02, -0.12, 0.52, 0.46)),
    ]


@noun
def _star(c: Colour, v: int) -> list[Part]:
    return [(c, star_outline(5, 0.42)), (shade(c, 1.35), star_outline(5, 0.42) * 0.5)]


@noun
def _mountain(c: Colour, v: int) -> list[Part]:
    p = -0.15 + 0.15 * (v % 3)
    return [
        (shade(c, 0.8), corners(-1, 1, p, -1, 1, 1)),
        (shade(c, 1.15), corners(-1, 1, p, -1, p - 0.08, 0.1, p - 0.35, 1)),
        (
            (246, 248, 252),
            corners(
                p,
                -1,
                p + 0.3,
                -0.42,
                p + 0.1,
                -0.56,
                p - 0.02,
                -0.36,
                p - 0.14,
                -0.54,
                p - 0.26,
                -0.4,
            ),
        ),
    ]


@noun
def _tree(c: Colour, v: int) -> list[Part]:
    trunk: Part = ((112, 76, 50), corners(-0.12, 0.1, 0.12, 0.1, 0.17, 1, -0.17, 1))
    if v % 2:
        return [trunk] + [
            (shade(c, f), corners(-w, y, 0, y - 0.85, w, y))
            for f, w, y in ((0.75, 0.72, 0.55), (0.9, 0.58, 0.12), (1.08, 0.44, -0.24))
        ]
    return [
        trunk,
        (shade(c, 0.78), ellipse(0.22, -0.22, 0.6, 0.56)),
        (shade(c, 0.92), ellipse(-0.28, -0.16, 0.56, 0.5)),
        (shade(c, 1.08), ellipse(-0.04, -0.5, 0.56, 0.5)),
    ]


@noun
def _flower(c: Colour, v: int) -> list[Part]:
    n = 5 + v % 3
    t = np.arange(n) * 2 * np.pi / n
    return [
        ((84, 140, 66), stroke(0, -0.2, 0.04, 1, 0.09)),
        ((104, 162, 80), ellipse(0.26, 0.5, 0.26, 0.1)),
        ((94, 150, 72), ellipse(-0.24, 0.66, 0.24, 0.1)),
        *[
            (
                shade(c, 0.92 + 0.04 * i),
                ellipse(0.32 * np.cos(a), -0.48 + 0.32 * np.sin(a), 0.25, 0.25),
            )
            for i, a in enumerate(t)
        ],
        ((250, 212, 90), ellipse(0, -0.48, 0.2, 0.2)),
    ]


@noun
def _bird(c: Colour, v: int) -> list[Part]:
    return [
        (shade(c, 0.75), corners(0.55, 0.05, 1, -0.22, 0.95, 0.2)),
        (c, ellipse(0.05, 0.08, 0.62, 0.36)),
        (c, ellipse(-0.5, -0.22, 0.28, 0.27)),
        ((240, 160, 50), corners(-0.74, -0.3, -1, -0.14, -0.74, -0.1)),
        ((26, 26, 30), ellipse(-0.56, -0.28, 0.05, 0.05)),
        (shade(c, 0.7), corners(-0.2, 0, 0.5, -0.05, 0.3, -0.85 if v % 2 else 0.5)),
        (shade(c, 1.4), ellipse(-0.1, 0.25, 0.36, 0.15)),
    ]


@noun
def _fish(c: Colour, v: int) -> list[Part]:
    return [
        (shade(c, 0.8), corners(0.5, 0, 1, -0.46, 0.88, 0, 1, 0.46)),
        (shade(c, 0.8), corners(-0.2, -0.36, 0.3, -0.66, 0.4, -0.3)),
        (c, ellipse(-0.16, 0, 0.8, 0.46)),
        (
            shade(c, 1.4),
            np.concatenate(
                [ellipse(-0.1, 0, 0.14, 0.45, -90, 90), ellipse(-0.1, 0, 0.02, 0.45, 90, -90)]
            ),
        ),
        ((250, 250, 246), ellipse(-0.62, -0.1, 0.11, 0.11)),
        ((30, 30, 34), ellipse(-0.64, -0.1, 0.055, 0.055)),
    ]


@noun
def _cat(c: Colour, v: int) -> list[Part]:
    return [
        (
            shade(c, 0.8),
            np.concatenate(
                [ellipse(0.62, 0.5, 0.34, 0.44, -60, 90), ellipse(0.6, 0.5, 0.18, 0.28, 90, -60)]
            ),
        ),
        (c, ellipse(0.05, 0.5, 0.52, 0.5)),
        (shade(c, 0.86), ellipse(-0.2, 0.88, 0.18, 0.12)),
        (shade(c, 0.86), ellipse(0.2, 0.88, 0.18, 0.12)),
        (c, corners(-0.5, -0.38, -0.46, -0.98, -0.1, -0.66)),
        (c, corners(0.42, -0.38, 0.38, -0.98, 0.02, -0.66)),
        (c, ellipse(-0.04, -0.34, 0.5, 0.42)),
        ((236, 232, 130), ellipse(-0.22, -0.4, 0.1, 0.09)),
        ((236, 232, 130), ellipse(0.16, -0.4, 0.1, 0.09)),
        ((24, 24, 26), ellipse(-0.22, -0.4, 0.035, 0.08)),
        ((24, 24, 26), ellipse(0.16, -0.4, 0.035, 0.08)),
        ((230, 130, 140), corners(-0.09, -0.22, 0.03, -0.22, -0.03, -0.15)),
        (shade(c, 1.4), ellipse(0.04, 0.5, 0.24, 0.3)),
    ]


@noun
def _apple(c: Colour, v: int) -> list[Part]:
    return [
        ((100, 70, 46), stroke(0, -0.4, 0.1, -0.95, 0.09)),
        ((100, 168, 80), ellipse(0.34, -0.76, 0.26, 0.12)),
        (shade(c, 0.88), ellipse(0.3, 0.2, 0.58, 0.74)),
        (c, ellipse(-0.26, 0.2, 0.62, 0.76)),
        (shade(c, 1.5), ellipse(-0.46, -0.1, 0.15, 0.22)),
    ]


@noun
def _mushroom(c: Colour, v: int) -> list[Part]:
    spot = (250, 244, 232)
    return [
        ((240, 228, 206), corners(-0.2, 0, 0.2, 0, 0.3, 0.96, -0.3, 0.96)),
        ((222, 206, 180), ellipse(0, 0.06, 0.8, 0.15)),
        (c, ellipse(0, 0.08, 0.95, 0.95, 180, 360)),
        (spot, ellipse(-0.4, -0.3, 0.15, 0.12)),
        (spot, ellipse(0.1, -0.58, 0.17, 0.13)),
        (spot, ellipse(0.5, -0.2, 0.14, 0.12)),
    ]


@noun
def _person(c: Colour, v: int) -> list[Part]:
    skin, hair = SKINS[v % 4], HAIRS[(v // 4 + v) % 4]
    trousers = COLOURS[("blue", "black", "brown", "grey")[(v // 2) % 4]]
    return [
        (trousers, corners(-0.22, 0.2, -0.01, 0.2, -0.05, 0.94, -0.23, 0.94)),
        (shade(trousers, 0.85), corners(0.01, 0.2, 0.22, 0.2, 0.23, 0.94, 0.05, 0.94)),
        ((50, 40, 38), ellipse(-0.17, 0.95, 0.12, 0.05)),
        ((50, 40, 38), ellipse(0.17, 0.95, 0.12, 0.05)),
        (skin, stroke(-0.24, -0.32, -0.42, 0.18, 0.1)),
        (skin, stroke(0.24, -0.32, 0.46, -0.62 if v % 3 == 0 else 0.16, 0.1)),
        (c, corners(-0.24, -0.44, 0.24, -0.44, 0.32, -0.24, 0.24, 0.26, -0.24, 0.26, -0.32, -0.24)),
        (shade(skin, 0.9), box(-0.06, -0.54, 0.06, -0.42)),
        (hair, ellipse(0, -0.76, 0.21, 0.22)),
        (skin, ellipse(0, -0.7, 0.17, 0.2)),
        (hair, ellipse(0, -0.82, 0.19, 0.13, 180, 360)),
    ]


@noun
def _face(c: Colour, v: int) -> list[Part]:
    skin, hair = SKINS[v % 4], HAIRS[(v // 4 + v) % 4]
    smile = 0.12 if v % 3 else 0.05
    parts: list[Part] = [
        (hair, ellipse(0, -0.12, 0.82, 0.88)),
        (shade(skin, 0.92), ellipse(-0.72, 0.08, 0.13, 0.2)),
        (shade(skin, 0.92), ellipse(0.72, 0.08, 0.13, 0.2)),
        (skin, ellipse(0, 0.1, 0.7, 0.86)),
        (hair, ellipse(0, -0.38, 0.72, 0.5, 180, 360)),
    ]
    for x in (-0.29, 0.29):
        parts += [
            ((252, 252, 250), ellipse(x, 0.0, 0.15, 0.09)),
            (shade(c, 0.8), ellipse(x, 0.0, 0.075, 0.085)),
            ((24, 22, 26), ellipse(x, 0.0, 0.035, 0.04)),
            (hair, stroke(x - 0.16, -0.18, x + 0.16, -0.21 if x > 0 else -0.17, 0.06)),
            (shade(skin, 0.94), ellipse(x * 1.4, 0.32, 0.13, 0.08)),
        ]
    return [
        *parts,
        (shade(skin, 0.8), corners(-0.02, 0.02, 0.06, 0.3, -0.1, 0.32)),
        (
            (186, 74, 74),
            np.concatenate(
                [
                    ellipse(0, 0.52, 0.27, 0.1 + smile, 0, 180),
                    ellipse(0, 0.52, 0.27, 0.03, 180, 360),
                ]
            ),
        ),
    ]


@noun
def _hand(c: Colour, v: int) -> list[Part]:
    skin = SKINS[v % 4]
    fingers = [
        (-0.34, -0.1, -0.56, -0.72),
        (-0.13, -0.2, -0.2, -0.94),
        (0.09, -0.2, 0.14, -0.92),
        (0.3, -0.1, 0.46, -0.72),
        (0.34, 0.4, 0.86, 0.02),
    ]
    parts: list[Part] = [(c, box(-0.34, 0.72, 0.34, 1)), (skin, box(-0.26, 0.5, 0.26, 0.76))]
    for x0, y0, x1, y1 in fingers:
        parts += [
            (shade(skin, 0.94), stroke(x0, y0 + 0.1, x1, y1, 0.21)),
            (shade(skin, 0.94), ellipse(x1, y1, 0.105, 0.105)),
            (shade(skin, 1.3), ellipse(x1, y1 - 0.02, 0.055, 0.06)),
        ]
    return [*parts, (skin, ellipse(0, 0.22, 0.46, 0.46))]
