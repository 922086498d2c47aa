"""From a volume to the cortical surface, as `nilearn.surface.vol_to_surf` does it.

Between the pial and the white surface ten points are sampled at each vertex and averaged.
`vol_to_surf` finds and interpolates them anew for every volume; here they become a sparse
matrix, which gives the same numbers and is applied to all trials at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri.nifti import Grid
from laion_fmri.surfaces import Surface
from laion_fmri.templates.weights import BLOCK_BYTES, masked_rows, trial_blocks, trilinear

if TYPE_CHECKING:
    from scipy.sparse import csr_array

N_DEPTHS = 10  # as vol_to_surf has it between two surfaces
_VERTICES_AT_ONCE = 1 << 14


@dataclass(frozen=True, eq=False)
class CortexSampler:
    """Samples the voxels of a mask at the vertices of one hemisphere.

    Attributes
    ----------
    pial, white : Surface
        In mm of the grid's space.
    grid : Grid
    column_of : ndarray of int, shape (n_total_voxels,)
        The place of each voxel of the grid among the values; -1 where it has none.
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
        """The mean over the depths of each vertex, for every trial.

        Voxels outside the mask count as 0, as they are in the published volumes. A sample
        next to a NaN voxel is left out of its vertex's mean.

        Parameters
        ----------
        values : array of shape (n_trials, n_voxels)

        Returns
        -------
        ndarray of float32, shape (n_trials, n_vertices)
            NaN where no voxel of the mask is near, and where every sample is next to NaN.
        """
        matrix = self._matrix
        touching = np.diff(matrix.indptr) > 0
        out = np.empty((len(values), self.n_vertices), dtype=np.float32)
        for trials in trial_blocks(len(values), sum(matrix.shape)):
            block = np.ascontiguousarray(values[trials].T, dtype=np.float64)
            unknown = np.isnan(block)
            means = matrix @ np.where(unknown, 0, block)
            unknown_somewhere = unknown.any(axis=1)
            if unknown_somewhere.any():
                beside = np.flatnonzero(abs(matrix) @ unknown_somewhere.astype(np.float64))
                self._average_known(means, beside, block)
            means[~touching] = np.nan
            out[trials] = means.T
        return out

    @cached_property
    def _matrix(self) -> csr_array:
        """What each vertex takes from each voxel, shape (n_vertices, n_voxels)."""
        from scipy.sparse import csr_array, vstack

        blocks = []
        for start in range(0, self.n_vertices, _VERTICES_AT_ONCE):
            vertices = np.arange(start, min(start + _VERTICES_AT_ONCE, self.n_vertices))
            samples, inside = self._samples(vertices)
            blocks.append(_averages(inside) @ samples)
        return csr_array(vstack(blocks, format="csr"))

    def _samples(self, vertices: NDArray[np.intp]) -> tuple[csr_array, NDArray[np.bool_]]:
        """What each sample takes from each voxel, and which samples lie on the grid."""
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

    def _average_known(
        self, means: NDArray[np.float64], vertices: NDArray[np.intp], block: NDArray[np.float64]
    ) -> None:
        """Put right, in place, the means of vertices that have NaN voxels beside them."""
        step = max(1, BLOCK_BYTES // (8 * N_DEPTHS * block.shape[1]))
        for start in range(0, len(vertices), min(step, _VERTICES_AT_ONCE)):
            some = vertices[start : start + min(step, _VERTICES_AT_ONCE)]
            rows, inside = self._samples(some)
            samples = (rows @ block).reshape(len(some), N_DEPTHS, -1)
            known = ~np.isnan(samples) & inside[:, :, None]
            samples[~known] = 0
            mean = np.full((len(some), block.shape[1]), np.nan)
            n_known = known.sum(axis=1)
            np.divide(samples.sum(axis=1), n_known, out=mean, where=n_known > 0)
            means[some] = mean


def _averages(inside: NDArray[np.bool_]) -> csr_array:
    """The matrix that averages each vertex's samples that lie on the grid."""
    from scipy.sparse import csr_array

    n_inside = inside.sum(axis=1)
    starts = np.concatenate([[0], np.cumsum(n_inside)])
    weights = np.repeat(1 / np.maximum(n_inside, 1), n_inside)
    return csr_array((weights, np.flatnonzero(inside), starts), shape=(len(inside), inside.size))
