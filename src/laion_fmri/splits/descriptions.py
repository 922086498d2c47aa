"""Plain-language descriptions of splits and pools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from laion_fmri.splits.make import METHOD_NAMES
from laion_fmri.splits.split import family_of

_FAMILIES = {
    "random": "Random baseline",
    "cluster_k5": "Held-out cluster · Method 2, out of distribution",
    "tau": "Balanced over image space · Method 1, within distribution",
    "ood": "Held-out image kinds · Method 3, out of distribution",
}
_MEANINGS = {
    "random": (
        "The test side is a fifth of the pool, drawn at random. This is a baseline: a test image "
        "may have near-duplicates among the training images."
    ),
    "cluster_k5": (
        "The images are grouped into five clusters by their CLIP embeddings. One cluster is the "
        "test side, so the test covers a region of image space without training images. The five "
        "splits of this family are the folds of a cross-validation."
    ),
    "tau": (
        "Test images are far from their nearest training images, while the distributions of the "
        "two sides differ about as little as those of a random split."
    ),
    "ood": (
        "The training side is the whole pool. The test side has kinds of images that the pool "
        "lacks: isolated shapes, illusions, odd relations and others."
    ),
}
_MEANINGS_OF_METHODS = {
    "nearest_neighbour_stratified": (
        "Both sides cover image space evenly: the test side is stratified by the distance of "
        "each image to its nearest neighbour."
    ),
    METHOD_NAMES["random"]: "A split of your own: images drawn at random, groups kept together.",
    METHOD_NAMES["cluster"]: (
        "A split of your own: one cluster of the images is the test side, so the test covers a "
        "region of image space without training images."
    ),
    METHOD_NAMES["distance"]: (
        "A split of your own: test images keep away from every training image, while the "
        "distributions of the two sides differ as little as those of a random split."
    ),
}
_METHODS = {
    METHOD_NAMES["random"]: "random draw of groups of images",
    METHOD_NAMES["cluster"]: "k-means, one cluster held out",
    METHOD_NAMES["distance"]: (
        "filter by distance to all others, then exchanges that match the MMD²"
    ),
    "uniform_random": "uniform random draw",
    "kmeans_clip_k5_holdout": "k-means on CLIP embeddings, k = 5",
    "min_nn_filter + stochastic_mmd_swap": (
        "filter by distance to the nearest neighbour, then random swaps that match the MMD²"
    ),
    "nearest_neighbour_stratified": "stratified by similarity to the nearest neighbour",
    "ood_dataset_holdout": "all images of the chosen types held out",
}
_LABELS = {
    "edition": "Edition",
    "revision": "Revision",
    "seed": "Seed",
    "test_size": "Share of the test side",
    "embedding": "Embedding",
    "n_clusters": "Clusters",
    "held_out_cluster": "Held-out cluster",
    "cluster_sizes": "Sizes of the clusters",
    "criterion": "Criterion",
    "tau": "Distance τ",
    "min_distance": "Distance τ",
    "percentile": "Percentile of τ",
    "mmd2_mean": "MMD² between the sides",
    "mmd2": "MMD² between the sides",
    "ratio_to_random": "MMD² relative to random splits of its size",
    "near_duplicates": "Near-duplicates kept together from cosine",
    "n_groups": "Groups of images",
    "ood_types": "Types",
}


def split_title(name: str) -> str:
    """Return a short title of a split's kind; the name itself for an unknown kind.

    Examples
    --------
    >>> split_title("random_0")
    'Random baseline'
    """
    return _FAMILIES.get(family_of(name), name)


def describe_split(name: str, params: Mapping[str, Any]) -> str:
    """Describe what a split tests in one or two sentences; empty for an unknown kind.

    Parameters
    ----------
    name : str
    params : mapping
        `Split.params`; its ``"method"`` describes splits made with `make_split`.

    Examples
    --------
    >>> describe_split("mine", {"method": "uniform_random"})
    ''
    """
    by_family = _MEANINGS.get(family_of(name), "")
    return _MEANINGS_OF_METHODS.get(str(params.get("method", "")), by_family)


def describe_parameters(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return labels and values of a split's parameters, the method first.

    Parameters
    ----------
    params : mapping
        `Split.params`. Parameters without a known label are left out.

    Examples
    --------
    >>> describe_parameters({"method": "uniform_random", "seed": 3})
    [('Method', 'uniform random draw'), ('Seed', '3')]
    """
    method = str(params.get("method", ""))
    shown = [("Method", _METHODS.get(method, method))] if method else []
    selection = params.get("adaptive_selection")
    flat = {**params, **selection} if isinstance(selection, Mapping) else params
    # Prefer the criterion of the split to the rule that chose among candidates.
    flat = {**flat, **{k: params[k] for k in ("criterion",) if k in params}}
    return shown + [
        (label, _value(flat[key])) for key, label in _LABELS.items() if flat.get(key) is not None
    ]


def describe_pool(pool: str) -> str:
    """Describe the images of a pool.

    Examples
    --------
    >>> describe_pool("pilot")
    'a list of images of your own, called pilot'
    """
    shared = "images that every subject saw, without the out-of-distribution images"
    if pool == "shared":
        return shared
    if pool == "pooled":
        return f"{shared}, and images that only one subject saw, of all subjects"
    if pool.startswith("sub-"):
        return f"{shared}, and images that only {pool} saw"
    return f"a list of images of your own, called {pool}"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
