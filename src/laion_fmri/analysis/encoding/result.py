"""The result of encoding models: scores by model, split and voxel, their intervals and maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.analysis.encoding.comparison import (
    Comparison,
    Correction,
    Pair,
    RoiScores,
    compared,
)
from laion_fmri.analysis.encoding.score_maps import ScoreMaps
from laion_fmri.analysis.encoding.statistics import interval
from laion_fmri.splits.evaluation import SplitScore, summary
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    import pandas as pd


class Weights(NamedTuple):
    """A fitted model: ``features @ values + intercept`` predicts responses.

    Attributes
    ----------
    values : ndarray of float32, shape (n_features, n_voxels)
    intercept : ndarray of float32, shape (n_voxels,)
    """

    values: NDArray[np.float32]
    intercept: NDArray[np.float32]


class Predictions(NamedTuple):
    """Predicted and measured responses to test images.

    Attributes
    ----------
    images : tuple of str
    predicted, measured : ndarray of float32, shape (n_test, n_voxels)
    """

    images: tuple[str, ...]
    predicted: NDArray[np.float32]
    measured: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Encoding(ScoreMaps):
    """Scores of encoding models.

    Attributes
    ----------
    subject : str
    data_dir : Path
    sessions : tuple of str
    mask_source : str
    rois : mapping of str to ndarray of bool, shape (n_voxels,)
        Voxels of each ROI.
    in_mask : ndarray of bool, shape (n_brain_voxels,)
        The scored voxels within the brain mask.
    scores : mapping of str to mapping of str to SplitScore
        By model and split, in voxels.
    roi_scores : mapping of (model, split, ROI) to RoiScores
    pairs : mapping of (model, model, split) to Pair
    voxel_intervals : mapping of (model, split) to ndarray, shape (2, n_voxels)
        Of the correlation, if asked for.
    predictions : mapping of (model, split) to Predictions
        If asked for.
    weights : mapping of (model, split) to Weights
        If asked for.
    """

    subject: str
    data_dir: Path
    sessions: tuple[str, ...]
    mask_source: MaskSource
    rois: Mapping[str, NDArray[np.bool_]]
    in_mask: NDArray[np.bool_]
    scores: Mapping[str, Mapping[str, SplitScore]]
    roi_scores: Mapping[tuple[str, str, str], RoiScores] = field(repr=False)
    pairs: Mapping[tuple[str, str, str], Pair] = field(repr=False)
    voxel_intervals: Mapping[tuple[str, str], NDArray] = field(default_factory=dict, repr=False)
    predictions: Mapping[tuple[str, str], Predictions] = field(default_factory=dict, repr=False)
    weights: Mapping[tuple[str, str], Weights] = field(default_factory=dict, repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """One row per model, split and ROI.

        Its columns are model, split, roi, and those of `Evaluation.table`: n_train and n_test
        (images), n_voxels (with scores), correlation and r2 (means over voxels), noise_ceiling
        (mean, percent), share_of_r2 and share_of_correlation, penalty (median).
        ``correlation_low``, ``correlation_high``, ``r2_low`` and ``r2_high`` are 95 % intervals
        over test images.
        """
        import pandas as pd

        rows = []
        for model, by_split in self.scores.items():
            for split, score in by_split.items():
                for roi, inside in self.rois.items():
                    row: dict[str, Any] = {"model": model, "split": split, "roi": roi}
                    row |= summary(score, inside)
                    found = self.roi_scores[model, split, roi]
                    for name in ("correlation", "r2"):
                        # Samples of few images are shifted by much, even beyond what can be.
                        least = -1 if name == "correlation" else -np.inf
                        low, high = np.clip(interval(getattr(found, name)), least, 1)
                        row |= {f"{name}_low": low, f"{name}_high": high}
                    rows.append(row)
        first = ["model", "split", "roi", "n_voxels", "n_train", "n_test"]
        first += ["correlation", "correlation_low", "correlation_high", "r2", "r2_low", "r2_high"]
        table = pd.DataFrame(rows)
        return table[[*first, *(name for name in table.columns if name not in first)]]

    def compare(
        self,
        model_a: str,
        model_b: str,
        split: str | None = None,
        *,
        correction: Correction = "fdr",
    ) -> Comparison:
        """Compare two models on the same test images; see `Comparison`.

        Parameters
        ----------
        model_a, model_b : str
        split : str, optional
            The first one by default.
        correction : {"fdr", "fwer", "none"}
            ``"fdr"``: the false discovery rate over voxels (Benjamini and Hochberg). ``"fwer"``:
            the family-wise error by the largest statistic of all voxels under random signs, which
            needs ``encode(..., n_flips=1000)``.

        Raises
        ------
        UnknownNameError, InvalidArgumentError
        """
        split = self.splits[0] if split is None else split
        scores = self.score(model_a, split), self.score(model_b, split)
        if model_a == model_b:
            raise InvalidArgumentError(f"{model_a!r} cannot be compared with itself. Name another.")
        pair = self.pairs.get((model_a, model_b, split)) or self.pairs[model_b, model_a, split]
        rois = {
            roi: (
                inside,
                self.roi_scores[model_a, split, roi],
                self.roi_scores[model_b, split, roi],
            )
            for roi, inside in self.rois.items()
        }
        return compared((model_a, model_b, split), scores, pair, rois, correction)

    def __repr__(self) -> str:
        return (
            f"<Encoding of {self.subject}: {', '.join(self.models)} on {', '.join(self.splits)}, "
            f"{int(self.in_mask.sum()):,} voxels in {', '.join(self.rois)}>"
        )

    def _repr_html_(self) -> str:
        return self.table.round(3).to_html(index=False)
