"""Create custom splits by the methods of the published ones."""

from __future__ import annotations

import math
import numbers
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.arguments import checked_seed
from laion_fmri.config import load_settings
from laion_fmri.names import as_name, as_names
from laion_fmri.splits import distance_control, measures, names, own, partition
from laion_fmri.splits.registry import Registry, registry_in_force
from laion_fmri.splits.split import Split, SplitVariant

if TYPE_CHECKING:
    from os import PathLike

Method = Literal["random", "cluster", "distance"]
METHODS: tuple[Method, ...] = ("random", "cluster", "distance")
METHOD_NAMES = {
    "random": "grouped_random",
    "cluster": "kmeans_holdout",
    "distance": "min_distance + mmd_swap",
}
"""Name of each method in the params of the split."""

SPLITTER = "laion_fmri.splits.make_split"


def make_split(
    name: str,
    method: Method = "random",
    *,
    pool: str | None = None,
    images: Iterable[str] | None = None,
    test_size: float = 0.2,
    seed: int = 0,
    embedding: str = "CLIP",
    n_clusters: int = 5,
    held_out_cluster: int | None = None,
    min_distance: float | None = None,
    target_ratio: float = 1.0,
    groups: Mapping[str, Hashable] | None = None,
    near_duplicates: float | None = None,
    save: bool = True,
    data_dir: str | PathLike[str] | None = None,
) -> Split:
    """Create a split and store it under a name, to be used like the published ones.

    The same arguments give the same split, regardless of the order of the images. It is stored as
    ``{data_dir}/splits/own/{pool}/{name}.json`` in the published schema. Requires scikit-learn:
    ``pip install "laion-fmri-explorer[splits]"``.

    Parameters
    ----------
    name : str
        Letters, digits, hyphens and underscores; not the name of a published split, nor a similar
        one (``random_7``).
    method : {"random", "cluster", "distance"}
        ``"random"`` draws groups of images (scikit-learn's ``GroupShuffleSplit``).

        ``"cluster"`` holds out one cluster of k-means on unit vectors, so that the test set is a
        region of image space without training images.

        ``"distance"`` keeps every test image at a cosine distance of at least τ from every
        image outside its group, and so from every training image, while the sides stay as similar
        in distribution as random ones. Only images this isolated are candidates. A random draw of
        candidates fills the test set; then test images are exchanged for the candidates that lower
        the MMD² between the sides most, until it is at most `target_ratio` times its mean for
        random sides of the same sizes, or no exchange lowers it. τ is `min_distance`, or else the
        strictest of the percentiles of isolation, in steps of two, that reaches the ratio; if none
        does, the closest one.
    pool : str, optional
        Pool of the images: one of `list_pools`, ``"shared"`` by default. With `images`, the pool to
        store the split in: a published one that has them all, or a custom name (``"own"`` by
        default).
    images : iterable of str, optional
        Image names instead of a whole pool; duplicates are ignored.
    test_size : float
        Fraction of the images in the test set. With ``"cluster"``, the cluster with the size
        nearest to this fraction is held out.
    seed : int
        From 0 to 2³² - 1.
    embedding : str
        Model of the embeddings that define similarity.
    n_clusters : int
        For ``"cluster"``.
    held_out_cluster : int, optional
        For ``"cluster"``: number of the held-out cluster; 0 is the largest.
    min_distance : float, optional
        For ``"distance"``: τ.
    target_ratio : float
        For ``"distance"``.
    groups : mapping of str to hashable, optional
        Images with the same value stay on one side; images not named are groups of their own.
        Repeats of an image share a name and need no group.
    near_duplicates : float, optional
        Images with at least this cosine, or linked by a chain of such pairs, stay on one
        side.
    save : bool
        Save the split to disk. An identical saved split is left unchanged.
    data_dir : path, optional
        Instead of the configured one.

    Returns
    -------
    Split
        Its ``params`` hold the method, the arguments and the results.

    Raises
    ------
    InvalidArgumentError
        When an argument is invalid, or another split already has the name.
    UnknownNameError
        When there is no such method, pool, model or image.
    NoMatchingDataError
        When too few images are `min_distance` from all others.
    MissingDependencyError
        When scikit-learn is not installed.
    StimuliNotDownloadedError, InconsistentDataError
        When image names or embeddings are not downloaded, or do not match the pool.

    Examples
    --------
    >>> split = make_split("far", "distance", pool="sub-01", seed=1)  # doctest: +SKIP
    >>> train, test = get_split_masks(trials, "far", pool="sub-01")  # doctest: +SKIP
    """
    settings = load_settings(data_dir=data_dir)
    registry = registry_in_force(settings.data_dir)
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    pool = pool if pool is not None else ("shared" if images is None else own.OWN)
    own.require_new_name(name, pool, registry)
    seed = checked_seed(seed)
    _require_numbers(test_size, near_duplicates, min_distance, target_ratio)
    root = settings.require_data_dir()
    ordered = _images(images, pool, root, registry)
    n_test = _n_test(len(ordered), test_size)
    needs_features = method != "random" or near_duplicates is not None
    features = _features(root, embedding, ordered) if needs_features else None
    of_group = _groups(ordered, groups, features, near_duplicates)
    asked: dict[str, Any] = {"method": METHOD_NAMES[method], "seed": seed, "test_size": test_size}
    if needs_features:
        asked["embedding"] = embedding
    if method == "random":
        parting = partition.at_random(of_group, n_test, seed)
    elif method == "cluster":
        assert features is not None
        parting = partition.by_cluster(
            features, of_group, n_test, seed, n_clusters, held_out_cluster
        )
        asked["n_clusters"] = n_clusters
    else:
        assert features is not None
        parting = distance_control.by_distance(
            features, of_group, n_test, seed, min_distance, target_ratio
        )
        asked["target_ratio"] = target_ratio
    if near_duplicates is not None:
        asked["near_duplicates"] = near_duplicates
    if (n_groups := int(of_group.max()) + 1) < len(ordered):
        asked["n_groups"] = n_groups
    split = Split(
        name=name,
        pool=pool,
        params={**asked, **parting.found},
        variants=(
            SplitVariant(
                0,
                train_ids=tuple(n for n, t in zip(ordered, parting.test, strict=True) if not t),
                test_ids=tuple(n for n, t in zip(ordered, parting.test, strict=True) if t),
            ),
        ),
        splitter=SPLITTER,
    )
    if save:
        own.write_own_split(split, root, _words(pool, images is not None, len(ordered)))
    return split


def delete_split(
    name: str, pool: str = "shared", data_dir: str | PathLike[str] | None = None
) -> None:
    """Delete a split created with `make_split`; published splits cannot be deleted.

    Raises
    ------
    UnknownNameError
        When there is no custom split of that name.
    """
    own.delete_own_split(name, pool, load_settings(data_dir=data_dir).require_data_dir())


def _images(images: Iterable[str] | None, pool: str, root: Path, registry: Registry) -> list[str]:
    """Return the images to split, sorted and without duplicates."""
    if images is None:
        at_hand = names.find_names(root)
        return sorted(names.require_pool(at_hand, pool, registry))
    if isinstance(images, str | bytes):
        raise InvalidArgumentError("images is a list of image names, not one name.")
    ordered = sorted(set(as_names(images)))
    if len(ordered) < 2:
        raise InvalidArgumentError(
            f"{len(ordered)} image cannot be parted in two. Give at least two different names."
        )
    if pool in registry.pools:
        known = names.require_pool(names.find_names(root), pool, registry)
        for image in ordered:
            if image not in known:
                raise UnknownNameError(f"image of the pool {pool!r}:", image, known)
    else:
        own.require_name("pool", pool)
    return ordered


def _n_test(n: int, test_size: float) -> int:
    n_test = round(test_size * n)
    if not 0 < n_test < n:
        raise InvalidArgumentError(
            f"A test_size of {test_size:g} of {n:,} images would leave one side empty. Choose a "
            "larger or a smaller one."
        )
    return n_test


def _require_numbers(test_size: object, near: object, min_distance: object, ratio: object) -> None:
    if not _between(test_size, 0, 1) or test_size in (0, 1):
        raise InvalidArgumentError(
            f"test_size is a share of the images between 0 and 1, not {test_size!r}."
        )
    if near is not None and not _between(near, -1, 1):
        raise InvalidArgumentError(f"near_duplicates is a cosine from -1 to 1, not {near!r}.")
    if min_distance is not None and not _between(min_distance, 0, 2):
        raise InvalidArgumentError(
            f"min_distance is a cosine distance from 0 to 2, not {min_distance!r}."
        )
    if not _between(ratio, 0, math.inf):
        raise InvalidArgumentError(f"target_ratio is a positive number, not {ratio!r}.")


def _between(value: object, low: float, high: float) -> bool:
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and low <= float(value) <= high
    )


def _features(root: Path, model: str, ordered: list[str]) -> NDArray[np.float32]:
    from laion_fmri.stimuli.embeddings import Embeddings

    with Embeddings(model, root) as embeddings:
        return measures.unit_rows(embeddings.rows(model, ordered))


def _groups(
    ordered: list[str],
    groups: Mapping[str, Hashable] | None,
    features: NDArray[np.float32] | None,
    near_duplicates: float | None,
) -> NDArray[np.intp]:
    given = alike = None
    if groups is not None:
        if not isinstance(groups, Mapping):
            raise InvalidArgumentError(
                "groups maps image names to groups: {'a.jpg': 'one scene', 'b.jpg': 'one scene'}."
            )
        groups = {as_name(name): group for name, group in groups.items()}
        number: dict[Hashable, int] = {}
        keys = [("in", groups[n]) if n in groups else ("alone", n) for n in ordered]
        given = np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.intp)
    if near_duplicates is not None:
        assert features is not None
        alike = measures.near_duplicates(features, near_duplicates)
    return partition.together(len(ordered), given, alike)


def _words(pool: str, is_a_list: bool, n: int) -> str:
    return f"{n} images of {pool}" if is_a_list else f"{pool} ({n} images)"
