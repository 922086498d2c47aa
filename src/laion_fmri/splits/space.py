"""The images of the dataset in one embedding model, and splits measured there.

Examples
--------
>>> space = EmbeddingSpace("CLIP")  # doctest: +SKIP
>>> found = space.compare(load_split("tau", pool="sub-01"))  # doctest: +SKIP
>>> found.mmd2, np.median(found.distances())  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.config import load_settings
from laion_fmri.splits import measures
from laion_fmri.splits.measures import Comparison
from laion_fmri.splits.split import Split

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True, eq=False)
class Kernel:
    """The Gaussian kernel that all splits of a pool are measured with.

    Attributes
    ----------
    rows : ndarray of int
        The images of the pool.
    h : float
        The median distance between them.
    total : float
        The kernel summed over all pairs of them.
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
        The images that have an embedding; `nearest` and `nearest_index` refer to these.
    n_without : int
        Images of the split that have none.
    """

    train_ids: tuple[str, ...]
    test_ids: tuple[str, ...]
    n_without: int

    def pairs(self, tests: Iterable[int]) -> list[tuple[str, str, float]]:
        """Test image, its nearest training image, and their cosine."""
        return [
            (self.test_ids[i], self.train_ids[self.nearest_index[i]], float(self.nearest[i]))
            for i in tests
        ]

    def most_isolated(self, n: int) -> list[str]:
        """The test images farthest from any training image, farthest first."""
        order = np.argsort(self.nearest, kind="stable")[:n]
        return [self.test_ids[i] for i in order]


class EmbeddingSpace:
    """The images that have an embedding in a model, as unit vectors.

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
        When its file is not local.
    InvalidArgumentError
        When no image has an embedding.
    """

    def __init__(self, model: str = "CLIP", data_dir: str | PathLike[str] | None = None) -> None:
        from laion_fmri.stimuli.embeddings import Embeddings

        root = load_settings(data_dir=data_dir).require_data_dir()
        self.model = model
        with Embeddings(root) as embeddings:
            names = embeddings.image_ids(model)
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
        """The rows of `vectors` of those images that have one, in their order."""
        return np.array([self._row[n] for n in names if n in self._row], dtype=np.intp)

    def known(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those images that have an embedding, in their order."""
        return tuple(n for n in names if n in self._row)

    def kernel(self, images: Collection[str]) -> Kernel:
        """The kernel of a pool of images, which takes a moment for thousands."""
        rows = np.unique(self.rows_of(images))
        pool = self.vectors[rows]
        h = measures.bandwidth(pool)
        return Kernel(rows, h, measures.kernel_sum(pool, h=h))

    def compare(self, split: Split, kernel: Kernel | None = None) -> SplitComparison:
        """How far apart the two sides of a split are.

        Parameters
        ----------
        split : Split
        kernel : Kernel, optional
            Of the pool, so that splits of it share one; by default that of the split's own
            images.

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
            found.nearest,
            found.nearest_index,
            found.mmd2,
            self.known(split.train_ids),
            self.known(split.test_ids),
            split.n_train + split.n_test - len(train) - len(test),
        )
