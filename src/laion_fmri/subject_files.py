"""Find and open one subject's downloaded files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, trials
from laion_fmri._errors import DataNotDownloadedError, InvalidArgumentError, closest
from laion_fmri.arguments import as_items, is_single
from laion_fmri.names import as_name
from laion_fmri.volumes import rois
from laion_fmri.volumes.grid import Series, Volume, read_volume, require_same_grid
from laion_fmri.volumes.masks import nonzero, require_mask_source
from laion_fmri.volumes.nifti import Grid

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
RoiQuery = str | Iterable[str]
OneSession = str | int
SeveralSessions = Iterable[str | int] | None  # None for all downloaded sessions


def local_subjects(data_dir: Path) -> list[str]:
    """List subjects with a folder in any derivative tree of `data_dir`, sorted."""
    return sorted(
        {
            path.name
            for tree in layout.DERIVATIVE_TREES
            for path in (data_dir / tree).glob("sub-*")
            if path.is_dir()
        }
    )


class SubjectFiles:
    """The downloaded files of one subject, with errors that say how to download missing ones."""

    def __init__(self, name: str, data_dir: Path) -> None:
        self.name = name
        self.data_dir = data_dir

    # --- files --------------------------------------------------------------------------

    def path(self, key: str) -> Path:
        """Return the local path of a key; it need not exist."""
        return layout.local_path(self.data_dir, key)

    def found(self, key: str) -> Path | None:
        """Return the path of a key's file or folder if it exists, even if decompressed."""
        for name in (key, key.removesuffix(".gz")):
            path = self.path(name)
            if path.exists():
                return path
        return None

    def local(self, key: str, ses: str = layout.AVERAGES, include: str | None = None) -> Path:
        """Return the path of a downloaded key; `ses` and `include` are advice for the error."""
        path = self.found(key)
        if path is not None:
            return path
        if meant := layout.sessions_like(ses, set(self.sessions()) - {ses}):
            raise DataNotDownloadedError(
                f"{self.name} has no session {ses} in {self.data_dir}. Did you mean "
                f"{' or '.join(meant)}?"
            )
        option = f", include_{include}=True" if include else ""
        raise DataNotDownloadedError(
            f"{Path(key).name} is not in {self.data_dir}. download(subject={self.name!r}, "
            f"ses={ses!r}{option}) fetches it if the bucket has it."
        )

    def betas_path(self, ses: str) -> Path | None:
        """Return the path of a session's betas, compressed or not; None if not downloaded."""
        return self.found(layout.betas(self.name, ses))

    def require_betas(self, ses: str) -> Path:
        """Return the path of a session's betas; raise an error if not downloaded."""
        return self.betas_path(ses) or self.local(layout.betas(self.name, ses), ses=ses)

    def sessions(self) -> list[str]:
        """List the sessions with downloaded betas, in order."""
        folder = self.data_dir / layout.subject_betas_dir(self.name)
        found = [p.name for p in folder.glob("ses-*") if self.betas_path(p.name) is not None]
        return sorted(found, key=layout.natural_order)

    def series(self, ses: str, grid: Grid) -> Series:
        """Open the betas of a session, which must have the given grid."""
        path = self.require_betas(ses)
        series = Series.open(path)
        require_same_grid(grid, series.grid, path)
        return series

    def trial_table(self, ses: str) -> pd.DataFrame:
        """Read the trial table of a session."""
        return trials.read_trials(self.local(layout.trials(self.name, ses), ses=ses))

    def brain_volume(
        self, source: str = "anatomical", res: str | None = layout.FUNCTIONAL_RES
    ) -> Volume:
        """Read the volume that defines a brain mask."""
        if require_mask_source(source) == "rsquare":
            return read_volume(self.local(layout.mean_rsquare(self.name)))
        key = layout.anatomical(self.name, "desc-brain_mask", res)
        return read_volume(self.local(key, include="anatomical"))

    def session_noise_ceiling_path(self, ses: str) -> Path:
        """Return the path of the noise ceiling from the repeats within one session."""
        return self.local(layout.session_noise_ceiling(self.name, ses), ses=ses)

    def noise_ceiling_path(self, desc: str) -> Path:
        """Return the path of the cross-session noise ceiling of a `desc`."""
        name = as_name(desc, "noise ceiling")
        if name in layout.SUBJECT_NOISE_CEILINGS:
            return self.local(layout.subject_noise_ceiling(self.name, name))
        if name.isalnum() and (path := self.found(layout.subject_noise_ceiling(self.name, name))):
            return path
        close = closest(name, layout.SUBJECT_NOISE_CEILINGS) or layout.SUBJECT_NOISE_CEILINGS
        raise DataNotDownloadedError(
            f"{self.name} has no noise ceiling {name!r} in {self.data_dir}. "
            f"Did you mean {' or '.join(close)}?"
        )

    def freesurfer_dir(self) -> Path:
        """Return the folder of the FreeSurfer recon."""
        return self.local(layout.freesurfer_dir(self.name), include="freesurfer")

    # --- ROIs ---------------------------------------------------------------------------

    def roi_index(self) -> rois.RoiIndex:
        """Return the index of downloaded ROIs."""
        root = self.data_dir / layout.ROIS_TREE / self.name
        names = (
            path.relative_to(self.data_dir).as_posix() for path in root.glob("*/*_label-*_mask.*")
        )
        return rois.RoiIndex.from_names(names, owner=self.name)

    def resolve(self, roi: RoiQuery, index: rois.RoiIndex | None = None) -> list[str]:
        """Return the ROIs of a query; `index` is that of the downloaded ROIs, if known."""
        index = index or self.roi_index()
        if not index.categories:
            raise DataNotDownloadedError(
                f"No ROI of {self.name} is in {self.data_dir}. "
                f"download(subject={self.name!r}, ses='averages') fetches them."
            )
        return index.resolve(roi)

    def roi_grid_mask(
        self, roi: RoiQuery, grid: Grid | None = None, index: rois.RoiIndex | None = None
    ) -> tuple[Grid, NDArray[np.bool_]]:
        """Return the union of ROI masks with their grid, which must be `grid` if given.

        `index` is that of the downloaded ROIs, if known.
        """
        index = index or self.roi_index()
        union: NDArray[np.bool_] | None = None
        for name in self.resolve(roi, index):
            keys = [layout.roi_volume(self.name, c, name) for c in index.categories_of(name)]
            for path in [p for key in keys if (p := self.found(key))] or [self.local(keys[0])]:
                volume = read_volume(path)
                grid = grid or volume.grid
                require_same_grid(grid, volume.grid, path)
                union = nonzero(volume) if union is None else union | nonzero(volume)
        assert grid is not None and union is not None  # a query names at least one ROI
        return grid, union

    def roi_surfaces(
        self, name: str, formats: Iterable[str], sides: Iterable[str], required: bool
    ) -> dict[str, dict[str, NDArray]]:
        """Read surface masks and labels of one ROI by hemisphere; absent ones raise if `required`.

        An ROI with two categories is the union of both, like its volume.
        """
        readers = {"func.gii": rois.read_surface_mask, "label": rois.read_label}
        categories = self.roi_index().categories_of(name)
        found: dict[str, dict[str, NDArray]] = {}
        for side in sides:
            for form in formats:
                keys = [
                    layout.roi_surface(self.name, c, name, side, f".{form}") for c in categories
                ]
                paths = [self.path(key) for key in keys if self.path(key).exists()]
                if required and not paths:
                    paths = [self.local(keys[0])]
                if paths:
                    parts = [readers[form](path) for path in paths]
                    found.setdefault(f"hemi-{side}", {})[form] = rois.union(parts, paths[0])
        return found

    def chosen(
        self, grid: Grid, roi: RoiQuery | None, mask: NDArray[np.bool_] | None
    ) -> NDArray[np.bool_] | None:
        """The mask of the chosen voxels, by ROI or by mask; None means all."""
        if roi is not None and mask is not None:
            raise InvalidArgumentError("Give either roi=… or mask=…, not both.")
        return self.roi_grid_mask(roi, grid)[1] if roi is not None else mask


class LocalSubject:
    """Base class of `laion_fmri.subject.Subject`: a subject and the folder with its files.

    Parameters
    ----------
    subject_id : str
        ``"sub-03"`` or ``"03"``.
    data_dir : path
    """

    def __init__(self, subject_id: str, data_dir: str | os.PathLike[str]) -> None:
        self.name = self.subject_id = layout.subject_id(subject_id)
        self.data_dir = Path(data_dir)
        self._files = SubjectFiles(self.name, self.data_dir)

    def get_sessions(self) -> list[str]:
        """List the sessions with downloaded betas, in order: ``["ses-01", …]``."""
        return self._files.sessions()

    def _by_session(
        self, session: OneSession | SeveralSessions, read: Callable[[str], T]
    ) -> T | dict[str, T]:
        """One session's result, or a dict of them for a list; None for all downloaded sessions."""
        if session is not None and is_single(session):
            return read(layout.session_id(session))
        listed = self.get_sessions() if session is None else as_items(session)
        return {ses: read(ses) for ses in map(layout.session_id, listed)}
