"""Surfaces, slices and ROIs: against independent readers."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nilearn.surface import vol_to_surf

from laion_fmri._errors import DamagedFileError, InconsistentDataError, UnknownNameError
from laion_fmri.config import load_settings
from laion_fmri.explorer import brain_data, maps
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.flat_patch import find_flat_patch, flat_points, read_flat_patch


@pytest.fixture
def data(tiny_home):
    return ExplorerData(tiny_home.settings)


@pytest.fixture
def sub(data):
    return data.subject("sub-01")


def first_map(sub):
    return maps.available_maps(sub)[0]


@pytest.mark.parametrize("hemi", ["L", "R"])
def test_surface_values_are_those_of_an_independent_reader(data, sub, hemi):
    brain_map = first_map(sub)
    image = nib.load(brain_map.files[0])
    mask = np.asarray(nib.load(sub.get_anatomical_brain_mask(res="1pt8")).dataobj) != 0
    volume = np.where(mask, np.asarray(image.dataobj), 0).astype(np.float32)
    recon = sub.get_freesurfer_dir() / "surf"
    side = {"L": "lh", "R": "rh"}[hemi]
    meshes = []
    for kind in ("pial", "white"):
        points, triangles, header = nib.freesurfer.read_geometry(
            recon / f"{side}.{kind}", read_metadata=True
        )
        meshes.append((points + header["cras"], triangles))
    expected = vol_to_surf(
        nib.Nifti1Image(volume, image.affine), surf_mesh=meshes[0], inner_mesh=meshes[1]
    )
    found = brain_data.map_on_surface(data, sub, brain_map)[hemi]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_left_is_left_on_both_cortices(data, sub):
    left = (sub.get_voxel_coordinates()[:, 0] < 0).astype(np.float32)
    marked = maps.given_map(sub, left, "left")
    for space in brain_data.SPACES:
        found = brain_data.map_on_surface(data, sub, marked, space)
        assert np.nanmean(found["L"]) > 0.9
        assert np.nanmean(found["R"]) < 0.1


def test_a_map_is_sampled_once_and_a_changed_file_again(data, sub):
    brain_map = first_map(sub)
    first = brain_data.map_on_surface(data, sub, brain_map)
    assert brain_data.map_on_surface(data, sub, first_map(sub)) is first


def test_fsaverage_is_what_to_template_gives(data, sub):
    brain_map = first_map(sub)
    expected = sub.to_template(brain_map.read())
    found = brain_data.map_on_surface(data, sub, brain_map, "fsaverage")
    for hemi in "LR":
        np.testing.assert_allclose(found[hemi], expected[hemi], atol=1e-4)
        assert len(brain_data.surfaces(data, sub, "pial", "fsaverage")[hemi].points) == 10242


def test_a_map_of_another_recon_is_refused(data, sub):
    wrong = maps.given_map(sub, {"L": np.zeros(5), "R": np.zeros(5)}, "wrong")
    with pytest.raises(InconsistentDataError, match="vertices"):
        brain_data.map_on_surface(data, sub, wrong)
    with pytest.raises(UnknownNameError):
        brain_data.surfaces(data, sub, "smoothwm")


# --- flat patches -------------------------------------------------------------------------


def test_a_flat_patch_is_flat_seen_from_outside_and_upright(data, sub):
    flat, white = (brain_data.surfaces(data, sub, shape) for shape in ("flat", "white"))
    for hemi in "LR":
        points = flat[hemi].points
        there = np.isfinite(points[:, 0])
        assert 0.5 < there.mean() < 1
        assert np.ptp(points[there, 2]) < 1e-3 * np.ptp(points[there, 0])
        a, b, c = (points[flat[hemi].triangles[:, k]] for k in range(3))
        assert np.nansum(np.cross(b - a, c - a)[:, 2]) > 0
        height = white[hemi].points[there, 2]
        across, up = (np.corrcoef(points[there, k], height)[0, 1] for k in (0, 1))
        assert up > 0.3
        assert up > abs(across)


def test_a_patch_that_is_none_is_said(data, sub, tmp_path):
    path = find_flat_patch(sub.get_freesurfer_dir(), "L")
    white = brain_data.surfaces(data, sub, "white")["L"]
    vertices, points = read_flat_patch(path)
    assert len(vertices) == len(points) == len(set(vertices.tolist()))
    broken = tmp_path / "lh.full.flat.patch.3d"
    for content in (b"", b"1!", path.read_bytes()[:-3], b"\x00" * 64):
        broken.write_bytes(content)
        with pytest.raises(DamagedFileError):
            read_flat_patch(broken)
    record = np.zeros(1, dtype=[("v", ">i4"), ("xyz", ">f4", 3)])
    record["v"] = 10**6
    broken.write_bytes(np.array([-1, 1], ">i4").tobytes() + record.tobytes())
    with pytest.raises(DamagedFileError, match="does not have"):
        flat_points(broken, white)


# --- slices -------------------------------------------------------------------------------


def test_the_box_of_the_slices_holds_every_voxel_at_its_place(data, sub):
    grid = brain_data.volume_grid(data, sub)
    values = np.arange(sub.get_n_voxels(), dtype=float)
    full, volume = sub.to_volume(values)
    flat = np.full(int(np.prod(grid.shape)), -1.0)
    flat[grid.indices] = values
    box = flat.reshape(grid.shape, order="F")
    part = tuple(slice(o, o + n) for o, n in zip(grid.offset, grid.shape, strict=True))
    inside = sub.get_brain_mask().reshape(full.shape)[part]
    np.testing.assert_array_equal(box[inside], volume[part][inside])
    assert (box[~inside] == -1).all()
    corner = grid.affine @ [0, 0, 0, 1]
    np.testing.assert_allclose(corner, full.affine @ [*grid.offset, 1])


def test_rois_lie_in_the_box_where_their_volumes_say(data, sub):
    grid = brain_data.volume_grid(data, sub)
    places = brain_data.roi_places(data, sub, ["FFA1", "V1v"])
    for roi, found in places.items():
        mask = sub.get_roi_mask(roi).reshape(grid.full_shape)
        voxels = np.stack(np.unravel_index(found, grid.shape, order="F"), 1) + grid.offset
        expected = np.stack(np.nonzero(mask), 1)
        assert {tuple(v) for v in voxels} == {tuple(v) for v in expected}


def test_greys_keep_their_place_when_air_is_cut_off(data, sub):
    anatomy = brain_data.slice_anatomy(data, sub, "T1w")
    image = nib.load(sub.get_t1w())
    values = np.asarray(image.dataobj)
    offset = np.linalg.inv(image.affine) @ anatomy.affine @ [0, 0, 0, 1]
    i, j, k = np.rint(offset[:3]).astype(int)
    x, y, z = anatomy.greys.shape
    part = values[i : i + x, j : j + y, k : k + z].astype(float)
    order = np.corrcoef(part.ravel(), anatomy.greys.ravel())[0, 1]
    assert order > 0.97
    assert set(brain_data.anatomies(sub)) == set(brain_data.ANATOMIES)


def test_voxels_at_a_vertex_are_the_ones_around_its_middle(data, sub):
    coordinates = sub.get_voxel_coordinates()
    grid = brain_data.volume_grid(data, sub)
    size = np.linalg.norm(grid.affine[:3, 0])
    for space in brain_data.SPACES:
        points = brain_data.cortex_points(data, sub, space)
        for vertex in (0, 500, 9000):
            inside = brain_data.voxels_at_vertex(data, sub, "R", vertex, space)
            if inside.any():
                away = np.abs(coordinates[inside] - points["R"][vertex])
                assert away.max() < size + 4


# --- ROIs ---------------------------------------------------------------------------------


def test_rois_at_a_vertex(data, sub):
    rois = brain_data.rois_on_surface(data, sub)
    assert set(rois) == set(sub.get_available_rois())
    vertex = int(np.flatnonzero(rois["FFA1"]["L"])[0])
    found = brain_data.rois_at(rois, "L", vertex)
    assert "FFA1" in found
    expected = {
        name
        for name, sides in sub.get_roi_data("all", format="label").items()
        if vertex in sides["gii"].get("hemi-L", {}).get("label", [])
    }
    assert set(found) == expected


def test_rois_go_to_fsaverage(data, sub):
    own, moved = (brain_data.rois_on_surface(data, sub, s) for s in brain_data.SPACES)
    assert set(own) == set(moved)
    for roi in ("EBA", "V1v"):
        for hemi, members in own[roi].items():
            n_own, n_moved = members.sum(), moved[roi][hemi].sum()
            assert 0.5 * n_own <= n_moved <= 1.5 * n_own


def test_every_roi_has_its_own_colour():
    names = [f"R{i}" for i in range(43)]
    colours = brain_data.roi_colours(names)
    rgb = np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in colours.values()])
    apart = np.abs(rgb[:, None] - rgb[None]).sum(axis=2) + 1000 * np.eye(43)
    assert apart.min() >= 24


def test_a_changed_file_is_read_again(tmp_path):
    data = ExplorerData(load_settings(data_dir=tmp_path))
    file = tmp_path / "x"
    file.write_text("one")
    first = data.remember("x", file.read_text, [file])
    file.write_text("three")
    assert (first, data.remember("x", file.read_text, [file])) == ("one", "three")
