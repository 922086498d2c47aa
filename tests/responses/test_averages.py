"""Responses from the store of averages: the same bits as from the sessions."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pandas as pd
import pytest
from small_responses import NAMES

from laion_fmri.store.averages_store import averages_path
from laion_fmri.subject import Subject


@pytest.fixture
def own(small, tmp_path) -> Subject:
    shutil.copytree(small.path, tmp_path / "data")
    sub = Subject("sub-01", tmp_path / "data")
    sub.build_averages()
    return sub


@pytest.mark.parametrize("images", [None, "unique", [NAMES["C"], NAMES["A"], "nobody.jpg"]])
@pytest.mark.parametrize("roi", [None, "FFA1"])
def test_averages_from_the_store_are_the_same_bits(sub, own, images, roi):
    request = own.request_responses(images, roi)
    assert "from the averages" in repr(request)
    assert request.n_bytes_of_reading == request.n_bytes
    found, expected = request.read(), sub.get_responses(images, roi)
    assert np.array_equal(found.values, expected.values, equal_nan=True)
    for name in ("images", "voxels", "left_out"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize(
    "options",
    [
        {"zscore": "run"},
        {"average": False},
        {"nan": "keep"},
        {"session": ["ses-01", "ses-02"]},
        {"session": ["ses-10", "ses-02", "ses-01"]},
    ],
)
def test_other_responses_come_from_the_sessions(own, sub, options):
    request = own.request_responses(**options)
    assert "session" in repr(request) and "the averages" not in repr(request)
    expected = sub.get_responses(**options).values
    assert np.array_equal(request.read().values, expected, equal_nan=True)


def test_damaged_averages_are_replaced_by_the_sessions(own, sub):
    request = own.request_responses()
    folder = averages_path(own.data_dir, "sub-01", "anatomical")
    largest = max(folder.rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    content = largest.read_bytes()
    with largest.open("r+b") as file:
        file.write(bytes(255 - byte for byte in content[:2000]))
        os.fsync(file.fileno())
    with pytest.warns(UserWarning, match="averages of sub-01 are ignored"):
        found = request.read()
    assert np.array_equal(found.values, sub.get_responses().values, equal_nan=True)


def test_outdated_averages_are_not_used(own):
    path = own.data_dir / "derivatives/glmsingle-tedana/sub-01/ses-10"
    shutil.rmtree(path)
    with pytest.warns(UserWarning, match="ses-10"):
        request = own.request_responses()
    assert "2 sessions" in repr(request)
