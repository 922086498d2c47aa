"""The places on disk that files go to."""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path

from laion_fmri._errors import TransferError
from laion_fmri.transfer.partial import VERSION_LENGTH
from laion_fmri.transfer.plan import FileStatus, PlannedFile, TransferPlan, format_bytes

_SPARE = 64 << 20  # bytes of the disk never used up


def require_room(plan: TransferPlan) -> None:
    """Refuse a plan that the data directory cannot take.

    Raises
    ------
    TransferError
        When it cannot be written to, or has not enough room.
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


def is_brought(file: PlannedFile) -> bool:
    """Whether somebody else has brought the file since it was planned."""
    if file.status in (FileStatus.DAMAGED, FileStatus.STALE):
        return False  # what is there is not what is wanted, whatever size the new one has
    try:
        return file.path.stat().st_size == file.size
    except OSError:
        return False


class Places:
    """Folders below the data directory, each looked at once.

    Parameters
    ----------
    data_dir : Path
    """

    def __init__(self, data_dir: Path) -> None:
        self._root = os.path.realpath(data_dir)
        self._partials: dict[Path, list[Path]] = {}
        self._lock = threading.Lock()

    def prepare(self, file: PlannedFile) -> None:
        """Make a file's folder; partial files of its other versions go.

        Raises
        ------
        TransferError
            When the place is a folder, or a symbolic link leads out of the data directory.
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
                self._partials[folder] = [p for p in folder.iterdir() if p.suffix == ".part"]
        # As many places as a version has, so that "lh.sphere" leaves "lh.sphere.reg" alone.
        version = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{{VERSION_LENGTH}}}\.part")
        for other in self._partials[folder]:
            if version.fullmatch(other.name) and other != file.partial_path:
                other.unlink(missing_ok=True)

    def _require_inside(self, folder: Path) -> None:
        real = os.path.realpath(folder)
        if os.path.commonpath([real, self._root]) != self._root:
            raise TransferError(
                f"{folder} leads out of the data directory by a symbolic link, to {real}. "
                "Remove the link, or make the data directory itself the link."
            )
