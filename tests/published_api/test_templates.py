"""Ways to surfaces and templates as the published package's users call them."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from laion_fmri import (
    DataNotFoundError,
    InconsistentDataError,
    InvalidArgumentError,
    UnknownNameError,
    templates,
)

pytest.importorskip("nilearn")


@pytest.fixture
def values(sub):
    return sub.get_noise_ceiling(desc="Noiseceiling12rep")


@pytest.mark.parametrize("target", ["fsaverage", "fsnative"])
def test_surfaces(sub, values, target):
    both = sub.to_template(values, target)
    left = sub.to_template(values=values, target=target, hemi="L", route="auto", surface="white")
    assert list(both) == ["L", "R"]
    assert np.array_equal(both["L"], left, equal_nan=True)
    for found in (
        sub.volume_to_surface(values, target, hemi="L"),
        templates.volume_to_surface(sub, values, target=target, hemi="L"),
        templates.to_template(sub, values, target, hemi="L", route="surface"),
    ):
        assert np.array_equal(found, left, equal_nan=True)


def test_from_the_own_surface_on(sub, values, tmp_path):
    own = sub.volume_to_surface(values, target="fsnative", output_dir=tmp_path, session=2)
    expected = sub.to_template(values, "fsaverage", hemi="R")
    files = {hemi: tmp_path / f"sub-01_ses-02_hemi-{hemi}_space-fsnative_statmap.func.gii"
             for hemi in "LR"}  # fmt: skip
    to_right = {"hemi": "R", "fsaverage_density": "fsaverage5"}
    for given in (own, files, str(files["R"])):
        found = sub.surface_to_template(given, "fsaverage", **to_right)
        assert np.array_equal(found, expected, equal_nan=True)
        again = templates.surface_to_template(sub, given, target="fsaverage", **to_right)
        assert np.array_equal(again, expected, equal_nan=True)
    default = sub.volume_to_surface(values)
    assert np.array_equal(default["R"], expected, equal_nan=True)
    assert np.array_equal(sub.surface_to_template(own)["R"], expected, equal_nan=True)


def test_the_volume(sub, values):
    expected = sub.to_template(values, "MNI305", voxel_size=8).get_fdata()
    for image in (
        sub.volume_to_template(values, "MNI305", voxel_size=8),
        templates.volume_to_template(sub, values, target="MNI305", voxel_size=8),
        sub.to_template(values, target="MNI305", route="volume", voxel_size=8),
    ):
        assert np.array_equal(image.get_fdata(), expected, equal_nan=True)


def test_values_from_a_file_are_those_that_were_written(sub, values, tmp_path):
    path = sub.to_nifti(values, tmp_path / "map.nii.gz")
    expected = sub.to_template(values, "fsnative", hemi="L")
    for given in (path, str(path)):
        found = sub.to_template(given, "fsnative", hemi="L")
        assert np.array_equal(found, expected, equal_nan=True)
    with pytest.raises(DataNotFoundError, match=r"not there\. Check its name"):
        sub.to_template(tmp_path / "nothing.nii", "fsnative")
    with pytest.raises(DataNotFoundError, match=r"not there\. Check its name"):
        sub.surface_to_template(tmp_path / "nothing.func.gii", hemi="L")
    nibabel.Nifti1Image(np.zeros((3, 4, 5), "f4"), np.eye(4)).to_filename(tmp_path / "other.nii")
    with pytest.raises(InconsistentDataError, match="another grid"):
        sub.to_template(tmp_path / "other.nii", "fsnative")


def test_values_of_an_roi(sub, values):
    roi = sub.get_roi_mask("V1v")
    expected = sub.to_template(np.where(roi, values, np.nan), "fsnative", hemi="L")
    assert np.isfinite(expected).any()
    for given, chosen in (
        (values[roi], {"roi": "V1v"}),
        (values, {"roi": ["V1v"]}),
        (values[roi], {"mask": roi}),
        (values[None, roi], {"mask": sub.get_roi_grid_mask("V1v")}),
    ):
        found = np.squeeze(sub.to_template(given, "fsnative", hemi="L", **chosen))
        assert np.array_equal(found, expected, equal_nan=True)
    with pytest.raises(InvalidArgumentError, match="voxels chosen"):
        sub.to_template(values[:7], roi="V1v")


@pytest.mark.parametrize(
    "target, options, error, said",
    [
        ("fsLR", {}, UnknownNameError, "neuromaps"),
        ("MNI152NLin6Asym", {}, UnknownNameError, "MNI305"),
        ("fsaverage", {"route": "mni"}, UnknownNameError, "surface, volume"),
        ("fsaverage", {"route": "volume"}, InvalidArgumentError, "no route"),
        ("MNI305", {"route": "surface"}, InvalidArgumentError, "no route"),
        ("fsaverage", {"surface": "pial"}, UnknownNameError, "white to the pial"),
        ("fsaverage", {"interpolation": "nearest"}, UnknownNameError, "linear"),
        ("fsaverage", {"fslr_density": "164k"}, UnknownNameError, "32k"),
        ("fsaverage", {"session": "../x", "output_dir": "out"}, InvalidArgumentError, "session"),
    ],
)
def test_what_cannot_be_done_is_named(sub, values, target, options, error, said, tmp_path,
                                      monkeypatch):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=said):
        sub.to_template(values, target, **options)
