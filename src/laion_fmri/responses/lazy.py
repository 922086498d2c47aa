"""Single-trial betas as an xarray DataArray that reads what is selected.

Imports xarray: import this module where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from laion_fmri.betas import BetasRequest, read_betas
from laion_fmri.responses.export import table_coordinates
from laion_fmri.responses.reading import SessionBetas
from laion_fmri.responses.request import ResponsesRequest, first_trials
from laion_fmri.responses.tables import trial_table, voxel_table
from laion_fmri.transfer.plan import format_bytes


@dataclass(frozen=True, eq=False)
class JoinedBetas:
    """The betas of several sessions as one array, read by index.

    Attributes
    ----------
    requests : mapping of str to BetasRequest
        All trials of each session, with the same voxels, in order.
    """

    requests: Mapping[str, BetasRequest]

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the array: (n_trials, n_voxels)."""
        shapes = [request.shape for request in self.requests.values()]
        return sum(shape[0] for shape in shapes), shapes[0][1]

    def read(self, trials: NDArray[np.intp], voxels: NDArray[np.intp]) -> NDArray[np.float32]:
        """Read some trials of some voxels, in any order.

        Parameters
        ----------
        trials, voxels : ndarray of int
            Rows and columns of the array.

        Returns
        -------
        ndarray of float32, shape (len(trials), len(voxels))

        Raises
        ------
        NotEnoughMemoryError
            When they do not fit into memory.
        DamagedFileError
        """
        # Files are read in their order, each trial and voxel once.
        columns, to_columns = np.unique(voxels, return_inverse=True)
        rows, to_rows = np.unique(trials, return_inverse=True)
        wanted, begin = {}, 0
        for session, request in self.requests.items():
            end = begin + request.shape[0]
            some = rows[(rows >= begin) & (rows < end)] - begin
            begin = end
            if len(some):
                every = len(some) == request.shape[0]
                wanted[session] = replace(
                    request, voxels=request.voxels[columns], trials=None if every else some
                )
        if not wanted or not len(columns):
            return np.empty((len(trials), len(voxels)), np.float32)
        parts = list(read_betas(wanted).values())
        found = parts[0] if len(parts) == 1 else np.concatenate(parts)
        in_order = np.array_equal(to_rows, np.arange(len(rows))) and np.array_equal(
            to_columns, np.arange(len(columns))
        )
        return found if in_order else found[np.ix_(to_rows, to_columns)]


class LazyBetas(BackendArray):
    """The array that xarray indexes.

    Parameters
    ----------
    joined : JoinedBetas
    """

    def __init__(self, joined: JoinedBetas) -> None:
        self.joined, self.shape, self.dtype = joined, joined.shape, np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> NDArray[np.float32]:
        trials, voxels = (np.arange(n)[one] for n, one in zip(self.shape, key, strict=True))
        found = self.joined.read(np.atleast_1d(trials), np.atleast_1d(voxels))
        return found[tuple(0 if np.ndim(one) == 0 else slice(None) for one in (trials, voxels))]


def lazy_betas(request: ResponsesRequest) -> xr.DataArray:
    """Return the betas of a request for single trials as a lazy array; see `Subject.to_xarray`."""
    betas = request.source
    assert isinstance(betas, SessionBetas)  # of single trials
    images = trial_table(request.names, betas.tables, first_trials(request.files, betas.tables))
    voxels = voxel_table(request.files, request.grid, request.brain, request.voxels)
    return xr.DataArray(
        xr.Variable(
            ("trial", "voxel"),
            indexing.LazilyIndexedArray(LazyBetas(JoinedBetas(betas.requests))),
        ),
        table_coordinates(images, "trial") | table_coordinates(voxels, "voxel"),
        name="betas",
        attrs={"subject": request.files.name, "size": format_bytes(request.n_bytes)},
    )
