from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri.analysis.colour_scale import automatic_bounds, map_range, nice_above


def test_the_range_starts_at_zero_unless_values_are_below():
    assert map_range([np.array([3.0, 57.0, np.nan])]) == (0, 60)
    assert map_range([np.array([-0.3, 0.7])]) == (-0.3, 0.8)
    assert map_range([np.array([-7.0, 2.0])], symmetric=True) == (0, 8)
    assert map_range([np.full(3, np.nan)]) == (0, 1)


def test_automatic_bounds_leave_out_the_largest_few():
    values = np.append(np.linspace(0, 38, 1000), 90.0)

    assert automatic_bounds([values]) == (4, 40)
    assert automatic_bounds([np.array([-1.0, 1.0])]) == (-1, 1)
    assert automatic_bounds([np.full(2, np.nan)]) == (0.1, 1)


@given(st.floats(1e-8, 1e8))
def test_nice_numbers_are_close_above(value):
    assert value * (1 - 1e-8) <= nice_above(value) <= value * 1.51
