"""Features of images: of published embeddings, of files, and of your own models.

Examples
--------
>>> from laion_fmri.features import Features, as_features
>>> Features.of([[0.0, 1.0], [1.0, 0.5]], ["a.jpg", "b.jpg"], name="mine")
<Features 'mine': 2 images x 2 features, float64>
>>> as_features("CLIP", data_dir)  # doctest: +SKIP
>>> register_features("my-resnet", "resnet50.npz")  # doctest: +SKIP
"""

from laion_fmri.features.reading import as_features, feature_sets
from laion_fmri.features.registry import (
    FeaturesInfo,
    list_features,
    register_features,
    remove_features,
)
from laion_fmri.features.table import Features

__all__ = [
    "Features",
    "FeaturesInfo",
    "as_features",
    "feature_sets",
    "list_features",
    "register_features",
    "remove_features",
]
