"""Checks of the arguments of template mappings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, MissingDependencyError
from laion_fmri.arguments import one_of
from laion_fmri.layout import HEMISPHERES
from laion_fmri.volumes.rois import hemispheres


def require_extra() -> None:
    """Check that the packages of the extra ``template`` are installed.

    Raises
    ------
    MissingDependencyError
    """
    try:
        import nilearn  # noqa: F401
        import scipy.sparse  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "Surfaces and templates need nilearn and scipy. Install the extra: "
            'pip install "laion-fmri-explorer[template]".'
        ) from error


def as_trials(values: NDArray, n_expected: int, unit: str) -> tuple[NDArray, bool]:
    """Return values with one row per trial, and whether they were a single map.

    Raises
    ------
    InvalidArgumentError
        When they are not real numbers, `n_expected` per trial.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "biuf" or values.ndim not in (1, 2):
        raise InvalidArgumentError(
            f"Real numbers of shape (n,) or (n_trials, n) were expected; this array has dtype "
            f"{values.dtype} and shape {values.shape}."
        )
    if values.shape[-1] != n_expected:
        raise InvalidArgumentError(
            f"One value a {unit} was expected, {n_expected} in all; this array has shape "
            f"{values.shape}."
        )
    return np.atleast_2d(values), values.ndim == 1


def by_hemisphere(values: Any | Mapping[str, Any], hemi: str | None) -> Mapping[str, Any]:
    """Return the values, or files of values, of the requested hemispheres.

    Raises
    ------
    UnknownNameError, InvalidArgumentError
        When the hemisphere of the values is unclear, or those of `hemi` are absent.
    """
    sides = hemispheres(hemi)
    if not isinstance(values, Mapping):
        if len(sides) > 1:
            raise InvalidArgumentError(
                'Say whose values these are, hemi="L" or hemi="R", or give a dict keyed by '
                "hemisphere."
            )
        return {sides[0]: values}
    for key in values:
        one_of("hemisphere", key, HEMISPHERES)
    if len(sides) == 1 and sides[0] not in values:
        raise InvalidArgumentError(f"hemi={hemi!r} is not among the values: {', '.join(values)}.")
    return {side: values[side] for side in sides if side in values}
