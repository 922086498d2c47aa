"""From a subject's voxels to surfaces and templates, on the demo dataset."""

from __future__ import annotations

import shutil
import sys

import nibabel as nib
import numpy as np
import pytest

from laion_fmri._errors import (
    DamagedFileError,
    DataNotDownloadedError,
    InconsistentDataError,
    InvalidArgumentError,
    MissingDependencyError,
    UnknownNameError,
)
from laion_fmri.subject import load_subject
from laion_fmri.templates import surface_to_template, volume_to_surface, volume_to_template
from laion_fmri.volumes.surfaces import read_sphere

pytest.importorskip("nilearn")
PREFIX = {"L": "lh", "R": "rh"}


@pytest.fixture
def sub(data_dir):
    return load_subject("sub-01", data_dir)


@pytest.fixture(scope="module")
def trials(data_dir):
    """Three maps, some of their voxels without a value."""
    sub = load_subject("sub-01", data_dir)
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3, sub.get_n_voxels())).astype(np.float32)
    values[1, rng.random(values.shape[1]) < 0.05] = np.nan
    return values


@pytest.fixture
def own_copy(data_dir, tmp_path):
    """The subject in a data directory that a test may change; and the folder of its recon."""
    shutil.copytree(data_dir / "derivatives", tmp_path / "data" / "derivatives")
    sub = load_subject("sub-01", tmp_path / "data")
    return sub, sub.get_freesurfer_dir()


def in_the_head(sub, hemi: str, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """A mesh in scanner coordinates, read without the package."""
    points, triangles, header = nib.freesurfer.read_geometry(
        sub.get_freesurfer_dir() / "surf" / f"{PREFIX[hemi]}.{kind}", read_metadata=True
    )
    return points + header["cras"], triangles


def fsaverage5_sphere(hemi: str) -> np.ndarray:
    from nilearn.datasets import load_fsaverage

    side = {"L": "left", "R": "right"}[hemi]
    return load_fsaverage("fsaverage5")["sphere"].parts[side].coordinates


# --- T1w to fsnative ----------------------------------------------------------------------


@pytest.mark.parametrize("hemi", ["L", "R"])
def test_fsnative_is_vol_to_surf_of_the_nifti_with_nan_left_out(sub, trials, hemi, tmp_path):
    from nilearn.surface import vol_to_surf

    meshes = in_the_head(sub, hemi, "pial"), in_the_head(sub, hemi, "white")
    found = sub.to_template(trials, "fsnative", hemi=hemi)
    for row, trial in zip(found, trials, strict=True):
        image = nib.load(sub.to_nifti(trial, tmp_path / "map.nii.gz"))
        values = np.asarray(image.dataobj)
        total, weight = (
            vol_to_surf(nib.Nifti1Image(part, image.affine), meshes[0], inner_mesh=meshes[1])
            for part in (np.nan_to_num(values), np.isfinite(values).astype(float))
        )
        known = np.isfinite(row)
        np.testing.assert_allclose(row[known], (total / weight)[known], atol=1e-4)
        assert known[weight > 1 - 1e-6].all()  # no NaN near
        assert not known[weight < 0.5].any()
        assert known[weight >= 0.5].mean() > 0.99  # but where the mask ends beside a NaN


@pytest.mark.parametrize("space", ["fsnative", "fsaverage", "MNI305"])
def test_scores_of_one_region_are_shown_as_large_as_it_is(sub, space):
    """NaN in every voxel that was not scored takes nothing from those that were."""
    mask = sub.get_anatomical_brain_mask(res="1pt8")
    n = int(np.asarray(nib.load(mask).dataobj).astype(bool).sum())
    in_roi = sub.get_voxel_coordinates()[:, 1] < -40
    assert len(in_roi) == n
    scores = sub.to_template(np.where(in_roi, 0.3, np.nan), space)
    share = sub.to_template(in_roi.astype(float), space)
    if space == "MNI305":
        scores, share = ({"": np.asarray(image.dataobj)} for image in (scores, share))
    for hemi, found in scores.items():
        expected = np.nan_to_num(share[hemi]) > 0.52
        assert expected.any()
        assert np.isfinite(found[expected]).mean() > 0.98
        np.testing.assert_allclose(found[np.nan_to_num(share[hemi]) > 1 - 1e-6], 0.3, rtol=1e-5)
        assert np.isnan(found[np.nan_to_num(share[hemi]) < 0.25]).all()


def test_a_vertex_has_the_value_of_the_voxels_around_it(sub):
    x, y, z = sub.get_voxel_coordinates().T
    for axis, values in enumerate((x, y, z)):
        # Far from the zeros outside the mask.
        found = volume_to_surface(sub, values + 500, "fsnative")
        for hemi in ("L", "R"):
            middle = (in_the_head(sub, hemi, "pial")[0] + in_the_head(sub, hemi, "white")[0]) / 2
            whole = volume_to_surface(sub, np.ones(len(x)), "fsnative", hemi=hemi) > 1 - 1e-6
            assert whole.mean() > 0.7
            np.testing.assert_allclose(found[hemi][whole] - 500, middle[whole, axis], atol=1e-2)


# --- fsnative to fsaverage ----------------------------------------------------------------


@pytest.mark.parametrize("hemi", ["L", "R"])
def test_the_demo_is_bent_from_fsaverage5_and_comes_back(sub, hemi):
    sphere = fsaverage5_sphere(hemi)
    smooth = np.sin(sphere[:, 0] / 20) + sphere[:, 1] * sphere[:, 2] / 1e4
    values = smooth[None] * [[1], [-2]]
    found = surface_to_template(sub, values, hemi=hemi)
    np.testing.assert_allclose(found, values, atol=1e-4)


def test_values_follow_the_registered_sphere(own_copy):
    sub, recon = own_copy
    turn = np.array([[np.cos(0.2), -np.sin(0.2), 0], [np.sin(0.2), np.cos(0.2), 0], [0, 0, 1]])
    path = recon / "surf" / "lh.sphere.reg"
    sphere = read_sphere(path)
    nib.freesurfer.write_geometry(path, sphere.points @ turn.T, sphere.triangles)

    def field(at):
        return np.sin(at[:, 0] / 20) + at[:, 1] * at[:, 2] / 1e4

    values = field(sphere.points @ turn.T)
    found = surface_to_template(sub, values, hemi="L")
    np.testing.assert_allclose(found, field(fsaverage5_sphere("L")), atol=6e-3)
    assert np.abs(found - values).max() > 0.1  # they have moved


def test_nan_neither_spreads_nor_becomes_zero(sub):
    values = np.ones(10242, dtype=np.float32)
    values[4000:4100] = np.nan
    np.testing.assert_array_equal(surface_to_template(sub, values, hemi="R"), values)


def test_a_finer_fsaverage_from_a_local_freesurfer(sub, icosphere, tmp_path, monkeypatch):
    points, triangles = icosphere(6)
    (tmp_path / "fsaverage6" / "surf").mkdir(parents=True)
    nib.freesurfer.write_geometry(tmp_path / "fsaverage6/surf/lh.sphere", points * 100, triangles)
    monkeypatch.setenv("SUBJECTS_DIR", str(tmp_path))
    values = read_sphere(sub.get_freesurfer_dir() / "surf" / "lh.sphere.reg").points[:, 2]
    found = surface_to_template(
        sub, values, hemi="L", fsaverage_density="fsaverage6", output_dir=tmp_path, desc="height"
    )
    np.testing.assert_allclose(found, points[:, 2] * 100, atol=0.1)
    assert (
        tmp_path / "sub-01_hemi-L_space-fsaverage_den-41k_desc-height_statmap.func.gii"
    ).exists()


def test_a_roi_that_one_hemisphere_lacks(sub):
    masks = {"L": np.zeros(10242, dtype=bool)}
    masks["L"][:50] = True
    found = surface_to_template(sub, masks)
    assert list(found) == ["L"]
    np.testing.assert_array_equal(found["L"], masks["L"])


@pytest.mark.filterwarnings("error")
def test_values_in_one_hemisphere_alone(sub):
    x = sub.get_voxel_coordinates()[:, 0]
    left = sub.to_template(np.where(x < -8, 1.0, np.nan))
    assert np.nanmin(left["L"]) > 0.5  # the mask ends inside the cortex of so coarse a grid
    assert np.nanmedian(left["L"]) == 1
    assert np.isfinite(left["L"]).mean() > 0.5
    assert np.isnan(left["R"]).mean() > 0.99
    zeros = sub.to_template((x < -8).astype(float))
    assert zeros["L"].mean() > 0.7
    assert zeros["R"].max() < 0.5


# --- T1w to MNI305 ------------------------------------------------------------------------


def mni305_affine(sub) -> np.ndarray:
    """The matrix of the demo's talairach.lta, from mm to mm, read without the package."""
    text = (sub.get_freesurfer_dir() / "mri" / "transforms" / "talairach.lta").read_text()
    return np.array([row.split() for row in text.splitlines()[5:9]], dtype=float)


@pytest.mark.parametrize("voxel_size", [None, 3])
def test_a_field_lands_where_the_registration_puts_it(sub, voxel_size):
    coordinates = np.column_stack([sub.get_voxel_coordinates(), np.ones(sub.get_n_voxels())])
    in_mni305 = (coordinates @ mni305_affine(sub).T)[:, :3]
    image = volume_to_template(sub, in_mni305.T, voxel_size=voxel_size)
    found = np.asarray(image.dataobj)
    assert found.shape[3] == 3
    known = ~np.isnan(found[..., 0])
    there = np.argwhere(known) @ image.affine[:3, :3].T + image.affine[:3, 3]
    assert 0.04 < known.mean() < 0.2
    error = np.abs(found[known] - there)
    assert np.median(error) < 1e-3
    assert error.max() < 6  # at the rim, where it takes from one side only; voxels are 7.5 mm
    if voxel_size is None:
        orig = nib.load(sub.get_freesurfer_dir() / "mri" / "orig.mgz")
        assert image.shape[:3] == orig.shape
        np.testing.assert_allclose(nib.affines.voxel_sizes(image.affine), orig.header.get_zooms())
    else:
        np.testing.assert_allclose(nib.affines.voxel_sizes(image.affine), voxel_size)


def test_no_value_in_the_volume_is_made_up(sub, trials):
    image = sub.to_template(np.full(trials.shape[1], 7, dtype=np.int16), "MNI305")
    values = np.asarray(image.dataobj)
    np.testing.assert_allclose(values[~np.isnan(values)], 7, rtol=1e-6)
    nothing = sub.to_template(np.full(trials.shape[1], np.nan), "MNI305")
    assert np.isnan(np.asarray(nothing.dataobj)).all()


# --- shapes and files ---------------------------------------------------------------------


@pytest.mark.parametrize("space", ["fsnative", "fsaverage"])
def test_trials_together_are_trials_one_by_one(sub, trials, space):
    together = sub.to_template(trials, space)
    assert list(together) == ["L", "R"]
    for hemi in together:
        assert together[hemi].shape == (3, 10242)
        assert together[hemi].dtype == np.float32
        one_by_one = [sub.to_template(trial, space, hemi=hemi) for trial in trials]
        np.testing.assert_allclose(together[hemi], one_by_one, rtol=1e-6)


def test_trials_together_are_trials_one_by_one_in_the_volume(sub, trials):
    together = sub.to_template(trials, "MNI305")
    one_by_one = [np.asarray(sub.to_template(trial, "MNI305").dataobj) for trial in trials]
    np.testing.assert_allclose(together.dataobj, np.stack(one_by_one, axis=-1), rtol=1e-6)
    assert together.get_data_dtype() == np.float32


def test_no_trials_at_all(sub, trials):
    assert sub.to_template(trials[:0])["R"].shape == (0, 10242)
    assert sub.to_template(trials[:0], "MNI305").shape[3] == 0


def test_the_mask_that_the_values_came_from(sub):
    values = np.ones(sub.get_n_voxels("rsquare"))
    found = sub.to_template(values, "fsnative", hemi="L", mask_source="rsquare")
    assert 0.5 < np.nanmean(found) <= 1
    assert 0 < np.isnan(found).mean() < 0.1  # where no voxel was fitted
    with pytest.raises(InvalidArgumentError, match="anatomical mask"):
        sub.to_template(values)


def test_files_hold_what_is_returned(sub, trials, tmp_path):
    folder = tmp_path / "new" / "folder"
    surfaces = sub.to_template(trials, output_dir=folder, desc="betas")
    single = sub.to_template(trials[1], "fsnative", hemi="R", output_dir=folder)
    volume = sub.to_template(trials, "MNI305", voxel_size=4.5, output_dir=folder, desc="betas")
    whole = sub.to_template(trials[0], "MNI305", output_dir=folder)
    names = {
        "sub-01_hemi-L_space-fsaverage_den-10k_desc-betas_statmap.func.gii": surfaces["L"],
        "sub-01_hemi-R_space-fsaverage_den-10k_desc-betas_statmap.func.gii": surfaces["R"],
        "sub-01_hemi-R_space-fsnative_statmap.func.gii": single[None],
        "sub-01_space-MNI305_res-4pt5_desc-betas_statmap.nii.gz": volume,
        "sub-01_space-MNI305_statmap.nii.gz": whole,
    }
    assert {path.name for path in folder.iterdir()} == set(names)
    for name, returned in names.items():
        read = nib.load(folder / name)
        if isinstance(returned, np.ndarray):
            np.testing.assert_array_equal([array.data for array in read.darrays], returned)
            side = {"L": "CortexLeft", "R": "CortexRight"}[name.split("hemi-")[1][0]]
            assert read.meta["AnatomicalStructurePrimary"] == side
        else:
            np.testing.assert_array_equal(np.asarray(read.dataobj), np.asarray(returned.dataobj))
            np.testing.assert_allclose(read.affine, returned.affine, atol=1e-4)


def test_a_file_that_cannot_be_finished_leaves_nothing(sub, trials, tmp_path, monkeypatch):
    def fill_the_disk(image, path):
        path.write_bytes(b"<?xml")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", fill_the_disk)
    with pytest.raises(OSError, match="No space"):
        sub.to_template(trials[0], "fsnative", hemi="L", output_dir=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


# --- refusals -----------------------------------------------------------------------------


def test_unknown_names(sub, trials):
    with pytest.raises(UnknownNameError, match="MNI305"):
        sub.to_template(trials, "MNI152")
    with pytest.raises(UnknownNameError, match="hemisphere"):
        sub.to_template(trials, hemi="left")
    with pytest.raises(UnknownNameError, match="fsaverage6"):
        sub.to_template(trials, fsaverage_density="fsaverage8")
    with pytest.raises(UnknownNameError, match="hemisphere 'hemi-L'"):
        surface_to_template(sub, {"hemi-L": trials[0]})
    with pytest.raises(UnknownNameError, match="mask source"):
        sub.to_template(trials, mask_source="brain")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"target": "MNI305", "hemi": "L"}, "both hemispheres"),
        ({"target": "fsnative", "voxel_size": 2}, "is a surface"),
        ({"target": "MNI305", "voxel_size": -2}, "voxel size"),
        ({"desc": "my_map", "output_dir": "somewhere"}, "letters and digits"),
    ],
)
def test_arguments_that_do_not_fit(sub, trials, arguments, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgumentError, match=problem):
        sub.to_template(trials, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_that_is_a_file(sub, trials, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgumentError, match="output_dir"):
        sub.to_template(trials, output_dir=tmp_path / "file")


@pytest.mark.parametrize("space", ["fsnative", "fsaverage", "MNI305"])
def test_values_of_another_shape(sub, trials, space):
    for values in (trials[:, :-1], trials[None], np.float32(1), trials.astype(complex), ["a"]):
        with pytest.raises(InvalidArgumentError, match="expected"):
            sub.to_template(values, space)


def test_surface_values_of_another_shape(sub):
    with pytest.raises(InvalidArgumentError, match="One value a vertex of hemisphere L"):
        surface_to_template(sub, np.zeros(10241), hemi="L")
    with pytest.raises(InvalidArgumentError, match="keyed by hemisphere"):
        surface_to_template(sub, np.zeros(10242))
    with pytest.raises(InvalidArgumentError, match="hemi='R' is not among"):
        surface_to_template(sub, {"L": np.zeros(10242)}, hemi="R")


@pytest.mark.parametrize("space", ["fsnative", "fsaverage", "MNI305"])
def test_a_recon_that_is_absent(own_copy, trials, space):
    sub, recon = own_copy
    shutil.rmtree(recon)
    with pytest.raises(DataNotDownloadedError, match="include_freesurfer=True"):
        sub.to_template(trials, space)


@pytest.mark.parametrize(
    ("space", "name"),
    [
        ("fsnative", "surf/lh.pial"),
        ("fsaverage", "surf/rh.sphere.reg"),
        ("MNI305", "mri/transforms/talairach.lta"),
    ],
)
def test_a_file_of_the_recon_that_is_absent_or_damaged(own_copy, trials, space, name):
    sub, recon = own_copy
    (recon / name).write_bytes((recon / name).read_bytes()[:200])
    with pytest.raises(DamagedFileError, match=name.split("/")[-1]):
        sub.to_template(trials, space)
    (recon / name).unlink()
    with pytest.raises(DataNotDownloadedError, match="include_freesurfer=True"):
        sub.to_template(trials, space)


def test_surfaces_of_two_recons(own_copy, trials, icosphere):
    sub, recon = own_copy
    path = recon / "surf" / "lh.white"
    header = nib.freesurfer.read_geometry(path, read_metadata=True)[2]
    points, triangles = icosphere(3)
    nib.freesurfer.write_geometry(path, points * 40, triangles, volume_info=header)
    with pytest.raises(InconsistentDataError, match="different recons"):
        sub.to_template(trials, "fsnative", hemi="L")


@pytest.mark.parametrize("missing", ["nilearn", "scipy.sparse"])
@pytest.mark.parametrize("space", ["fsnative", "fsaverage", "MNI305"])
def test_without_the_extra(sub, trials, space, missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingDependencyError, match=r"laion-fmri-explorer\[template\]"):
        sub.to_template(trials, space)
