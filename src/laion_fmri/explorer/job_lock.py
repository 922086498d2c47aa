"""One server owns the downloads of a data directory; others may look on."""

from __future__ import annotations

import errno
import logging
import os
import socket
from contextlib import suppress
from pathlib import Path

from laion_fmri.explorer.job_records import FOLDER

try:
    import fcntl
except ImportError:  # Windows: two servers are not kept apart
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("laion_fmri.explorer")

_FILE = "jobs.lock"


class JobLock:
    """A lock that ends with its process, however that ends.

    Parameters
    ----------
    data_dir : Path
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FOLDER / _FILE
        self._file: int | None = None

    def take(self) -> bool:
        """Whether it is ours now, or was before.

        A disk that knows no locks, or that cannot be written to, keeps nobody out.
        """
        if self._file is not None or fcntl is None:
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            log.warning("%s cannot be written (%s)", self._path, error.strerror or error)
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        self._file = file
        return True

    def owner(self) -> str:
        """Who has it, as far as that is known."""
        with suppress(OSError, UnicodeDecodeError):
            return self._path.read_text(encoding="utf-8").strip()
        return ""

    def give_back(self) -> None:
        """Let others have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
