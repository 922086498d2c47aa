"""One subject's files as arrays and tables. One accessor, one file; no array is kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, rois
from laion_fmri._errors import (
    InvalidArgumentError,
    SubjectNotFoundError,
    closest,
)
from laion_fmri.betas import read_betas, read_noise_ceiling, warn_if_fraction
from laion_fmri.config import load_settings
from laion_fmri.masks import MaskSource, columns, nonzero
from laion_fmri.nifti import Grid
from laion_fmri.stimuli.by_trial import (
    TrialCaptions,
    TrialEmbeddings,
    TrialImages,
    TrialNames,
    TrialSegmentations,
)
from laion_fmri.stimuli.hub import Stimuli
from laion_fmri.subject_files import RoiQuery, SubjectFiles

if TYPE_CHECKING:
    import pandas as pd


T = TypeVar("T")


def load_subject(subject: str, data_dir: str | os.PathLike[str] | None = None) -> Subject:
    """A handle on one subject's local files.

    Parameters
    ----------
    subject : str
        ``"sub-03"`` or ``"03"``.
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    DataDirNotSetError
        When no data directory is configured, or it does not exist.
    SubjectNotFoundError
        When the identifier is malformed, or none of its files are local.

    Examples
    --------
    >>> sub = load_subject("sub-01")
    >>> sub.get_sessions()[0]
    'ses-01'
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    name = layout.subject_id(subject)
    here = local_subjects(root)
    if name not in here:
        text = f"{name} has no files in {root}."
        if here:
            text += f" Here: {', '.join(here)}."
        close = [c for c in closest(name, here) if c != name]
        if close:
            text += f" Did you mean {' or '.join(close)}?"
        raise SubjectNotFoundError(f"{text} `laion-fmri download --subject {name}` fetches them.")
    return Subject(name, root)


def local_subjects(data_dir: Path) -> list[str]:
    """Subjects with a folder in any derivative tree of `data_dir`, sorted."""
    return sorted(
        {
            path.name
            for tree in layout.DERIVATIVE_TREES
            for path in (data_dir / tree).glob("sub-*")
            if path.is_dir()
        }
    )


class Subject:
    """One subject's local files; made by `load_subject`.

    Attributes
    ----------
    name : str
        Full identifier, ``"sub-03"``.
    data_dir : Path
    """

    def __init__(self, name: str, data_dir: Path) -> None:
        self.name = name
        self.data_dir = data_dir
        self._files = SubjectFiles(name, data_dir)

    def __repr__(self) -> str:
        sessions = self.get_sessions()
        return f"<Subject {self.name}: {len(sessions)} sessions in {self.data_dir}>"

    # --- sessions and trials -----------------------------------------------------------

    def get_sessions(self) -> list[str]:
        """Sessions whose betas are local, in order: ``["ses-01", …]``."""
        return self._files.sessions()

    def get_trial_info(
        self, session: str | Iterable[str] | None = None
    ) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """The trial table of a session; row i is row i of its betas.

        Parameters
        ----------
        session : str, list of str or None
            A list gives a dict keyed by session; None every local session, as a dict.

        Returns
        -------
        DataFrame or dict of DataFrame
            Columns session, run, beta_index, label (stimulus file name).
        """
        return self._by_session(session, self._files.trial_table)

    @property
    def metadata(self) -> pd.DataFrame:
        """Every trial of every local session, joined with what is known of its image.

        The row index is the global trial index; rows line up with the betas of
        ``get_betas(session=None)`` concatenated in session order.

        Returns
        -------
        DataFrame
            Columns session, session_trial (0-based in its session), image_name, stim_idx
            (row of the image in the stimuli), unique_or_shared, dataset, then participant,
            n_reps, run and beta_index.

        Raises
        ------
        StimuliNotDownloadedError
            When the stimulus metadata are not local.
        InconsistentDataError
            When a trial shows an image that the metadata do not name.
        """
        from laion_fmri.stimuli.by_trial import trial_metadata

        return trial_metadata(self)

    # --- masks -----------------------------------------------------------------------

    def get_brain_mask(
        self, source: MaskSource = "anatomical", res: str | None = layout.FUNCTIONAL_RES
    ) -> NDArray[np.bool_]:
        """Which voxels of the grid are in the brain.

        Parameters
        ----------
        source : {"anatomical", "rsquare"}
            The anatomically derived mask, or where the mean R² is not zero.
        res : str or None
            ``"1pt8"`` is the functional grid, None the full anatomical resolution;
            ignored for ``"rsquare"``.

        Returns
        -------
        ndarray of bool, shape (n_total_voxels,)
            C order over the grid.
        """
        return nonzero(self._files.brain_volume(source, res))

    def get_n_voxels(self, source: MaskSource = "anatomical") -> int:
        """Number of brain-mask voxels on the functional grid: the columns of the betas."""
        return int(self.get_brain_mask(source).sum())

    def get_available_categories(self) -> list[str]:
        """The categories this subject's local ROIs fall into, sorted."""
        return list(self._files.roi_index().categories)

    def get_available_rois(self, category: str | None = None) -> list[str]:
        """This subject's local ROIs, all or those of one category, sorted."""
        return self._files.roi_index().names(category)

    def resolve_rois(self, roi: RoiQuery) -> list[str]:
        """The ROIs that a query names, each once; the grammar of `get_roi_mask`."""
        return self._files.resolve(roi)

    def get_roi_mask(self, roi: RoiQuery) -> NDArray[np.bool_]:
        """The union of the volume masks of the ROIs that a query names.

        Parameters
        ----------
        roi : str or list of str
            An ROI, a category, ``"all"``, or a list mixing them.

        Returns
        -------
        ndarray of bool, shape (n_total_voxels,)
            C order over the functional grid, like `get_brain_mask`.

        Raises
        ------
        UnknownNameError
            When a name is neither an ROI nor a category of this subject.
        DataNotDownloadedError
            When no ROI, or not this one's volume mask, is local.
        """
        return self._files.roi_mask_on(None, roi)

    def get_roi_masks(self, queries: RoiQuery) -> dict[str, NDArray[np.bool_]]:
        """`get_roi_mask` of each query, keyed by the queries as given."""
        listed = [queries] if isinstance(queries, str) else list(queries)
        return {query: self.get_roi_mask(query) for query in listed}

    def get_roi_data(
        self, roi: RoiQuery, format: rois.RoiFormat = "all", hemi: str = "all"
    ) -> dict[str, dict[str, Any]]:
        """ROIs in the forms they are published in.

        Parameters
        ----------
        roi : str or list of str
        format : {"all", "volume", "nii.gz", "gii", "func.gii", "label"}
            ``"nii.gz"`` is ``"volume"``; ``"gii"`` is both surface forms.
        hemi : {"L", "R", "all"}

        Returns
        -------
        dict
            ``{roi: {"volume": bool (n_total_voxels,), "gii": {"hemi-L": {"func.gii": bool
            (n_vertices,), "label": int (n_in_label,)}, "hemi-R": …}}}``, without what was
            not asked for. With ``hemi="all"`` a hemisphere that has no file is left out.
        """
        surface, sides = rois.surface_formats(format), rois.hemispheres(hemi)
        found: dict[str, dict[str, Any]] = {}
        for name in self._files.resolve(roi):
            found[name] = {}
            if rois.wants_volume(format):
                found[name]["volume"] = self.get_roi_mask(name)
            if surface:
                found[name]["gii"] = self._files.roi_surfaces(
                    name, surface, sides, required=hemi != rois.ALL
                )
        return found

    # --- responses ----------------------------------------------------------------------

    def get_betas(
        self,
        session: str | Iterable[str] | None = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        nc_threshold: float | None = None,
        stimuli: str | None = None,
        mask_source: MaskSource = "anatomical",
        streaming: bool = False,
    ) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]:
        """Single-trial betas.

        Parameters
        ----------
        session : str, list of str or None
            A list gives a dict keyed by session; None every local session, as a dict.
        roi : str or list of str, optional
            Keep the voxels of these ROIs (see `get_roi_mask`).
        mask : bool array, optional
            Keep these voxels: over the grid or over the brain mask's voxels. Not with `roi`.
        nc_threshold : float, optional
            Keep voxels whose noise ceiling of the session is above this, in percent.
        stimuli : {"shared", "unique"}, optional
            Keep trials whose image every subject saw, or only this one.
        mask_source : {"anatomical", "rsquare"}
            Which brain mask the voxels come from.
        streaming : bool
            Kept for its promise, which always holds: memory is the output and one volume.

        Returns
        -------
        ndarray of float32, shape (n_trials, n_voxels), or dict of them
            In the units of the published betas. NaN where there is no estimate.

        Raises
        ------
        DataNotDownloadedError
            When a file that is needed is not local; the message says how to get it.
        InconsistentDataError
            When betas, masks or trial table do not belong together.
        DamagedFileError
            When the betas are truncated or corrupt.
        """
        warn_if_fraction(nc_threshold)
        brain = self._files.brain_volume(mask_source)
        wanted = columns(nonzero(brain), self._files.chosen(brain.grid, roi, mask))

        return self._by_session(
            session,
            lambda ses: read_betas(self._files, ses, brain.grid, wanted, nc_threshold, stimuli),
        )

    def get_noise_ceiling(
        self,
        session: str | Iterable[str] | None = None,
        desc: str | None = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        mask_source: MaskSource = "anatomical",
    ) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]:
        """Explainable variance of each voxel, in percent (0 to 100).

        Parameters
        ----------
        session : str or list of str
            From the repeats inside a session; a list gives a dict keyed by session.
        desc : str
            Across sessions: ``"Noiseceiling4rep"``, ``"Noiseceiling12rep"`` (images with
            exactly that many repeats) or ``"NoiseceilingAllrep"``.
        roi, mask, mask_source
            Voxels, as in `get_betas`.

        Returns
        -------
        ndarray of float32, shape (n_voxels,), or dict of them

        Raises
        ------
        InvalidArgumentError
            When neither or both of `session` and `desc` are given.
        """
        if (session is None) == (desc is None):
            raise InvalidArgumentError(
                "Give either session=… (one session's noise ceiling) or desc=… (across sessions: "
                f"{', '.join(layout.SUBJECT_NOISE_CEILINGS)})."
            )
        brain = self._files.brain_volume(mask_source)
        wanted = columns(nonzero(brain), self._files.chosen(brain.grid, roi, mask))

        if desc is not None:
            path = self._files.noise_ceiling_path(desc)
            return read_noise_ceiling(path, brain.grid, wanted)
        return self._by_session(
            session,
            lambda ses: read_noise_ceiling(
                self._files.session_noise_ceiling_path(ses), brain.grid, wanted
            ),
        )

    def get_available_noise_ceilings(self) -> list[str]:
        """The `desc` of every cross-session noise ceiling that is local."""
        return [
            desc
            for desc in layout.SUBJECT_NOISE_CEILINGS
            if self._files.found(layout.subject_noise_ceiling(self.name, desc))
        ]

    # --- brain space --------------------------------------------------------------------

    def to_nifti(
        self,
        values: NDArray,
        path: str | os.PathLike[str],
        mask_source: MaskSource = "anatomical",
    ) -> Path:
        """Write one value a voxel as a volume on the functional grid, 0 outside the mask.

        Parameters
        ----------
        values : array of shape (n_voxels,)
        path : path
            Ends in ``.nii`` or ``.nii.gz``.

        Raises
        ------
        InvalidArgumentError
            When the length is not that of the brain mask, or the name is no NIfTI's.
        """
        from laion_fmri.volumes import write_volume

        grid, volume = self.to_volume(values, mask_source)
        return write_volume(Path(path), volume, grid)

    def to_volume(
        self, values: NDArray, mask_source: MaskSource = "anatomical"
    ) -> tuple[Grid, NDArray]:
        """One value a voxel put back on the functional grid, 0 outside the brain mask."""
        brain = self._files.brain_volume(mask_source)
        inside = nonzero(brain)
        values = np.asarray(values)
        if values.shape != (int(inside.sum()),):
            raise InvalidArgumentError(
                f"One value a voxel of the {mask_source} mask was expected, shape "
                f"({int(inside.sum())},); this array has shape {values.shape}. Choose the "
                "mask_source the values came from."
            )
        volume = np.zeros(brain.grid.n_voxels, dtype=values.dtype)
        volume[inside] = values
        return brain.grid, volume.reshape(brain.grid.shape)

    def get_voxel_coordinates(self, mask_source: MaskSource = "anatomical") -> NDArray[np.float64]:
        """Where each brain-mask voxel is, in mm of the T1w space; shape (n_voxels, 3)."""
        brain = self._files.brain_volume(mask_source)
        indices = np.unravel_index(np.flatnonzero(nonzero(brain)), brain.grid.shape)
        return np.stack(indices, axis=1) @ brain.grid.affine[:3, :3].T + brain.grid.affine[:3, 3]

    # --- anatomy ------------------------------------------------------------------------

    def has_anatomical(self) -> bool:
        """Whether any anatomical volume is local."""
        return any(self._files.path(layout.anatomical_dir(self.name)).glob("*.nii.gz"))

    def get_anatomical_dir(self) -> Path:
        """Folder of the anatomical derivatives."""
        return self._files.local(layout.anatomical_dir(self.name), include="anatomical")

    def get_t1w(self, res: str | None = None) -> Path:
        """Path of the T1w volume; ``res="1pt8"`` for the functional grid."""
        return self._files.local(layout.anatomical(self.name, "T1w", res), include="anatomical")

    def get_t2w(self, res: str | None = None) -> Path:
        """Path of the T2w volume; ``res="1pt8"`` for the functional grid."""
        return self._files.local(layout.anatomical(self.name, "T2w", res), include="anatomical")

    def get_anatomical_brain_mask(self, res: str | None = None) -> Path:
        """Path of the anatomical brain mask; ``res="1pt8"`` for the functional grid."""
        what = layout.anatomical(self.name, "desc-brain_mask", res)
        return self._files.local(what, include="anatomical")

    def has_freesurfer(self) -> bool:
        """Whether the FreeSurfer recon is local."""
        return (self._files.path(layout.freesurfer_dir(self.name)) / "surf").is_dir()

    def get_freesurfer_dir(self) -> Path:
        """Folder of the FreeSurfer recon, a FreeSurfer subject directory."""
        return self._files.local(layout.freesurfer_dir(self.name), include="freesurfer")

    # --- stimuli by trial ---------------------------------------------------------------

    @property
    def images(self) -> TrialImages:
        """The images shown, by global trial index."""
        return TrialImages(self._stimuli, self._trial_names)

    @property
    def embeddings(self) -> TrialEmbeddings:
        """Embeddings of the images shown, by global trial index."""
        return TrialEmbeddings(self._stimuli, self._trial_names)

    @property
    def segmentations(self) -> TrialSegmentations:
        """Object masks of the images shown, by global trial index."""
        return TrialSegmentations(self._stimuli, self._trial_names)

    @property
    def captions(self) -> TrialCaptions:
        """Captions of the images shown, by global trial index."""
        return TrialCaptions(self._stimuli, self._trial_names)

    @cached_property
    def _stimuli(self) -> Stimuli:
        return Stimuli(self.data_dir)

    @cached_property
    def _trial_names(self) -> TrialNames:
        return TrialNames(self)

    def has_stimuli(self) -> bool:
        """Whether the stimulus metadata are local."""
        return self._files.path(layout.STIMULI_METADATA).exists()

    def get_stimulus_metadata(self) -> pd.DataFrame:
        """The metadata of every image of the dataset; row i is image i of the stimuli."""
        from laion_fmri.stimuli.metadata import read_metadata

        return read_metadata(self.data_dir)

    def get_n_stimuli(self) -> int:
        """Number of images in the dataset."""
        return len(self.get_stimulus_metadata())

    # --- sessions -----------------------------------------------------------------------

    def _by_session(
        self, session: str | Iterable[str] | None, read: Callable[[str], T]
    ) -> T | dict[str, T]:
        """One session's result, or a dict of them for a list; None is every local one."""
        if (session is not None and not isinstance(session, Iterable)) or isinstance(session, str):
            return read(layout.session_id(session))
        listed = self.get_sessions() if session is None else session
        return {ses: read(ses) for ses in map(layout.session_id, listed)}
