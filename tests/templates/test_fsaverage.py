from __future__ import annotations

import gzip
import socket

import nibabel as nib
import numpy as np
import pytest
from nibabel.freesurfer import write_geometry

from laion_fmri._errors import DamagedFileError, DataNotDownloadedError, UnknownNameError
from laion_fmri.templates.fsaverage import find_density, read_template_sphere

pytest.importorskip("nilearn")


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch, tmp_path):
    """No FreeSurfer, no caches, and no network to fall back to."""
    for name in ("SUBJECTS_DIR", "FREESURFER_HOME", "NILEARN_SHARED_DATA", "TEMPLATEFLOW_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NILEARN_DATA", str(tmp_path / "nilearn_data"))
    monkeypatch.setenv("HOME", str(tmp_path))

    def refuse(*_):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def sphere6(icosphere):
    return icosphere(6)


def write_freesurfer(folder, mesh, name="lh.sphere.reg"):
    folder.mkdir(parents=True)
    write_geometry(folder / name, (mesh[0] * 100).astype(np.float32), mesh[1])


def gifti(mesh) -> bytes:
    points = nib.gifti.GiftiDataArray(
        (mesh[0] * 100).astype(np.float32), intent="NIFTI_INTENT_POINTSET"
    )
    faces = nib.gifti.GiftiDataArray(
        mesh[1].astype(np.int32), intent="NIFTI_INTENT_TRIANGLE", datatype="NIFTI_TYPE_INT32"
    )
    return nib.gifti.GiftiImage(darrays=[points, faces]).to_bytes()


@pytest.mark.parametrize("hemi", ["L", "R"])
def test_fsaverage5_needs_nothing(hemi):
    from nilearn.datasets import load_fsaverage

    found = read_template_sphere(find_density("fsaverage5"), hemi)
    side = {"L": "left", "R": "right"}[hemi]
    np.testing.assert_array_equal(
        found, load_fsaverage("fsaverage5")["sphere"].parts[side].coordinates
    )
    assert found.shape == (10242, 3)


@pytest.mark.parametrize("variable", ["SUBJECTS_DIR", "FREESURFER_HOME"])
@pytest.mark.parametrize("name", ["lh.sphere.reg", "lh.sphere"])
def test_freesurfers_is_found(monkeypatch, tmp_path, sphere6, variable, name):
    home = tmp_path / "fs"
    subjects = home if variable == "SUBJECTS_DIR" else home / "subjects"
    write_freesurfer(subjects / "fsaverage6" / "surf", sphere6, name)
    monkeypatch.setenv(variable, str(home))
    found = read_template_sphere(find_density("fsaverage6"), "L")
    np.testing.assert_allclose(found, sphere6[0] * 100, atol=1e-4)


def test_what_nilearn_has_fetched_is_found(tmp_path, sphere6):
    folder = tmp_path / "nilearn_data" / "fsaverage6"
    folder.mkdir(parents=True)
    (folder / "sphere_right.gii.gz").write_bytes(gzip.compress(gifti(sphere6), 1))
    found = read_template_sphere(find_density("fsaverage6"), "R")
    np.testing.assert_allclose(found, sphere6[0] * 100, atol=1e-4)


def test_what_templateflow_has_fetched_is_found(tmp_path, sphere6):
    path = tmp_path / ".cache" / "templateflow" / "tpl-fsaverage"
    path.mkdir(parents=True)
    path /= "tpl-fsaverage_hemi-R_den-41k_sphere.surf.gii"
    path.touch()
    with pytest.raises(DataNotDownloadedError):  # an empty place of its own
        read_template_sphere(find_density("fsaverage6"), "R")
    path.write_bytes(gifti(sphere6))
    found = read_template_sphere(find_density("fsaverage6"), "R")
    np.testing.assert_allclose(found, sphere6[0] * 100, atol=1e-4)


@pytest.mark.parametrize("density", ["fsaverage6", "fsaverage7"])
def test_absent_ones_say_what_to_do(density):
    with pytest.raises(DataNotDownloadedError, match=rf"SUBJECTS_DIR.*'{density}'"):
        read_template_sphere(find_density(density), "L")


def test_another_mesh_is_refused(monkeypatch, tmp_path, icosphere):
    write_freesurfer(tmp_path / "fsaverage" / "surf", icosphere(3))
    monkeypatch.setenv("SUBJECTS_DIR", str(tmp_path))
    with pytest.raises(DamagedFileError, match="163842 vertices, this 642"):
        read_template_sphere(find_density("fsaverage7"), "L")


def test_fsaverage_is_its_finest_mesh():
    assert find_density("fsaverage") == find_density("fsaverage7")
    with pytest.raises(UnknownNameError, match="fsaverage6"):
        find_density("fsaverage4")
