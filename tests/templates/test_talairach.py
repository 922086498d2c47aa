from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from laion_fmri._errors import DamagedFileError, DataNotDownloadedError, InvalidArgumentError
from laion_fmri.templates.talairach import at_voxel_size, read_talairach
from laion_fmri.volumes.nifti import Grid

SOURCE = """src volume info
valid = 1  # volume info valid
filename = /data/sub-01/mri/nu.mgz
volume = 256 256 256
voxelsize = 1.0000 1.0000 1.0000
xras   = -1.0000 0.0000 0.0000
yras   = 0.0000 0.0000 -1.0000
zras   = 0.0000 1.0000 0.0000
cras   = 5.3997 18.0000 -2.5000
"""
TARGET = """dst volume info
valid = 1  # volume info valid
filename = /opt/freesurfer/average/RB_all.gca
volume = 128 128 120
voxelsize = 2.0000 2.0000 2.0000
xras   = -1.0000 0.0000 0.0000
yras   = 0.0000 0.0000 -1.0000
zras   = 0.0000 1.0000 0.0000
cras   = 0.0000 1.0000 0.0000
"""
ROWS = [[1.1, 0.02, 0.01, -3], [-0.02, 1.15, 0.15, -9], [-0.01, -0.16, 0.92, 6], [0, 0, 0, 1]]
SOURCE_AFFINE = np.array(
    [[-1, 0, 0, 133.3997], [0, 0, 1, -110], [0, -1, 0, 125.5], [0, 0, 0, 1]], float
)
TARGET_AFFINE = np.array([[-2, 0, 0, 128], [0, 0, 2, -119], [0, -2, 0, 128], [0, 0, 0, 1]], float)


def lta(kind: int, matrix=ROWS, source: str = SOURCE, target: str = TARGET) -> str:
    rows = "".join(" ".join(f"{v:+.15e}" for v in row) + " \n" for row in np.asarray(matrix))
    return (
        "# transform file /data/sub-01/mri/transforms/talairach.lta\n# created by someone\n\n"
        f"type      = {kind} # a comment\nnxforms   = 1\nmean      = 127.0 125.0 115.0\n"
        f"sigma     = 10000.0\n1 4 4\n{rows}{source}{target}subject fsaverage\nfscale 0.150000\n"
    )


@pytest.fixture
def recon(tmp_path):
    (tmp_path / "sub-01" / "mri" / "transforms").mkdir(parents=True)
    return tmp_path / "sub-01"


def read(recon: Path, text: str):
    (recon / "mri" / "transforms" / "talairach.lta").write_text(text)
    return read_talairach(recon)


def test_from_mm_to_mm(recon):
    found = read(recon, lta(1))
    np.testing.assert_allclose(found.to_mni305, ROWS, rtol=1e-12)
    np.testing.assert_allclose(found.grid.affine, TARGET_AFFINE)
    assert found.grid.shape == (128, 128, 120)


def test_from_voxels_to_voxels(recon):
    found = read(recon, lta(0))
    point = SOURCE_AFFINE @ [10, 20, 30, 1]
    np.testing.assert_allclose(
        found.to_mni305 @ point, TARGET_AFFINE @ np.asarray(ROWS) @ [10, 20, 30, 1], rtol=1e-12
    )


def test_an_invalid_volume_is_freesurfers_default(recon):
    found = read(recon, lta(1, target="dst volume info\nvalid = 0  # volume info invalid\n"))
    assert found.grid.shape == (256, 256, 256)
    np.testing.assert_allclose(found.grid.affine @ [128, 128, 128, 1], [0, 0, 0, 1])


@pytest.mark.parametrize("kind", [0, 1])
def test_it_is_what_nitransforms_reads(recon, kind):
    theirs = pytest.importorskip("nitransforms.io.lta").FSLinearTransformArray
    found = read(recon, lta(kind))
    [matrix] = theirs.from_string(lta(kind)).to_ras()
    np.testing.assert_allclose(found.to_mni305, np.linalg.inv(matrix), atol=1e-4)  # it has float32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a transform",
        lta(14),
        lta(1).replace("nxforms   = 1", "nxforms   = 2"),
        lta(1, np.zeros((4, 4))),
        lta(1)[:300],
        lta(1).replace("volume = 128 128 120", "volume = 128 128"),
        lta(1).replace("1 4 4", "1 4 4\nhello world"),
        lta(1).split("dst")[0],
    ],
)
def test_damaged(recon, text):
    with pytest.raises(DamagedFileError, match=r"talairach\.lta"):
        read(recon, text)


def test_absent(recon):
    with pytest.raises(DataNotDownloadedError, match=r"'sub-01', include_freesurfer=True"):
        read_talairach(recon)


@pytest.mark.parametrize("size", [1, 2.0, 3, 1.8])
def test_another_voxel_size_covers_the_same_box(size):
    grid = at_voxel_size(Grid((128, 128, 120), TARGET_AFFINE), size)
    np.testing.assert_allclose(np.linalg.norm(grid.affine[:3, :3], axis=0), size)
    first = TARGET_AFFINE @ [-0.5, -0.5, -0.5, 1]
    np.testing.assert_allclose(grid.affine @ [-0.5, -0.5, -0.5, 1], first)
    extent = np.array(grid.shape) * size
    assert (extent >= [256, 256, 240]).all()
    assert (extent < np.array([256, 256, 240]) + size).all()


@pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf"), 1e-3, 1000, "2"])
def test_unusable_voxel_sizes(size):
    with pytest.raises(InvalidArgumentError, match="voxel size"):
        at_voxel_size(Grid((128, 128, 120), TARGET_AFFINE), size)
