from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nilearn.surface import vol_to_surf

from laion_fmri import layout
from laion_fmri._errors import UnknownNameError
from laion_fmri.config import load_settings
from laion_fmri.explorer import brain_data
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.templates import volume_to_surface


@pytest.fixture
def data(tiny_home):
    return ExplorerData(tiny_home.settings)


@pytest.fixture
def sub(data):
    return data.subject("sub-01")


def test_maps_that_are_local_are_offered_the_best_first(sub):
    names = [m.name for m in brain_data.available_maps(sub)]
    assert names[0] == "Noise ceiling, 12 repeats"
    assert "Noise ceiling, ses-01" in names
    assert len(set(names)) == len(names)


def test_an_unknown_map_is_refused_and_no_name_means_the_first(sub):
    assert brain_data.find_map(sub, "").name == "Noise ceiling, 12 repeats"
    with pytest.raises(UnknownNameError, match="Noise ceiling, 12 repeats"):
        brain_data.find_map(sub, "Noise ceiling, 11 repeats")


@pytest.mark.parametrize("hemi", ["L", "R"])
def test_surface_values_are_those_of_an_independent_reader(data, sub, hemi):
    brain_map = brain_data.find_map(sub, "")
    image = nib.load(brain_map.path)
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


def test_left_is_left(sub):
    x = sub.get_voxel_coordinates()[:, 0]
    left = (x < 0).astype(np.float32)
    assert np.nanmean(volume_to_surface(sub, left, "L")) > 0.9
    assert np.nanmean(volume_to_surface(sub, left, "R")) < 0.1


def test_a_map_is_sampled_once(data, sub):
    brain_map = brain_data.find_map(sub, "")
    first = brain_data.map_on_surface(data, sub, brain_map)
    assert brain_data.map_on_surface(data, sub, brain_map) is first


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


def test_every_roi_has_its_own_colour():
    names = [f"R{i}" for i in range(43)]
    colours = brain_data.roi_colours(names)
    assert len(set(colours.values())) == 43
    assert all(len(c) == 7 and c.startswith("#") for c in colours.values())


def test_a_changed_file_is_read_again(tmp_path):
    data = ExplorerData(load_settings(data_dir=tmp_path))
    file = tmp_path / "x"
    file.write_text("one")
    first = data.remember("x", file.read_text, [file])
    file.write_text("three")
    assert (first, data.remember("x", file.read_text, [file])) == ("one", "three")


def test_the_code_of_a_map_gives_the_map(sub):
    brain_map = brain_data.find_map(sub, "Noise ceiling, ses-01")
    values = eval(brain_map.code, {"sub": sub})
    np.testing.assert_array_equal(values, sub.get_noise_ceiling(session="ses-01"))
    assert brain_map.path == layout.local_path(
        sub.data_dir, layout.session_noise_ceiling("sub-01", "ses-01")
    )
