"""Averages of images, against pandas and against adding with `numpy.add.at`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laion_fmri.store import averaging
from laion_fmri.store.averaging import RunningAverages
from laion_fmri.zscore import z_scored

NAMES = ["a.jpg", "b.jpg", "c.jpg", "never.jpg"]
betas_of = hnp.arrays(
    np.float32,
    st.tuples(st.integers(0, 8), st.just(5)),
    elements=st.floats(-1e3, 1e3, width=32) | st.just(np.nan),
)


@settings(max_examples=60, deadline=None)
@given(
    sessions=st.lists(betas_of, max_size=4), at_once=st.sampled_from([1, 2, 1024]), data=st.data()
)
def test_averages_are_the_same_bits_as_those_of_add_at(sessions, at_once, data):
    averages = RunningAverages(NAMES, 5)
    total, known = np.zeros((4, 5), np.float32), np.zeros((4, 5), np.uint16)
    all_labels: list[str] = []
    for betas in sessions:
        labels = data.draw(
            st.lists(
                st.sampled_from([*NAMES[:3], "z.jpg"]), min_size=len(betas), max_size=len(betas)
            )
        )
        all_labels += labels
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(averaging, "COLUMNS_AT_ONCE", at_once)
            averages.add(betas, labels, z_scored)
        z = np.concatenate(
            [z_scored(betas[:, a : a + at_once]) for a in range(0, 5, at_once)], axis=1
        )
        shown = np.array([label in NAMES for label in labels], bool)
        rows = np.array([NAMES.index(label) for label in labels if label in NAMES], np.intp)
        is_value = ~np.isnan(z[shown])
        np.add.at(total, rows, np.where(is_value, z[shown], 0))
        np.add.at(known, rows, is_value)
    with np.errstate(invalid="ignore"):
        expected = np.where(known > 0, total / known, np.float32(np.nan))
    assert averages.means().dtype == np.float32
    assert averages.means().tobytes() == expected.astype(np.float32).tobytes()
    assert np.array_equal(averages.counts, known)
    assert averages.n_repeats.tolist() == [all_labels.count(name) for name in NAMES]


def test_averages_of_scores_of_any_kind_are_those_of_pandas():
    rng = np.random.default_rng(0)
    betas = rng.normal(size=(50, 2500)).astype(np.float32)
    betas[rng.random(betas.shape) < 0.1] = np.nan
    labels = rng.choice(NAMES[:3], len(betas))
    averages = RunningAverages(NAMES, betas.shape[1])
    averages.add(betas[:20], labels[:20], lambda some: some)
    averages.add(betas[20:], labels[20:], lambda some: some)
    expected = pd.DataFrame(betas.astype(float)).groupby(labels).mean()
    np.testing.assert_allclose(averages.means()[:3], expected, rtol=1e-4, atol=1e-6)
    assert np.isnan(averages.means()[3]).all()
