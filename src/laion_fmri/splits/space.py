"""The images of the dataset in one embedding model, and measures of splits in it.

Examples
--------
>>> space = EmbeddingSpace("CLIP")  # doctest: +SKIP
>>> found = space.compare(load_split("tau", pool="sub-01"))  # doctest: +SKIP
>>> found.mmd2_unbiased, np.median(found.distances())  # doctest: +SKIP
>>> random = space.random_sides(load_split("tau", pool="sub-01"))  # doctest: +SKIP
>>> test = random.test_mmd2(found)  # doctest: +SKIP
>>> test.ratio, test.interval, test.p_value  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.config import load_settings
from laion_fmri.names import as_names
from laion_fmri.splits import measures
from laion_fmri.splits.measures import Comparison, RandomSides
from laion_fmri.splits.split import Split

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True, eq=False)
class Kernel:
    """The Gaussian kernel shared by all splits of a pool.

    Attributes
    ----------
    rows : ndarray of int
        Rows of the pool's images.
    h : float
        Bandwidth: the median distance between the images.
    total : float
        Sum of the kernel over all pairs of images.
    """

    rows: NDArray[np.intp]
    h: float
    total: float


@dataclass(frozen=True, eq=False)
class SplitComparison(Comparison):
    """The two sides of a split on one embedding, with the names of the images.

    Attributes
    ----------
    train_ids, test_ids : tuple of str
        The images with an embedding, which `nearest` and `nearest_index` refer to.
    n_without : int
        Number of images of the split without an embedding.
    """

    train_ids: tuple[str, ...]
    test_ids: tuple[str, ...]
    n_without: int

    def pairs(self, tests: Iterable[int]) -> list[tuple[str, str, float]]:
        """Return test images, their nearest training images, and their cosines."""
        return [
            (self.test_ids[i], self.train_ids[self.nearest_index[i]], float(self.nearest[i]))
            for i in tests
        ]

    def most_isolated(self, n: int) -> list[str]:
        """Return the test images farthest from any training image, farthest first."""
        order = np.argsort(self.nearest, kind="stable")[:n]
        return [self.test_ids[i] for i in order]


class EmbeddingSpace:
    """The images with an embedding in a model, as unit vectors.

    Parameters
    ----------
    model : str
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    UnknownNameError
        When there is no such model.
    StimuliNotDownloadedError
        When its file is not downloaded.
    InvalidArgumentError
        When no image has an embedding.
    """

    def __init__(self, model: str = "CLIP", data_dir: str | PathLike[str] | None = None) -> None:
        from laion_fmri.stimuli.embeddings import Embeddings

        root = load_settings(data_dir=data_dir).require_data_dir()
        self.model = model
        with Embeddings(model, root) as embeddings:
            names = embeddings.names(model)
            rows = embeddings.rows(model, names)
        wide = rows.astype(np.float32)
        length = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        usable = np.isfinite(length) & (length > 0)
        if not usable.any():
            raise InvalidArgumentError(f"No image has an embedding in {model}. Choose another.")
        wide /= np.where(usable, length, 1)[:, None]
        self.names = [name for name, use in zip(names, usable, strict=True) if use]
        self.vectors: NDArray[np.float32] = wide if usable.all() else wide[usable]
        self.vectors.setflags(write=False)
        self._row = {name: row for row, name in enumerate(self.names)}

    def rows_of(self, names: Iterable[str]) -> NDArray[np.intp]:
        """Return the rows of `vectors` of the images with an embedding, in the given order."""
        return np.array([self._row[n] for n in as_names(names) if n in self._row], dtype=np.intp)

    def known(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the images with an embedding, in the given order."""
        return tuple(n for n in as_names(names) if n in self._row)

    def kernel(self, images: Collection[str]) -> Kernel:
        """Compute the kernel of a pool of images."""
        rows = np.unique(self.rows_of(images))
        pool = self.vectors[rows]
        h = measures.bandwidth(pool)
        return Kernel(rows, h, measures.kernel_sum(pool, h=h))

    def compare(self, split: Split, kernel: Kernel | None = None) -> SplitComparison:
        """Measure the distance and the difference between the two sides of a split.

        Parameters
        ----------
        split : Split
        kernel : Kernel, optional
            Kernel of the pool, to share between its splits; by default that of the split's images.

        Raises
        ------
        InvalidArgumentError
            When no image of a side has an embedding.
        """
        kernel = kernel or self.kernel([*split.train_ids, *split.test_ids])
        train, test = self.rows_of(split.train_ids), self.rows_of(split.test_ids)
        found = measures.compare(
            self.vectors, train, test, h=kernel.h, pool_sum=kernel.total, pool=kernel.rows
        )
        return SplitComparison(
            **vars(found),
            train_ids=self.known(split.train_ids),
            test_ids=self.known(split.test_ids),
            n_without=split.n_train + split.n_test - len(train) - len(test),
        )

    def random_sides(
        self, split: Split, kernel: Kernel | None = None, *, n_draws: int = 999, seed: int = 0
    ) -> RandomSides:
        """Measure random splits of the same images into sides of the same sizes.

        They give the chance level of the measures of `compare`, which depends on the sizes of the
        sides. It takes seconds for thousands of images.

        Parameters
        ----------
        split : Split
            Only its images and sizes are used.
        kernel : Kernel, optional
            The same kernel as for `compare`.
        n_draws : int
            The smallest p-value is ``1 / (n_draws + 1)``.
        seed : int

        Raises
        ------
        InvalidArgumentError
            When no image of a side has an embedding.
        """
        kernel = kernel or self.kernel([*split.train_ids, *split.test_ids])
        train, test = self.rows_of(split.train_ids), self.rows_of(split.test_ids)
        # Sorted, so that splits of the same images share the same draws.
        features = self.vectors[np.sort(np.concatenate([train, test]))]
        return measures.random_sides(features, len(test), h=kernel.h, n_draws=n_draws, seed=seed)
