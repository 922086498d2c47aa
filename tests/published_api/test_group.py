"""Groups as the published package's users call them."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from PIL.Image import Image

import laion_fmri
from laion_fmri import Group, load_subjects


@pytest.fixture
def group(configured) -> Group:
    return load_subjects(["sub-01", "03"])


def test_by_place_and_by_name(group):
    assert group[0].subject_id == "sub-01"
    assert group[-1] is group["sub-03"] is group[np.int64(1)] is group[np.array("03")]
    assert len(group) == 2 and "sub-03" in group and "sub-05" not in group
    assert [name for name, _ in group] == ["sub-01", "sub-03"]
    for bad in ("sub-05", 2, -3, True, 1.0, None):
        for catch in (KeyError, ValueError, laion_fmri.SubjectNotFoundError):
            with pytest.raises(catch):
                group[bad]


def test_shared_betas(group):
    names = list(inspect.signature(Group.get_shared_betas).parameters)[1:6]
    assert names == ["session", "roi", "mask", "nc_threshold", "mask_source"]
    got = group.get_shared_betas("ses-01", "FFA1", None, 10, "rsquare")
    again = group.get_shared_betas(session=1, roi=["FFA1"], nc_threshold=10, mask_source="rsquare")
    for name, sub in group:
        expected = sub.get_betas("ses-01", "FFA1", None, 10, "shared", mask_source="rsquare")
        assert got[name].tobytes() == again[name].tobytes() == expected.tobytes()


def test_shared_images_and_their_metadata(group):
    table = group.get_shared_stimulus_metadata()
    every = group[0].get_stimulus_metadata()
    assert set(table["unique_or_shared"]) == {"shared"}
    assert len(table) == (every["unique_or_shared"] == "shared").sum()
    images = group.get_shared_images(format="pil")
    assert len(images) == len(table)
    name = table["image_name"].iloc[2]
    assert isinstance(images[2], Image) and images[2].mode == "RGB"
    assert images[2] == images[name] == images[np.str_(name)] == images[1:3][1]
    assert images[-1].size == next(iter(images)).size == (1000, 1000)
    arrays = group.get_shared_images("numpy")
    assert np.array_equal(arrays[name], np.asarray(images[name]))
    assert next(iter(arrays.items()))[0] == arrays.names[0]
    with pytest.raises(laion_fmri.UnknownNameError, match="image format"):
        group.get_shared_images("jpeg")
    with pytest.raises(KeyError):
        images["no_such_image.jpg"]
    with pytest.raises(IndexError):
        images[len(images)]
