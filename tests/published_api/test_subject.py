"""A subject as the published package's users call it: by position and by keyword."""

from __future__ import annotations

import inspect
from pathlib import Path

import nibabel
import numpy as np
import pytest
from local_copy import copy_local

from laion_fmri import (
    DataNotDownloadedError,
    InvalidArgumentError,
    Subject,
    SubjectNotFoundError,
    layout,
    load_subject,
)

DESCS = list(layout.SUBJECT_NOISE_CEILINGS)


@pytest.mark.parametrize(
    "name, parameters",
    [
        ("__init__", ["subject_id", "data_dir"]),
        ("get_n_stimuli", ["stimuli"]),
        ("get_n_voxels", ["source", "res"]),
        ("get_betas", ["session", "roi", "mask", "nc_threshold", "stimuli", "streaming",
                       "mask_source"]),
        ("get_roi_mask", ["query", "mask_source"]),
        ("get_roi_masks", ["queries", "mask_source"]),
        ("get_roi_data", ["query", "format", "hemi", "mask_source"]),
        ("get_noise_ceiling", ["session", "desc", "roi", "mask", "mask_source"]),
        ("get_available_rois", ["category"]),
        ("get_anatomical_dir", []),
        ("to_nifti", ["values", "output_path", "roi", "mask", "mask_source"]),
        ("get_voxel_coordinates", ["roi", "mask", "mask_source"]),
        ("to_template", ["values", "target"]),
        ("volume_to_surface", ["values", "target"]),
        ("surface_to_template", ["values", "target"]),
        ("volume_to_template", ["values", "target"]),
        ("to_torch_dataset", ["session", "roi", "mask", "nc_threshold", "image_transform",
                              "mask_source"]),
        ("has_stimuli", []),
    ],
)  # fmt: skip
def test_positions(name, parameters):
    found = inspect.signature(getattr(Subject, name)).parameters.values()
    assert [p.name for p in found if p.kind is p.POSITIONAL_OR_KEYWORD][1:] == parameters


@pytest.mark.parametrize(
    "name, expected",
    [
        ("get_n_stimuli", {"stimuli": None}),
        ("get_n_voxels", {"source": "anatomical", "res": "1pt8"}),
        ("get_betas", {"roi": None, "mask": None, "nc_threshold": None, "stimuli": None,
                       "streaming": False, "mask_source": "anatomical"}),
        ("get_roi_data", {"format": None, "hemi": None, "mask_source": "anatomical"}),
        ("get_noise_ceiling", {"session": None, "desc": None, "mask_source": "anatomical"}),
        ("to_template", {"hemi": None, "route": "auto", "surface": "white",
                         "fsaverage_density": "fsaverage5", "fslr_density": "32k",
                         "interpolation": "linear", "output_dir": None, "desc": None,
                         "session": None}),
        ("to_torch_dataset", {"roi": None, "mask": None, "nc_threshold": None,
                              "image_transform": None, "mask_source": "anatomical"}),
    ],
)  # fmt: skip
def test_defaults(name, expected):
    found = inspect.signature(getattr(Subject, name)).parameters
    assert {name: found[name].default for name in expected} == expected


def test_loading(configured, tiny_home, tmp_path):
    sub = load_subject(subject="03")
    assert sub.subject_id == load_subject("sub-03").subject_id == load_subject(3).name == "sub-03"
    assert Subject("sub-03", str(tiny_home.data_dir)).get_sessions() == sub.get_sessions()
    assert Subject(subject_id="03", data_dir=tiny_home.data_dir).subject_id == "sub-03"
    for catch in (DataNotDownloadedError, FileNotFoundError):
        with pytest.raises(catch):
            load_subject("sub-99")
    for catch in (SubjectNotFoundError, ValueError):
        with pytest.raises(catch):
            load_subject("sub-")


def test_counts(sub, configured, tmp_path, tiny_home):
    table = sub.get_stimulus_metadata()
    n_shared = int((table["unique_or_shared"] == "shared").sum())
    assert sub.get_n_stimuli() == len(table)
    assert sub.get_n_stimuli("shared") == sub.get_n_stimuli(stimuli="shared") == n_shared
    assert sub.get_n_stimuli("unique") == len(table) - n_shared
    for source in ("anatomical", "rsquare"):
        assert sub.get_n_voxels(source) == sub.get_n_voxels(source=source, res="1pt8")
        assert sub.get_n_voxels(source) == sub.get_brain_mask(source).sum()
    assert sub.get_n_voxels("anatomical", None) == sub.get_brain_mask(res=None).sum()
    assert sub.has_stimuli()
    copy_local(tiny_home.bucket_dir, tmp_path, ["sub-03"])
    (tmp_path / layout.STIMULI_IMAGES).unlink()
    assert not Subject("sub-03", tmp_path).has_stimuli()


@pytest.mark.parametrize("source", ["anatomical", "rsquare"])
def test_everything_has_one_voxel_axis(sub, source, tmp_path):
    n = sub.get_n_voxels(source)
    roi, ceiling = (
        sub.get_roi_mask("FFA1", source),
        sub.get_noise_ceiling("ses-01", mask_source=source),
    )
    assert (roi.dtype, roi.shape, ceiling.shape) == (bool, (n,), (n,))
    assert sub.get_voxel_coordinates(mask_source=source).shape == (n, 3)
    masks = sub.get_roi_masks(queries=["FFA1", "face"], mask_source=source)
    assert np.array_equal(masks["FFA1"], roi) and masks["face"].shape == (n,)
    data = sub.get_roi_data("FFA1", "volume", None, source)["FFA1"]["volume"]
    assert np.array_equal(data, roi)
    good = roi & (ceiling > 25)
    whole = sub.get_betas("ses-01", mask_source=source)
    some = sub.get_betas("ses-01", "FFA1", None, 25, mask_source=source)
    assert np.array_equal(whole[:, good], some, equal_nan=True)
    path = sub.to_nifti(roi.astype("float32"), tmp_path / "roi.nii.gz", mask_source=source)
    brain = sub.get_brain_mask(source)
    written = nibabel.load(path).get_fdata().ravel()
    assert np.array_equal(written[brain], roi) and not written[~brain].any()
    assert np.array_equal(sub.get_roi_grid_mask("FFA1")[brain], roi)


def test_betas_by_position(sub):
    mask = sub.get_roi_mask("face")
    for stimuli in ("shared", "unique"):
        by_position = sub.get_betas("ses-01", None, mask, 10, stimuli, True, "anatomical")
        by_keyword = sub.get_betas(
            session="ses-01", roi="face", nc_threshold=10, stimuli=stimuli, streaming=True
        )
        assert by_position.tobytes() == by_keyword.tobytes()
    every = sub.get_betas(["ses-01", "ses-02"], roi="FFA1")
    assert list(every) == list(sub.get_betas(None, "FFA1")) == ["ses-01", "ses-02"]


def test_roi_data(sub):
    whole = sub.get_roi_data("FFA1")["FFA1"]
    assert list(whole) == ["volume", "gii"]
    assert list(sub.get_roi_data("FFA1", "gii", "L")["FFA1"]["gii"]) == ["hemi-L"]
    assert list(sub.get_roi_data(query="FFA1", format="all", hemi="all")["FFA1"]) == list(whole)
    assert isinstance(sub.get_available_rois(category="face"), list)


def test_noise_ceilings(sub, tmp_path):
    several = sub.get_noise_ceiling(desc=DESCS)
    assert list(several) == DESCS
    for desc in DESCS:
        assert np.array_equal(several[desc], sub.get_noise_ceiling(None, desc))
    roi = sub.get_noise_ceiling("ses-01", None, "FFA1", None, "rsquare")
    assert np.array_equal(
        roi, sub.get_noise_ceiling(session="ses-01", mask=sub.get_roi_mask("FFA1", "rsquare"),
                                   mask_source="rsquare")
    )  # fmt: skip
    assert list(sub.get_noise_ceiling([1, 2], roi="FFA1")) == ["ses-01", "ses-02"]
    for desc in ("Noiseceiling3rep", "nothing", "../../x", ""):
        with pytest.raises(FileNotFoundError, match="Noiseceiling12rep"):
            sub.get_noise_ceiling(desc=desc)
    with pytest.raises(ValueError, match="session=…"):
        sub.get_noise_ceiling()


def test_the_anatomical_folder(sub, tiny_home):
    folder = sub.get_anatomical_dir()
    assert folder == tiny_home.data_dir / "derivatives/anatomical/sub-01"
    assert isinstance(folder, Path) and sub.get_t1w().is_relative_to(folder)


def test_values_of_an_roi_go_back(sub, tmp_path):
    values = sub.get_noise_ceiling("ses-01", roi="FFA1")
    by_position = sub.to_nifti(values, tmp_path / "a.nii.gz", "FFA1", None, "anatomical")
    by_keyword = sub.to_nifti(
        values=values, output_path=str(tmp_path / "b.nii.gz"), mask=sub.get_roi_mask("FFA1")
    )
    assert by_position.read_bytes()[10:] == by_keyword.read_bytes()[10:]
    inside = sub.get_roi_image("FFA1").get_fdata() > 0
    image = nibabel.load(by_position)
    brain = sub.get_brain_mask().reshape(image.shape)
    assert np.array_equal(image.get_fdata()[inside & brain], values)
    assert not image.get_fdata()[~inside].any()
    assert np.array_equal(sub.to_image(values, roi="FFA1").get_fdata(), image.get_fdata())
    coordinates = sub.get_voxel_coordinates("FFA1", None, "anatomical")
    assert np.array_equal(coordinates, sub.get_voxel_coordinates()[sub.get_roi_mask("FFA1")])
    with pytest.raises(InvalidArgumentError, match="One value"):
        sub.to_nifti(values, tmp_path / "c.nii.gz")


def test_images_for_nilearn(sub):
    maskers = pytest.importorskip("nilearn.maskers")
    ceiling = sub.get_noise_ceiling("ses-01")
    masker = maskers.NiftiMasker(mask_img=sub.get_roi_image("FFA1"), standardize=None)
    found = np.ravel(masker.fit_transform(sub.to_image(ceiling)))
    at_grid = np.flatnonzero(sub.get_roi_grid_mask("FFA1"))
    in_brain = sub.get_brain_mask()[at_grid]
    assert np.allclose(found[in_brain], ceiling[sub.get_roi_mask("FFA1")])
