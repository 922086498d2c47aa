"""Methods of splitting images. Pure functions from groups and embeddings to the test set.

Images of one group always go to the same side. Every draw uses a seeded generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, MissingDependencyError

_TRIES = 4  # seeds of k-means


@dataclass(frozen=True, eq=False)
class Parting:
    """A test set with the results of its method.

    Attributes
    ----------
    test : ndarray of bool, shape (n_images,)
    found : dict
        Results to store with the split.
    """

    test: NDArray[np.bool_]
    found: dict[str, Any]


def at_random(groups: NDArray[np.intp], n_test: int, seed: int) -> Parting:
    """Draw whole groups by scikit-learn's ``GroupShuffleSplit``.

    Parameters
    ----------
    groups : ndarray of int, shape (n_images,)
        The group of each image.
    n_test : int
        Requested number of test images. The same fraction of groups is drawn; with groups of
        several images the size may differ slightly.
    seed : int
    """
    splitter = _sklearn("model_selection").GroupShuffleSplit
    n_groups = len(np.unique(groups))
    n_drawn = min(max(round(n_test / len(groups) * n_groups), 1), n_groups - 1)
    require_two(n_groups)
    drawing = splitter(n_splits=1, test_size=n_drawn, random_state=seed)
    _, rows = next(drawing.split(np.zeros(len(groups)), groups=groups))
    return Parting(_mask(len(groups), rows), {})


def by_cluster(
    features: NDArray[np.float32],
    groups: NDArray[np.intp],
    n_test: int,
    seed: int,
    n_clusters: int,
    held_out: int | None,
) -> Parting:
    """Hold out one cluster of scikit-learn's k-means on unit vectors.

    Groups are clustered, each represented by the mean of its images and weighted by their number.
    Clusters are numbered by size; 0 is the largest.

    Parameters
    ----------
    features : array of shape (n_images, n_features)
        Unit vectors.
    groups : ndarray of int, shape (n_images,)
    n_test : int
        If `held_out` is None, the cluster nearest to this size is held out.
    seed, n_clusters : int
    held_out : int or None

    Raises
    ------
    InvalidArgumentError
        When there are fewer groups than clusters, or no such cluster.
    """
    k_means = _sklearn("cluster").KMeans
    limited = _threads_limited()
    of_group, sizes = compact(groups)
    if not 2 <= n_clusters <= len(sizes):
        raise InvalidArgumentError(
            f"n_clusters must lie between 2 and the {len(sizes)} groups of images there are, "
            f"not at {n_clusters}."
        )
    if held_out is not None and not 0 <= held_out < n_clusters:
        raise InvalidArgumentError(
            f"held_out_cluster must lie between 0 and {n_clusters - 1}, not at {held_out}."
        )
    centres = _group_sums(features.astype(np.float64), of_group, len(sizes)) / sizes[:, None]
    with limited(limits=1):  # the order of summation varies between threads
        model = k_means(n_clusters, n_init=_TRIES, random_state=seed)
        member = model.fit(centres, sample_weight=sizes).labels_
    weight = np.bincount(member, weights=sizes, minlength=n_clusters)
    first = [int(np.flatnonzero(member == k)[0]) for k in range(n_clusters)]
    by_size = sorted(range(n_clusters), key=lambda k: (-weight[k], first[k]))
    sizes_found = [int(weight[k]) for k in by_size]
    if held_out is None:
        held_out = min(range(n_clusters), key=lambda k: (abs(sizes_found[k] - n_test), k))
    test = (member == by_size[held_out])[of_group]
    return Parting(test, {"held_out_cluster": held_out, "cluster_sizes": sizes_found})


def together(
    n: int, given: NDArray[np.intp] | None, alike: NDArray[np.intp] | None
) -> NDArray[np.intp]:
    """Merge two groupings of images.

    Parameters
    ----------
    n : int
        Number of images.
    given, alike : ndarray of int, shape (n,), or None

    Returns
    -------
    ndarray of int, shape (n,)
        Group numbers from 0, in the order of the images.
    """
    label = np.arange(n)
    groupings = [np.unique(g, return_inverse=True)[1] for g in (given, alike) if g is not None]
    before = None
    while before is None or not np.array_equal(before, label):  # propagate the smallest number
        before = label.copy()
        for grouping in groupings:
            least = np.full(int(grouping.max(initial=-1)) + 1, n)
            np.minimum.at(least, grouping, label)
            label = least[grouping]
    return np.unique(label, return_inverse=True)[1].astype(np.intp)


# --- helpers -------------------------------------------------------------------------


def compact(groups: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Renumber groups from 0, and return their sizes."""
    of_group = np.unique(groups, return_inverse=True)[1]
    return of_group, np.bincount(of_group)


def _group_sums(
    features: NDArray[np.float64], of_group: NDArray[np.intp], n_groups: int
) -> NDArray[np.float64]:
    out = np.zeros((n_groups, features.shape[1]))
    np.add.at(out, of_group, features)
    return out


def _mask(n: int, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return mask


def require_two(n_groups: int) -> None:
    """Check that images form at least two groups.

    Raises
    ------
    InvalidArgumentError
    """
    if n_groups < 2:
        raise InvalidArgumentError(
            "All images must stay together, so they cannot be parted. Give fewer groups, or a "
            "higher threshold for near-duplicates."
        )


def _sklearn(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"sklearn.{module}")
    except ImportError as error:
        raise MissingDependencyError(
            "Splits are made with scikit-learn. Install the extra: "
            'pip install "laion-fmri-explorer[splits]".'
        ) from error


def _threads_limited() -> Any:
    _sklearn("cluster")
    from threadpoolctl import threadpool_limits  # installed with scikit-learn

    return threadpool_limits
