"""The folder of a store: write it whole or not at all, and open it."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from laion_fmri._errors import DamagedFileError, LaionFmriError, StoreError
from laion_fmri.atomic_write import atomic_folder, partial_files, remove
from laion_fmri.store.shard import AGAIN, Shard, ShardWriter
from laion_fmri.store.zarr_format import (
    CHECKSUM,
    DOCUMENT,
    Contents,
    OtherLayoutError,
    SmallArray,
    as_text,
    chunk_name,
    crc32c,
    read_description,
    shard_bytes,
)

_ABANDONED_SECONDS = 3600  # a running build writes more often
_OPENINGS = 3  # another process may put a new store in its place meanwhile
_UNREADABLE = (ValueError, KeyError, TypeError, IndexError, struct.error, OSError)


@dataclass(frozen=True, eq=False)
class StoreFolder:
    """An open store: what it holds, and its large array.

    Attributes
    ----------
    path : Path
    contents : Contents
    shard : Shard
    checksums : dict of str to str
        Of the small arrays; that of the large array covers the checksums of its blocks.
    """

    path: Path
    contents: Contents
    shard: Shard
    checksums: Mapping[str, str]

    @classmethod
    def open(cls, path: Path) -> StoreFolder:
        """Open a store and check that it is complete.

        Raises
        ------
        FileNotFoundError
            When there is none.
        StoreError
            When another release wrote it with another layout.
        DamagedFileError
            When it is not a store, or a length or checksum is wrong.
        """
        problem: Exception | None = None
        for _ in range(_OPENINGS):
            text = _document(path)
            try:
                return _opened(path, text)
            except OtherLayoutError as error:
                raise StoreError(
                    f"{path} was built by another release of this package (layout {error}). {AGAIN}"
                ) from error
            except _UNREADABLE as error:
                problem = error
            if _document(path) == text:
                break
        raise DamagedFileError(path, f"it is no whole store ({problem})", AGAIN) from problem

    def verify(self, progress: Callable[[float], None] | None = None) -> None:
        """Read all files and compare them with their checksums.

        Parameters
        ----------
        progress : callable, optional
            Called periodically with the completed fraction.

        Raises
        ------
        DamagedFileError
        """
        for name, text in self.contents.documents(self.checksums).items():
            if (self.path / name).read_bytes() != text:
                raise DamagedFileError(self.path / name, "it was changed", AGAIN)
        self.shard.verify(progress)


def write_folder(path: Path, contents: Contents, fill: Callable[[ShardWriter, Path], None]) -> None:
    """Write a store; it appears under its name when it is complete.

    Parameters
    ----------
    path : Path
    contents : Contents
    fill : callable
        Writes every row of every block to the writer. The second argument is the folder, for
        files that are removed before the end.

    Raises
    ------
    StoreError
        When it cannot be written: no space, no permission. No partial store remains.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(path)
        with atomic_folder(path) as temporary:
            _write_files(temporary, contents, fill)
    except LaionFmriError:
        raise
    except OSError as error:
        raise StoreError(
            f"The store {path} cannot be written ({error.strerror or error}); it takes "
            f"{contents.n_bytes / 1e6:,.0f} MB. Make room or check the permissions; "
            "`laion-fmri store list` shows what other stores cost, and LAION_FMRI_STORE_DIR names "
            "another folder for stores."
        ) from error


def _write_files(
    folder: Path, contents: Contents, fill: Callable[[ShardWriter, Path], None]
) -> None:
    checksums = {}
    shard = _part(folder, contents.array, 2)
    shard.parent.mkdir(parents=True)
    with shard.open("xb") as file:
        reserve(file, shard_bytes(contents.shape, contents.width))
        writer = ShardWriter(file, contents.shape, contents.width)
        fill(writer, folder)
        checksums[contents.array] = writer.finish()
        _keep(file)
    if not shard_bytes(contents.shape, contents.width):
        shard.unlink()  # Zarr keeps no file of no values
    for name, one in contents.small.items():
        data = one.encode()
        checksum = crc32c(data)
        checksums[name] = as_text(checksum)
        if one.values.size:
            part = _part(folder, name, len(one.dims))
            part.parent.mkdir(parents=True)
            _write(part, data + CHECKSUM.type(checksum).tobytes())
    for name, text in contents.documents(checksums).items():
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        _write(target, text)


def _part(folder: Path, name: str, n_axes: int) -> Path:
    return folder / name / chunk_name(n_axes)


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        _keep(file)


def _keep(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())  # the rename must not survive a power cut without the data


def _document(path: Path) -> bytes:
    try:
        return (path / DOCUMENT).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if path.exists():
            return b""
        raise


def _opened(path: Path, text: bytes) -> StoreFolder:
    own: dict[str, Any] = read_description(text)
    checksums, small = own["checksums"], {}
    for name, said in own["small"].items():
        data = b""
        if all(said["shape"]):
            data = _part(path, name, len(said["dims"])).read_bytes()
            data, end = data[: -CHECKSUM.itemsize], data[-CHECKSUM.itemsize :]
            if CHECKSUM.type(crc32c(data)).tobytes() != end:
                raise ValueError(f"the checksum of {name} is wrong")
        if as_text(crc32c(data)) != checksums[name]:
            raise ValueError(f"{name} is of another build")
        small[name] = SmallArray.decode(data, said)
    n_rows, n_columns = own["shape"]
    rows, columns = own["dims"]
    shape, width = (n_rows, n_columns), own["width"]
    shard = Shard(_part(path, own["array"], 2), shape, width)
    if _document(path) != text:
        raise ValueError("it was built again meanwhile")
    contents = Contents(own["array"], (rows, columns), shape, width, small, own["said"])
    return StoreFolder(path, contents, shard, checksums)


def reserve(file: BinaryIO, n_bytes: int) -> None:
    """Reserve space, so that a full disk fails at the start."""
    try:
        if n_bytes:
            os.posix_fallocate(file.fileno(), 0, n_bytes)
    except AttributeError:  # not on this system
        return
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # not on this file system
            raise


def folder_bytes(path: Path) -> int:
    """Bytes of a store's files; 0 if there is none."""
    if not path.is_dir():
        return path.stat().st_size if path.exists() else 0
    return sum(part.stat().st_size for part in path.rglob("*") if part.is_file())


def _clear_abandoned(path: Path) -> None:
    for partial in partial_files(path):
        with contextlib.suppress(FileNotFoundError):  # that build has just ended
            parts = [partial, *partial.rglob("*")] if partial.is_dir() else [partial]
            if time.time() - max(part.stat().st_mtime for part in parts) > _ABANDONED_SECONDS:
                remove(partial)
