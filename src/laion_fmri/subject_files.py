"""Finding and opening one subject's local files, before they become public arrays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, rois, trials
from laion_fmri._errors import DataNotDownloadedError, InvalidArgumentError, UnknownNameError
from laion_fmri.masks import nonzero, require_mask_source
from laion_fmri.nifti import Grid
from laion_fmri.volumes import Series, Volume, read_volume, require_same_grid

if TYPE_CHECKING:
    import pandas as pd

RoiQuery = str | Iterable[str]


class SubjectFiles:
    """Where one subject's files are, and what is wrong when they are not."""

    def __init__(self, name: str, data_dir: Path) -> None:
        self.name = name
        self.data_dir = data_dir

    # --- files --------------------------------------------------------------------------

    def path(self, key: str) -> Path:
        """Where a key's file is, or would be."""
        return layout.local_path(self.data_dir, key)

    def found(self, key: str) -> Path | None:
        """The path of a key's file or folder, also of a volume that was uncompressed."""
        for name in (key, key.removesuffix(".gz")):
            path = self.path(name)
            if path.exists():
                return path
        return None

    def local(self, key: str, ses: str = layout.AVERAGES, include: str | None = None) -> Path:
        """The path of a key that must be here; `ses` and `include` are what fetches it."""
        path = self.found(key)
        if path is not None:
            return path
        option = f", include_{include}=True" if include else ""
        raise DataNotDownloadedError(
            f"{Path(key).name} is not in {self.data_dir}. download(subject={self.name!r}, "
            f"ses={ses!r}{option}) fetches it if the bucket has it."
        )

    def betas_path(self, ses: str) -> Path | None:
        """The betas of a session, compressed or not; None where they are not local."""
        return self.found(layout.betas(self.name, ses))

    def require_betas(self, ses: str) -> Path:
        """The betas of a session, which must be local."""
        return self.betas_path(ses) or self.local(layout.betas(self.name, ses), ses=ses)

    def sessions(self) -> list[str]:
        """Sessions whose betas are local, in order."""
        folder = self.data_dir / layout.subject_betas_dir(self.name)
        found = [p.name for p in folder.glob("ses-*") if self.betas_path(p.name) is not None]
        return sorted(found, key=layout.natural_order)

    def series(self, ses: str, grid: Grid) -> Series:
        """The betas of a session, opened, on the grid they must lie on."""
        path = self.require_betas(ses)
        series = Series.open(path)
        require_same_grid(grid, series.grid, path)
        return series

    def trial_table(self, ses: str) -> pd.DataFrame:
        """The trial table of a session."""
        return trials.read_trials(self.local(layout.trials(self.name, ses), ses=ses))

    def brain_volume(
        self, source: str = "anatomical", res: str | None = layout.FUNCTIONAL_RES
    ) -> Volume:
        """The volume a brain mask is made from."""
        if require_mask_source(source) == "rsquare":
            return read_volume(self.local(layout.mean_rsquare(self.name)))
        key = layout.anatomical(self.name, "desc-brain_mask", res)
        return read_volume(self.local(key, include="anatomical"))

    def session_noise_ceiling_path(self, ses: str) -> Path:
        """The noise ceiling from the repeats inside one session."""
        return self.local(layout.session_noise_ceiling(self.name, ses), ses=ses)

    def noise_ceiling_path(self, desc: str) -> Path:
        """The cross-session noise ceiling of that `desc`."""
        if desc not in layout.SUBJECT_NOISE_CEILINGS:
            raise UnknownNameError("noise ceiling", desc, layout.SUBJECT_NOISE_CEILINGS)
        return self.local(layout.subject_noise_ceiling(self.name, desc))

    # --- ROIs ---------------------------------------------------------------------------

    def roi_index(self) -> rois.RoiIndex:
        """The ROIs that are local."""
        root = self.data_dir / layout.ROIS_TREE / self.name
        names = (
            path.relative_to(self.data_dir).as_posix() for path in root.glob("*/*_label-*_mask.*")
        )
        return rois.RoiIndex.from_names(names, owner=self.name)

    def resolve(self, roi: RoiQuery, index: rois.RoiIndex | None = None) -> list[str]:
        """The ROIs that a query names; `index` is what is local, where that is known."""
        index = index or self.roi_index()
        if not index.categories:
            raise DataNotDownloadedError(
                f"No ROI of {self.name} is in {self.data_dir}. "
                f"download(subject={self.name!r}, ses='averages') fetches them."
            )
        return index.resolve(roi)

    def roi_mask_on(self, grid: Grid | None, roi: RoiQuery) -> NDArray[np.bool_]:
        """The union of ROI masks; on `grid` where one is given."""
        index = self.roi_index()
        union: NDArray[np.bool_] | None = None
        for name in self.resolve(roi, index):
            keys = [layout.roi_volume(self.name, c, name) for c in index.categories_of(name)]
            for path in [p for key in keys if (p := self.found(key))] or [self.local(keys[0])]:
                volume = read_volume(path)
                grid = grid or volume.grid
                require_same_grid(grid, volume.grid, path)
                union = nonzero(volume) if union is None else union | nonzero(volume)
        assert union is not None  # a query resolves to at least one ROI
        return union

    def roi_surfaces(
        self, name: str, formats: Iterable[str], sides: Iterable[str], required: bool
    ) -> dict[str, dict[str, NDArray]]:
        """Surface masks and labels of one ROI by hemisphere; absent ones raise if `required`.

        An ROI that is filed under two categories is the union of both, as its volume is.
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
        """The voxels asked for, by ROI or by mask; None is all."""
        if roi is not None and mask is not None:
            raise InvalidArgumentError("Give either roi=… or mask=…, not both.")
        return self.roi_mask_on(grid, roi) if roi is not None else mask
