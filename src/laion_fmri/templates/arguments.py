"""What the ways to a template are asked with, checked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, MissingDependencyError, UnknownNameError
from laion_fmri.layout import HEMISPHERES
from laion_fmri.rois import ALL, hemispheres


def require_extra() -> None:
    """Refuse to go on without what the extra ``template`` installs.

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
    """Values with one row a trial, and whether they were a single map.

    Raises
    ------
    InvalidArgumentError
        When they are not real numbers, `n_expected` of them a trial.
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


def by_hemisphere(values: NDArray | Mapping[str, NDArray], hemi: str) -> Mapping[str, NDArray]:
    """The values of the hemispheres that are asked for.

    Raises
    ------
    UnknownNameError, InvalidArgumentError
        When it is unclear whose values they are, or those of `hemi` are absent.
    """
    sides = hemispheres(hemi)
    if not isinstance(values, Mapping):
        if hemi == ALL:
            raise InvalidArgumentError(
                'Say whose values these are, hemi="L" or hemi="R", or give a dict keyed by '
                "hemisphere."
            )
        return {hemi: values}
    for key in values:
        if key not in HEMISPHERES:
            raise UnknownNameError("hemisphere", key, HEMISPHERES)
    if hemi != ALL and hemi not in values:
        raise InvalidArgumentError(f"hemi={hemi!r} is not among the values: {', '.join(values)}.")
    return {side: values[side] for side in sides if side in values}
