"""Atomic writes: a file appears under its name when it is complete, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_path(path: Path, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` when the block succeeds.

    An error removes the temporary file and leaves `path` unchanged.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    replace : bool
        Whether an existing file is replaced.

    Yields
    ------
    Path
        Unused name in the same folder, with the same suffix.

    Raises
    ------
    FileExistsError
        When `replace` is False and `path` exists.
    OSError
        When the file cannot be written.
    """
    temporary = _partial(path)
    try:
        yield temporary
        if replace:
            temporary.replace(path)
        else:
            _rename_to_new(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _rename_to_new(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)  # fails if the path exists
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(f"{path} exists.") from None
        temporary.replace(path)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that is renamed to `path` when the block succeeds.

    An error removes the new folder and leaves `path` unchanged. A folder that exists is replaced;
    between two renames there is none, and open files of it stay readable.

    Parameters
    ----------
    path : Path
        In a folder that exists.

    Yields
    ------
    Path
        Folder with an unused name beside `path`.

    Raises
    ------
    OSError
        When it cannot be made or renamed.
    """
    temporary = _partial(path)
    temporary.mkdir()
    try:
        yield temporary
        while True:
            try:
                temporary.rename(path)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
            remove(path)  # again if another process was faster
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Remove a file or a whole folder, if it exists; it loses its name first.

    Raises
    ------
    OSError
    """
    gone = path if path.name.startswith(".") else _partial(path)
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        if gone != path:
            path.rename(gone)
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink()


def _partial(path: Path) -> Path:
    ending = "".join(path.suffixes)
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial{ending}")


@contextmanager
def atomic_file(path: Path, private: bool = False) -> Iterator[BinaryIO]:
    """Yield an open file that is renamed to `path` when the block succeeds.

    Its folder is created.

    Parameters
    ----------
    path : Path
    private : bool
        Whether only its owner may read the file, from the start. Otherwise it has the permissions
        of any new file (umask), so that others can read a shared data directory.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic_path(path) as temporary,
        open(temporary, "xb", opener=_open_private if private else None) as file,
    ):
        yield file


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def write_atomically(path: Path, text: str, private: bool = False) -> None:
    """Write text as UTF-8 with `atomic_file`.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    with atomic_file(path, private) as file:
        file.write(text.encode())


def partial_files(path: Path) -> list[Path]:
    """List the temporary files or folders of `path`, being written or left by a killed process."""
    return sorted(path.parent.glob(f".{path.name}.*.partial*"))
