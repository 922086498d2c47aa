"""Where stores are, and what is known of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from laion_fmri import layout
from laion_fmri.config import load_settings
from laion_fmri.fingerprint import FileFingerprint
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.masks import require_mask_source

STORE_DIR = ".laion_fmri/store"
"""Default folder, relative to the data directory."""

OTHER_RELEASE = "it was built by another release of this package"


@dataclass(frozen=True)
class StoreInfo:
    """A store on disk.

    Attributes
    ----------
    subject, session, mask_source : str
        The session is ``"averages"`` for a store of image averages.
    path : Path
        A folder.
    n_trials, n_voxels : int
        0 if the store is damaged. For averages, the trials that were averaged.
    n_bytes : int
        Size of its files.
    is_fresh : bool
        Whether it is used.
    reason : str
        Why it is not used; empty if it is.
    n_images : int
        Images of a store of averages; 0 for one of betas.
    """

    subject: str
    session: str
    mask_source: str
    path: Path
    n_trials: int
    n_voxels: int
    n_bytes: int
    is_fresh: bool
    reason: str
    n_images: int = 0


def store_root(data_dir: Path) -> Path:
    """Return the folder of the stores of a data directory."""
    return load_settings().store_dir or data_dir / STORE_DIR


def subject_files(subject: str, data_dir: str | os.PathLike[str] | None) -> SubjectFiles:
    """Return the files of a subject in a data directory, the configured one by default."""
    root = load_settings(data_dir=data_dir).require_data_dir()
    return SubjectFiles(layout.subject_id(subject), root)


def mask_path(files: SubjectFiles, mask_source: str) -> Path:
    """Return the file that `SubjectFiles.brain_volume` reads."""
    if require_mask_source(mask_source) == "rsquare":
        return files.local(layout.mean_rsquare(files.name))
    key = layout.anatomical(files.name, "desc-brain_mask", layout.FUNCTIONAL_RES)
    return files.local(key, include="anatomical")


def change_of_mask(recorded: FileFingerprint, files: SubjectFiles, mask_source: str) -> str:
    """Describe a change of a brain mask's file; empty if there is none."""
    try:
        path = mask_path(files, mask_source)
    except FileNotFoundError:
        return "the brain mask is gone"
    return change_of(recorded, path, "the brain mask has changed")


def change_of(recorded: FileFingerprint, path: Path, changed: str) -> str:
    """Return `changed` if a file is not as recorded, empty if it is."""
    try:
        return "" if recorded.matches(path) else changed
    except OSError as error:
        return f"the files it was made from cannot be read ({error})"
