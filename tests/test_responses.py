"""Responses z-scored within session and averaged over repeats, against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laion_fmri import load_subject
from laion_fmri._errors import (
    DataNotDownloadedError,
    InvalidArgumentError,
    NotEnoughMemoryError,
    UnknownNameError,
)
from laion_fmri.responses import image_averages, nan_mean, z_scored
from laion_fmri.subject import Subject


@pytest.fixture(scope="module")
def sub(tiny_home) -> Subject:
    return load_subject("sub-01", tiny_home.data_dir)


def recomputed(sub: Subject, mask: np.ndarray) -> pd.DataFrame:
    """The mean of each image, by pandas."""
    parts = []
    for session, table in sub.get_trial_info().items():
        values = pd.DataFrame(sub.get_betas(session)[:, mask].astype(np.float64))
        z = (values - values.mean()) / values.std(ddof=0)
        parts.append(z.assign(image=table["label"]))
    return pd.concat(parts).groupby("image").mean()


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


def test_averages_are_those_of_pandas(sub):
    mask = np.zeros(sub.get_n_voxels(), dtype=bool)
    mask[::7] = True
    expected = recomputed(sub, mask)
    asked = [*expected.index[::-1], "never_shown.jpg"]
    seen: list[str] = []
    found = image_averages(sub, asked, mask, on_session=seen.append)
    assert seen == sub.get_sessions()
    assert found.names == tuple(asked[:-1])
    np.testing.assert_allclose(found.means, expected.loc[list(found.names)], atol=1e-5)
    labels = pd.concat(sub.get_trial_info().values())["label"].value_counts()
    assert found.n_repeats.tolist() == [labels[name] for name in found.names]
    assert found.n_trials == len(sub.metadata)


def test_one_session_and_some_images(sub):
    session = sub.get_sessions()[-1]
    labels = list(sub.get_trial_info(session)["label"])
    roi = sub.get_roi_mask("face")
    found = image_averages(sub, labels[:5], roi, [session])
    assert found.names == tuple(dict.fromkeys(labels[:5]))
    z = pd.DataFrame(z_scored(sub.get_betas(session, mask=roi).astype(np.float64)))
    expected = z.groupby(pd.Series(labels)).mean().loc[list(found.names)]
    np.testing.assert_allclose(found.means, expected, atol=1e-5)
    assert z.isna().to_numpy().any()  # as in the published betas


def test_a_session_that_is_not_here_is_named(sub):
    with pytest.raises((DataNotDownloadedError, UnknownNameError), match="ses-77"):
        image_averages(sub, ["a.jpg"], sub.get_roi_mask("face"), ["ses-77"])


def test_means_that_do_not_fit_into_memory_are_refused_before_a_session_is_read(sub):
    names = [f"image_{n}.jpg" for n in range(2_000_000)]
    every = np.ones(sub.get_n_voxels(), dtype=bool)
    with pytest.raises(NotEnoughMemoryError, match=r"2,000,000 images .*fewer voxels"):
        image_averages(sub, names, every, on_session=pytest.fail)
