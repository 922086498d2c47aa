"""Scores of splits by voxel and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import UnknownNameError
from laion_fmri.splits.split import Split

if TYPE_CHECKING:
    import pandas as pd

Score = Literal["correlation", "r2", "noise_ceiling", "penalty"]
SCORES: tuple[Score, ...] = get_args(Score)


@dataclass(frozen=True, eq=False)
class SplitScore:
    """The prediction accuracy of one split's test responses.

    Attributes
    ----------
    split : Split
    n_train, n_test : int
        Number of images on each side that were shown and have an embedding.
    correlation : ndarray of float32, shape (n_voxels,)
        Between predicted and mean measured responses, over test images. NaN for voxels with missing
        or constant responses or predictions.
    r2 : ndarray of float32, shape (n_voxels,)
        Explained fraction of the variance over test images; negative when the mean of the test set
        predicts better.
    noise_ceiling : ndarray of float32, shape (n_voxels,)
        Explainable variance in percent, given the number of repeats of these test images. NaN when
        no published noise ceiling is downloaded.
    penalty : ndarray of float32, shape (n_voxels,)
        Penalty chosen by cross-validation within the training set.
    """

    split: Split
    n_train: int
    n_test: int
    correlation: NDArray[np.float32]
    r2: NDArray[np.float32]
    noise_ceiling: NDArray[np.float32]
    penalty: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of one or several splits by voxel.

    Attributes
    ----------
    subject, embedding : str
    sessions : tuple of str
        Sessions of the trials.
    rois : mapping of str to ndarray of bool, shape (n_voxels,)
        Voxels of each ROI query.
    scores : mapping of str to SplitScore
        By the name of the split.
    in_mask : ndarray of bool, shape (n_brain_voxels,)
        The scored voxels within the brain mask.
    """

    subject: str
    embedding: str
    sessions: tuple[str, ...]
    rois: Mapping[str, NDArray[np.bool_]]
    scores: Mapping[str, SplitScore]
    in_mask: NDArray[np.bool_]

    @property
    def table(self) -> pd.DataFrame:
        """Return one row per split and ROI.

        Returns
        -------
        DataFrame
            split, roi, n_train and n_test (images), n_voxels (with scores), correlation
            and r2 (means over voxels), noise_ceiling (mean, percent), share_of_r2 and
            share_of_correlation (means relative to the noise ceiling and its square root), penalty
            (median).
        """
        import pandas as pd

        rows = [
            {"split": name, "roi": roi, **summary(score, inside)}
            for name, score in self.scores.items()
            for roi, inside in self.rois.items()
        ]
        return pd.DataFrame(rows)

    def values(self, split: str | None = None, score: Score = "correlation") -> NDArray[np.float32]:
        """Return a score as a map, for `Subject.to_nifti` or ``BrainView.add_map``.

        Parameters
        ----------
        split : str, optional
            The first one by default.
        score : {"correlation", "r2", "noise_ceiling", "penalty"}

        Returns
        -------
        ndarray of float32, shape (n_brain_voxels,)
            NaN outside the ROIs.
        """
        name = next(iter(self.scores)) if split is None else split
        if name not in self.scores:
            raise UnknownNameError("split", name, self.scores)
        if score not in SCORES:
            raise UnknownNameError("score", score, SCORES)
        out = np.full(len(self.in_mask), np.nan, dtype=np.float32)
        out[self.in_mask] = getattr(self.scores[name], score)
        return out

    def __repr__(self) -> str:
        return (
            f"<Evaluation of {', '.join(self.scores)}: {self.embedding} to "
            f"{', '.join(self.rois)} of {self.subject}>"
        )

    def _repr_html_(self) -> str:
        return self.table.round(3).to_html(index=False)


def summary(score: SplitScore, inside: NDArray[np.bool_]) -> dict[str, float]:
    """Average the scores of a split over the voxels of an ROI; a row of `Evaluation.table`."""
    scored = inside & np.isfinite(score.correlation)
    summary: dict[str, float] = {
        "n_train": score.n_train,
        "n_test": score.n_test,
        "n_voxels": int(scored.sum()),
    }

    def mean(values: NDArray) -> float:
        return float(values[scored].mean(dtype=np.float64)) if scored.any() else np.nan

    best = mean(score.noise_ceiling) / 100
    best_correlation = mean(np.sqrt(score.noise_ceiling / 100))
    summary["correlation"], summary["r2"] = mean(score.correlation), mean(score.r2)
    summary["noise_ceiling"] = 100 * best
    summary["share_of_r2"] = summary["r2"] / best if best else np.nan
    summary["share_of_correlation"] = (
        summary["correlation"] / best_correlation if best_correlation else np.nan
    )
    summary["penalty"] = float(np.median(score.penalty[scored])) if scored.any() else np.nan
    return summary
