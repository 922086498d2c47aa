"""HDF5 files opened when first read, again after a fork, and closed on request."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from laion_fmri._errors import DamagedFileError, LaionFmriError
from laion_fmri.stimuli.once import ForkSafeLock

if TYPE_CHECKING:
    import h5py


class LazyHdf5:
    """One HDF5 file, opened on first use.

    Safe to use from several threads, one of which reads at a time; a forked child opens the
    file anew, because HDF5 handles do not survive a fork.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = ForkSafeLock()
        self._file: h5py.File | None = None
        self._pid = 0

    @contextmanager
    def dataset(self, name: str, n_axes: int) -> Iterator[h5py.Dataset]:
        """A dataset of the file, for reading inside the block.

        Raises
        ------
        DamagedFileError
            When the file is not HDF5, lacks the dataset, or a read fails.
        """
        import h5py

        with self._lock:
            try:
                if self._file is not None and self._pid != os.getpid():
                    # Open for as long as it is, HDF5 would share it with what is opened next.
                    self._file.close()
                    self._file = None
                if self._file is None:
                    self._file, self._pid = h5py.File(self.path, "r"), os.getpid()
                found = self._file.get(name)
                if not isinstance(found, h5py.Dataset) or found.ndim != n_axes:
                    raise DamagedFileError(
                        self.path, f"it has no dataset {name!r} with {n_axes} axes"
                    )
                yield found
            except LaionFmriError:
                raise
            except (OSError, RuntimeError, KeyError, TypeError, UnicodeDecodeError) as error:
                raise DamagedFileError(
                    self.path, f"it is damaged or no HDF5 file ({error})"
                ) from error

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]
