"""What open stores of betas and of averages have in common: opening, pickling, verifying."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DamagedFileError
from laion_fmri.store.folder import StoreFolder
from laion_fmri.store.shard import AGAIN
from laion_fmri.store.zarr_format import Contents


class StoreHeader(Protocol):
    """The content of a store."""

    @property
    def voxels(self) -> NDArray[Any]:
        """Flat grid indices in C order, increasing."""

    @classmethod
    def of(cls, contents: Contents) -> Self:
        """Interpret the contents of a store."""


H = TypeVar("H", bound=StoreHeader)


class OpenStore(Generic[H]):
    """An open store.

    It stays readable when its files are replaced or removed, from any thread and after a fork. A
    pickled store reopens its files when unpickled.

    Attributes
    ----------
    path : Path
    header : object
        Of the class `header_type`.
    """

    header_type: ClassVar[type[Any]]

    def __init__(self, folder: StoreFolder, header: H) -> None:
        self.path = folder.path
        self.header = header
        self._folder = folder

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[type, Path, dict[str, str]]]:
        return _reopened, (type(self), self.path, dict(self._folder.checksums))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a store and check that it is complete.

        Raises
        ------
        FileNotFoundError
        StoreError
            When another release wrote it with another layout.
        DamagedFileError
            When it is not a store of this kind, or a length or checksum is wrong.
        """
        folder = StoreFolder.open(path)
        try:
            return cls(folder, cls.header_type.of(folder.contents))
        except (ValueError, KeyError, TypeError) as error:
            problem = f"it is no store of this kind ({error})"
            raise DamagedFileError(path, problem, AGAIN) from error

    def covers(self, voxels: NDArray[np.intp]) -> bool:
        """Whether all these voxels (flat grid indices, increasing) are in the store."""
        kept = self.header.voxels
        if len(voxels) >= len(kept):
            return np.array_equal(voxels, kept)
        places = np.searchsorted(kept, voxels)
        return bool((kept[np.minimum(places, len(kept) - 1)] == voxels).all())

    def columns(self, voxels: NDArray[np.intp]) -> NDArray[np.intp] | None:
        """Return the columns of voxels that the store has; None for all of them."""
        kept = self.header.voxels
        # Reading all voxels is the common case, and searching for each would take longer.
        return None if len(voxels) == len(kept) else np.searchsorted(kept, voxels)

    def verify(self, progress: Callable[[float], None] | None = None) -> None:
        """Read everything and compare it with its checksums.

        Parameters
        ----------
        progress : callable, optional
            Called periodically with the completed fraction.

        Raises
        ------
        DamagedFileError
            When a checksum is wrong.
        """
        self._folder.verify(progress)


def _reopened(store_type: type[OpenStore], path: Path, checksums: dict[str, str]) -> Any:
    """Reopen an unpickled store."""
    store = store_type.open(path)
    if store._folder.checksums != checksums:
        raise DamagedFileError(
            path, "it was built again since this handle was pickled", "Open the store again."
        )
    return store
