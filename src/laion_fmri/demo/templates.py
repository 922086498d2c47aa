"""The standard brain that every subject of the demo is bent from.

Meshes (fsaverage5) and the MNI152 template come with nilearn, so nothing is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from laion_fmri._errors import MissingDependencyError

# fsaverage lives in MNI305 space; this is the matrix FreeSurfer publishes to reach MNI152.
_MNI305_TO_MNI152 = np.array(
    [
        [0.9975, -0.0073, 0.0176, -0.0429],
        [0.0146, 1.0009, -0.0024, 1.5496],
        [-0.0130, -0.0093, 0.9971, 1.1840],
    ]
)
_COARSE = 4


@dataclass(frozen=True)
class Hemisphere:
    """One hemisphere of the template; all coordinates in mm.

    Attributes
    ----------
    white, pial : array of shape (n_vertices, 3)
        In MNI152 space.
    inflated, sphere, flat : array of shape (n_vertices, 3)
    faces, flat_faces : array of shape (n_faces, 3)
    curv, sulc, thickness : array of shape (n_vertices,)
    """

    white: np.ndarray
    pial: np.ndarray
    inflated: np.ndarray
    sphere: np.ndarray
    flat: np.ndarray
    faces: np.ndarray
    flat_faces: np.ndarray
    curv: np.ndarray
    sulc: np.ndarray
    thickness: np.ndarray

    @property
    def cortex(self) -> np.ndarray:
        """Vertices that are cortex, not medial wall: a boolean array."""
        return self.thickness > 0.5


@dataclass(frozen=True)
class Head:
    """The template volume.

    Attributes
    ----------
    t1 : array, uint8
        Skull-stripped T1-weighted intensities.
    affine : array of shape (4, 4)
        Voxel to MNI152 coordinates of `t1`.
    depth : array, float32
        Signed distance (mm) to the brain's surface, positive inside, on a coarse grid.
    depth_affine : array of shape (4, 4)
    """

    t1: np.ndarray
    affine: np.ndarray
    depth: np.ndarray
    depth_affine: np.ndarray


def _data_dir() -> Path:
    spec = find_spec("nilearn")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            "The demo dataset is made from the template brain that nilearn ships. Install it with "
            "`pip install 'laion-fmri-explorer[explorer]'`."
        )
    return Path(next(iter(spec.submodule_search_locations))) / "datasets" / "data"


def _load(path: Path):
    import nibabel as nib

    if not path.exists():
        raise MissingDependencyError(
            f"This nilearn has no {path.name} at {path.parent}, which the demo dataset is made "
            "from. Install nilearn 0.13 or newer."
        )
    return nib.load(path)


def mni152_to_mni305(points: np.ndarray) -> np.ndarray:
    """Coordinates of shape (n, 3) from MNI152 to the space of fsaverage and talairach.lta."""
    return (points - _MNI305_TO_MNI152[:, 3]) @ np.linalg.inv(_MNI305_TO_MNI152[:, :3]).T


@cache
def load_hemisphere(hemi: str) -> Hemisphere:
    """Load one hemisphere of fsaverage5.

    Parameters
    ----------
    hemi : {"L", "R"}

    Raises
    ------
    MissingDependencyError
        When nilearn, or its data, is not installed.
    """
    side = {"L": "left", "R": "right"}[hemi]
    folder = _data_dir() / "fsaverage5"

    def mesh(name: str) -> tuple[np.ndarray, np.ndarray]:
        gifti = _load(folder / f"{name}_{side}.gii.gz")
        return gifti.darrays[0].data.astype(np.float64), gifti.darrays[1].data

    def values(name: str) -> np.ndarray:
        return _load(folder / f"{name}_{side}.gii.gz").darrays[0].data.astype(np.float32)

    def in_mni152(points: np.ndarray) -> np.ndarray:
        return points @ _MNI305_TO_MNI152[:, :3].T + _MNI305_TO_MNI152[:, 3]

    white, faces = mesh("white")
    flat, flat_faces = mesh("flat")
    return Hemisphere(
        white=in_mni152(white),
        pial=in_mni152(mesh("pial")[0]),
        inflated=mesh("infl")[0],
        sphere=mesh("sphere")[0],
        flat=flat,
        faces=faces,
        flat_faces=flat_faces,
        curv=values("curv"),
        sulc=values("sulc"),
        thickness=np.maximum(values("thick"), 0),
    )


@cache
def load_head() -> Head:
    """Load the MNI152 template and work out where the brain ends.

    Raises
    ------
    MissingDependencyError
        When nilearn, or its data, is not installed.
    """
    from scipy import ndimage

    image = _load(_data_dir() / "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz")
    t1 = np.asarray(image.dataobj)
    coarse = np.pad(t1[::_COARSE, ::_COARSE, ::_COARSE] > 45, 5)
    brain = ndimage.binary_fill_holes(ndimage.binary_closing(coarse, iterations=2))
    depth = ndimage.distance_transform_edt(brain) - ndimage.distance_transform_edt(~brain)
    affine = image.affine @ np.diag([_COARSE, _COARSE, _COARSE, 1.0])
    affine[:3, 3] = image.affine[:3, 3] - 5 * _COARSE * np.diag(image.affine)[:3]
    return Head(t1, image.affine, (depth * _COARSE).astype(np.float32), affine)
