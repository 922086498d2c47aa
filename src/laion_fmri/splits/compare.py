"""Comparison of splits with each other and with random splits of the same sizes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from laion_fmri._errors import InvalidArgumentError, LaionFmriError
from laion_fmri.arguments import as_items
from laion_fmri.splits.catalogue import load_split
from laion_fmri.splits.measures import AgainstRandom, RandomSides, identical_across
from laion_fmri.splits.recipes import RANDOM_SPLITS
from laion_fmri.splits.space import EmbeddingSpace, SplitComparison
from laion_fmri.splits.split import Split

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    import pandas as pd

    from laion_fmri.stimuli.images import Images


@dataclass(frozen=True, eq=False)
class SplitMeasures:
    """Splits of one pool measured on one embedding with one kernel.

    Attributes
    ----------
    model : str
    splits : mapping of str to SplitComparison
        By the name of the split.
    random : mapping of str to RandomSides
        Random splits of the same images and sizes, by the name of the split; empty if not drawn.
    """

    model: str
    splits: Mapping[str, SplitComparison]
    random: Mapping[str, RandomSides] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """Return one row per split, indexed by name.

        Returns
        -------
        DataFrame
            n_train, n_test, distance_p5 and distance_median (5th percentile and median of the
            cosine distance of the test images to their nearest training image), mmd2,
            mmd2_unbiased; then ratio, ratio_low, ratio_high and p of the median distance
            (``distance_``) and of MMD² (``mmd2_``) against random splits, see `AgainstRandom`.
            NaN without random splits, except ``mmd2_ratio``, which has a closed form.
        """
        import pandas as pd

        rows = {name: self._row(name, one) for name, one in self.splits.items()}
        return pd.DataFrame.from_dict(rows, orient="index")

    def _row(self, name: str, one: SplitComparison) -> dict[str, float]:
        distances, random = one.distances(), self.random.get(name)
        row: dict[str, float] = {
            "n_train": len(one.train_ids),
            "n_test": len(one.test_ids),
            "distance_p5": float(np.percentile(distances, 5)),
            "distance_median": float(np.median(distances)),
            "mmd2": one.mmd2,
            "mmd2_unbiased": one.mmd2_unbiased,
        }
        row |= _against("distance", random.test_distance(one) if random else None)
        row |= _against("mmd2", random.test_mmd2(one) if random else None)
        return row if random else {**row, "mmd2_ratio": one.mmd2_ratio}


def compare_splits(
    splits: str | Split | Iterable[str | Split],
    pool: str = "shared",
    *,
    embedding: str = "CLIP",
    ood_types: str | Sequence[str] | None = None,
    n_draws: int = 999,
    data_dir: str | PathLike[str] | None = None,
) -> SplitMeasures:
    """Measure splits on an embedding, each against random splits of its images and sizes.

    All splits share the kernel of the pool's images. It takes seconds for a subject's pool.

    Parameters
    ----------
    splits : str, Split or iterable of them
        Splits of one pool.
    pool : str
        Pool of splits given by name.
    embedding : str
        Model of the embeddings.
    ood_types : str or list of str, optional
        As in `load_split`; for the split ``"ood"``.
    n_draws : int
        Number of random splits; 0 draws none.
    data_dir : path, optional
        Instead of the configured one.

    Returns
    -------
    SplitMeasures

    Raises
    ------
    InvalidArgumentError
        When no split is given, or no image of a side has an embedding.
    StimuliNotDownloadedError
        When the embeddings are not downloaded.

    Examples
    --------
    >>> from laion_fmri.splits import compare_splits
    >>> found = compare_splits(["tau", "random_0"], n_draws=99)
    >>> found.table.index.tolist()
    ['tau', 'random_0']
    """
    chosen = {}
    for one in as_items(splits):
        if not isinstance(one, Split):
            types = ood_types if one == "ood" else None
            one = load_split(one, pool, types, data_dir=data_dir)
        chosen[one.name] = one
    if not chosen:
        raise InvalidArgumentError("No split was given. Name at least one.")
    space = EmbeddingSpace(embedding, data_dir)
    kernel = space.kernel(kernel_images(next(iter(chosen.values())), data_dir))
    random = {}
    if n_draws:
        random = {n: space.random_sides(s, kernel, n_draws=n_draws) for n, s in chosen.items()}
    return SplitMeasures(
        embedding, {name: space.compare(split, kernel) for name, split in chosen.items()}, random
    )


def kernel_images(split: Split, data_dir: str | PathLike[str] | None = None) -> tuple[str, ...]:
    """Return the images that define the kernel of a split: those of its pool.

    These are the images of the pool's random splits, or, without random splits (as with a custom
    list of images), those of the split itself.
    """
    try:
        pool = load_split(RANDOM_SPLITS[0], split.pool, data_dir=data_dir)
    except LaionFmriError:
        pool = split
    return (*pool.train_ids, *pool.test_ids)


def identical_images(
    split: Split,
    *,
    images: Images | None = None,
    data_dir: str | PathLike[str] | None = None,
) -> list[tuple[str, str]]:
    """Find pairs of a training and a test image with identical files.

    Files are compared by SHA-256.

    Parameters
    ----------
    split : Split
    images : Images, optional
        Open images; by default those of the data directory.
    data_dir : path, optional
        Instead of the configured one.

    Returns
    -------
    list of (str, str)
        ``(train, test)``, sorted.

    Raises
    ------
    StimuliNotDownloadedError
        When the images are not downloaded.

    Examples
    --------
    >>> from laion_fmri.splits import identical_images, load_split
    >>> identical_images(load_split("random_0"))
    []
    """
    if images is None:
        from laion_fmri.config import load_settings
        from laion_fmri.stimuli.images import Images as LocalImages

        root: Path = load_settings(data_dir=data_dir).require_data_dir()
        images = LocalImages(root)
    stored = images
    train, test = (
        {name: hashlib.sha256(stored[name]).hexdigest() for name in ids}
        for ids in (split.train_ids, split.test_ids)
    )
    return identical_across(train, test)


def _against(what: str, test: AgainstRandom | None) -> dict[str, float]:
    """Return the columns of the table for one measure against random splits."""
    low, high = test.interval if test else (np.nan, np.nan)
    return {
        f"{what}_ratio": test.ratio if test else np.nan,
        f"{what}_ratio_low": low,
        f"{what}_ratio_high": high,
        f"{what}_p": test.p_value if test else np.nan,
    }
