"""Train/test splits of the images: by name and pool, as ids or as masks over trials.

``random_*`` and ``ood`` are computed from the image names at hand; ``tau`` and
``cluster_k5_*`` are published files; `make_split` makes more. A label match against the
trial table is all that a split is, so the same masks cut betas, trials and embeddings.

Examples
--------
>>> from laion_fmri.splits import get_split_masks
>>> trials = sub.get_trial_info(session="ses-01")
>>> train, test = get_split_masks(trials, "random_0", pool="shared")
>>> betas = sub.get_betas(session="ses-01", roi="face")
>>> X_train, X_test = betas[train], betas[test]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laion_fmri.splits.catalogue import (
    SplitSizes,
    get_split_masks,
    get_train_test_ids,
    list_ood_types,
    list_pools,
    list_splits,
    load_all_splits,
    load_split,
    split_sizes,
)
from laion_fmri.splits.published import CopiedSplits, copy_splits, split_url
from laion_fmri.splits.split import Split, SplitVariant

if TYPE_CHECKING:
    from laion_fmri.splits.evaluation import Evaluation, SplitScore
    from laion_fmri.splits.fetching import download_splits
    from laion_fmri.splits.make import delete_split, make_split
    from laion_fmri.splits.own import to_schema
    from laion_fmri.splits.scoring import evaluate
    from laion_fmri.splits.space import EmbeddingSpace

__all__ = [
    "CopiedSplits",
    "EmbeddingSpace",
    "Evaluation",
    "Split",
    "SplitScore",
    "SplitSizes",
    "SplitVariant",
    "copy_splits",
    "delete_split",
    "download_splits",
    "evaluate",
    "get_split_masks",
    "get_train_test_ids",
    "list_ood_types",
    "list_pools",
    "list_splits",
    "load_all_splits",
    "load_split",
    "make_split",
    "split_sizes",
    "split_url",
    "to_schema",
]

# Listing splits needs nothing that speaks HTTP or computes.
_ON_USE = {
    "EmbeddingSpace": "space",
    "Evaluation": "evaluation",
    "SplitScore": "evaluation",
    "delete_split": "make",
    "download_splits": "fetching",
    "evaluate": "scoring",
    "make_split": "make",
    "to_schema": "own",
}


def __getattr__(name: str) -> Any:
    if name in _ON_USE:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_ON_USE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
