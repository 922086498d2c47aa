"""From a scene to pixels: the picture, and which pixel belongs to which thing."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from laion_fmri.demo.scenes import SIZE, Scene, Thing, colour_of
from laion_fmri.demo.shapes import Colour
from laion_fmri.demo.vocabulary import NOUNS

JPEG_QUALITY = 85
_FINE = 2
"""Pictures are drawn this much larger and then reduced, which smooths their edges."""

_SKIES: dict[str, tuple[tuple[Colour, Colour], ...]] = {
    "meadow": (
        ((98, 166, 226), (214, 234, 246)),
        ((120, 178, 214), (246, 232, 206)),
        ((82, 142, 214), (190, 222, 246)),
    ),
    "sea": (
        ((92, 164, 220), (228, 240, 246)),
        ((240, 154, 110), (252, 222, 170)),
        ((122, 154, 196), (222, 226, 236)),
    ),
    "night": (
        ((14, 20, 52), (52, 62, 112)),
        ((22, 18, 48), (86, 58, 104)),
        ((10, 28, 54), (40, 82, 112)),
    ),
    "snow": (
        ((150, 190, 222), (236, 242, 248)),
        ((176, 190, 210), (244, 236, 238)),
        ((120, 170, 214), (226, 238, 248)),
    ),
    "desert": (
        ((92, 166, 224), (250, 232, 196)),
        ((236, 152, 96), (252, 220, 160)),
        ((128, 180, 214), (250, 240, 214)),
    ),
    "room": (
        ((226, 214, 196), (238, 228, 212)),
        ((176, 198, 206), (202, 218, 222)),
        ((214, 188, 182), (232, 210, 202)),
    ),
    "table": (
        ((206, 212, 210), (232, 234, 230)),
        ((190, 178, 196), (222, 212, 226)),
        ((238, 222, 186), (248, 238, 214)),
    ),
    "gaudy": (
        ((255, 0, 150), (255, 230, 0)),
        ((0, 220, 255), (255, 80, 220)),
        ((120, 0, 255), (0, 255, 170)),
    ),
}
_GROUNDS: dict[str, tuple[tuple[Colour, Colour], ...]] = {
    "meadow": (
        ((134, 182, 92), (82, 140, 66)),
        ((172, 180, 92), (116, 142, 62)),
        ((112, 172, 104), (62, 122, 74)),
    ),
    "sea": (
        ((86, 160, 190), (28, 92, 140)),
        ((196, 132, 118), (70, 82, 128)),
        ((96, 146, 158), (42, 88, 112)),
    ),
    "night": (
        ((34, 48, 62), (18, 26, 38)),
        ((42, 38, 64), (22, 18, 38)),
        ((30, 58, 62), (14, 32, 40)),
    ),
    "snow": (
        ((244, 248, 252), (206, 220, 234)),
        ((248, 244, 246), (214, 208, 222)),
        ((238, 246, 252), (190, 212, 232)),
    ),
    "desert": (
        ((238, 206, 140), (214, 164, 98)),
        ((226, 168, 110), (178, 112, 74)),
        ((244, 222, 166), (222, 182, 118)),
    ),
    "room": (
        ((178, 134, 94), (142, 100, 68)),
        ((150, 118, 92), (116, 86, 66)),
        ((196, 158, 118), (160, 122, 86)),
    ),
    "table": (
        ((186, 140, 98), (150, 106, 70)),
        ((126, 108, 102), (96, 80, 78)),
        ((222, 208, 188), (190, 172, 150)),
    ),
    "gaudy": (
        ((0, 255, 80), (255, 255, 0)),
        ((255, 60, 0), (255, 0, 200)),
        ((255, 210, 0), (255, 0, 90)),
    ),
}
_PLAIN: tuple[tuple[Colour, Colour], ...] = (
    ((236, 236, 232), (206, 208, 206)),
    ((222, 232, 238), (184, 200, 212)),
    ((244, 230, 214), (222, 200, 178)),
    ((226, 234, 218), (190, 204, 178)),
    ((240, 222, 228), (212, 186, 198)),
    ((120, 126, 134), (78, 82, 92)),
)


def _gradient(stops: list[tuple[float, Colour]]) -> Image.Image:
    rows = np.arange(SIZE) / SIZE
    at = [s for s, _ in stops]
    column = np.stack([np.interp(rows, at, [c[k] for _, c in stops]) for k in range(3)], axis=1)
    small = Image.fromarray(np.rint(column).astype(np.uint8)[:, None, :])
    return small.resize((SIZE * _FINE, SIZE * _FINE), Image.Resampling.NEAREST)


def _wave(rng: np.random.Generator, y: float, height: float) -> list[tuple[float, float]]:
    x = np.linspace(0, SIZE, 40)
    k = rng.uniform(0.6, 1.6, 2)
    crest = y - height * (
        np.sin(x / SIZE * 2 * np.pi * k[0] + rng.uniform(0, 6)) * 0.6
        + np.sin(x / SIZE * 2 * np.pi * k[1] * 2 + rng.uniform(0, 6)) * 0.25
    )
    line = np.stack([x, crest], axis=1)
    return [*map(tuple, line), (SIZE, SIZE), (0, SIZE)]


def _backdrop(scene: Scene) -> Image.Image:
    """The picture's background, at the fine size."""
    if scene.backdrop in ("plain", "portrait"):
        top, bottom = _PLAIN[scene.mood % len(_PLAIN)]
        return _gradient(
            [(0, top), (0.72, top), (0.73, bottom), (1, top)]
            if scene.backdrop == "plain"
            else [(0, top), (1, bottom)]
        )
    mood = scene.mood % 3
    sky, ground = _SKIES[scene.backdrop][mood], _GROUNDS[scene.backdrop][mood]
    h = scene.horizon
    image = _gradient([(0, sky[0]), (h, sky[1]), (h + 0.001, ground[0]), (1, ground[1])])
    draw = ImageDraw.Draw(image)
    rng = np.random.default_rng([scene.mood, round(h * 1e6)])
    if scene.backdrop in ("meadow", "snow", "desert", "night", "gaudy"):
        for k, depth in enumerate((0.0, 0.16)):
            tone = tuple(
                round(a + (b - a) * (0.25 + 0.3 * k)) for a, b in zip(*ground, strict=True)
            )
            polygon = _wave(rng, SIZE * (h + 0.05 + depth), 26 + 14 * k)
            draw.polygon([(x * _FINE, y * _FINE) for x, y in polygon], fill=tone)
    elif scene.backdrop == "sea":
        for _ in range(26):
            y = SIZE * (h + (1 - h) * rng.random() ** 1.3)
            w, x = rng.uniform(30, 120), rng.uniform(0, SIZE)
            tone = tuple(min(255, c + 34) for c in ground[0])
            draw.rectangle([x * _FINE, y * _FINE, (x + w) * _FINE, (y + 4) * _FINE], fill=tone)
    elif scene.backdrop == "room":
        trim = tuple(min(255, c + 14) for c in sky[1])
        draw.rectangle([0, (SIZE * h - 18) * _FINE, SIZE * _FINE, SIZE * h * _FINE], fill=trim)
        x = rng.uniform(120, 640)
        for inset, tone in ((0, (250, 248, 242)), (14, (170, 208, 232))):
            draw.rectangle(
                [
                    (x + inset) * _FINE,
                    (90 + inset) * _FINE,
                    (x + 250 - inset) * _FINE,
                    (330 - inset) * _FINE,
                ],
                fill=tone,
            )
        draw.rectangle(
            [(x + 120) * _FINE, 90 * _FINE, (x + 130) * _FINE, 330 * _FINE], fill=(250, 248, 242)
        )
    elif scene.backdrop == "table":
        for k in range(5):
            y = SIZE * (h + (1 - h) * (k / 5) ** 1.2)
            tone = tuple(max(0, c - 12) for c in ground[0])
            draw.rectangle([0, y * _FINE, SIZE * _FINE, (y + 4) * _FINE], fill=tone)
    return image


def _gabor(scene: Scene) -> Image.Image:
    x0, y0, angle, wavelength = scene.numbers
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    a = np.deg2rad(angle)
    phase = ((x - x0) * np.cos(a) + (y - y0) * np.sin(a)) * (2 * np.pi / wavelength)
    envelope = np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * 130.0**2))
    grey = np.rint(127.5 + 120 * np.sin(phase) * envelope).astype(np.uint8)
    return Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2))


def outlines(thing: Thing) -> list[tuple[Colour, np.ndarray]]:
    """The coloured polygons of a thing, in pixels of the picture (arrays of shape (n, 2))."""
    a = np.deg2rad(thing.angle)
    turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) * thing.size
    mirror = np.array([-1.0 if thing.flipped else 1.0, 1.0])
    centre = np.array([thing.x, thing.y])
    return [
        (colour, (polygon * mirror) @ turn + centre)
        for colour, polygon in NOUNS[thing.noun](colour_of(thing), thing.variant)
    ]


def picture(scene: Scene) -> Image.Image:
    """Draw a scene: RGB, or RGBA where the backdrop is clear; 1000 × 1000."""
    if scene.backdrop == "gabor":
        return _gabor(scene)
    clear = scene.backdrop == "clear"
    if clear:
        image = Image.new("RGBA", (SIZE * _FINE, SIZE * _FINE), (255, 255, 255, 0))
    else:
        image = _backdrop(scene)
    draw = ImageDraw.Draw(image)
    for thing in scene.things:
        for colour, polygon in outlines(thing):
            fill = (*colour, 255) if clear else colour
            draw.polygon((polygon * _FINE).ravel().tolist(), fill=fill)
    return image.reduce(_FINE)


def ownership(scene: Scene) -> np.ndarray:
    """Which thing each pixel shows.

    Returns
    -------
    array of shape (1000, 1000), uint8
        1 + the thing's index in ``scene.things``; 0 where the backdrop shows.
    """
    image = Image.new("L", (SIZE, SIZE), 0)
    draw = ImageDraw.Draw(image)
    for i, thing in enumerate(scene.things):
        for _, polygon in outlines(thing):
            draw.polygon(polygon.ravel().tolist(), fill=i + 1)
    return np.asarray(image)


def encode(image: Image.Image) -> bytes:
    """JPEG of an RGB picture, PNG of an RGBA one."""
    out = io.BytesIO()
    if image.mode == "RGBA":
        image.save(out, "PNG", compress_level=1)
    else:
        image.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
