"""Sentences that say what is in a picture, as several people would put it."""

from __future__ import annotations

from collections import Counter

import numpy as np

from laion_fmri.demo.content import Picture
from laion_fmri.demo.names import RELATIONS
from laion_fmri.demo.nouns_made import word_on

N_HUMAN_SHARED = 5
N_HUMAN_UNIQUE = 3

_PLACES = {
    "meadow": ("on a green meadow", "in a field", "in the countryside"),
    "sea": ("at sea", "on the water", "by the open sea"),
    "night": ("at night", "under a dark sky", "in the moonlight"),
    "room": ("in a room", "indoors", "in a living room with a window"),
    "table": ("on a table", "on a wooden table", "on a tabletop"),
    "snow": ("in the snow", "on a snowy plain", "in winter"),
    "desert": ("in the desert", "on the sand", "in a dry, sandy place"),
    "portrait": ("in front of a plain wall", "looking at the camera", "up close"),
    "plain": ("on a plain background", "by itself", "in a studio"),
    "clear": ("on grey", "cut out", "with nothing around"),
    "gaudy": ("in shrill colours", "in a garish landscape", "with far too much colour"),
    "gabor": ("on grey",),
}
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def plural(noun: str) -> str:
    """The plural of a noun of the vocabulary."""
    special = {"person": "people", "fish": "fish", "cross": "crosses"}
    return special.get(noun, noun + "s")


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _phrases(picture: Picture) -> list[str]:
    """``"a red car"``, ``"three trees"`` … largest first."""
    area: Counter[str] = Counter()
    kinds: dict[str, list[str]] = {}
    for i in picture.seen():
        thing = picture.scene.things[i]
        area[thing.noun] += picture.visible[i]
        kinds.setdefault(thing.noun, []).append(thing.colour)
    phrases = []
    for noun, _ in area.most_common():
        colours = kinds[noun]
        if len(colours) > 1:
            number = _NUMBERS[len(colours)] if len(colours) < len(_NUMBERS) else "many"
            tint = f"{colours[0]} " if len(set(colours)) == 1 and noun != "person" else ""
            phrases.append(f"{number} {tint}{plural(noun)}")
        elif noun == "person":
            phrases.append(f"a person in {colours[0]}")
        elif noun in ("face", "hand", "cloud", "moon"):
            phrases.append(_article(noun))
        else:
            phrases.append(_article(f"{colours[0]} {noun}"))
    return phrases


def _listed(phrases: list[str]) -> str:
    if len(phrases) < 2:
        return phrases[0] if phrases else "nothing much"
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def describe(picture: Picture, rng: np.random.Generator, n: int) -> list[str]:
    """`n` different sentences about one picture."""
    phrases = _phrases(picture)
    place = [str(p) for p in rng.permutation(_PLACES[picture.scene.backdrop])]
    if picture.record.kind == "gabor":
        patch = "a striped patch that fades into grey"
        options = [
            patch,
            f"{_first_upper(patch)}.",
            "blurry black and white stripes",
            "a grating, blurred at its edge",
            "Stripes, slightly tilted",
        ]
        return options[:n]
    main, rest = phrases[:1], phrases[1:]
    beside = f" next to {_listed(rest[:1])}" if rest else ""
    options = [
        _first_upper(f"{_listed(phrases[:3])} {place[0]}."),
        f"{_listed(main)} {place[-1]}" + (f", with {_listed(rest[:2])}" if rest else ""),
        f"I see {_listed(phrases[:4])}.",
        f"a drawing of {_listed(phrases[:2])}",
        _first_upper(f"{place[0]}: {_listed(phrases[:5])}."),
        f"A simple picture showing {_listed(main)}{beside}.",
    ]
    sign = next((t for t in picture.scene.things if t.noun == "sign"), None)
    if sign is not None:
        others = [p for p in phrases if not p.endswith("sign")][:2]
        where = f"beside {_listed(others)}" if others else place[0]
        options[2] = f'A sign says "{word_on(sign.variant)}" {where}'
    relation = next((r for r in RELATIONS if f"-{r}-" in picture.record.name), None)
    if relation and len(phrases) > 1:
        words = {"ontop": "on top of", "inside": "in front of", "under": "under"}[relation]
        small, large = sorted(picture.scene.things, key=lambda t: t.size)[:2]
        options[1] = f"{_article(small.noun)} {words} {_article(large.noun)}"
    order = rng.permutation(len(options))[:n]
    return [options[i] for i in order]


def caption_rows(pictures: list[Picture], rng: np.random.Generator) -> list[tuple]:
    """Rows of the captions table, in its published columns.

    Returns
    -------
    list of tuple
        image_name, caption_idx, source, caption, origin_collection, participant_id, ai_model.
    """
    rows: list[tuple] = []
    smiled = False
    for picture in pictures:
        record = picture.record
        n = N_HUMAN_SHARED if record.is_shared else N_HUMAN_UNIQUE
        sentences = describe(picture, rng, n)
        if record.is_shared and not record.is_ood:
            place = _PLACES[picture.scene.backdrop][0]
            text = f"A flat illustration of {_listed(_phrases(picture))}, {place}."
            rows.append((record.name, 0, "ai", text, "generated", "", "demo-captioner"))
        if not smiled and "sun" in {t.noun for t in picture.scene.things}:
            sentences[-1] = sentences[-1].rstrip(".") + " ☀️"
            smiled = True
        batch = f"connect_batch_{int(rng.integers(1, 9)):02d}"
        for rank, sentence in enumerate(sentences, start=1):
            writer = f"C{int(rng.integers(16**6)):06X}"
            rows.append((record.name, rank, "human", sentence, batch, writer, ""))
    return rows
