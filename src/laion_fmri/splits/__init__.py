"""Train/test splits of the images by name and pool, as image names or masks over trials.

``random_*`` and ``ood`` are computed from local image names; ``tau`` and ``cluster_k5_*`` are
published files, downloaded on first use, as are all splits when no image names are local.
`make_split` creates custom splits. A split lists image names, so the same masks select betas,
trials and embeddings.

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
    from laion_fmri.splits.compare import SplitMeasures, compare_splits, identical_images
    from laion_fmri.splits.evaluation import Evaluation, SplitScore
    from laion_fmri.splits.fetching import download_splits
    from laion_fmri.splits.image_map import ImageMap, pca_map, tsne_map
    from laion_fmri.splits.make import delete_split, make_split
    from laion_fmri.splits.own import to_schema
    from laion_fmri.splits.scoring import evaluate
    from laion_fmri.splits.space import EmbeddingSpace
    from laion_fmri.splits.summary import (
        composition,
        count_shared_tests,
        split_table,
        trial_counts,
    )
    from laion_fmri.splits.terms import compare_terms

__all__ = [
    "CopiedSplits",
    "EmbeddingSpace",
    "Evaluation",
    "ImageMap",
    "Split",
    "SplitMeasures",
    "SplitScore",
    "SplitSizes",
    "SplitVariant",
    "compare_splits",
    "compare_terms",
    "composition",
    "copy_splits",
    "count_shared_tests",
    "delete_split",
    "download_splits",
    "evaluate",
    "get_split_masks",
    "get_train_test_ids",
    "identical_images",
    "list_ood_types",
    "list_pools",
    "list_splits",
    "load_all_splits",
    "load_split",
    "make_split",
    "pca_map",
    "split_sizes",
    "split_table",
    "split_url",
    "to_schema",
    "trial_counts",
    "tsne_map",
]

# Imported on use, so that listing splits imports neither HTTP clients nor numerical code.
_ON_USE = {
    "EmbeddingSpace": "space",
    "Evaluation": "evaluation",
    "ImageMap": "image_map",
    "SplitMeasures": "compare",
    "SplitScore": "evaluation",
    "compare_splits": "compare",
    "compare_terms": "terms",
    "composition": "summary",
    "count_shared_tests": "summary",
    "delete_split": "make",
    "download_splits": "fetching",
    "evaluate": "scoring",
    "identical_images": "compare",
    "make_split": "make",
    "pca_map": "image_map",
    "split_table": "summary",
    "to_schema": "own",
    "trial_counts": "summary",
    "tsne_map": "image_map",
}


def __getattr__(name: str) -> Any:
    if name in _ON_USE:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_ON_USE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
