"""The store of image averages: the mean response to each image, over all sessions of a subject.

Responses are z-scored within session and averaged over the repeats of an image (see
`laion_fmri.store.averaging`). A store holds one subject inside one brain mask, 6.3 GB at the
published size instead of 41 GB of betas, in a folder beside the stores of betas. It is a Zarr v3
group with ``mean`` (image, voxel), float32, in chunks of all images of 256 neighbouring voxels;
``voxel``, flat grid indices in C order; ``image``, names in the order of their first showing;
``repeats`` (image, session), the number of trials; and ``session``.

It is fresh as long as the subject has the same sessions, with the same betas, trial tables and
brain mask.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, memory
from laion_fmri._errors import DamagedFileError, StoreError
from laion_fmri.fingerprint import FileFingerprint
from laion_fmri.store.file import grid_as_json, grid_from_json
from laion_fmri.store.folder import folder_bytes
from laion_fmri.store.open_store import OpenStore
from laion_fmri.store.places import (
    OTHER_RELEASE,
    StoreInfo,
    change_of,
    change_of_mask,
    store_root,
)
from laion_fmri.store.zarr_format import Contents, SmallArray
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.nifti import Grid

WIDTH = 256
"""Number of voxels per block."""

_NAME = re.compile(r"(sub-[A-Za-z0-9]+)_mask-([a-z]+)_averages\.zarr")


@dataclass(frozen=True)
class SourceFiles:
    """The files of one session that averages were made from."""

    session: str
    betas: FileFingerprint
    trials: FileFingerprint


@dataclass(frozen=True, eq=False)
class AveragesHeader:
    """The content of a store of averages and the files it was built from.

    Attributes
    ----------
    subject, mask_source : str
    grid : Grid
    voxels : ndarray of int64, shape (n_voxels,)
        The voxels of the brain mask: flat grid indices in C order, increasing.
    names : tuple of str
        The images, in the order of their first showing.
    repeats : ndarray of int32, shape (n_images, n_sessions)
        Trials with each image in each session.
    sources : tuple of SourceFiles
        One a session, in order.
    mask : FileFingerprint
    """

    subject: str
    mask_source: str
    grid: Grid
    voxels: NDArray[np.int64]
    names: tuple[str, ...]
    repeats: NDArray[np.int32]
    sources: tuple[SourceFiles, ...]
    mask: FileFingerprint

    @property
    def sessions(self) -> tuple[str, ...]:
        """The sessions that were averaged, in order."""
        return tuple(source.session for source in self.sources)

    @property
    def contents(self) -> Contents:
        """The arrays and the description of the store."""
        said = {
            "subject": self.subject,
            "mask_source": self.mask_source,
            **grid_as_json(self.grid),
            "sources": [asdict(source) for source in self.sources],
            "mask_file": asdict(self.mask),
        }
        small = {
            "voxel": SmallArray(("voxel",), self.voxels),
            "image": SmallArray(("image",), np.array(self.names, dtype=str)),
            "repeats": SmallArray(("image", "session"), self.repeats),
            "session": SmallArray(("session",), np.array(self.sessions, dtype=str)),
        }
        shape = len(self.names), len(self.voxels)
        return Contents("mean", ("image", "voxel"), shape, WIDTH, small, said)

    @classmethod
    def of(cls, contents: Contents) -> AveragesHeader:
        """Return the header of an open store.

        Raises
        ------
        ValueError, KeyError, TypeError
            When it is no store of averages.
        """
        said, small = contents.said, contents.small
        sources = (
            SourceFiles(
                one["session"],
                FileFingerprint(**one["betas"]),
                FileFingerprint(**one["trials"]),
            )
            for one in said["sources"]
        )
        return cls(
            subject=said["subject"],
            mask_source=said["mask_source"],
            grid=grid_from_json(said),
            voxels=small["voxel"].values,
            names=tuple(small["image"].values.tolist()),
            repeats=small["repeats"].values,
            sources=tuple(sources),
            mask=FileFingerprint(**said["mask_file"]),
        )


class AveragesStore(OpenStore[AveragesHeader]):
    """An open store of averages."""

    header_type = AveragesHeader

    @property
    def names(self) -> tuple[str, ...]:
        """The images, in the order of their first showing."""
        return self.header.names

    @property
    def n_repeats(self) -> NDArray[np.intp]:
        """Number of trials with each image, shape (n_images,)."""
        return self.header.repeats.sum(axis=1, dtype=np.intp)

    @property
    def sessions(self) -> tuple[str, ...]:
        """The sessions that were averaged, in order."""
        return self.header.sessions

    def read(self, rows: NDArray[np.intp] | None, voxels: NDArray[np.intp]) -> NDArray[np.float32]:
        """Read the means of some images in some voxels.

        Parameters
        ----------
        rows : array of int, shape (n_images,), or None
            Positions in `names`, in any order; None for all.
        voxels : array of int, shape (n_voxels,)
            Flat grid indices in C order, increasing, of voxels that are in the store.

        Returns
        -------
        ndarray of float32, shape (n_images, n_voxels)
            NaN where no repeat has a value.

        Raises
        ------
        DamagedFileError
            When the file is shorter than expected, or a checksum is wrong.
        """
        columns = self.columns(voxels)
        wanted = None if rows is None else np.asarray(rows, np.intp)
        places = None
        if wanted is not None and (np.diff(wanted) <= 0).any():
            wanted, places = np.unique(wanted, return_inverse=True)
        n_rows = len(self.names) if wanted is None else len(wanted)
        out = memory.empty((n_rows, len(voxels)), np.float32)
        self._folder.shard.read(wanted, columns, out)
        return out if places is None else out[places]


def averages_path(data_dir: Path, subject: str, mask_source: str) -> Path:
    """Return the path of a subject's averages; they need not exist."""
    return store_root(data_dir) / subject / f"{subject}_mask-{mask_source}_averages.zarr"


def fresh_averages(
    files: SubjectFiles, mask_source: str, sessions: Iterable[str]
) -> AveragesStore | None:
    """Open a subject's averages if they are fresh and of these sessions.

    Parameters
    ----------
    files : SubjectFiles
    mask_source : {"anatomical", "rsquare"}
    sessions : iterable of str
        The sessions to average, in any order; with others than those of the store, None is
        returned.

    Warns
    -----
    UserWarning
        When the averages are outdated or damaged; None is returned.
    """
    path = averages_path(files.data_dir, files.name, mask_source)
    if not path.exists():
        return None
    store, reason = examined(path, files, mask_source)
    if reason:
        warnings.warn(
            f"The averages of {files.name} ({mask_source} mask) are ignored: {reason}. "
            f"Subject.build_averages(mask_source={mask_source!r}) or `laion-fmri store build "
            "--averages` builds them again, `laion-fmri store drop` removes them.",
            UserWarning,
            stacklevel=2,
        )
        return None
    assert store is not None  # it has no fault
    return store if set(store.sessions) == set(sessions) else None


def examined(path: Path, files: SubjectFiles, mask_source: str) -> tuple[AveragesStore | None, str]:
    """Open averages, None if damaged; and return why they cannot be used, empty if they can."""
    try:
        store = AveragesStore.open(path)
    except FileNotFoundError:
        return None, "there are none"
    except StoreError:
        return None, OTHER_RELEASE
    except (OSError, DamagedFileError) as error:
        return None, f"it is damaged ({error})"
    header = store.header
    said = (header.subject, header.mask_source)
    if said != (files.name, mask_source):
        return store, f"it is of {' '.join(said)}"
    return store, change_of_sources(header, files)


def change_of_sources(header: AveragesHeader, files: SubjectFiles) -> str:
    """Describe changes of the files since a header was written; empty if there are none."""
    local = files.sessions()
    if missing := [one for one in header.sessions if one not in local]:
        return f"the betas of {', '.join(missing)} are gone"
    if added := [one for one in local if one not in header.sessions]:
        return f"{', '.join(added)} came later"
    for source in header.sources:
        betas = files.require_betas(source.session)
        trials = files.path(layout.trials(files.name, source.session))
        if reason := (
            change_of(source.betas, betas, f"the betas of {source.session} have changed")
            or change_of(source.trials, trials, f"the trials of {source.session} have changed")
        ):
            return reason
    return change_of_mask(header.mask, files, header.mask_source)


def list_averages(data_dir: Path, subject: str | None = None) -> list[StoreInfo]:
    """List the averages on disk, of all subjects or one, by subject and mask source."""
    found = []
    for path in sorted(store_root(data_dir).glob(f"{subject or 'sub-*'}/*_averages.zarr")):
        if match := _NAME.fullmatch(path.name):
            found.append(averages_info(path, SubjectFiles(match[1], data_dir), match[2]))
    return found


def averages_info(path: Path, files: SubjectFiles, mask_source: str) -> StoreInfo:
    """Return what is known of averages on disk."""
    store, reason = examined(path, files, mask_source)
    return StoreInfo(
        subject=files.name,
        session=layout.AVERAGES,
        mask_source=mask_source,
        path=path,
        n_trials=int(store.header.repeats.sum()) if store else 0,
        n_voxels=len(store.header.voxels) if store else 0,
        n_bytes=folder_bytes(path),
        is_fresh=not reason,
        reason=reason,
        n_images=len(store.names) if store else 0,
    )
