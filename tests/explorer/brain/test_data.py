"""Surfaces, slices and ROIs: against independent readers."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nilearn.surface import vol_to_surf

from laion_fmri import maps
from laion_fmri._errors import DamagedFileError, InconsistentDataError, UnknownNameError
from laion_fmri.analysis.cortex import SHAPES, SPACES, rois_of_vertex, vertex_voxels
from laion_fmri.analysis.slices import ANATOMIES, available_anatomies
from laion_fmri.config import load_settings
from laion_fmri.demo.templates import load_hemisphere
from laion_fmri.explorer import BrainView
from laion_fmri.explorer.brain import data as brain_data
from laion_fmri.explorer.brain.surface_view import SurfaceView
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.volumes.flat_patch import find_flat_patch, flat_points, read_flat_patch


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


@pytest.mark.parametrize("hemi", ["L", "R"])
def test_a_map_with_nan_keeps_the_vertices_that_have_values(data, sub, hemi):
    """As many as nilearn shows when NaN is left out of its averages."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=sub.get_n_voxels()).astype(np.float32)
    values[rng.random(values.size) < 0.3] = np.nan
    view = BrainView("sub-01", data=data)
    view.add_map(values, name="scores")
    shown = np.frombuffer(view.view.map_data["values"][hemi], np.float32)

    grid, full = sub.to_volume(np.nan_to_num(values))
    _, known = sub.to_volume(np.isfinite(values))
    pial, white = (brain_data.surfaces(data, sub, kind)[hemi] for kind in ("pial", "white"))

    def sampled(volume: np.ndarray) -> np.ndarray:
        image = nib.Nifti1Image(np.asarray(volume, dtype=np.float32), grid.affine)
        return vol_to_surf(
            image,
            [pial.points, pial.triangles],
            inner_mesh=[white.points, white.triangles],
            interpolation="linear",
        )

    _, outside = sub.to_volume(np.ones(len(values)))
    weight = sampled(known + (outside == 0))  # outside of the mask a volume has 0
    in_mask = sampled(known)
    total = sampled(full)
    has_value = in_mask > 0.5
    assert (np.isfinite(shown) == has_value)[np.abs(in_mask - 0.5) > 0.01].mean() > 0.995
    both = np.isfinite(shown) & has_value
    assert both.sum() > 7000  # a rule that drops a sample with a NaN voxel beside it keeps few
    np.testing.assert_allclose(shown[both], (total / weight)[both], atol=1e-3)


def test_left_is_left_on_both_cortices(data, sub):
    left = (sub.get_voxel_coordinates()[:, 0] < 0).astype(np.float32)
    marked = maps.given_map(sub, left, "left")
    for space in SPACES:
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


@pytest.mark.parametrize("space", SPACES)
def test_a_flat_patch_has_its_own_triangles_and_none_across_a_cut(data, sub, space):
    flat = brain_data.surfaces(data, sub, "flat", space)
    for hemi, part in flat.items():
        # The demo's cortex is cut as fsaverage5 is, whose file lists the triangles.
        own = load_hemisphere(hemi).flat_faces
        drawn = {tuple(sorted(t)) for t in part.triangles.tolist()}
        assert drawn == {tuple(sorted(t)) for t in own.tolist()}
    view = SurfaceView()
    view.set_surface(brain_data.meshes(data, sub, space))
    view.set_shapes(SHAPES, shown="inflated")
    view.add_shape(
        "flat",
        {h: s.points for h, s in flat.items()},
        triangles={h: s.triangles for h, s in flat.items()},
    )
    for hemi, sent in view.shape_data["flat"].items():
        triangles = brain_data.meshes(data, sub, space)[hemi].triangles
        kept = np.unpackbits(np.frombuffer(sent["triangles"], np.uint8))[: len(triangles)]
        points = np.frombuffer(sent["points"], np.float32).reshape(-1, 3)
        corners = points[triangles[kept.astype(bool)]]
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        assert kept.sum() == len(flat[hemi].triangles)
        assert np.isfinite(edges).all()
        # Across the cut they are 30 mm and longer; a few of fsaverage's own are distorted.
        assert np.quantile(edges, 0.999) < 15


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
    places = brain_data.roi_voxels(data, sub, ["FFA1", "V1v"])
    for roi, found in places.items():
        mask = sub.get_roi_grid_mask(roi).reshape(grid.full_shape)
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
    assert set(available_anatomies(sub)) == set(ANATOMIES)


def test_voxels_at_a_vertex_are_the_ones_around_its_middle(data, sub):
    coordinates = sub.get_voxel_coordinates()
    grid = brain_data.volume_grid(data, sub)
    size = np.linalg.norm(grid.affine[:3, 0])
    for space in SPACES:
        points = brain_data.cortex_points(data, sub, space)
        for vertex in (0, 500, 9000):
            inside = vertex_voxels(sub, "R", vertex, space)
            if inside.any():
                away = np.abs(coordinates[inside] - points["R"][vertex])
                assert away.max() < size + 4


# --- ROIs ---------------------------------------------------------------------------------


def test_rois_at_a_vertex(data, sub):
    rois = brain_data.rois_on_surface(data, sub)
    assert set(rois) == set(sub.get_available_rois())
    vertex = int(np.flatnonzero(rois["FFA1"]["L"])[0])
    found = rois_of_vertex(rois, "L", vertex)
    assert "FFA1" in found
    expected = {
        name
        for name, sides in sub.get_roi_data("all", format="label").items()
        if vertex in sides["gii"].get("hemi-L", {}).get("label", [])
    }
    assert set(found) == expected


def test_rois_go_to_fsaverage(data, sub):
    own, moved = (brain_data.rois_on_surface(data, sub, s) for s in SPACES)
    assert set(own) == set(moved)
    for roi in ("EBA", "V1v"):
        for hemi, members in own[roi].items():
            n_own, n_moved = members.sum(), moved[roi][hemi].sum()
            assert 0.5 * n_own <= n_moved <= 1.5 * n_own


def test_a_changed_file_is_read_again(tmp_path):
    data = ExplorerData(load_settings(data_dir=tmp_path))
    file = tmp_path / "x"
    file.write_text("one")
    first = data.remember("x", file.read_text, [file])
    file.write_text("three")
    assert (first, data.remember("x", file.read_text, [file])) == ("one", "three")
