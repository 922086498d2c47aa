"""Searchlight comparisons of RDMs: the voxels around each voxel against a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.analysis.distances import METRICS, Metric
from laion_fmri.analysis.patterns import Folds, Patterns
from laion_fmri.analysis.rdm_comparison import (
    SIMILARITIES,
    Similarity,
    as_rdms,
    common_images,
    require_names,
    require_scipy,
    similarities,
    values_of,
)
from laion_fmri.analysis.rsa import RDM
from laion_fmri.arguments import as_scalar, one_of, whole_number
from laion_fmri.responses import require_responses

if TYPE_CHECKING:
    from laion_fmri.responses import Responses

_BLOCK_BYTES = 64 << 20  # of the RDMs that are held at once


@overload
def searchlight(
    responses: Responses,
    models: RDM,
    radius_mm: float = ...,
    metric: Metric = ...,
    method: Similarity = ...,
    *,
    min_voxels: int = ...,
    folds: Folds = ...,
    progress: Callable[[float, str], object] | None = ...,
) -> NDArray[np.float32]: ...


@overload
def searchlight(
    responses: Responses,
    models: Iterable[RDM],
    radius_mm: float = ...,
    metric: Metric = ...,
    method: Similarity = ...,
    *,
    min_voxels: int = ...,
    folds: Folds = ...,
    progress: Callable[[float, str], object] | None = ...,
) -> dict[str, NDArray[np.float32]]: ...


def searchlight(
    responses: Responses,
    models: RDM | Iterable[RDM],
    radius_mm: float = 6.0,
    metric: Metric = "correlation",
    method: Similarity = "spearman",
    *,
    min_voxels: int = 10,
    folds: Folds = "session",
    progress: Callable[[float, str], object] | None = None,
) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]:
    """Compare the RDM of the voxels around each voxel with those of models.

    Parameters
    ----------
    responses : Responses
        Of the voxels to compare, for example of an ROI or a mask of the cortex.
    models : RDM or list of RDM
        Aligned with the responses by the names of images; images that one of them lacks are left
        out.
    radius_mm : float
        The voxels whose centres are at most this far from that of a voxel are around it.
    metric : {"correlation", "cosine", "euclidean", "crossnobis"}
        As in `rdm`.
    method : {"spearman", "pearson", "kendall", "cosine"}
        As in `compare_rdms`.
    min_voxels : int
        A voxel with fewer voxels around it, itself included, is NaN.
    folds : {"session", "repeat"}
        For ``"crossnobis"``, as in `rdm`.
    progress : callable, optional
        Called with the completed fraction, 0 to 1, and the name of the step.

    Returns
    -------
    ndarray of float32, shape (n_voxels,), or dict of them
        One value for each row of ``responses.voxels``; by the name of the model when a list was
        given. NaN where there are too few voxels.

    Raises
    ------
    InvalidArgumentError
        When fewer than 3 images are in all, a distance of a model is NaN, the radius is not
        positive, or one repeat is where two are needed.
    MissingDependencyError
        When scipy is not installed.

    Notes
    -----
    At most 64 MB of RDMs are in memory at a time. Voxels that lack a response to some image are in
    no neighbourhood. Values of neighbours are alike because their neighbourhoods overlap: correct
    p-values for it.

    Examples
    --------
    >>> responses = sub.get_responses(mask=cortex, images="shared")  # doctest: +SKIP
    >>> found = searchlight(responses, rdm("CLIP", images=…))  # doctest: +SKIP
    >>> sub.to_nifti(found, "clip.nii.gz", mask=cortex)  # doctest: +SKIP
    """
    metric = one_of("metric", metric, METRICS)
    method = one_of("method", method, SIMILARITIES)
    require_responses(responses)
    if "subject" in responses.voxels and responses.voxels["subject"].nunique() > 1:
        raise InvalidArgumentError(
            "These voxels are of several subjects, which are not neighbours of each other. Compute "
            "a searchlight for each subject."
        )
    radius = as_scalar(radius_mm)
    if not isinstance(radius, int | float) or not radius > 0:
        raise InvalidArgumentError(f"radius_mm={radius_mm!r} is not positive.")
    if (whole_number(min_voxels) or 0) < 2:
        raise InvalidArgumentError(f"min_voxels={min_voxels!r}: a pattern needs 2 voxels or more.")
    left = as_rdms(models, "models")
    require_names(left)
    require_scipy()
    from scipy.spatial import KDTree

    every = Patterns.of(responses)
    images, _ = common_images([*left, every])
    model_values = values_of(left, images)
    patterns = Patterns.of(responses, images).prepared(metric, folds)
    positions = responses.voxels[["x", "y", "z"]].to_numpy(dtype=np.float64)
    columns = np.flatnonzero(patterns.known())
    tree = KDTree(positions[columns])
    found = np.full((len(left), len(positions)), np.nan, dtype=np.float32)
    at_once = max(1, _BLOCK_BYTES // (8 * model_values.shape[1]))
    for start in range(0, len(positions), at_once):
        if progress is not None:
            progress(start / len(positions), "Comparing RDMs")
        # Voxels of a grid are often exactly as far apart as a round radius says.
        near = tree.query_ball_point(
            positions[start : start + at_once], radius_mm * (1 + 1e-6), return_sorted=True
        )
        some = [place for place, voxels in enumerate(near) if len(voxels) >= min_voxels]
        if some:
            block = np.stack([patterns.distances(columns[near[place]], metric) for place in some])
            found[:, start + np.array(some)] = similarities(model_values, block, method)
    if progress is not None:
        progress(1.0, "Comparing RDMs")
    if isinstance(models, RDM):
        return found[0]
    return {model.name: row for model, row in zip(left, found, strict=True)}
