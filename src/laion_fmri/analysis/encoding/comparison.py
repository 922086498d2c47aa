"""The difference between two models on the same test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.analysis.encoding.statistics import (
    false_discovery_rate,
    family_wise_p,
    interval,
    standard_error,
    two_sided_p,
)
from laion_fmri.arguments import one_of
from laion_fmri.splits.evaluation import SplitScore

if TYPE_CHECKING:
    import pandas as pd


Correction = Literal["fdr", "fwer", "none"]
CORRECTIONS: tuple[Correction, ...] = get_args(Correction)


class Pair(NamedTuple):
    """Paired statistics of two models on a split.

    Attributes
    ----------
    standard_error : ndarray of float32, shape (n_voxels,)
        Of the difference of the correlations.
    largest : ndarray of float32, shape (n_flips,)
        Largest statistic over voxels for each set of random signs.
    """

    standard_error: NDArray[np.float32]
    largest: NDArray[np.float32]


class RoiScores(NamedTuple):
    """Mean scores over the voxels of an ROI, to calculate intervals and differences.

    Attributes
    ----------
    correlation, r2 : ndarray of float64, shape (n_draws,)
        In bootstrap samples of the test images, which all models share.
    influence : ndarray of float64, shape (2, n_test)
        Of each test image on the mean r and R².
    """

    correlation: NDArray[np.float64]
    r2: NDArray[np.float64]
    influence: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """How much better the first of two models predicts, in each voxel and ROI.

    Attributes
    ----------
    model_a, model_b, split : str
    correction : str
    difference : ndarray of float32, shape (n_voxels,)
        Correlation of the first model less that of the second.
    p : ndarray of float64, shape (n_voxels,)
        Two-sided p-values of no difference.
    p_corrected : ndarray of float64, shape (n_voxels,)
        Corrected for the number of voxels.
    table : DataFrame
        One row an ROI: n_voxels, difference (of the mean correlations), difference_low and
        difference_high (95 % bootstrap interval over test images), p, p_corrected (false discovery
        rate over the ROIs), and n_better_a and n_better_b: voxels in which a model is better with
        a corrected p-value below 0.05.

    Notes
    -----
    Both models predict the same images, so that each image gives a paired difference: of its
    influences on the two correlations (`laion_fmri.analysis.encoding.statistics`). The difference
    of the correlations over its standard error is compared with Student's t with one degree of
    freedom less than there are images. Images are taken as independent, models as they were fitted.
    In ROIs the same is done with the mean over voxels.
    """

    model_a: str
    model_b: str
    split: str
    correction: Correction
    difference: NDArray[np.float32]
    p: NDArray[np.float64]
    p_corrected: NDArray[np.float64]
    table: pd.DataFrame

    def __repr__(self) -> str:
        return f"<Comparison of {self.model_a} with {self.model_b} on {self.split}>"

    def _repr_html_(self) -> str:
        return self.table.round(4).to_html(index=False)


_ALPHA = 0.05


def compared(
    names: tuple[str, str, str],
    scores: tuple[SplitScore, SplitScore],
    pair: Pair,
    rois: Mapping[str, tuple[NDArray[np.bool_], RoiScores, RoiScores]],
    correction: Correction,
) -> Comparison:
    """Compare two models.

    Parameters
    ----------
    names : tuple of str
        The two models and the split.
    scores : tuple of SplitScore
    pair : Pair
    rois : mapping of str to tuple
        Voxels of each ROI, and the mean scores of both models there.
    correction : {"fdr", "fwer", "none"}
    """
    import pandas as pd

    correction = one_of("correction", correction, CORRECTIONS)
    n_images = scores[0].n_test
    difference = scores[0].correlation - scores[1].correlation
    t = _statistic(difference, pair.standard_error)
    p = corrected = two_sided_p(t, n_images - 1)
    if correction == "fdr":
        corrected = false_discovery_rate(p)
    elif correction == "fwer":
        if not len(pair.largest):
            raise InvalidArgumentError(
                "The family-wise error is of random signs, which were not drawn. Call encode with "
                "n_flips=1000."
            )
        corrected = family_wise_p(t, pair.largest, n_images)
    rows = []
    for roi, (inside, ours, theirs) in rois.items():
        found = difference[inside & np.isfinite(difference)]
        mean = float(found.mean(dtype=np.float64)) if len(found) else np.nan
        error = standard_error((ours.influence[0] - theirs.influence[0])[:, None])[0]
        low, high = interval(ours.correlation - theirs.correlation)
        is_better = inside & (corrected < _ALPHA)
        of_mean = _statistic(np.array(mean), np.array(error))
        rows.append(
            {
                "roi": roi,
                "n_voxels": len(found),
                "difference": mean,
                "difference_low": low,
                "difference_high": high,
                "p": float(two_sided_p(of_mean, n_images - 1)),
                "n_better_a": int((is_better & (difference > 0)).sum()),
                "n_better_b": int((is_better & (difference < 0)).sum()),
            }
        )
    table = pd.DataFrame(rows)
    table.insert(6, "p_corrected", false_discovery_rate(table["p"].to_numpy()))
    return Comparison(*names, correction, difference, p, corrected, table)


def _statistic(difference: NDArray, error: NDArray) -> NDArray[np.float64]:
    """Difference over its standard error; 0 where models predict the same."""
    out = np.where(np.isnan(difference) | np.isnan(error), np.nan, 0.0)
    return np.divide(difference, error, out=out, where=error > 0)
