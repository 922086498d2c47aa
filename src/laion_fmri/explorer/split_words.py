"""Splits in words, and as Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
}
_METHODS = {
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
    "held_out_cluster": "Held-out cluster",
    "criterion": "Criterion",
    "tau": "Distance τ",
    "percentile": "Percentile of τ",
    "mmd2_mean": "MMD² between the sides",
    "ratio_to_random": "MMD² relative to random splits",
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
    return shown + [(_PARAMETERS[k], _value(flat[k])) for k in _PARAMETERS if k in flat]


def pool_in_words(pool: str) -> str:
    """What a pool holds."""
    shared = "images that every subject saw, without those out of distribution"
    return shared if pool == "shared" else f"{shared}, and the images only {pool} saw"


def code(choice: SplitChoice) -> str:
    """Python that gives the same split, and its masks over the chosen trials."""
    arguments = f'"{choice.name}", pool="{choice.pool}"'
    if choice.ood_types:
        arguments += f", ood_types={list(choice.ood_types)!r}".replace("'", '"')
    imports = ["from laion_fmri.splits import get_train_test_ids"]
    lines = [f"train_ids, test_ids = get_train_test_ids({arguments})"]
    if choice.subject:
        imports = [
            "from laion_fmri.splits import get_split_masks, get_train_test_ids",
            "from laion_fmri.subject import load_subject",
        ]
        trials = [f'trials = sub.get_trial_info(session="{choice.session}")']
        if not choice.session:
            imports = ["import pandas as pd", "", *imports]
            trials = [
                "tables = sub.get_trial_info()  # every local session",
                "trials = pd.concat(list(tables.values()), ignore_index=True)",
            ]
        lines += [
            "",
            f'sub = load_subject("{choice.subject}")',
            *trials,
            f"train, test = get_split_masks(trials, {arguments})",
        ]
    return "\n".join([*imports, "", *lines])


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
