"""Splits in words, and as Python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from laion_fmri.splits.make import METHOD_NAMES
from laion_fmri.splits.split import family_of

if TYPE_CHECKING:
    from laion_fmri.explorer.split_data import SplitChoice

_FAMILIES = {
    "random": "Random baseline",
    "cluster_k5": "Held-out cluster · Method 2, out of distribution",
    "tau": "Balanced over image space · Method 1, within distribution",
    "ood": "Held-out image kinds · Method 3, out of distribution",
}
_MEANINGS = {
    "random": (
        "A fifth of the pool, drawn at random, is the test side. A baseline: a test image may "
        "have near twins among the training images."
    ),
    "cluster_k5": (
        "The images were grouped into five clusters by their CLIP embeddings and one cluster is "
        "the test side, so the test asks about a region of image space that was never trained on. "
        "The five splits of this family are the folds of a cross-validation."
    ),
    "tau": (
        "Test images keep away from their nearest training images, while the two sides stay about "
        "as alike in distribution as those of a random split."
    ),
    "ood": (
        "Training uses the whole pool; the test side is made of images of kinds that the pool "
        "does not have: isolated shapes, illusions, odd relations and others."
    ),
}
_MEANINGS_OF_METHODS = {
    "nearest_neighbour_stratified": (
        "Both sides cover image space alike: the test side is spread evenly over how near each "
        "image is to its nearest neighbour."
    ),
    METHOD_NAMES["random"]: "A split of your own: images drawn at random, groups kept together.",
    METHOD_NAMES["cluster"]: (
        "A split of your own: one cluster of the images is the test side, so the test asks about "
        "a region of image space that was never trained on."
    ),
    METHOD_NAMES["distance"]: (
        "A split of your own: test images keep away from every training image, while the two "
        "sides stay as alike in distribution as those of a random split."
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
    "nearest_neighbour_stratified": "stratified by likeness to the nearest neighbour",
    "ood_dataset_holdout": "all images of the chosen types held out",
}
_PARAMETERS = {
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
    "ratio_to_random": "MMD² relative to random splits",
    "near_duplicates": "Near-duplicates together from cosine",
    "n_groups": "Groups of images",
    "ood_types": "Types",
}


def title(name: str) -> str:
    """What kind of split it is, in a few words; the name itself where it is of no known kind."""
    return _FAMILIES.get(family_of(name), name)


def meaning(name: str, params: Mapping[str, Any]) -> str:
    """What the split does, in a sentence or two; empty where it is of no known kind."""
    by_family = _MEANINGS.get(family_of(name), "")
    return _MEANINGS_OF_METHODS.get(str(params.get("method", "")), by_family)


def parameters(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the split was made: names and values to show, the method first."""
    method = str(params.get("method", ""))
    shown = [("Method", _METHODS.get(method, method))] if method else []
    selection = params.get("adaptive_selection")
    flat = {**params, **selection} if isinstance(selection, Mapping) else params
    # The criterion of the whole, not the rule that chose among candidates.
    flat = {**flat, **{k: params[k] for k in ("criterion",) if k in params}}
    return shown + [
        (_PARAMETERS[k], _value(flat[k])) for k in _PARAMETERS if flat.get(k) is not None
    ]


def pool_in_words(pool: str) -> str:
    """What a pool holds."""
    shared = "images that every subject saw, without those out of distribution"
    if pool == "shared":
        return shared
    if pool.startswith("sub-"):
        return f"{shared}, and the images only {pool} saw"
    return f"a list of images of your own, called {pool}"


def code(choice: SplitChoice, model: str = "", against_random: bool = True) -> str:
    """Python that gives the same split, its masks over the chosen trials, and its measures.

    Parameters
    ----------
    choice : SplitChoice
    model : str
        Of the measures; none are written where it is empty.
    against_random : bool
        Whether the pool has published random splits, whose images then make the kernel.
    """
    pool = f"pool={literal(choice.pool)}"
    arguments = f"{literal(choice.name)}, {pool}"
    if choice.ood_types:
        arguments += f", ood_types={list(choice.ood_types)!r}".replace("'", '"')
    imports = ["from laion_fmri.splits import get_train_test_ids"]
    lines = [f"train_ids, test_ids = get_train_test_ids({arguments})"]
    if choice.subject:
        imports = [
            "from laion_fmri.splits import get_split_masks, get_train_test_ids",
            "from laion_fmri.subject import load_subject",
        ]
        trials = [f"trials = sub.get_trial_info(session={literal(choice.session)})"]
        if not choice.session:
            imports = ["import pandas as pd", "", *imports]
            trials = [
                "tables = sub.get_trial_info()  # every local session",
                "trials = pd.concat(list(tables.values()), ignore_index=True)",
            ]
        lines += [
            "",
            f"sub = load_subject({literal(choice.subject)})",
            *trials,
            f"train, test = get_split_masks(trials, {arguments})",
        ]
    if model:
        imports = [line.replace("import get_", "import EmbeddingSpace, get_") for line in imports]
        imports = [line + (", load_split" if "splits" in line else "") for line in imports]
        kernel = ["kernel = space.kernel(train_ids + test_ids)"]
        if against_random:
            kernel = [
                f'pool = load_split("random_0", {pool})',
                "kernel = space.kernel([*pool.train_ids, *pool.test_ids])",
            ]
        lines += [
            "",
            f"space = EmbeddingSpace({literal(model)})",
            *kernel,
            f"found = space.compare(load_split({arguments}), kernel)",
            "distances, mmd2 = found.distances(), found.mmd2",
        ]
    return "\n".join([*imports, "", *lines])


def make_code(name: str, method: str, arguments: Mapping[str, Any]) -> str:
    """Python that makes a split."""
    given = "".join(f"    {key}={literal(value)},\n" for key, value in arguments.items())
    call = f"split = make_split(\n    {literal(name)},\n    {literal(method)},\n{given})"
    return f"from laion_fmri.splits import make_split\n\n{call}"


def literal(value: Any) -> str:
    """A value as Python, strings in double quotes."""
    is_text = isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(one, str) for one in value)
    )
    return json.dumps(value, ensure_ascii=False) if is_text else repr(value)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
