"""A subject's own brain: the template, scaled and bent, in scanner coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from laion_fmri import layout
from laion_fmri.demo import files
from laion_fmri.demo.profiles import Profile, rng_for
from laion_fmri.demo.templates import load_head, load_hemisphere

# The template brain reaches this far from the origin (mm); grids are fitted around it.
_REACH_LOW = np.array([-78.0, -114.0, -80.0])
_REACH_HIGH = np.array([78.0, 80.0, 88.0])


def apply_affine(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Transform points of shape (…, 3) by a 4 × 4 matrix."""
    # Not a matrix product: on a busy machine BLAS threads cost more than they bring here.
    x, y, z = (points[..., i, None] for i in range(3))
    return x * affine[:3, 0] + y * affine[:3, 1] + z * affine[:3, 2] + affine[:3, 3]


@dataclass(frozen=True)
class Grid:
    """A voxel grid.

    Attributes
    ----------
    shape : tuple of int
    affine : array of shape (4, 4)
        Voxel indices to scanner coordinates (mm).
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    def slab_centres(self, k: slice) -> np.ndarray:
        """Coordinates of the voxels of some planes of the last axis, shape (x, y, z, 3)."""
        i, j, planes = (np.arange(n, dtype=np.float64) for n in self.shape)
        a = self.affine
        return (
            i[:, None, None, None] * a[:3, 0]
            + j[None, :, None, None] * a[:3, 1]
            + planes[k][None, None, :, None] * a[:3, 2]
            + a[:3, 3]
        )


@dataclass(frozen=True)
class Brain:
    """Geometry of one subject.

    Attributes
    ----------
    subject : str
    scale, shift, bend, phase : array of shape (3,)
        How template coordinates follow from the subject's: scaled, shifted, and bent by
        smooth waves of amplitude `bend` (mm). The midline stays at x = 0.
    c_ras : array of shape (3,)
        Scanner coordinates of the centre of the recon's volume. FreeSurfer stores
        surfaces relative to it.
    functional : Grid
    """

    subject: str
    scale: np.ndarray
    shift: np.ndarray
    bend: np.ndarray
    phase: np.ndarray
    c_ras: np.ndarray
    functional: Grid

    def _wave(self, p: np.ndarray) -> np.ndarray:
        x, y, z = p[..., 0], p[..., 1], p[..., 2]
        return (
            np.stack(
                [
                    np.sin(x / 42) * np.cos(y / 40 + self.phase[0]),
                    np.sin(y / 38 + self.phase[1]) * np.cos(x / 48),
                    np.sin(z / 36 + self.phase[2]) * np.cos(y / 44),
                ],
                axis=-1,
            )
            * self.bend
        )

    def to_template(self, points: np.ndarray) -> np.ndarray:
        """Scanner coordinates to MNI152 coordinates, both of shape (…, 3)."""
        return points * self.scale + self.shift + self._wave(points)

    def from_template(self, points: np.ndarray) -> np.ndarray:
        """MNI152 coordinates to scanner coordinates: the inverse of `to_template`."""
        found = (points - self.shift) / self.scale
        for _ in range(12):
            found = (points - self.shift - self._wave(found)) / self.scale
        return found

    def surface(self, hemi: str, kind: str) -> np.ndarray:
        """White or pial vertices of one hemisphere, scanner coordinates, shape (n, 3)."""
        return self._surfaces[hemi, kind]

    @cached_property
    def _surfaces(self) -> dict[tuple[str, str], np.ndarray]:
        return {
            (hemi, kind): self.from_template(getattr(load_hemisphere(hemi), kind))
            for hemi in layout.HEMISPHERES
            for kind in ("white", "pial")
        }

    def sample(self, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        """The head on a grid, worked out a few planes at a time.

        Returns
        -------
        t1 : array of `grid.shape`, float32
            Skull-stripped intensities, 0 to 255.
        depth : array of `grid.shape`, float32
            Signed distance (mm) to the brain's surface, positive inside.
        """
        from scipy.ndimage import map_coordinates

        head = load_head()
        t1 = np.zeros(grid.shape, dtype=np.float32)
        depth = np.full(grid.shape, -40, dtype=np.float32)
        to_depth, to_t1 = np.linalg.inv(head.depth_affine), np.linalg.inv(head.affine)
        for start in range(0, grid.shape[2], 16):
            planes = slice(start, start + 16)
            points = self.to_template(grid.slab_centres(planes))
            near = ((points > _REACH_LOW - 12) & (points < _REACH_HIGH + 12)).all(axis=-1)
            if not near.any():
                continue
            chosen = points[near]
            d = map_coordinates(
                head.depth, apply_affine(to_depth, chosen).T, order=1, mode="constant", cval=-40
            )
            depth[:, :, planes][near] = d
            inside = d > -1
            values = np.zeros(len(chosen), dtype=np.float32)
            values[inside] = map_coordinates(
                head.t1, apply_affine(to_t1, chosen[inside]).T, output=np.float32, order=1
            )
            t1[:, :, planes][near] = values
        return t1, depth

    @cached_property
    def functional_sample(self) -> tuple[np.ndarray, np.ndarray]:
        """`sample` on the functional grid."""
        return self.sample(self.functional)

    @cached_property
    def mask(self) -> np.ndarray:
        """The anatomical brain mask on the functional grid, boolean."""
        return self.functional_sample[1] > 0

    @cached_property
    def voxel_centres(self) -> np.ndarray:
        """Scanner coordinates of the voxels of the mask, C order, shape (n_voxels, 3)."""
        return apply_affine(self.functional.affine, np.argwhere(self.mask).astype(np.float64))

    @cached_property
    def fitted(self) -> np.ndarray:
        """Which voxels of the mask have a GLM fit: not its rim, nor where signal drops out."""
        depth = self.functional_sample[1][self.mask]
        places = self.to_template(self.voxel_centres)
        near_sinus = ((places - (0, 34, -24)) ** 2).sum(axis=-1) < 16**2
        low = places[..., 2] < -52
        rim = depth <= 0.3 * min(self.functional.affine[1, 1], 3.6)
        return ~rim & ~near_sinus & ~low


def _functional_grid(profile: Profile, centre_shift: np.ndarray) -> Grid:
    v = profile.voxel_mm
    centre = (_REACH_LOW + _REACH_HIGH) / 2 + centre_shift
    shape = profile.grid or tuple(
        int(n) for n in np.ceil((_REACH_HIGH - _REACH_LOW) / v + (0, 1, 2))
    )
    affine = np.diag([-v, v, v, 1.0])  # LAS: the first axis runs to the left
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(tuple(shape), affine)  # type: ignore[arg-type]


def make_brain(profile: Profile, subject: str, seed: int) -> Brain:
    """The brain of one subject: depends on the subject and the seed alone."""
    rng = rng_for(seed, "anatomy", subject)
    return Brain(
        subject=subject,
        scale=rng.uniform(0.95, 1.06, 3),
        shift=np.array([0.0, *rng.uniform(-3, 3, 2)]),
        bend=rng.uniform(1.0, 2.2, 3),
        phase=rng.uniform(0, 2 * np.pi, 3),
        c_ras=np.round(np.array([1.5, -16.0, 4.0]) + rng.uniform(-3, 3, 3), 2),
        functional=_functional_grid(profile, np.array([0.0, *rng.uniform(-1, 1, 2)])),
    )


def _with_skull(t1: np.ndarray, depth: np.ndarray, *, t2: bool) -> np.ndarray:
    """Put a skull and a scalp around a stripped brain, so that it looks like a scan."""
    if t2:
        t1 = np.where(t1 > 0, np.clip(255 - 0.8 * t1, 0, 255), 0)
    scalp = np.exp(-(((depth + 13) / 3.2) ** 2)) * (150 if not t2 else 90)
    fluid = np.exp(-(((depth + 3) / 2.5) ** 2)) * (30 if not t2 else 160)
    outside = np.where(depth > -22, scalp + fluid, 0)
    return np.clip(np.where(depth > 0, np.maximum(t1, 8), outside), 0, 255)


def anatomical_grid(profile: Profile) -> Grid:
    """The full-resolution grid, RAS."""
    low, high = _REACH_LOW - 20, _REACH_HIGH + 20
    shape = tuple(int(n) for n in np.ceil((high - low) / profile.anatomical_mm))
    affine = np.diag([profile.anatomical_mm] * 3 + [1.0])
    affine[:3, 3] = low
    return Grid(shape, affine)  # type: ignore[arg-type]


def write_anatomy(root: Path, profile: Profile, brain: Brain) -> None:
    """T1w, T2w and brain mask at full resolution and on the functional grid."""
    grid = anatomical_grid(profile)
    for res, at in ((None, grid), (layout.FUNCTIONAL_RES, brain.functional)):
        t1, depth = brain.functional_sample if res else brain.sample(at)
        volumes = {
            "T1w": _with_skull(t1, depth, t2=False).astype(np.int16),
            "T2w": _with_skull(t1, depth, t2=True).astype(np.int16),
            "desc-brain_mask": depth > 0,
        }
        for what, data in volumes.items():
            path = root / layout.anatomical(brain.subject, what, res)
            files.write_nifti(path, data, at.affine)
            files.write_json(
                path.with_name(layout.split_extension(path.name)[0] + ".json"),
                {"SpatialReference": "T1w", "SkullStripped": False}
                if what != "desc-brain_mask"
                else {"SpatialReference": "T1w", "Type": "Brain"},
            )
