"""The tuning of each region: weights from CLIP embeddings to its response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from laion_fmri.demo.content import CELLS, FEATURES

GENERAL = "general"
"""The tuning of visually driven cortex outside every specific region."""

_FACES = {"face": 2.0, "person": 0.6, "cat": 0.5}
_BODIES = {"person": 1.6, "hand": 1.0, "cat": 0.5, "bird": 0.3}
_PLACES = {"house": 1.2, "mountain": 0.9, "tree": 0.4, "boat": 0.3, "face": -0.6}
_WORDS = {"sign": 2.0, "book": 0.8, "cross": 0.4}
_MOVERS = {
    "ball": 0.8,
    "bird": 0.8,
    "car": 0.8,
    "boat": 0.6,
    "kite": 0.7,
    "fish": 0.6,
    "balloon": 0.5,
}
_OBJECTS = {
    "cup": 1.0,
    "chair": 1.0,
    "lamp": 1.0,
    "apple": 0.9,
    "book": 0.8,
    "umbrella": 0.9,
    "flower": 0.6,
    "car": 0.6,
    "mushroom": 0.6,
}

_CONTENT: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "OFA": _FACES,
        "FFA-1": {**_FACES, "cat": 0.7},
        "FFA-2": {**_FACES, "person": 0.9},
        "pSTS-faces": {**_FACES, "person": 1.2, "hand": 0.5},
        "EBA": _BODIES,
        "FBA": {**_BODIES, "face": 0.4},
        "PPA": _PLACES,
        "OPA": {**_PLACES, "chair": 0.4},
        "MPA": {**_PLACES, "boat": 0.7},
        "VWFA-1": _WORDS,
        "VWFA-2": {**_WORDS, "book": 1.2},
        "mfs-words": {**_WORDS, "face": 0.5},
        "pSTS-words": {**_WORDS, "face": 0.3},
        "MT": _MOVERS,
        "MST": {**_MOVERS, "balloon": 0.9},
        "l-objects": _OBJECTS,
        "v-objects": {**_OBJECTS, "cup": 1.4},
    }
)
"""Tuning of specific regions to each noun."""

_BACKDROPS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "PPA": {
            "meadow": 0.5,
            "sea": 0.4,
            "room": 0.8,
            "plain": -0.5,
            "clear": -0.7,
            "portrait": -0.6,
        },
        "OPA": {"room": 1.0, "table": 0.2, "plain": -0.5, "clear": -0.7, "portrait": -0.6},
        "MPA": {
            "meadow": 0.6,
            "sea": 0.6,
            "snow": 0.5,
            "desert": 0.5,
            "plain": -0.6,
            "clear": -0.7,
        },
    }
)


def _retinotopic(label: str, rng: np.random.Generator) -> np.ndarray:
    """Early areas follow contrast: dorsal ones below the middle, ventral ones above it."""
    rows = np.arange(CELLS)[:, None] * np.ones(CELLS)
    height = 1 / (1 + np.exp(-(rows - (CELLS - 1) / 2)))
    view = (
        height if label.endswith("d") else 1 - height if label.endswith("v") else np.ones_like(rows)
    )
    weights = np.zeros(len(FEATURES))
    contrast = [i for i, name in enumerate(FEATURES) if name.startswith("contrast:")]
    weights[contrast] = (view * rng.uniform(0.5, 1.5, (CELLS, CELLS))).ravel()
    light = [i for i, name in enumerate(FEATURES) if name.startswith("luminance:")]
    weights[light] = -0.3 * view.ravel() * rng.uniform(0, 1, CELLS * CELLS)
    return weights


def preferences(label: str, rng: np.random.Generator) -> np.ndarray:
    """The tuning of one region, as weights over content features, shape (n_features,)."""
    if label not in _CONTENT:
        weights = _retinotopic(label, rng)
        if label == GENERAL:
            weights[[i for i, name in enumerate(FEATURES) if name.startswith("area:")]] = 0.8
        return weights
    weights = np.zeros(len(FEATURES))
    for i, name in enumerate(FEATURES):
        kind, _, what = name.partition(":")
        if kind in ("noun", "area"):
            weights[i] = _CONTENT[label].get(what, 0.0) * (0.6 if kind == "noun" else 1.2)
        elif kind == "backdrop":
            weights[i] = _BACKDROPS.get(label, {}).get(what, 0.0)
    return weights + 0.04 * rng.standard_normal(len(FEATURES))


def standardise(embedding: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre and scale each dimension over all images.

    Returns
    -------
    standardised, mean, sd : arrays of shape (n_images, D), (D,), (D,), float64
    """
    values = embedding.astype(np.float64)
    mean, sd = values.mean(axis=0), values.std(axis=0)
    return (values - mean) / sd, mean, sd


def fit_weights(
    standardised: np.ndarray,
    features: np.ndarray,
    labels: Sequence[str],
    rng: np.random.Generator,
) -> np.ndarray:
    """Weights that make embeddings say what each region likes.

    The response of a region to an image is exactly ``standardised @ weights``: of unit
    variance over the images, and close to the region's preferences for content.

    Parameters
    ----------
    standardised : array of shape (n_images, D)
    features : array of shape (n_images, n_features)
    labels : sequence of str
    rng : numpy.random.Generator

    Returns
    -------
    array of shape (n_labels, D), float32
    """
    liking = np.stack([preferences(label, rng) for label in labels], axis=1)
    target = features @ liking
    target = (target - target.mean(axis=0)) / np.maximum(target.std(axis=0), 1e-6)
    kernel = standardised @ standardised.T
    ridge = 0.01 * np.trace(kernel) / len(kernel)
    weights = standardised.T @ np.linalg.solve(kernel + ridge * np.eye(len(kernel)), target)
    weights /= np.maximum((standardised @ weights).std(axis=0), 1e-9)
    return weights.T.astype(np.float32)
