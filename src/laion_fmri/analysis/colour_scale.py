"""The scale of a map: its range, and the threshold and upper bound that show it well.

Examples
--------
>>> import numpy as np
>>> from laion_fmri.analysis.colour_scale import automatic_bounds, map_range
>>> values = [np.array([0.0, 12.5, 57.0, np.nan])]
>>> map_range(values)
(0.0, 60.0)
>>> automatic_bounds(values)
(6.0, 60.0)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_CALM_STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def map_range(
    values: Sequence[npt.NDArray[np.floating]], symmetric: bool = False
) -> tuple[float, float]:
    """Return the limits of a scale for these values, rounded outwards to round numbers.

    Parameters
    ----------
    values : sequence of arrays
        All hemispheres; NaN is ignored.
    symmetric : bool
        Use the magnitudes of the values.

    Returns
    -------
    tuple of float
        Starts at 0, or below for negative values of a map that is not symmetric.
    """
    known = _known(values)
    if not known.size:
        return 0.0, 1.0
    highest = float(np.abs(known).max() if symmetric else known.max())
    lowest = 0.0 if symmetric else min(0.0, float(known.min()))
    return -nice_above(-lowest) if lowest else 0.0, nice_above(highest) if highest > 0 else 1.0


def automatic_bounds(
    values: Sequence[npt.NDArray[np.floating]], symmetric: bool = False
) -> tuple[float, float]:
    """Return a default threshold and upper bound for a map.

    The upper bound leaves out the largest half percent. The threshold is a tenth of it, or the
    lower end of the range if a map that is not symmetric has negative values.

    Parameters
    ----------
    values, symmetric
        As in `map_range`.
    """
    first, last = map_range(values, symmetric)
    known = _known(values)
    size = np.abs(known) if symmetric else known
    top = float(np.percentile(size, 99.5)) if size.size else 0.0
    upper = min(nice_above(top), last) if top > 0 else last
    return (first if first < 0 else upper / 10), upper


def nice_above(value: float) -> float:
    """Round a positive value up to the next of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 × 10ⁿ."""
    power = 10.0 ** math.floor(math.log10(value))
    step = next(s for s in _CALM_STEPS if s * power >= value * (1 - 1e-9))
    return float(f"{step * power:.12g}")


def _known(values: Sequence[npt.NDArray[np.floating]]) -> npt.NDArray[np.floating]:
    together = np.concatenate([np.ravel(v) for v in values] or [np.empty(0, np.float32)])
    return together[np.isfinite(together)]
