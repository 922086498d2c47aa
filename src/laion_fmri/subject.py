"""One subject's files as arrays and tables. One accessor, one file; no array is kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
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
from laion_fmri.betas import brain_mask, read_betas, read_noise_ceiling, warn_if_fraction
from laion_fmri.config import load_settings
from laion_fmri.html import shortened, table
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
    from nibabel.nifti1 import Nifti1Image
    from PIL.Image import Image

    from laion_fmri.store import StoreInfo
    from laion_fmri.torch_data import TrialDataset


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
    name = layout.resolve_subject_id(subject)
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
        self._stimuli = Stimuli(data_dir)
        self._trial_names = TrialNames(self)

    def __repr__(self) -> str:
        sessions = self.get_sessions()
        return f"<Subject {self.name}: {len(sessions)} sessions in {self.data_dir}>"

    def _repr_html_(self) -> str:
        rois = self._files.roi_index().categories
        return table(
            self.name,
            [
                ("Sessions", shortened(self.get_sessions())),
                *((f"ROIs: {category}", shortened(names)) for category, names in rois.items()),
                ("Stimuli", shortened(self._stimuli.local_parts, 9)),
            ],
            note=f"In {self.data_dir}",
        )

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
            n_reps, run, beta_index and any further column of the trial tables.

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
            An ROI, a category, ``"all"``, or a list mixing them. ``"visual"`` means ``"all"``
            where the subject has no ROI of that name: every published ROI is visual.

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
        """Single-trial betas, from a local store where there is a fresh one (`build_store`).

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
            Kept for its promise, which always holds: memory is the output and about one
            volume. Reading more at once would not be faster.

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
        grid, brain = brain_mask(self._files, mask_source)
        wanted = columns(brain, self._files.chosen(grid, roi, mask))
        del brain  # of the whole grid; only what is asked for is kept while betas are read

        return self._by_session(
            session,
            lambda ses: read_betas(
                self._files, ses, grid, wanted, nc_threshold, stimuli, mask_source
            ),
        )

    def build_store(
        self,
        session: str | Iterable[str] | None = None,
        mask_source: MaskSource = "anatomical",
        force: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> StoreInfo | dict[str, StoreInfo]:
        """Build local stores, from which `get_betas` reads at once; fresh ones are left.

        A store is an uncompressed copy of the masked betas below the data directory: 1.1 to
        1.4 GB a session at the published size (`laion_fmri.store.estimate_store_bytes` says
        it beforehand). Reading from it gives the same numbers, to the last bit.

        Parameters
        ----------
        session : str, list of str or None
            A list gives a dict keyed by session; None every local session, as a dict.
        mask_source : {"anatomical", "rsquare"}
            The brain mask whose voxels are kept.
        force : bool
            Build anew even where a store is fresh.
        progress : callable, optional
            Called now and then with the fraction of a session that is done.

        Returns
        -------
        StoreInfo or dict of them

        Raises
        ------
        DataNotDownloadedError
            When the betas or the brain mask are not local.
        StoreError
            When a store cannot be written, as on a full disk. Nothing is left behind.
        """
        from laion_fmri.store import build_store

        return self._by_session(
            session,
            lambda ses: build_store(self.name, ses, mask_source, self.data_dir, force, progress),
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

    # --- localizers ---------------------------------------------------------------------

    def get_localizer_maps(
        self,
        task: str | Iterable[str] | None = None,
        contrast: str | Iterable[str] | None = None,
        session: str | Iterable[str] | None = None,
        space: str | Iterable[str] | None = None,
        hemi: str | Iterable[str] | None = None,
        res: str | Iterable[str] | None = None,
        stat: str | Iterable[str] | None = None,
        run: str | int | Iterable[str | int] | None = None,
    ) -> pd.DataFrame:
        """The local maps of the functional localizers, all or those that filters leave.

        Returns
        -------
        DataFrame
            One row a file: task, contrast, session, space, hemi, res, stat, run, path; None
            where a file's name does not say. No rows where no map is local.

        Raises
        ------
        UnknownNameError
            When no map (of those that the filters before it leave) has a value asked for.
        """
        from laion_fmri import localizers

        maps = localizers.find_maps(self._files)
        filters: localizers.Filters = {
            "task": task, "stat": stat, "contrast": contrast, "space": space, "res": res,
            "session": session, "run": run, "hemi": hemi,
        }  # fmt: skip
        return localizers.as_table(localizers.narrowed(maps, self.name, filters) if maps else [])

    def get_localizer_map(
        self,
        task: str,
        contrast: str,
        session: str | None = None,
        space: str = "T1w",
        hemi: str = rois.ALL,
        res: str | None = layout.FUNCTIONAL_RES,
        stat: str = "z",
        run: str | int | None = None,
        mask_source: MaskSource = "anatomical",
    ) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]:
        """One map of a functional localizer.

        Parameters
        ----------
        task : str
            ``"floc"``, ``"oloc"``, ``"MotionLoc"``, ``"MotionLeft"`` or ``"MotionRight"``.
        contrast : str
            As in `get_localizer_maps`.
        session : str, optional
            Needed where several sessions have such a map.
        space : {"T1w", "fsnative"}
        hemi : {"L", "R", "all"}
            For the surface.
        res : str
            Of the volume: ``"1pt8"`` shares the voxels of the betas, ``"1pt5"`` has a grid of
            its own. Ignored on the surface.
        stat : {"z", "effect"}
            The contrast's z-map, or the effect of one run (percent signal change).
        run : int or str, optional
            Which run's effect.
        mask_source : {"anatomical", "rsquare"}
            Which brain mask the voxels come from, as in `get_betas`.

        Returns
        -------
        ndarray of float32
            Shape (n_voxels,) for ``"1pt8"``; (n_total_voxels,), C order over its own grid, for
            another resolution; (n_vertices,) on the surface, where both hemispheres come as
            ``{"L": …, "R": …}``. NaN where there is no estimate.

        Raises
        ------
        UnknownNameError
            When there is no such map; the closest names are in the message.
        InvalidArgumentError
            When several sessions or runs have such a map and none is chosen.
        DataNotDownloadedError
            When no map of a published task is local.
        """
        from laion_fmri import localizers

        filters: localizers.Filters = {
            "task": task, "stat": stat, "contrast": contrast, "space": space,
            "res": None if space == localizers.SURFACE_SPACE else res,
            "session": session, "run": run,
        }  # fmt: skip
        return localizers.read_map(self._files, filters, hemi, mask_source)

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

    def to_template(
        self,
        values: NDArray,
        space: str = "fsaverage",
        hemi: str = "all",
        *,
        fsaverage_density: str = "fsaverage5",
        mask_source: MaskSource = "anatomical",
        voxel_size: float | None = None,
        output_dir: str | os.PathLike[str] | None = None,
        desc: str | None = None,
    ) -> NDArray[np.float32] | dict[str, NDArray[np.float32]] | Nifti1Image:
        """Take values of brain-mask voxels to a surface or to a template.

        `laion_fmri.templates.to_template` of this subject, which says more of the arguments.

        Parameters
        ----------
        values : array of shape (n_voxels,) or (n_trials, n_voxels)
        space : {"fsaverage", "fsnative", "MNI305"}
        hemi : {"L", "R", "all"}
        fsaverage_density : {"fsaverage5", "fsaverage6", "fsaverage7"}
        mask_source : {"anatomical", "rsquare"}
            The brain mask the values belong to.
        voxel_size : float, optional
            In mm, for MNI305.
        output_dir : path, optional
            Also write BIDS-named files there, with `desc` in their names.

        Returns
        -------
        ndarray of float32, shape (n_vertices,) or (n_trials, n_vertices)
            For one hemisphere; for both a dict keyed ``"L"`` and ``"R"``; for MNI305 a
            Nifti1Image of shape (x, y, z) or (x, y, z, n_trials). NaN where there is no value.

        Raises
        ------
        DataNotDownloadedError
            When the recon is not local: ``download(subject, include_freesurfer=True)``.
        MissingDependencyError
            When the extra ``template`` is not installed.
        """
        from laion_fmri.templates import to_template

        return to_template(
            self,
            values,
            space,
            hemi,
            fsaverage_density=fsaverage_density,
            mask_source=mask_source,
            voxel_size=voxel_size,
            output_dir=output_dir,
            desc=desc,
        )

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

    def to_torch_dataset(
        self,
        session: str | Iterable[str] | None = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        nc_threshold: float | None = None,
        stimuli: str | None = None,
        mask_source: MaskSource = "anatomical",
        image: bool = True,
        transform: Callable[[Image], Any] | None = None,
        max_memory_gb: float = 2.0,
    ) -> TrialDataset:
        """The trials as a PyTorch dataset, for a ``DataLoader`` with any number of workers.

        Parameters
        ----------
        session : str, list of str or None
            None is every local session.
        roi, mask, nc_threshold, stimuli, mask_source
            Voxels and trials, as in `get_betas`. `nc_threshold` with one session only: it
            leaves other voxels in each.
        image : bool
            Whether items hold the image; without, no stimulus file is needed.
        transform : callable, optional
            From the `PIL.Image` as displayed to what items hold as image.
        max_memory_gb : float
            How much of the betas each process keeps; more are read again when needed.

        Returns
        -------
        torch.utils.data.Dataset
            Items are dicts: betas (float32 tensor, shape (n_voxels,)), image (uint8 tensor,
            shape (3, height, width)), label, session, trial (the global trial index).

        Raises
        ------
        MissingDependencyError
            When torch is not installed.
        DataNotDownloadedError, StimuliNotDownloadedError
            When the session, or the images, are not local.
        InconsistentDataError
            When a trial shows an image that is not among the stimuli.
        """
        from laion_fmri.torch_data import TrialDataset

        return TrialDataset(
            self, session, roi, mask, nc_threshold, stimuli, mask_source, image, transform,
            max_memory_gb,
        )  # fmt: skip

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
