"""Encoding models: how well features predict responses, where, and which features do it best.

Examples
--------
>>> enc = laion_fmri.encode({"mine": "resnet50.npz", "CLIP": "CLIP"}, "sub-01", roi="FFA1")
... # doctest: +SKIP
>>> enc.compare("mine", "CLIP").table  # doctest: +SKIP
>>> laion_fmri.encode("CLIP", "sub-01").plot(space="fsaverage")  # doctest: +SKIP
"""

from laion_fmri.analysis.encoding.comparison import Comparison
from laion_fmri.analysis.encoding.estimators import RidgeEncoder, SplitCV, split_cv
from laion_fmri.analysis.encoding.models import encode
from laion_fmri.analysis.encoding.result import Encoding, Predictions, Weights
from laion_fmri.analysis.encoding.variance import VariancePartition, variance_partition

__all__ = [
    "Comparison",
    "Encoding",
    "Predictions",
    "RidgeEncoder",
    "SplitCV",
    "VariancePartition",
    "Weights",
    "encode",
    "split_cv",
    "variance_partition",
]
