"""The hemisphere of voxels, with and without a recon."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from builders import AFFINE, GRID, SmallData

from laion_fmri import layout
from laion_fmri._errors import DamagedFileError
from laion_fmri.responses.hemispheres import RIBBON, hemispheres
from laion_fmri.volumes.nifti import Grid

BRAIN = np.ones(np.prod(GRID), bool)


def places() -> np.ndarray:
    ijk = np.stack(np.unravel_index(np.arange(BRAIN.size), GRID), axis=1)
    return ijk @ AFFINE[:3, :3].T + AFFINE[:3, 3]


@pytest.fixture
def data(tmp_path) -> SmallData:
    return SmallData(tmp_path)


def sides(data: SmallData) -> np.ndarray:
    return hemispheres(data.subject._files, Grid(GRID, AFFINE), BRAIN, places())


def test_without_a_recon_the_middle_of_the_mask_is_between_the_hemispheres(data):
    x = places()[:, 0]
    assert sides(data).tolist() == np.where(x < x.mean(), "L", "R").tolist()


def write_ribbon(data: SmallData, labels: np.ndarray, affine: np.ndarray) -> None:
    path = data.at(f"{layout.freesurfer_dir('sub-01')}/{RIBBON}")
    nibabel.MGHImage(labels.astype(np.uint8), affine).to_filename(path)


def test_the_ribbon_decides_and_elsewhere_the_plane_between_its_halves(data):
    # On a finer grid whose left is at y below 0: a brain that lies on its side.
    affine = np.diag([0.5, 0.5, 0.5, 1.0])
    affine[:3, 3] = -10
    labels = np.zeros((60, 60, 60))
    labels[:, :18], labels[:, 22:] = 3, 42  # y from -10 to -1, and from 1
    labels[:, 30:32] = 2  # a spot of the left, at y of 5 to 5.5
    write_ribbon(data, labels, affine)
    y = places()[:, 1]
    at = np.rint((y + 10) / 0.5).astype(int)
    found = sides(data)
    assert (found[(at < 18) | ((at >= 30) & (at < 32))] == "L").all()
    assert (found[(at >= 22) & ((at < 30) | (at >= 32))] == "R").all()
    assert set(found) == {"L", "R"}


def test_a_damaged_ribbon_is_told(data):
    data.at(f"{layout.freesurfer_dir('sub-01')}/{RIBBON}").write_bytes(b"x" * 400)
    with pytest.raises(DamagedFileError, match="ribbon"):
        sides(data)


def test_a_ribbon_of_one_hemisphere_is_told(data):
    write_ribbon(data, np.full((5, 5, 5), 3), np.eye(4))
    with pytest.raises(DamagedFileError, match="hemisphere"):
        sides(data)
