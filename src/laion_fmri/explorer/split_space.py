"""Splits in image space, from the library: the images at hand, what to compare with, terms."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.split_data import SplitChoice, chosen_split, name_files
from laion_fmri.splits import EmbeddingSpace, Split, SplitVariant
from laion_fmri.splits.names import find_names
from laion_fmri.splits.recipes import RANDOM_SPLITS
from laion_fmri.splits.space import SplitComparison
from laion_fmri.splits.terms import TermIndex, index_terms, words_of
from laion_fmri.stimuli.embeddings import Embeddings

_SPARE_AXES = 14
_ROUNDS, _STEPS = 40, 3
_ENOUGH = 1e-6  # change of the variances from round to round


@dataclass(frozen=True, eq=False)
class Measured:
    """Splits measured on one model, against random ones of the same pool.

    Attributes
    ----------
    model : str
    splits : mapping of str to SplitComparison
        By name, the chosen one first.
    random : tuple of SplitComparison
        Five random splits.
    are_published : bool
        Whether these are the pool's ``random_*``, rather than draws of the same size.
    """

    model: str
    splits: Mapping[str, SplitComparison]
    random: tuple[SplitComparison, ...]
    are_published: bool

    @property
    def random_mmd2(self) -> float:
        """Mean MMD² of the random splits."""
        return float(np.mean([one.mmd2 for one in self.random]))

    @property
    def random_medians(self) -> NDArray[np.float64]:
        """Median cosine distance to the nearest training image, of each random split."""
        return np.array([np.median(one.distances()) for one in self.random])


@dataclass(frozen=True, eq=False)
class ImageMap:
    """Images on a plane.

    Attributes
    ----------
    names : tuple of str
    xy : ndarray of float32, shape (n_images, 2)
    explained : tuple of float
        Share of the variance on each axis; empty where axes mean nothing.
    """

    names: tuple[str, ...]
    xy: NDArray[np.float32]
    explained: tuple[float, ...] = ()


def local_models(data: ExplorerData) -> list[str]:
    """The models whose embeddings are local; none where there is no data directory."""
    try:
        return Embeddings(data.data_dir).models
    except LaionFmriError:
        return []


def image_space(data: ExplorerData, model: str) -> EmbeddingSpace:
    """The images that have an embedding in a model.

    Raises
    ------
    LaionFmriError
    """
    path = layout.local_path(data.data_dir, layout.embeddings(model))
    return data.remember(("space", model), lambda: EmbeddingSpace(model, data.data_dir), [path])


def local_splits(data: ExplorerData, pool: str, splits: Sequence[str]) -> dict[str, Split]:
    """Those splits of a pool that can be had, by name."""
    found = {}
    for name in splits:
        try:
            found[name] = chosen_split(data, SplitChoice(pool, name))
        except LaionFmriError:  # one that is not here is left out of a comparison
            continue
    return found


def measured(data: ExplorerData, model: str, splits: Mapping[str, Split]) -> Measured:
    """Splits of one pool on one model, measured alike.

    Raises
    ------
    LaionFmriError
        When the embeddings are not local, or a side has none.
    """
    space = image_space(data, model)
    first = next(iter(splits.values()))
    random = local_splits(data, first.pool, RANDOM_SPLITS)
    are_published = len(random) == len(RANDOM_SPLITS)
    drawn = tuple(random.values()) if are_published else random_draws(first)
    images = (*drawn[0].train_ids, *drawn[0].test_ids)
    kernel = _remembered(data, ("kernel", *_ids_key(drawn[0])), space, lambda: space.kernel(images))

    def compare(split: Split) -> SplitComparison:
        key = ("compared", *_ids_key(drawn[0]), *_ids_key(split))
        return _remembered(data, key, space, lambda: space.compare(split, kernel))

    return Measured(
        model,
        {name: compare(split) for name, split in splits.items()},
        tuple(map(compare, drawn)),
        are_published,
    )


def random_draws(split: Split, n: int = len(RANDOM_SPLITS)) -> tuple[Split, ...]:
    """Random splits of a split's images, with sides of the same sizes."""
    names = sorted({*split.train_ids, *split.test_ids})
    draws = []
    for seed in range(n):
        test = np.zeros(len(names), dtype=bool)
        test[np.random.default_rng(seed).choice(len(names), split.n_test, replace=False)] = True
        sides = [tuple(name for name, t in zip(names, test, strict=True) if t == s) for s in (0, 1)]
        variants = (SplitVariant(0, *sides),)
        draws.append(replace(split, name=f"draw {seed}", variants=variants))
    return tuple(draws)


def map_images(data: ExplorerData, splits: Sequence[Split], everything: bool) -> list[str]:
    """The images of a map, sorted: those of the splits and of their pool, or of the dataset."""

    def read() -> list[str]:
        try:
            at_hand = find_names(data.data_dir)
        except LaionFmriError:  # a map of the splits' own images is still of use
            return []
        pool = splits[0].pool
        unique = at_hand.unique.values() if everything else [at_hand.unique.get(pool, frozenset())]
        return [*at_hand.shared, *at_hand.ood, *(name for names in unique for name in names)]

    key = ("map images", splits[0].pool, everything)
    known = data.remember(key, read, name_files(data))
    own = (name for split in splits for name in (*split.train_ids, *split.test_ids))
    return sorted({*known, *own})


def pca_map(data: ExplorerData, model: str, images: Sequence[str]) -> ImageMap:
    """Images on the first two principal components of a model.

    Raises
    ------
    LaionFmriError
    """
    space = image_space(data, model)
    names = space.known(images)

    def make() -> ImageMap:
        xy, explained = principal_components(space.vectors[space.rows_of(names)])
        return ImageMap(names, xy, explained)

    return _remembered(data, ("PCA", _digest(names)), space, make)


def principal_components(
    vectors: NDArray[np.float32], n: int = 2
) -> tuple[NDArray[np.float32], tuple[float, ...]]:
    """Places on the first principal components, and the share of the variance on each.

    Each axis points to where its largest weight is positive.

    Parameters
    ----------
    vectors : array of shape (n_images, n_features)
    n : int
    """
    centred = vectors - vectors.mean(axis=0)
    wanted, n = n, min(n, *vectors.shape)
    covariance = (centred.T @ centred).astype(np.float64)
    # Subspace iteration: the few axes that are wanted, without all the others.
    width = min(n + _SPARE_AXES, vectors.shape[1])
    axes = np.random.default_rng(0).normal(size=(vectors.shape[1], width))
    before = np.zeros(n)
    for _ in range(_ROUNDS):
        for _ in range(_STEPS):
            axes = covariance @ axes
            axes /= np.linalg.norm(axes, axis=0).max() or 1.0
        axes, _ = np.linalg.qr(axes)
        sizes, turn = np.linalg.eigh(axes.T @ covariance @ axes)
        axes = axes @ turn[:, ::-1]
        if np.allclose(sizes[::-1][:n], before, rtol=_ENOUGH):
            break
        before = sizes[::-1][:n]
    axes = axes[:, :n]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(n)])
    places = centred @ axes.astype(np.float32)
    places = np.pad(places, ((0, 0), (0, wanted - n)))  # fewer images than axes
    total = float((centred.astype(np.float64) ** 2).sum()) or 1.0
    return places, tuple(((places.astype(np.float64) ** 2).sum(axis=0) / total).tolist())


def noun_index(data: ExplorerData) -> TermIndex:
    """The nouns found in each image (shared ones have masks).

    Raises
    ------
    LaionFmriError
    """

    def make() -> TermIndex:
        table = data.stimuli().segmentations.metadata
        nouns = [[noun] for noun in table["noun"].astype(str)]
        return index_terms(table["image_name"].tolist(), nouns)

    return data.remember(("noun index",), make, [_path(data, layout.SEGMENTATIONS_METADATA)])


def word_index(data: ExplorerData) -> TermIndex:
    """The words of each image's captions.

    Raises
    ------
    LaionFmriError
    """

    def make() -> TermIndex:
        table = data.stimuli().captions.metadata.dropna(subset=["caption"])
        words = [words_of(caption) for caption in table["caption"].astype(str)]
        return index_terms(table["image_name"].tolist(), words)

    return data.remember(("word index",), make, [_path(data, layout.CAPTIONS)])


def file_hashes(data: ExplorerData, names: Sequence[str]) -> dict[str, str]:
    """A hash of the stored bytes of each image.

    Raises
    ------
    LaionFmriError
    """
    images = data.stimuli().images
    return {name: hashlib.sha256(images[name]).hexdigest() for name in names}


def _remembered(data: ExplorerData, key: tuple, space: EmbeddingSpace, make):
    path = layout.local_path(data.data_dir, layout.embeddings(space.model))
    return data.remember((*key, space.model), make, [path])


def _path(data: ExplorerData, key: str):
    return layout.local_path(data.data_dir, key)


def _ids_key(split: Split) -> tuple[str, str]:
    return _digest(split.train_ids), _digest(split.test_ids)


def _digest(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
