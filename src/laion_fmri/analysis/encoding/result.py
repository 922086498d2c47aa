"""The result of encoding models: scores by model, split and voxel, their intervals and maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.analysis.encoding.comparison import (
    Comparison,
    Correction,
    Pair,
    RoiScores,
    compared,
)
from laion_fmri.analysis.encoding.statistics import interval
from laion_fmri.splits.evaluation import SCORES, SplitScore, summary
from laion_fmri.subject import Subject, load_subject
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    import os

    import pandas as pd
    from matplotlib.figure import Figure

SHARES = ("share_of_correlation", "share_of_r2")
"""Scores relative to the noise ceiling of the test images: its square root, or itself."""


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
class Encoding:
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
    def models(self) -> tuple[str, ...]:
        """The models, in the order given."""
        return tuple(self.scores)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits, in the order given."""
        return tuple(next(iter(self.scores.values())))

    def table(self) -> pd.DataFrame:
        """Return one row per model, split and ROI.

        Returns
        -------
        DataFrame
            model, split, roi, and the columns of `Evaluation.table`: n_train and n_test (images),
            n_voxels (with scores), correlation and r2 (means over voxels), noise_ceiling (mean,
            percent), share_of_r2 and share_of_correlation, penalty (median). ``correlation_low``,
            ``correlation_high``, ``r2_low`` and ``r2_high`` are 95 % intervals over test images.
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
                        low, high = interval(getattr(found, name))
                        row |= {f"{name}_low": low, f"{name}_high": high}
                    rows.append(row)
        first = ["model", "split", "roi", "n_voxels", "n_train", "n_test"]
        first += ["correlation", "correlation_low", "correlation_high", "r2", "r2_low", "r2_high"]
        table = pd.DataFrame(rows)
        return table[[*first, *(name for name in table.columns if name not in first)]]

    def score(self, model: str | None = None, split: str | None = None) -> SplitScore:
        """Return the scores of a model on a split in voxels; the first ones by default.

        Raises
        ------
        UnknownNameError
        """
        model = self.models[0] if model is None else model
        split = self.splits[0] if split is None else split
        if model not in self.scores:
            raise UnknownNameError("model", model, self.models)
        if split not in self.scores[model]:
            raise UnknownNameError("split", split, self.splits)
        return self.scores[model][split]

    def map(
        self, model: str | None = None, split: str | None = None, score: str = "correlation"
    ) -> NDArray[np.float32]:
        """Return a score as a map of the brain mask, for `Subject.to_nifti`.

        Parameters
        ----------
        model, split : str, optional
            The first ones by default.
        score : str
            ``"correlation"``, ``"r2"``, ``"noise_ceiling"``, ``"penalty"``,
            ``"share_of_correlation"`` or ``"share_of_r2"``.

        Returns
        -------
        ndarray of float32, shape (n_brain_voxels,)
            NaN where nothing was scored.
        """
        found = self.score(model, split)
        if score in SHARES:
            best = found.noise_ceiling / 100
            best = np.sqrt(best) if score == SHARES[0] else best
            reached = found.correlation if score == SHARES[0] else found.r2
            nothing = np.full(len(best), np.nan, dtype=np.float32)
            values = np.divide(reached, best, out=nothing, where=best > 0)
        elif score in SCORES:
            values = getattr(found, score)
        else:
            raise UnknownNameError("score", score, [*SCORES, *SHARES])
        return self.in_brain(values)

    def in_brain(self, values: NDArray) -> NDArray[np.float32]:
        """Return values of the scored voxels as a map of the brain mask, NaN elsewhere."""
        out = np.full(len(self.in_mask), np.nan, dtype=np.float32)
        out[self.in_mask] = values
        return out

    def to_nifti(
        self,
        path: str | os.PathLike[str],
        model: str | None = None,
        split: str | None = None,
        score: str = "correlation",
    ) -> Path:
        """Write the map of a score as a volume; see `map` and `Subject.to_nifti`."""
        values = self.map(model, split, score)
        return self._subject().to_nifti(values, path, mask_source=self.mask_source)

    def to_surface(
        self,
        target: str = "fsaverage",
        model: str | None = None,
        split: str | None = None,
        score: str = "correlation",
        **options: Any,
    ) -> dict[str, NDArray[np.float32]]:
        """Return the map of a score on a surface, one array a hemisphere.

        Parameters
        ----------
        target : {"fsaverage", "fsnative"}
        model, split, score
            As in `map`.
        **options
            Of `laion_fmri.templates.volume_to_surface`.
        """
        values = self.map(model, split, score)
        return self._subject().volume_to_surface(
            values, target, mask_source=self.mask_source, **options
        )

    def plot(
        self,
        model: str | None = None,
        split: str | None = None,
        score: str = "correlation",
        **options: Any,
    ) -> Figure:
        """Draw the map of a score on the cortex from four sides.

        Parameters
        ----------
        model, split, score
            As in `map`.
        **options
            Of `laion_fmri.analysis.map_figure.plot_map`, such as ``space="fsaverage"`` and
            ``rois=["FFA1"]``.
        """
        from laion_fmri.analysis.map_figure import plot_map
        from laion_fmri.maps import given_map

        if self.mask_source != "anatomical":
            raise InvalidArgumentError(
                "Figures show maps of the anatomical brain mask. Use to_surface, or encode with "
                'mask_source="anatomical".'
            )
        values, sub = self.map(model, split, score), self._subject()
        title = f"{score.replace('_', ' ')}, {model or self.models[0]}, {split or self.splits[0]}"
        return plot_map(sub, given_map(sub, values, title), **options)

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

    def _subject(self) -> Subject:
        return load_subject(self.subject, self.data_dir)

    def __repr__(self) -> str:
        return (
            f"<Encoding of {self.subject}: {', '.join(self.models)} on {', '.join(self.splits)}, "
            f"{int(self.in_mask.sum()):,} voxels in {', '.join(self.rois)}>"
        )

    def _repr_html_(self) -> str:
        return self.table().round(3).to_html(index=False)
