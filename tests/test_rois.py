"""The ROI grammar, and surface files."""

from __future__ import annotations

import random

import nibabel
import numpy as np
import pytest
from builders import SmallData, label_text
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri import layout, rois
from laion_fmri._errors import DamagedFileError, InvalidArgumentError, UnknownNameError
from laion_fmri.rois import RoiIndex, read_label, read_surface_mask

INDEX = RoiIndex.from_names(
    layout.roi_volume("sub-01", category, roi)
    for category, roi in [
        ("retinotopy", "hV4"),
        ("retinotopy", "V1d"),
        ("face", "OFA"),
        ("face", "FFA-1"),
        ("place", "PPA"),
    ]
)


def test_names_are_sorted_by_category():
    assert list(INDEX.categories) == ["face", "place", "retinotopy"]
    assert INDEX.names() == ["FFA1", "OFA", "PPA", "V1d", "hV4"]
    assert INDEX.names("retinotopy") == ["V1d", "hV4"]
    assert INDEX.names("motion") == []
    with pytest.raises(UnknownNameError, match="retinotopy"):
        INDEX.names("retinotopic")


@pytest.mark.parametrize(
    "query, found",
    [
        ("FFA1", ["FFA1"]),
        ("face", ["FFA1", "OFA"]),
        ("all", ["FFA1", "OFA", "PPA", "V1d", "hV4"]),
        ("visual", ["FFA1", "OFA", "PPA", "V1d", "hV4"]),
        (["PPA", "face", "FFA1"], ["PPA", "FFA1", "OFA"]),
        (("all", "PPA"), ["FFA1", "OFA", "PPA", "V1d", "hV4"]),
    ],
)
def test_queries(query, found):
    assert INDEX.resolve(query) == found


def test_an_roi_called_visual_is_meant_itself():
    index = RoiIndex({"laion": ("general", "visual")})
    assert index.resolve("visual") == ["visual"]
    assert index.resolve("all") == ["general", "visual"]


@pytest.mark.parametrize("query", ["FFA-1", "ffa1", "body", "", ["face", "nope"]])
def test_unknown_names(query):
    with pytest.raises(UnknownNameError, match="ROI or category"):
        INDEX.resolve(query)


@pytest.mark.parametrize("query", [[], 5, None, [["face"]], [1], [None]])
def test_what_is_no_query(query):
    with pytest.raises(InvalidArgumentError):
        INDEX.resolve(query)


def test_formats_and_hemispheres():
    assert rois.surface_formats("gii") == ("func.gii", "label")
    assert rois.surface_formats("nii.gz") == ()
    assert rois.wants_volume("nii.gz")
    assert not rois.wants_volume("label")
    assert rois.hemispheres("all") == ("L", "R")
    for ask in (rois.surface_formats, rois.hemispheres):
        with pytest.raises(UnknownNameError):
            ask("left")


# --- surface files --------------------------------------------------------------------------


@given(st.lists(st.integers(0, 327_683), max_size=20))
def test_labels_are_what_nibabel_reads(tmp_path_factory, vertices):
    path = tmp_path_factory.getbasetemp() / "hyp.label"
    path.write_text(label_text(vertices))
    got = read_label(path)
    assert got.tolist() == vertices
    assert got.dtype == np.int64
    if len(vertices) > 1:  # nibabel gives a number, not an array, for one line
        assert np.array_equal(got, nibabel.freesurfer.read_label(str(path)))


def test_labels_with_more_comments(tmp_path):
    path = tmp_path / "x.label"
    path.write_bytes(b"#!ascii label\n# by K\xf6nig\n\n2\n7 0 0 0 0\n# half way\n9 0 0 0 0\n")
    assert read_label(path).tolist() == [7, 9]


@pytest.mark.parametrize(
    "text", ["", "#!ascii label\n", "x", "2\n1 0 0 0 0\n", "1\n1 0 0 0 0\n2 0 0 0 0\n",
             "1\n1\n", "1\n-4 0 0 0 0\n", "1\na 0 0 0 0\n", "1\n1.5 0 0 0 0\n"],
)  # fmt: skip
def test_damaged_labels(tmp_path, text):
    path = tmp_path / "x.label"
    path.write_text(text)
    with pytest.raises(DamagedFileError, match="download it again"):
        read_label(path)


def test_labels_cut_anywhere_never_give_another_index(tmp_path):
    text = label_text([1234, 56789])
    path = tmp_path / "x.label"
    for end in range(len(text)):
        path.write_text(text[:end])
        try:
            assert read_label(path).tolist() == [1234, 56789]
        except DamagedFileError:
            continue


def test_surface_masks(tmp_path):
    path = SmallData(tmp_path).surface("face", "OFA", "L", [0, 1, np.nan, 0.5, 0])
    got = read_surface_mask(path)
    assert got.dtype == bool
    assert got.tolist() == [False, True, False, True, False]


def test_damaged_surface_masks(tmp_path):
    path = SmallData(tmp_path).surface("face", "OFA", "L", np.arange(200) % 2)
    data = path.read_bytes()
    whole = read_surface_mask(path)
    for end in (0, 10, len(data) // 2, len(data) - 30):
        path.write_bytes(data[:end])
        with pytest.raises(DamagedFileError):
            read_surface_mask(path)
    rng = random.Random(0)
    for _ in range(200):
        broken = bytearray(data)
        broken[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(broken)
        try:
            got = read_surface_mask(path)
        except DamagedFileError:
            continue
        assert got.dtype == whole.dtype  # nothing else is ever raised
