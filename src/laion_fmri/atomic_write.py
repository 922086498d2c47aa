"""Atomic writes: a file appears under its name when it is complete, or not at all."""

from __future__ import annotations

import os
import secrets
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
    ending = "".join(path.suffixes)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial{ending}")
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
    """List the temporary files of `path`, being written or left by a killed process."""
    return sorted(path.parent.glob(f".{path.name}.*.partial*"))
