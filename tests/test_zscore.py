"""Z-scores of voxels over trials, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laion_fmri import z_scored
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.zscore import mean_and_deviation, nan_mean, z_scored_within


def test_nan_voxels_are_left_out_and_constant_ones_have_no_z_score():
    betas = np.array([[1.0, np.nan, 5.0], [3.0, 2.0, 5.0], [5.0, 4.0, 5.0]])
    z = z_scored(betas)
    np.testing.assert_allclose(z[:, 0], np.array([-1, 0, 1]) * np.sqrt(1.5))
    np.testing.assert_allclose(z[:, 1], [np.nan, -1, 1])
    assert np.isnan(z[:, 2]).all()
    np.testing.assert_allclose(nan_mean(betas, axis=1), [3, 10 / 3, 14 / 3])
    assert np.isnan(nan_mean(np.full((2, 2), np.nan), axis=0)).all()


@settings(max_examples=60)
@given(
    betas=hnp.arrays(
        np.float32,
        st.tuples(st.integers(0, 9), st.integers(0, 5)),
        elements=st.floats(-1e4, 1e4, width=32) | st.just(np.nan) | st.just(np.float32(0.1)),
    )
)
def test_z_scores_of_float32_are_float32_and_those_of_numpy(betas):
    z = z_scored(betas)
    assert z.dtype == np.float32 and z.shape == betas.shape
    for column, got in zip(betas.astype(np.float64).T, z.T, strict=True):
        values = column[~np.isnan(column)]
        if len(np.unique(values)) < 2:  # no z-score
            assert np.isnan(got).all()
        else:
            expected = (column - values.mean()) / values.std()
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=30)
@given(
    betas=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(0, 5)),
        elements=st.floats(-1e4, 1e4, width=32) | st.just(np.nan),
    )
)
def test_means_and_deviations_are_those_of_the_z_scores(betas):
    mean, deviation = mean_and_deviation(betas)
    assert mean.dtype == deviation.dtype == np.float64 and mean.shape == betas.shape[1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        again = ((betas - mean) / deviation).astype(np.float32)
    assert np.array_equal(again, z_scored(betas), equal_nan=True)
    is_value = ~np.isnan(betas).all(axis=0)
    np.testing.assert_allclose(
        mean[is_value], np.nanmean(betas[:, is_value].astype(float), axis=0), atol=1e-9
    )


def test_z_scores_of_a_constant_float32_voxel_are_nan_and_the_input_stays():
    betas = np.full((1066, 3000), np.float32(0.1))
    betas[:, 1:] += np.arange(1066, dtype=np.float32)[:, None] / 1e3
    before = betas.copy()
    z = z_scored(betas)
    assert np.isnan(z[:, 0]).all() and not np.isnan(z[:, 1:]).any()
    np.testing.assert_allclose(z[:, 1:].std(axis=0, dtype=np.float64), 1, rtol=1e-5)
    assert np.array_equal(betas, before)
    assert z_scored(betas.astype(np.float64)).dtype == np.float64


@pytest.mark.parametrize(
    "betas",
    [None, "x", np.zeros(3), np.zeros((2, 2, 2)), np.zeros((3, 3), complex), {"ses-01": [[1.0]]}],
)
def test_what_are_no_betas_of_a_session_have_no_z_scores(betas):
    with pytest.raises(InvalidArgumentError, match=r"shape|one session"):
        z_scored(betas)


@settings(max_examples=40)
@given(
    betas=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 4)),
        elements=st.floats(-1e3, 1e3, width=32) | st.just(np.nan),
    ),
    data=st.data(),
)
def test_z_scores_within_groups_are_those_of_each_group_alone(betas, data):
    groups = data.draw(hnp.arrays(int, len(betas), elements=st.integers(1, 3)), label="groups")
    found = z_scored_within(betas, groups)
    assert found.dtype == np.float32
    for group in np.unique(groups):
        expected = z_scored(betas[groups == group])
        np.testing.assert_array_equal(found[groups == group], expected)


def test_groups_must_be_one_a_trial():
    with pytest.raises(InvalidArgumentError, match=r"\(2,\).*\(3, 1\)"):
        z_scored_within(np.zeros((3, 1)), [1, 2])
