from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.freesurfer import write_geometry, write_morph_data

from laion_fmri._errors import (
    DamagedFileError,
    DataNotDownloadedError,
    InconsistentDataError,
    UnknownNameError,
)
from laion_fmri.volumes.surfaces import (
    Surface,
    read_sphere,
    read_surface,
    read_underlay,
    require_same_vertices,
    tkregister_to_scanner,
)

POINTS = np.array([[0, 0, 0], [10, 0, 0], [0, 20, 0], [0, 0, 30]], dtype=np.float32)
TRIANGLES = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])


def volume_info(affine: np.ndarray, shape: tuple[int, int, int]) -> dict:
    """What FreeSurfer writes of a volume at the end of a surface file."""
    size = np.linalg.norm(affine[:3, :3], axis=0)
    return {
        "head": [2, 0, 20],
        "valid": "1  # volume info valid",
        "filename": "orig.mgz",
        "volume": np.array(shape),
        "voxelsize": size,
        **{k: affine[:3, i] / size[i] for i, k in enumerate(("xras", "yras", "zras"))},
        "cras": (affine @ [*(np.array(shape) / 2), 1])[:3],
    }


CONFORMED = np.array([[-1, 0, 0, 130], [0, 0, 1, -110], [0, -1, 0, 150], [0, 0, 0, 1]], float)
OBLIQUE = np.array([[-1.1, 0.2, 0.1, 80], [0.1, 0.3, 1.2, -90], [0.2, -1, 0.3, 60], [0, 0, 0, 1]])


@pytest.mark.parametrize("affine", [CONFORMED, OBLIQUE], ids=["conformed", "oblique"])
def test_the_way_to_scanner_space_is_that_of_the_volume_header(affine):
    image = nib.freesurfer.MGHImage(np.zeros((40, 50, 60), dtype=np.uint8), affine)
    expected = image.header.get_vox2ras() @ np.linalg.inv(image.header.get_vox2ras_tkr())
    found = tkregister_to_scanner(volume_info(affine, (40, 50, 60)), "lh.white")
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.fixture
def recon(tmp_path):
    (tmp_path / "surf").mkdir()
    info = volume_info(CONFORMED, (256, 256, 256))
    write_geometry(tmp_path / "surf" / "lh.inflated", POINTS, TRIANGLES, volume_info=info)
    write_morph_data(tmp_path / "surf" / "lh.sulc", np.arange(4, dtype=np.float32))
    return tmp_path


def test_vertices_are_moved_by_the_centre_of_the_volume(recon):
    surface = read_surface(recon, "L")
    centre = (CONFORMED @ [128, 128, 128, 1])[:3]
    np.testing.assert_allclose(surface.points, POINTS + centre, atol=1e-4)
    np.testing.assert_array_equal(surface.triangles, TRIANGLES)
    assert surface.points.dtype == np.float32


def test_underlay_is_one_value_a_vertex(recon):
    np.testing.assert_array_equal(read_underlay(recon, "L"), np.arange(4))


def test_a_missing_hemisphere_says_how_to_get_it(recon):
    with pytest.raises(DataNotDownloadedError, match="include_freesurfer=True"):
        read_surface(recon, "R")


def test_unknown_names(recon):
    with pytest.raises(UnknownNameError, match="inflated"):
        read_surface(recon, "L", "inflate")
    with pytest.raises(UnknownNameError, match="hemisphere"):
        read_surface(recon, "left")


def test_a_truncated_mesh_is_damaged(recon):
    path = recon / "surf" / "lh.inflated"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DamagedFileError, match=r"lh\.inflated"):
        read_surface(recon, "L")


@pytest.mark.filterwarnings("ignore:No volume information")
def test_a_mesh_without_volume_information_is_refused(recon):
    write_geometry(recon / "surf" / "lh.white", POINTS, TRIANGLES)
    with pytest.raises(DamagedFileError, match="which volume"):
        read_surface(recon, "L", "white")


@pytest.mark.parametrize("broken", [{"voxelsize": (0, 1, 1)}, {"xras": (np.nan, 0, 0)}])
def test_a_mesh_of_a_volume_without_a_grid_is_refused(broken):
    header = {
        "volume": (256, 256, 256), "voxelsize": (1, 1, 1), "xras": (-1, 0, 0), "yras": (0, 0, -1),
        "zras": (0, 1, 0), "cras": (1, 2, 3),
    }  # fmt: skip
    assert np.array_equal(tkregister_to_scanner(header, Path("lh.white"))[:3, 3], (1, 2, 3))
    with pytest.raises(DamagedFileError, match="no proper grid"):
        tkregister_to_scanner(header | broken, Path("lh.white"))


def test_values_of_another_recon_are_refused():
    with pytest.raises(InconsistentDataError, match="3 values but the surface 4 vertices"):
        require_same_vertices(Surface(POINTS, TRIANGLES), np.zeros(3), "sulc")


OCTAHEDRON = np.array(
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float32
)
OCTAHEDRON_TRIANGLES = np.array([[i, j, k] for i in (0, 1) for j in (2, 3) for k in (4, 5)])


def test_a_sphere_stays_around_the_origin(tmp_path):
    info = volume_info(CONFORMED, (256, 256, 256))
    path = tmp_path / "lh.sphere.reg"
    write_geometry(path, OCTAHEDRON * 100, OCTAHEDRON_TRIANGLES, volume_info=info)
    sphere = read_sphere(path)
    np.testing.assert_allclose(sphere.points, OCTAHEDRON * 100)
    np.testing.assert_array_equal(sphere.triangles, OCTAHEDRON_TRIANGLES)


@pytest.mark.parametrize(
    ("points", "triangles", "problem"),
    [
        (OCTAHEDRON + 0.2, OCTAHEDRON_TRIANGLES, "no sphere"),
        (OCTAHEDRON, OCTAHEDRON_TRIANGLES[:3], "belongs to no triangle"),
        (OCTAHEDRON, OCTAHEDRON_TRIANGLES + 1, "no vertex"),
    ],
)
def test_what_is_no_sphere_is_refused(tmp_path, points, triangles, problem):
    write_geometry(tmp_path / "lh.sphere.reg", points, triangles)
    with pytest.raises(DamagedFileError, match=problem):
        read_sphere(tmp_path / "lh.sphere.reg")
