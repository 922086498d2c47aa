"""The ROI grammar, and surface files."""

from __future__ import annotations

import random
from pathlib import Path

import nibabel
import numpy as np
import pytest
from builders import GRID, SmallData, label_text
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri import layout
from laion_fmri._errors import (
    DamagedFileError,
    DataNotDownloadedError,
    InconsistentDataError,
    InvalidArgumentError,
    UnknownNameError,
)
from laion_fmri.volumes import rois
from laion_fmri.volumes.rois import RoiIndex, read_label, read_surface_mask

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
    for unknown in ("motion", "retinotopic", "", ["face"], 5):
        assert INDEX.names(unknown) == []
    assert INDEX.names(np.array("face")) == ["FFA1", "OFA"]


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


def test_unions_that_people_write():
    parts = [part for parts in rois.UNIONS.values() for part in parts]
    whole = RoiIndex({"face": ("FFA1", "FFA2"), "retinotopy": tuple(parts), "x": ("V1A", "hV4")})
    for union, its_parts in rois.UNIONS.items():
        assert whole.resolve(union) == list(its_parts)
        assert union not in whole.names()
    assert whole.resolve(["V1d", "V1", "face"]) == ["V1d", "V1v", "FFA1", "FFA2"]
    named = RoiIndex({"retinotopy": ("V1", "V1d", "V1v")})
    assert named.resolve("V1") == ["V1"]
    for lacking in ("V1", "FFA"):  # V1v, FFA2
        with pytest.raises(UnknownNameError, match=r"Did you mean '(V1d|FFA1)'"):
            INDEX.resolve(lacking)
    with pytest.raises(UnknownNameError, match="'V1'"):
        whole.resolve("v1")


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
    "text",
    [
        "#!ascii label\n2\n7 1.5 2 3\n9 1.5 2 3\n",  # no values
        "ascii label, from subject x\n2\n7 0 0 0 1\n9 0 0 0 1\n",
        "\ufeff#!ascii label\r\n2\r\n7 0 0 0 0\r\n\r\n  9 0 0 0\r\n\r\n",
        "# a\n  # b\n2 # vertices\n\n7 0 0 0 0 # one\n9\t0\t0\t0\n# end",
    ],
)
def test_labels_as_other_tools_write_them(tmp_path, text):
    path = tmp_path / "x.label"
    path.write_bytes(text.encode())
    assert read_label(path).tolist() == [7, 9]


@pytest.mark.parametrize(
    "text", ["", "#!ascii label\n", "x", "2\n1 0 0 0 0\n", "1\n1 0 0 0 0\n2 0 0 0 0\n",
             "1\n1\n", "1\n1 0 0\n", "1\n-4 0 0 0 0\n", "1\na 0 0 0 0\n", "1\n1.5 0 0 0 0\n"],
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


def write_gifti(path: Path, *arrays: np.ndarray, **options: object) -> Path:
    darrays = [
        nibabel.gifti.GiftiDataArray(a, intent="NIFTI_INTENT_NONE", **options) for a in arrays
    ]
    nibabel.gifti.GiftiImage(darrays=darrays).to_filename(path)
    return path


@pytest.mark.parametrize("dtype", ["f4", "i4", "u1"])
@pytest.mark.parametrize("encoding", ["ASCII", "B64BIN", "B64GZ"])
@pytest.mark.parametrize("endian", ["big", "little"])
@pytest.mark.parametrize("shape", [(6,), (6, 1), (1, 6), (1,), (1, 1)])
def test_surface_values_of_every_form(tmp_path, dtype, encoding, endian, shape):
    values = np.arange(np.prod(shape)).astype(dtype)
    path = write_gifti(
        tmp_path / "v.func.gii", values.reshape(shape), encoding=encoding, endian=endian
    )
    got = rois.read_surface_values(path)
    assert got.tolist() == values.tolist()
    assert np.array_equal(got, nibabel.load(path).darrays[0].data.ravel())


def test_surface_files_of_another_form_are_not_called_damaged(tmp_path):
    two = write_gifti(tmp_path / "two.func.gii", np.zeros(3, "f4"), np.zeros(3, "f4"))
    wide = write_gifti(tmp_path / "wide.func.gii", np.zeros((3, 2), "f4"))
    for path, problem in ((two, "it has 2"), (wide, r"shape \(3, 2\)")):
        with pytest.raises(DamagedFileError, match=problem) as refused:
            read_surface_mask(path)
        assert "elete" not in str(refused.value)


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


# --- ROIs under two categories, and with one hemisphere ---------------------------------------


@pytest.fixture
def filed_twice(tmp_path) -> SmallData:
    data = SmallData(tmp_path)
    one, two = np.zeros((2, *GRID), "u1")
    one[0, 0, :2], two[0, 0, 1:4] = 1, 1
    data.brain(np.ones(GRID, "u1"))
    data.betas()
    data.roi("face", "OFA", one)
    data.roi("object", "OFA", two)
    data.surface("face", "OFA", "L", [1, 1, 0, 0])
    data.surface("object", "OFA", "L", [0, 1, 1, 0])
    data.surface("object", "OFA", "R", [0, 0, 0])
    data.label("face", "OFA", "L", [1, 0])
    data.label("object", "OFA", "L", [2, 1])
    data.label("object", "OFA", "R", [])
    return data


def test_an_roi_in_two_categories_is_their_union(filed_twice):
    sub = filed_twice.subject
    assert sub.get_available_rois() == ["OFA"]
    assert sub.get_available_rois("face") == sub.get_available_rois("object") == ["OFA"]
    union = np.zeros(GRID, bool)
    union[0, 0, :4] = True
    for query in ("OFA", "face", "object", "all", ["OFA", "face"]):
        assert np.array_equal(sub.get_roi_grid_mask(query), union.ravel())
    assert sub.get_betas("ses-01", roi="OFA").shape == (4, 4)
    surfaces = sub.get_roi_data("OFA", format="gii")["OFA"]["gii"]
    assert surfaces["hemi-L"]["func.gii"].tolist() == [True, True, True, False]
    assert surfaces["hemi-L"]["label"].tolist() == [1, 0, 2]


def test_an_roi_that_is_empty_for_one_hemisphere(filed_twice):
    sub = filed_twice.subject
    right = sub.get_roi_data("OFA", format="gii", hemi="R")["OFA"]["gii"]["hemi-R"]
    assert right["func.gii"].tolist() == [False] * 3
    assert right["label"].shape == (0,)
    assert right["label"].dtype == np.int64
    for path in (filed_twice.path / layout.ROIS_TREE).rglob("*hemi-R*"):
        path.unlink()
    assert list(sub.get_roi_data("OFA")["OFA"]["gii"]) == ["hemi-L"]
    with pytest.raises(DataNotDownloadedError, match=r"hemi-R.*fetches it if the bucket has it"):
        sub.get_roi_data("OFA", format="gii", hemi="R")


def test_an_roi_whose_volume_is_in_one_of_its_categories(filed_twice):
    filed_twice.at(layout.roi_volume("sub-01", "object", "OFA")).unlink()
    assert filed_twice.subject.get_roi_grid_mask("object").sum() == 2
    filed_twice.at(layout.roi_volume("sub-01", "face", "OFA")).unlink()
    with pytest.raises(DataNotDownloadedError, match=r"label-OFA_mask\.nii\.gz"):
        filed_twice.subject.get_roi_mask("object")


def test_an_roi_without_voxels_leaves_no_column(filed_twice):
    filed_twice.roi("motion", "MT", np.zeros(GRID, "u1"))
    assert filed_twice.subject.get_betas("ses-01", roi="MT").shape == (4, 0)
    assert filed_twice.subject.get_betas("ses-01", roi=["MT", "OFA"]).shape == (4, 4)


def test_hemispheres_of_two_categories_that_do_not_fit(filed_twice):
    filed_twice.surface("face", "OFA", "L", [1, 1])
    with pytest.raises(InconsistentDataError, match="another number of vertices"):
        filed_twice.subject.get_roi_data("OFA", format="func.gii")


def test_the_message_says_whose_rois_they_are(filed_twice):
    with pytest.raises(UnknownNameError, match="Looked for in sub-01"):
        filed_twice.subject.get_roi_mask("FFA1")
