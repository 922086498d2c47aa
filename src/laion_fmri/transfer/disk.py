"""Disk space and target folders of a transfer."""

from __future__ import annotations

import os
import re
import shutil
import threading
from contextlib import suppress
from pathlib import Path

from laion_fmri._errors import TransferError
from laion_fmri.transfer.partial import LOCK_SUFFIX, SUFFIX, VERSION_LENGTH
from laion_fmri.transfer.plan import FileStatus, PlannedFile, TransferPlan, format_bytes

_SUFFIXES = (SUFFIX, LOCK_SUFFIX)
_SPARE = 64 << 20  # bytes of disk space to leave free


def require_disk_space(plan: TransferPlan) -> None:
    """Check that the data directory has space for the files of a plan.

    Raises
    ------
    TransferError
        When it is not writable, or disk space is insufficient.
    """
    if not plan.to_fetch:
        return
    folder = plan.data_dir
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise TransferError(
            f"{plan.data_dir} cannot be written to. Ask for the right to, or choose another data "
            "directory (`laion-fmri config --data-dir DIR`)."
        )
    needed, free = plan.bytes_to_fetch, shutil.disk_usage(folder).free
    if needed and needed + _SPARE > free:
        raise TransferError(
            f"{format_bytes(needed)} are needed in {plan.data_dir} but {format_bytes(free)} are "
            "free. Choose less, or another data directory."
        )


def is_complete(file: PlannedFile) -> bool:
    """Whether another process has fetched the file since it was planned."""
    if file.status in (FileStatus.DAMAGED, FileStatus.OUTDATED):
        return False  # the existing file is wrong, whatever its size
    try:
        return file.path.stat().st_size == file.size
    except OSError:
        return False


class TargetFolders:
    """Target folders below the data directory, each checked once.

    Parameters
    ----------
    data_dir : Path
    """

    def __init__(self, data_dir: Path) -> None:
        self._root = os.path.realpath(data_dir)
        self._partials: dict[Path, list[Path]] = {}
        self._lock = threading.Lock()

    def prepare(self, file: PlannedFile) -> None:
        """Create the folder of a file, and remove partial files of its other versions.

        Raises
        ------
        TransferError
            When the target is a folder, or a symbolic link leads out of the data directory.
        """
        path, folder = file.path, file.path.parent
        if path.is_dir():
            raise TransferError(
                f"{path} is a folder where a file should be. Move it away and try again."
            )
        with self._lock:
            if folder not in self._partials:
                self._require_inside(folder)
                folder.mkdir(parents=True, exist_ok=True)
                self._partials[folder] = [p for p in folder.iterdir() if p.suffix in _SUFFIXES]
        # Match the exact length of a version, so that "lh.sphere" does not match "lh.sphere.reg".
        version = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{{VERSION_LENGTH}}}")
        for other in self._partials[folder]:
            if version.fullmatch(other.stem) and other.stem != file.partial_path.stem:
                with suppress(PermissionError):  # on Windows, the file is open in another process
                    other.unlink(missing_ok=True)

    def _require_inside(self, folder: Path) -> None:
        real = os.path.realpath(folder)
        if os.path.commonpath([real, self._root]) != self._root:
            raise TransferError(
                f"{folder} leads out of the data directory by a symbolic link, to {real}. "
                "Remove the link, or make the data directory itself the link."
            )
