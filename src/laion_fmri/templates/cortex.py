"""Sampling of a volume on the cortical surface, as in `nilearn.surface.vol_to_surf`.

Ten points between the pial and the white surface are sampled at each vertex and averaged.
`vol_to_surf` repeats the interpolation for every volume; here it is a sparse matrix, which gives
the same values and is applied to all trials at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri.templates.weights import masked_rows, trilinear, weighted_means
from laion_fmri.volumes.nifti import Grid
from laion_fmri.volumes.surfaces import Surface

if TYPE_CHECKING:
    from scipy.sparse import csr_array

N_DEPTHS = 10  # as in vol_to_surf between two surfaces
_VERTICES_AT_ONCE = 1 << 14


@dataclass(frozen=True, eq=False)
class CortexSampler:
    """A sampler of a mask's voxels at the vertices of one hemisphere.

    Attributes
    ----------
    pial, white : Surface
        In mm of the grid's space.
    grid : Grid
    column_of : ndarray of int, shape (n_total_voxels,)
        Index of each grid voxel among the values; -1 if it has none.
    """

    pial: Surface
    white: Surface
    grid: Grid
    column_of: NDArray[np.int32]

    @property
    def n_vertices(self) -> int:
        """Number of vertices."""
        return len(self.pial.points)

    def means(self, values: NDArray) -> NDArray[np.float32]:
        """Average over the depths of each vertex, for every trial.

        Voxels outside the mask count as 0, as in the published volumes. NaN voxels are ignored; the
        vertex has a value if other voxels of the mask hold at least half of its weight.

        Parameters
        ----------
        values : array of shape (n_trials, n_voxels)

        Returns
        -------
        ndarray of float32, shape (n_trials, n_vertices)
            NaN where no voxel of the mask is near, or NaN voxels leave too little weight.
        """
        return weighted_means(self._matrix, values, zero_outside=True)

    @cached_property
    def _matrix(self) -> csr_array:
        """Compute the weights of each voxel for each vertex, shape (n_vertices, n_voxels)."""
        from scipy.sparse import csr_array, vstack

        blocks = []
        for start in range(0, self.n_vertices, _VERTICES_AT_ONCE):
            vertices = np.arange(start, min(start + _VERTICES_AT_ONCE, self.n_vertices))
            samples, inside = self._samples(vertices)
            blocks.append(_averages(inside) @ samples)
        return csr_array(vstack(blocks, format="csr"))

    def _samples(self, vertices: NDArray[np.intp]) -> tuple[csr_array, NDArray[np.bool_]]:
        """Compute the weights of each voxel for each sample, and which samples lie on the grid."""
        outer = self.pial.points[vertices].astype(np.float64)
        inner = self.white.points[vertices].astype(np.float64)
        depths = np.linspace(0, 1, N_DEPTHS)[:, None]
        points = (outer[:, None] + depths * (inner - outer)[:, None]).reshape(-1, 3)
        to_voxels = np.linalg.inv(self.grid.affine)
        points = points @ to_voxels[:3, :3].T + to_voxels[:3, 3]
        inside = ((points >= 0) & (points < self.grid.shape)).all(axis=1)
        voxels, weights = trilinear(points, self.grid.shape)
        weights[~inside] = 0
        return masked_rows(voxels, weights, self.column_of), inside.reshape(-1, N_DEPTHS)


def _averages(inside: NDArray[np.bool_]) -> csr_array:
    """Return the matrix that averages each vertex's samples on the grid."""
    from scipy.sparse import csr_array

    n_inside = inside.sum(axis=1)
    starts = np.concatenate([[0], np.cumsum(n_inside)])
    weights = np.repeat(1 / np.maximum(n_inside, 1), n_inside)
    return csr_array((weights, np.flatnonzero(inside), starts), shape=(len(inside), inside.size))
