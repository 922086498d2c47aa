"""Content features of images, from which embeddings and brain responses are simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from laion_fmri.demo import drawing
from laion_fmri.demo.names import OOD_TYPES, ImageRecord
from laion_fmri.demo.profiles import rng_for
from laion_fmri.demo.scenes import BACKDROPS, SIZE, Scene, compose
from laion_fmri.demo.shapes import COLOURS
from laion_fmri.demo.vocabulary import NOUNS

CELLS = 8
"""Luminance and contrast are kept on a grid of this many cells a side."""

LEAST_VISIBLE = 150
"""Pixels of a thing that must show for it to count as seen."""

_NOUNS = tuple(sorted(NOUNS))
_BACKDROPS = (*BACKDROPS, "plain", "clear", "gabor", "gaudy")
_GREY = 128

FEATURES: tuple[str, ...] = (
    *(f"noun:{n}" for n in _NOUNS),
    *(f"area:{n}" for n in _NOUNS),
    *(f"colour:{c}" for c in COLOURS),
    *(f"backdrop:{b}" for b in _BACKDROPS),
    *(f"type:{t}" for t in OOD_TYPES),
    *(f"luminance:{r}:{c}" for r in range(CELLS) for c in range(CELLS)),
    *(f"contrast:{r}:{c}" for r in range(CELLS) for c in range(CELLS)),
)
"""Names of the content features, in the order of `Picture.features`."""

DIMENSIONS = {"CLIP": 1024, "DINOv2": 1024, "PEcore": 1024, "SigLIP2": 1152}

# How much each kind of feature weighs in each model: some look more at what things are,
# others more at where light falls.
_WEIGHTS = {
    "CLIP": {
        "noun": 1.6,
        "area": 1.2,
        "colour": 0.7,
        "backdrop": 1.0,
        "type": 0.8,
        "luminance": 0.5,
        "contrast": 0.9,
    },
    "DINOv2": {
        "noun": 0.8,
        "area": 1.6,
        "colour": 0.5,
        "backdrop": 0.8,
        "type": 0.4,
        "luminance": 1.0,
        "contrast": 1.4,
    },
    "PEcore": {
        "noun": 1.4,
        "area": 1.4,
        "colour": 0.9,
        "backdrop": 0.9,
        "type": 0.6,
        "luminance": 0.7,
        "contrast": 0.8,
    },
    "SigLIP2": {
        "noun": 1.8,
        "area": 1.0,
        "colour": 1.0,
        "backdrop": 1.1,
        "type": 0.9,
        "luminance": 0.3,
        "contrast": 0.5,
    },
}


@dataclass(frozen=True)
class Picture:
    """One finished image.

    Attributes
    ----------
    record : ImageRecord
    scene : Scene
    encoded : bytes
        The JPEG or PNG file.
    visible : tuple of int
        Pixels of each thing of the scene that show.
    features : array of shape (len(FEATURES),), float32
    """

    record: ImageRecord
    scene: Scene
    encoded: bytes
    visible: tuple[int, ...]
    features: np.ndarray

    def seen(self) -> list[int]:
        """Indices of the things that show, back to front."""
        return [i for i, pixels in enumerate(self.visible) if pixels >= LEAST_VISIBLE]


def _light(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of luminance (0 to 1) in each cell; arrays of shape (8, 8)."""
    small = image.reduce(SIZE // (CELLS * 5))
    if small.mode == "RGBA":
        grey = Image.new("RGBA", small.size, (_GREY, _GREY, _GREY, 255))
        small = Image.alpha_composite(grey, small)
    light = np.asarray(small.convert("L"), dtype=np.float32) / 255
    cells = light.reshape(CELLS, 5, CELLS, 5).transpose(0, 2, 1, 3).reshape(CELLS, CELLS, 25)
    return cells.mean(axis=2), cells.std(axis=2)


def _features(
    record: ImageRecord, scene: Scene, visible: Sequence[int], image: Image.Image
) -> np.ndarray:
    counts = dict.fromkeys(_NOUNS, 0)
    areas = dict.fromkeys(_NOUNS, 0.0)
    colours = dict.fromkeys(COLOURS, 0.0)
    for thing, pixels in zip(scene.things, visible, strict=True):
        if pixels >= LEAST_VISIBLE:
            share = pixels / SIZE**2
            counts[thing.noun] += 1
            areas[thing.noun] += share
            colours[thing.colour] += share
    light, contrast = _light(image)
    return np.concatenate(
        [
            np.log1p(list(counts.values())),
            2 * np.sqrt(list(areas.values())),
            2 * np.sqrt(list(colours.values())),
            [float(scene.backdrop == b) for b in _BACKDROPS],
            [float(record.kind == t) for t in OOD_TYPES],
            (light.ravel() - 0.5) * 0.6,
            contrast.ravel() * 2.5,
        ]
    ).astype(np.float32)


def draw(record: ImageRecord, seed: int) -> Picture:
    """Compose, draw, encode and describe one image."""
    scene = compose(record, seed)
    image = drawing.picture(scene)
    owners = drawing.ownership(scene)
    visible = np.bincount(owners.ravel(), minlength=len(scene.things) + 1)[1:]
    counts = tuple(int(v) for v in visible)
    features = _features(record, scene, counts, image)
    return Picture(record, scene, drawing.encode(image), counts, features)


def embed(features: np.ndarray, model: str) -> np.ndarray:
    """Embeddings of images by one model: a fixed, mildly nonlinear map of their content.

    Parameters
    ----------
    features : array of shape (n_images, n_features)
    model : {"CLIP", "DINOv2", "PEcore", "SigLIP2"}

    Returns
    -------
    array of shape (n_images, D), float16
        Rows have unit length except for DINOv2.
    """
    weights = np.array([_WEIGHTS[model][name.split(":")[0]] for name in FEATURES])
    projection = rng_for("embedding", model).standard_normal((len(FEATURES), DIMENSIONS[model]))
    linear = (features * weights) @ projection / np.sqrt(len(FEATURES))
    embedding = linear + 0.25 * np.tanh(3 * linear)
    if model != "DINOv2":
        embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    return embedding.astype(np.float16)
