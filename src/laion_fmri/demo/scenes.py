"""The scene of an image: a backdrop and objects in front of it, back to front."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from laion_fmri.demo.names import (
    ILLUSIONS,
    PLACES,
    RELATIONS,
    UNUSUAL_COLOURS,
    ImageRecord,
)
from laion_fmri.demo.profiles import rng_for
from laion_fmri.demo.shapes import COLOURS, PLAIN_SHAPES

SIZE = 1000
"""Width and height of every picture, in pixels."""


@dataclass(frozen=True)
class Thing:
    """One object in a picture.

    Attributes
    ----------
    noun : str
    colour : str
        A name from `laion_fmri.demo.shapes.COLOURS`.
    x, y : float
        Centre, in pixels.
    size : float
        Half the side of the box it is drawn in, in pixels.
    angle : float
        Degrees, clockwise.
    variant : int
        Chooses details (hair, roof, number of petals …).
    flipped : bool
        Mirrored left to right.
    """

    noun: str
    colour: str
    x: float
    y: float
    size: float
    angle: float = 0.0
    variant: int = 0
    flipped: bool = False


@dataclass(frozen=True)
class Scene:
    """A picture before it is drawn.

    Attributes
    ----------
    backdrop : str
        One of `BACKDROPS`, or ``"plain"``, ``"clear"`` (transparent), ``"gabor"``.
    mood : int
        Which of a backdrop's colour schemes.
    things : tuple of Thing
        Back to front.
    horizon : float
        Height of the horizon from the top, as a fraction.
    numbers : tuple of float
        What a grating or an illusion needs besides.
    """

    backdrop: str
    mood: int
    things: tuple[Thing, ...] = field(default=())
    horizon: float = 0.6
    numbers: tuple[float, ...] = ()


BACKDROPS = ("meadow", "sea", "night", "room", "table", "snow", "desert", "portrait")

_IN_THE_SKY = {
    "meadow": ("sun", "cloud", "cloud", "bird", "kite", "balloon"),
    "sea": ("sun", "cloud", "cloud", "bird", "balloon"),
    "night": ("moon", "star", "star", "star", "star"),
    "snow": ("cloud", "cloud", "sun", "bird"),
    "desert": ("sun", "bird", "balloon"),
}
_ON_THE_GROUND = {
    "meadow": (
        "tree",
        "tree",
        "house",
        "flower",
        "flower",
        "person",
        "car",
        "cat",
        "mushroom",
        "ball",
        "sign",
    ),
    "sea": ("boat", "boat", "fish", "boat"),
    "night": ("house", "tree", "tree", "person", "car", "house"),
    "snow": ("tree", "tree", "house", "person", "person", "bird"),
    "desert": ("car", "person", "sign", "umbrella", "ball"),
    "room": ("chair", "lamp", "cat", "ball", "book", "person", "chair", "umbrella"),
    "table": ("cup", "apple", "apple", "book", "flower", "cup", "fish", "hand", "mushroom"),
}
_SIZES = {
    "house": 170,
    "tree": 165,
    "mountain": 260,
    "person": 150,
    "car": 125,
    "boat": 150,
    "chair": 165,
    "lamp": 180,
    "flower": 75,
    "cat": 85,
    "mushroom": 60,
    "ball": 50,
    "sign": 105,
    "sun": 90,
    "moon": 85,
    "cloud": 120,
    "bird": 50,
    "kite": 75,
    "balloon": 110,
    "star": 22,
    "fish": 70,
    "umbrella": 120,
    "cup": 105,
    "apple": 75,
    "book": 115,
    "hand": 150,
    "face": 300,
}
_USUAL_COLOURS = {
    "sun": ("yellow", "orange"),
    "moon": ("yellow", "white"),
    "star": ("yellow", "white"),
    "cloud": ("white",),
    "tree": ("green", "green", "teal", "orange"),
    "mountain": ("grey", "purple", "brown", "blue"),
    "apple": ("red", "green", "yellow"),
    "mushroom": ("red", "brown", "orange"),
    "cat": ("grey", "orange", "brown", "black"),
    "face": ("blue", "green", "brown"),
}
_BRIGHT = ("red", "orange", "yellow", "teal", "blue", "purple", "pink", "green", "white")


def _thing(rng: np.random.Generator, noun: str, x: float, y: float, scale: float = 1.0) -> Thing:
    tilt = {"kite": 25, "ball": 180, "fish": 12, "hand": 20, "star": 30, "book": 14, "leaf": 90}
    return Thing(
        noun=noun,
        colour=str(rng.choice(_USUAL_COLOURS.get(noun, _BRIGHT))),
        x=float(x),
        y=float(y),
        size=float(_SIZES.get(noun, 100) * scale * rng.uniform(0.85, 1.2)),
        angle=float(rng.uniform(-1, 1) * tilt.get(noun, 2)),
        variant=int(rng.integers(12)),
        flipped=bool(rng.integers(2)) and noun != "sign",
    )


def _spread(rng: np.random.Generator, n: int, low: float = 90, high: float = 910) -> np.ndarray:
    """`n` positions from left to right, jittered, in random order."""
    step = (high - low) / max(n, 1)
    return rng.permutation(low + step * (np.arange(n) + 0.5) + rng.uniform(-0.3, 0.3, n) * step)


def natural_scene(rng: np.random.Generator, backdrop: str | None = None) -> Scene:
    """A scene as a photograph might show it."""
    chances = (0.28, 0.14, 0.1, 0.12, 0.12, 0.07, 0.06, 0.11)
    backdrop = backdrop or str(rng.choice(BACKDROPS, p=chances))
    mood = int(rng.integers(3))
    if backdrop == "portrait":
        face = _thing(rng, "face", rng.uniform(420, 580), rng.uniform(480, 540))
        beside: list[Thing] = []
        if rng.random() < 0.5:
            noun = str(rng.choice(("hand", "cup", "flower", "book", "ball")))
            beside = [_thing(rng, noun, rng.choice((150, 850)), rng.uniform(700, 840))]
        return Scene(backdrop, mood, (face, *beside))
    horizon = float(rng.uniform(0.45, 0.68))
    ground = SIZE * horizon
    things: list[Thing] = []
    if backdrop in ("meadow", "snow", "desert", "night") and rng.random() < 0.5:
        for x in _spread(rng, int(rng.integers(1, 3))):
            mountain = _thing(rng, "mountain", x, 0)
            things.append(_moved(mountain, y=ground - mountain.size * 0.96))
    sky = _IN_THE_SKY.get(backdrop, ())
    n_sky = int(rng.integers(1, 4)) + (2 if backdrop == "night" else 0) if sky else 0
    nouns = [str(n) for n in rng.permutation(sky)[:n_sky]]
    for noun, x in zip(nouns, _spread(rng, n_sky), strict=False):
        things.append(_thing(rng, noun, x, rng.uniform(110, max(180, ground - 190))))
    n_ground = int(rng.integers(2, 6))
    depths = np.sort(rng.uniform(0.08, 0.94, n_ground))
    kinds = rng.choice(_ON_THE_GROUND[backdrop], n_ground)
    if rng.random() < 0.4:  # several of one kind, so that some nouns have many instances
        kinds[1:] = np.where(rng.random(n_ground - 1) < 0.6, kinds[0], kinds[1:])
    for noun, x, depth in zip(kinds, _spread(rng, n_ground), depths, strict=True):
        scale = 0.62 + 0.75 * depth if backdrop not in ("room", "table") else 1.15 + 0.35 * depth
        thing = _thing(rng, str(noun), x, 0, scale)
        foot = ground + (SIZE - ground) * (0.08 + 0.8 * depth)
        things.append(_moved(thing, y=foot - thing.size * 0.95))
    return Scene(backdrop, mood, tuple(things), horizon)


def _moved(thing: Thing, **changes) -> Thing:
    from dataclasses import replace

    return replace(thing, **changes)


def object_scene(rng: np.random.Generator, noun: str, backdrop: str = "plain") -> Scene:
    """One large object in the middle."""
    x, y = rng.uniform(440, 560, 2)
    thing = _moved(_thing(rng, noun, x, y), size=float(rng.uniform(290, 370)))
    return Scene(backdrop, int(rng.integers(6)), (thing,))


def _shape_scene(rng: np.random.Generator, index: int) -> Scene:
    n = 1 + index % 3
    xs = _spread(rng, n, 150, 850)
    things = tuple(
        Thing(
            PLAIN_SHAPES[(index + 5 + k) % 6],
            str(rng.choice(_BRIGHT[:-1])),
            float(x),
            float(rng.uniform(380, 620)),
            float(rng.uniform(120, 330 / n + 60)),
            float(rng.uniform(-40, 40)),
            int(rng.integers(6)),
        )
        for k, x in enumerate(xs)
    )
    return Scene("clear", 0, things)


def _relation_scene(rng: np.random.Generator, noun: str, other: str, relation: str) -> Scene:
    big = _moved(_thing(rng, other, 500, 640), size=260.0, angle=0.0)
    if relation == "inside":
        small = _moved(_thing(rng, noun, 500, 660), size=110.0, angle=0.0)
        return Scene("table", int(rng.integers(3)), (big, small), 0.5)
    small = _moved(_thing(rng, noun, 500, 250), size=150.0, angle=0.0)
    if relation == "under":
        small, big = _moved(small, y=790.0), _moved(big, y=410.0)
    return Scene("table", int(rng.integers(3)), (small, big), 0.5)


def _unusual_scene(rng: np.random.Generator, noun: str, colour: str) -> Scene:
    thing = _moved(_thing(rng, noun, 500, 600), size=290.0, colour=colour)
    backdrop = str(rng.choice(("sea", "desert", "snow", "room")))
    small = _thing(rng, "person", rng.choice((130, 870)), 800, 0.8)
    return Scene(backdrop, int(rng.integers(3)), (thing, small), 0.5)


def _giant_scene(rng: np.random.Generator, noun: str) -> Scene:
    houses = tuple(_thing(rng, "house", x, 600, 0.5) for x in (120, 330, 860))
    giant = _moved(_thing(rng, noun, 590, 560), size=300.0)
    person = _thing(rng, "person", 260, 830, 0.7)
    return Scene("meadow", int(rng.integers(3)), (*houses, giant, person), 0.56)


def _illusion_scene(rng: np.random.Generator, illusion: str) -> Scene:
    colour = str(rng.choice(("black", "blue", "purple", "red")))
    if illusion == "ebbinghaus":
        things = [Thing("circle", "orange", x, 500, 80) for x in (270, 750)]
        for x, radius, size, n in ((270, 175, 120, 6), (750, 135, 34, 8)):
            for k in range(n):
                a = 2 * np.pi * k / n
                reach = radius + (size * 0.45 if size > 100 else 0)
                things.append(
                    Thing(
                        "circle", colour, x + reach * np.cos(a), 500 + reach * np.sin(a), size * 0.8
                    )
                )
        return Scene("clear", 0, tuple(things))
    if illusion == "cafewall":
        things = [
            Thing(
                "square",
                colour if k % 2 else "white",
                60.0 + 110 * k + (row % 4 % 3) * 28,
                110.0 + 112 * row,
                58,
            )
            for row in range(8)
            for k in range(9)
        ]
        return Scene("clear", 0, tuple(things))
    spots = [(500, 260), (270, 670), (730, 670)]
    discs = [Thing("circle", colour, x, y, 130) for x, y in spots]
    return Scene("clear", 0, (*discs, Thing("triangle", "white", 500, 520, 270)))


def compose(record: ImageRecord, seed: int) -> Scene:
    """The scene of one image: depends on its name and the seed alone."""
    rng = rng_for(seed, "scene", record.name)
    digits = [
        int(part)
        for part in record.name.replace(".", "_").replace("-", "_").split("_")
        if part.isdigit()
    ]
    index = digits[0] - 1 if digits else 0
    noun = record.subject_matter
    match record.kind:
        case "natural":
            return natural_scene(rng)
        case "object":
            return object_scene(rng, noun)
        case "cropped":
            return object_scene(rng, noun, "clear")
        case "shape":
            return _shape_scene(rng, index)
        case "gabor":
            place = next(p for p in PLACES if p in record.name)
            x = 500 + 250 * (("right" in place) - ("left" in place))
            y = 500 + 250 * (("bottom" in place) - ("top" in place))
            return Scene("gabor", 0, numbers=(x, y, float(rng.uniform(0, 180)), 45.0))
        case "gaudy":
            return _moved_scene(natural_scene(rng, "meadow"), backdrop="gaudy", extra=noun, rng=rng)
        case "illusion-classic":
            return _illusion_scene(rng, next(i for i in ILLUSIONS if i in record.name))
        case "illusion-natural":
            return _giant_scene(rng, noun)
        case "relations":
            relation = next(r for r in RELATIONS if f"-{r}-" in record.name)
            other = record.name.split(f"-{relation}-")[1].split("_")[0]
            return _relation_scene(rng, noun, other, relation)
        case "selfmade":
            return natural_scene(rng, "table")
        case _:
            colour = next(c for c in UNUSUAL_COLOURS if f"_{c}_" in record.name)
            return _unusual_scene(rng, noun, colour)


def _moved_scene(scene: Scene, backdrop: str, extra: str, rng: np.random.Generator) -> Scene:
    loud = tuple(
        _moved(t, colour=str(rng.choice(("red", "yellow", "pink", "purple", "blue"))))
        for t in scene.things
    )
    front = _moved(_thing(rng, extra, 500, 660), size=240.0, colour="pink")
    return Scene(backdrop, scene.mood, (*loud, front), scene.horizon)


def colour_of(thing: Thing) -> tuple[int, int, int]:
    """The RGB colour a thing is drawn in."""
    return COLOURS[thing.colour]
