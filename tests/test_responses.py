"""Responses z-scored within session and averaged over repeats, against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from laion_fmri import load_subject
from laion_fmri._errors import (
    DataNotDownloadedError,
    NotEnoughMemoryError,
    UnknownNameError,
)
from laion_fmri.responses import image_averages
from laion_fmri.subject import Subject
from laion_fmri.zscore import z_scored


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
