"""A volume as grey values and the box around a mask, checked and packed for drawing slices.

Examples
--------
>>> import numpy as np
>>> from laion_fmri.volumes.slices import SliceAnatomy
>>> values = np.zeros((8, 8, 8))
>>> values[2:6, 3:7, 1:5] = np.linspace(100, 1000, 64).reshape(4, 4, 4)
>>> SliceAnatomy.from_values(values, np.eye(4)).greys.shape
(4, 4, 4)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from laion_fmri._errors import InvalidArgumentError

_PADDING = 2  # voxels around the mask, so that outlines at its edge close
_WINDOW = (1.0, 99.5)  # percentiles of the head that define the grey scale


@dataclass(frozen=True, eq=False)
class SliceAnatomy:
    """A volume as grey values.

    Attributes
    ----------
    greys : ndarray of uint8, shape (x, y, z)
    affine : ndarray of shape (4, 4)
        From voxels to millimetres.
    """

    greys: npt.NDArray[np.uint8]
    affine: npt.NDArray[np.float64]

    @classmethod
    def from_values(cls, values: npt.ArrayLike, affine: npt.ArrayLike) -> SliceAnatomy:
        """Scale the values of a volume to greys and crop the air around the head.

        Raises
        ------
        InvalidArgumentError
            When the volume is not 3-D.
        """
        volume = np.nan_to_num(np.asarray(values, dtype=np.float32))
        if volume.ndim != 3:
            raise InvalidArgumentError(f"A 3-D volume was expected, not {volume.shape}.")
        bright = volume[volume > 0]
        low, high = (
            np.percentile(bright[:: max(1, bright.size // 200_000)], _WINDOW)
            if bright.size
            else (0, 1)
        )
        low = 0.0 if low < 0.2 * high else float(low)
        greys = np.clip((volume - low) * (255 / max(high - low, 1e-9)), 0, 255).astype(np.uint8)
        box = bounding_box(greys > 12)
        placed = np.array(affine, dtype=np.float64)
        placed[:3, 3] += placed[:3, :3] @ [part.start for part in box]
        return cls(np.ascontiguousarray(greys[box]), placed)

    @cached_property
    def packed(self) -> dict[str, Any]:
        """Return the data for the page: bytes with x fastest."""
        return {
            "bytes": self.greys.tobytes(order="F"),
            "shape": list(self.greys.shape),
            "affine": column_major(self.affine),
        }


@dataclass(frozen=True, eq=False)
class VolumeGrid:
    """The part of the functional grid used by slices: a box around the brain mask.

    Attributes
    ----------
    shape : tuple of int
        Of the box.
    affine : ndarray of shape (4, 4)
        From voxels of the box to millimetres.
    offset : tuple of int
        The first voxel of the box, in the functional grid.
    full_shape : tuple of int
        Of the functional grid.
    indices : ndarray of uint32, shape (n_voxels,)
        Indices into the box, x fastest, of the mask's voxels in order.
    """

    shape: tuple[int, ...]
    affine: npt.NDArray[np.float64]
    offset: tuple[int, ...]
    full_shape: tuple[int, ...]
    indices: npt.NDArray[np.uint32]

    @classmethod
    def around(cls, mask: npt.NDArray[np.bool_], affine: npt.ArrayLike) -> VolumeGrid:
        """Create the box around a 3-D mask; `indices` are in the mask's C order."""
        box = bounding_box(mask, _PADDING)
        placed = np.array(affine, dtype=np.float64)
        offset = tuple(part.start for part in box)
        placed[:3, 3] += placed[:3, :3] @ offset
        shape = tuple(part.stop - part.start for part in box)
        where = np.nonzero(mask[box])
        indices = np.ravel_multi_index(where, shape, order="F")
        return cls(shape, placed, offset, mask.shape, indices.astype(np.uint32))

    def places(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint32]:
        """Return the box indices of a mask over the functional grid, flat in C order or 3-D."""
        box = tuple(slice(o, o + n) for o, n in zip(self.offset, self.shape, strict=True))
        inside = np.nonzero(np.reshape(mask, self.full_shape)[box])
        return np.ravel_multi_index(inside, self.shape, order="F").astype(np.uint32)

    def place(self, voxel: Sequence[int]) -> int:
        """Return the box index of a voxel of the functional grid; -1 if outside."""
        inside = np.subtract(voxel, self.offset)
        if not ((inside >= 0) & (inside < self.shape)).all():
            return -1
        return int(np.ravel_multi_index(tuple(inside), self.shape, order="F"))

    @cached_property
    def packed(self) -> dict[str, Any]:
        """Return the data for the page."""
        return {
            "indices": self.indices.astype("<u4").tobytes(),
            "shape": list(self.shape),
            "offset": list(self.offset),
            "affine": column_major(self.affine),
        }


def packed_volume(
    anatomy: SliceAnatomy, grid: VolumeGrid, cortex: Mapping[str, npt.ArrayLike] | None = None
) -> dict[str, Any]:
    """Return the data of slices for the page.

    Parameters
    ----------
    anatomy : SliceAnatomy
        The volume drawn in grey.
    grid : VolumeGrid
        The grid of maps and label voxels.
    cortex : mapping, optional
        Hemisphere to the point (n, 3) of each vertex in the volume's millimetres, midway
        between white matter and pia, regardless of the displayed shape; links clicks on slices and
        surface.
    """
    points = {side: np.asarray(xyz, "<f4").tobytes() for side, xyz in (cortex or {}).items()}
    return {"anatomy": anatomy.packed, "grid": grid.packed, "cortex": points}


def bounding_box(mask: npt.NDArray[np.bool_], padding: int = 0) -> tuple[slice, ...]:
    """Return the smallest box around a mask, or everything if the mask is empty."""
    box = []
    for axis, length in enumerate(mask.shape):
        others = tuple(k for k in range(mask.ndim) if k != axis)
        filled = np.flatnonzero(mask.any(axis=others))
        first, last = (int(filled[0]), int(filled[-1])) if filled.size else (0, length - 1)
        box.append(slice(max(first - padding, 0), min(last + padding, length - 1) + 1))
    return tuple(box)


def column_major(affine: npt.ArrayLike) -> list[float]:
    """Return a 4 × 4 matrix as 16 numbers in column-major order."""
    return [float(v) for v in np.asarray(affine, dtype=np.float64).ravel(order="F")]
