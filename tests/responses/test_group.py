"""Responses of several subjects to the same images."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
from local_copy import copy_local

from laion_fmri import layout, load_subjects
from laion_fmri._errors import (
    InvalidArgumentError,
    NoMatchingDataError,
    SubjectNotFoundError,
    UnknownNameError,
)
from laion_fmri.group import Group

THREE = ["sub-01", "sub-03", "sub-05"]


@pytest.fixture(scope="module")
def root(tiny_bucket, tmp_path_factory):
    return copy_local(tiny_bucket, tmp_path_factory.mktemp("group"), THREE)


@pytest.fixture(scope="module")
def group(root) -> Group:
    return load_subjects(THREE, root)


@pytest.fixture
def uneven(root, tmp_path) -> tuple[Group, str]:
    """A group whose last subject did not see one of the shared images."""
    shutil.copytree(root, tmp_path / "own")
    group = load_subjects(THREE, tmp_path / "own")
    name = group.shared_images()[2]
    for session in group["sub-05"].get_sessions():
        path = tmp_path / "own" / layout.trials("sub-05", session)
        path.write_text(path.read_text().replace(name, "shared_4rep_OOD_gaudy_other.jpg"))
    return group, name


def test_rows_are_the_same_images_for_every_subject(group):
    found = group.get_responses("face")
    assert list(found) == THREE and len(found) == 3
    assert found.names == tuple(group.shared_images())
    for name, sub in group:
        own = sub.get_responses("shared", roi="face")
        rows = [own.names.index(image) for image in found.names]
        assert found[name].names == found.names
        assert np.array_equal(found[name].values, own.values[rows], equal_nan=True)
        assert found[name].images["repeats"].tolist() == own.images["repeats"].iloc[rows].tolist()
    assert "3 subjects" in repr(found) and "sub-03" in found._repr_html_()
    assert found.left_out.columns.tolist() == ["subject", "kind", "name", "reason"]
    assert pickle.loads(pickle.dumps(found)).names == found.names


def test_a_subject_is_named_as_in_the_group(group):
    found = group.get_responses("face")
    assert found["03"] is found[1] is found[-2] is found["sub-03"]
    assert "03" in found and "07" not in found and found.get("sub-07") is None
    for bad in ("07", 3, "", None):
        with pytest.raises(SubjectNotFoundError):
            found[bad]


def test_images_are_in_the_order_of_their_names(group):
    asked = [group.shared_images()[n] for n in (3, 0, 2)]
    found = group.get_responses("face", images=[*asked, "nobody.jpg"])
    assert found.names == tuple(asked)
    assert found.left_out.query("kind == 'image'")["subject"].tolist() == THREE


def test_images_that_some_did_not_see_are_listed(uneven):
    group, name = uneven
    found = group.get_responses("face")
    assert name not in found.names
    assert found.names == tuple(group.shared_images())
    table = found.left_out[found.left_out["kind"] == "image"]
    assert set(table["subject"]) == set(THREE)
    reasons = table[table["name"] == name]["reason"].unique().tolist()
    assert reasons == ["not shown to sub-05 in these sessions"]


def test_voxels_of_all_subjects_side_by_side(group):
    found = group.get_responses("face")
    joined = found.joined()
    assert joined.subject == "group" and joined.names == found.names
    np.testing.assert_array_equal(
        joined.values, np.concatenate([one.values for one in found.values()], axis=1)
    )
    counts = joined.voxels["subject"].value_counts()
    assert counts.to_dict() == {name: len(one.voxels) for name, one in found.items()}
    own = joined.select(voxels=joined.voxels["subject"] == "sub-03")
    assert np.array_equal(own.values, found["sub-03"].values, equal_nan=True)
    assert own.select(roi="FFA1").values.shape[1] == found["sub-03"].voxels["FFA1"].sum()
    total = sum(one.images["repeats"].to_numpy() for one in found.values())
    assert joined.images["repeats"].tolist() == total.tolist()
    assembly = joined.to_brainscore()
    assert set(assembly["subject"].values) == set(THREE)
    assert len(set(assembly["neuroid_id"].values)) == joined.values.shape[1]


def test_voxels_may_be_chosen_by_masks_of_each_subject(group):
    masks = {name: sub.get_roi_mask("FFA1") for name, sub in group}
    found, expected = group.get_responses(mask=masks), group.get_responses("FFA1")
    for name in THREE:
        assert np.array_equal(found[name].values, expected[name].values, equal_nan=True)
    with pytest.raises(InvalidArgumentError, match="mask of"):
        group.get_responses(mask=masks["sub-01"])


def test_images_of_one_subject_alone_cannot_be_aligned(group):
    with pytest.raises(NoMatchingDataError, match=r"all of these subjects .*sub-03"):
        group.get_responses("face", images="unique")
    with pytest.raises(UnknownNameError, match="FFB"):
        group.get_responses("FFB1")
