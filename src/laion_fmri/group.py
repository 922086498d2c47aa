"""Several subjects and their shared images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, trials
from laion_fmri._errors import (
    DataNotDownloadedError,
    InvalidArgumentError,
    SubjectNotFoundError,
)
from laion_fmri.arguments import as_items, as_scalar, is_single, is_word, one_of
from laion_fmri.betas import read_betas
from laion_fmri.config import load_settings
from laion_fmri.html import shortened, table
from laion_fmri.responses.choices import Images as ImageQuery
from laion_fmri.responses.group import GroupResponses, member, read_aligned
from laion_fmri.responses.reading import ZScore
from laion_fmri.responses.request import NanPolicy
from laion_fmri.stimuli.hub import Stimuli
from laion_fmri.stimuli.images import Images
from laion_fmri.stimuli.metadata import require_stimulus_file
from laion_fmri.subject import Subject, load_subject
from laion_fmri.subject_files import OneSession, RoiQuery, SeveralSessions, local_subjects
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

Masks = Mapping[str, NDArray[np.bool_]]
IMAGE_FORMATS = ("pil", "numpy")


def load_subjects(
    subjects: str | Iterable[str] = "all", data_dir: str | os.PathLike[str] | None = None
) -> Group:
    """Load handles of several subjects' downloaded files.

    Parameters
    ----------
    subjects : list of str, or "all"
        Identifiers such as ``"sub-03"`` or ``"03"``, without duplicates; ``"all"`` for every
        subject with downloaded files.
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    DataDirNotSetError
        When no data directory is configured, or it does not exist.
    SubjectNotFoundError
        When an identifier is malformed.
    DataNotDownloadedError
        When no file of a subject is downloaded.
    InvalidArgumentError
        When no subject is given.

    Examples
    --------
    >>> group = load_subjects(["sub-01", "sub-03"])
    >>> [name for name, sub in group]
    ['sub-01', 'sub-03']
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    asked = as_items(subjects)
    if is_word(asked, "all"):
        asked = local_subjects(root)
        if not asked:
            raise DataNotDownloadedError(
                f"No subject has files in {root}. `laion-fmri download --subject all` fetches them."
            )
    if not asked:
        raise InvalidArgumentError('No subject was asked for. Give a list of them, or "all".')
    names = dict.fromkeys(layout.subject_id(subject) for subject in asked)
    return Group([load_subject(name, root) for name in names])


class _Members:
    """The subjects of a group, by name or by position."""

    def __init__(self, subjects: Iterable[Subject]) -> None:
        self._subjects = {sub.name: sub for sub in subjects}

    def __repr__(self) -> str:
        return f"<Group of {len(self)}: {', '.join(self._subjects)}>"

    def _repr_html_(self) -> str:
        rows = [
            (sub.name, shortened(sub.get_sessions()), len(sub.get_available_rois()))
            for sub in self._subjects.values()
        ]
        return table(f"Group of {len(self)}", rows, ("Subject", "Sessions", "ROIs"))

    def __len__(self) -> int:
        return len(self._subjects)

    def __iter__(self) -> Iterator[tuple[str, Subject]]:
        return iter(self._subjects.items())

    def __contains__(self, subject: object) -> bool:
        try:
            return layout.resolve_subject_id(subject) in self._subjects
        except SubjectNotFoundError:
            return False

    def __getitem__(self, subject: str | int) -> Subject:
        """Return one subject, by name (``"sub-03"`` or ``"03"``) or by position.

        Raises
        ------
        SubjectNotFoundError
            When the group has no such subject.
        """
        return member(self._subjects, subject)

    def _each(
        self,
        session: OneSession | SeveralSessions,
        read: Callable[[Subject, Any], Any],
    ) -> dict[str, Any]:
        # The first subject would exhaust an iterator.
        asked = session if session is None or is_single(session) else as_items(session)
        return {name: read(sub, asked) for name, sub in self._subjects.items()}

    def _masks(self, mask: Masks | None) -> dict[str, NDArray[np.bool_]]:
        if mask is None:
            return {}
        if not isinstance(mask, Mapping):
            raise InvalidArgumentError(
                "Voxels differ between subjects. Give mask={'sub-03': …} with a mask of every "
                "subject's own."
            )
        masks = {layout.subject_id(name): one for name, one in mask.items()}
        if set(masks) != set(self._subjects):
            raise InvalidArgumentError(
                f"There are masks of {', '.join(masks) or 'nobody'}, but the group is "
                f"{', '.join(self._subjects)}. Give a mask of each."
            )
        return masks


class Group(_Members):
    """Several subjects; created by `load_subjects`.

    Iteration yields ``(name, Subject)`` in the given order. Methods return a dict keyed by
    subject, since voxels and numbers of trials differ between subjects.
    """

    @property
    def names(self) -> list[str]:
        """Full identifiers of the subjects, in order."""
        return list(self._subjects)

    def shared_images(self, session: OneSession | SeveralSessions = None) -> list[str]:
        """List the shared images that every subject of the group saw, sorted by name.

        Parameters
        ----------
        session : str or list of str, optional
            Only images seen in these sessions; all downloaded sessions by default.
        """
        seen = [_shared_labels(found) for found in self.get_shared_trial_info(session).values()]
        return sorted(set.intersection(*seen))

    @overload
    def get_shared_betas(
        self, session: OneSession, *args: Any, **kwargs: Any
    ) -> dict[str, NDArray[np.float32]]: ...

    @overload
    def get_shared_betas(
        self, session: SeveralSessions = ..., *args: Any, **kwargs: Any
    ) -> dict[str, dict[str, NDArray[np.float32]]]: ...

    def get_shared_betas(
        self,
        session: OneSession | SeveralSessions = None,
        roi: RoiQuery | None = None,
        mask: Masks | None = None,
        nc_threshold: float | None = None,
        mask_source: MaskSource = "anatomical",
        streaming: bool = False,
    ) -> dict[str, Any]:
        """Read every subject's single-trial betas of the trials with shared images.

        Parameters
        ----------
        session : str, list of str or None
            A list returns, for each subject, a dict keyed by session; None returns a dict of all
            downloaded sessions.
        roi, nc_threshold, mask_source, streaming
            As in `Subject.get_betas`, for each subject.
        mask : mapping of str to bool array, optional
            Subject to its mask. Not with `roi`.

        Returns
        -------
        dict of ndarray of float32, shape (n_trials, n_voxels), or dict of dicts of them
            Keyed by subject. Rows are in the order of the trials, as in
            `get_shared_trial_info` and `get_shared_metadata`. The order of images differs between
            subjects, so rows do not correspond: join by image name.

        Raises
        ------
        DataNotDownloadedError
            When a subject lacks a file; the message names it.
        UnknownNameError
            When a subject lacks an ROI.
        NotEnoughMemoryError
            When the betas of all subjects do not fit into memory together.

        Notes
        -----
        Files, ROIs and memory are checked before any betas are read.
        """
        if roi is not None:
            roi = as_items(roi)  # the first subject would exhaust an iterator
            for sub in self._subjects.values():
                sub.resolve_rois(roi)
        masks = self._masks(mask)
        requests = self._each(
            session,
            lambda sub, ses: sub.request_betas(
                ses, roi, masks.get(sub.name), nc_threshold, "shared", mask_source
            ),
        )
        # Read all together, so that the memory is checked before any are read.
        betas = read_betas(
            {
                (name, ses): request
                for name, found in requests.items()
                for ses, request in (found if isinstance(found, dict) else {"": found}).items()
            }
        )
        return {
            name: {ses: betas[name, ses] for ses in found}
            if isinstance(found, dict)
            else betas[name, ""]
            for name, found in requests.items()
        }

    def get_responses(
        self,
        roi: RoiQuery | None = None,
        images: ImageQuery = "shared",
        mask: Masks | None = None,
        session: OneSession | SeveralSessions = None,
        zscore: ZScore = "session",
        nan: NanPolicy = "omit",
        mask_source: MaskSource = "anatomical",
        n_jobs: int = 1,
    ) -> GroupResponses:
        """Read every subject's average responses to the images that all of them saw.

        Parameters
        ----------
        roi : str or list of str, optional
            Voxels of these ROIs of each subject.
        images : str or list of str
            ``"shared"`` or names, as in `Subject.get_responses`.
        mask : mapping of str to bool array, optional
            Subject to its mask. Not with `roi`.
        session, zscore, nan, mask_source, n_jobs
            As in `Subject.get_responses`, for each subject.

        Returns
        -------
        GroupResponses
            A mapping of subject to `Responses`. Images are rows in the same order for all, sorted
            by name or in the order of the names given. Images that only some of the subjects saw
            are in ``left_out``; ``joined()`` puts the voxels side by side.

        Raises
        ------
        NoMatchingDataError
            When there is no image that all subjects saw, or a subject has no voxel there.
        DataNotDownloadedError
            When a subject lacks a file; the message names it.
        UnknownNameError
            When a subject lacks an ROI.
        NotEnoughMemoryError
            When the responses of all subjects do not fit into memory together.

        Notes
        -----
        Files, ROIs and memory are checked before any betas are read.

        Examples
        --------
        >>> found = load_subjects(["sub-01", "sub-03"]).get_responses("FFA1")
        >>> len(found["sub-01"]) == len(found["sub-03"]) == len(found.names)
        True
        """
        masks = self._masks(mask)
        roi = roi if roi is None else as_items(roi)  # the first subject would exhaust an iterator
        chosen = images if is_single(images) else as_items(images)
        requests = self._each(
            session,
            lambda sub, ses: sub.request_responses(
                chosen, roi, masks.get(sub.name), ses, zscore, True, nan, mask_source
            ),
        )
        return read_aligned(requests, n_jobs, is_sorted=is_single(images))

    @overload
    def get_shared_trial_info(  # type: ignore[overload-overlap]
        self, session: OneSession
    ) -> dict[str, pd.DataFrame]: ...

    @overload
    def get_shared_trial_info(
        self, session: SeveralSessions = ...
    ) -> dict[str, dict[str, pd.DataFrame]]: ...

    def get_shared_trial_info(self, session: OneSession | SeveralSessions = None) -> dict[str, Any]:
        """Read every subject's trial table, limited to trials with shared images.

        Returns
        -------
        dict of DataFrame, or dict of dicts of them
            Keys and rows as in `get_shared_betas`; the index is the trial in its session.
        """

        def rows(sub: Subject, ses: Any) -> Any:
            found = sub.get_trial_info(ses)
            if isinstance(found, dict):
                return {one: table[_of_shared(table, "label")] for one, table in found.items()}
            return found[_of_shared(found, "label")]

        return self._each(session, rows)

    @overload
    def get_shared_metadata(  # type: ignore[overload-overlap]
        self, session: OneSession
    ) -> dict[str, pd.DataFrame]: ...

    @overload
    def get_shared_metadata(
        self, session: SeveralSessions = ...
    ) -> dict[str, dict[str, pd.DataFrame]]: ...

    def get_shared_metadata(self, session: OneSession | SeveralSessions = None) -> dict[str, Any]:
        """Read every subject's `Subject.metadata`, limited to trials with shared images.

        Returns
        -------
        dict of DataFrame, or dict of dicts of them
            Keys and rows as in `get_shared_betas`; the index is the global trial index.

        Raises
        ------
        StimuliNotDownloadedError
            When the stimulus metadata are not downloaded.
        """

        def rows(sub: Subject, ses: Any) -> Any:
            info = sub.get_trial_info(ses)  # raises an error that names a missing session
            table = sub.metadata
            table = table[_of_shared(table, "image_name")]
            if isinstance(info, dict):
                return {one: table[table["session"] == one] for one in info}
            return table[table["session"] == layout.session_id(ses)]

        return self._each(session, rows)

    def get_shared_stimulus_metadata(self) -> pd.DataFrame:
        """Return the metadata of the images shown to every subject of the dataset.

        Returns
        -------
        DataFrame
            The columns of `Stimuli.metadata`; the index is the image's row there.

        Raises
        ------
        StimuliNotDownloadedError
            When the stimulus metadata are not downloaded.
        """
        table = self[0].get_stimulus_metadata()
        return table[table["unique_or_shared"] == "shared"]

    def get_shared_images(self, format: str = "pil") -> SharedImages:
        """Return the images shown to every subject of the dataset, as displayed.

        Parameters
        ----------
        format : {"pil", "numpy"}
            Type of each image: `PIL.Image.Image`, or array of uint8, shape (height, width, 3).

        Returns
        -------
        SharedImages
            In the order of `get_shared_stimulus_metadata`, indexed by position or name, decoded on
            access.

        Raises
        ------
        StimuliNotDownloadedError
            When the images or their metadata are not downloaded.
        UnknownNameError
            When there is no such format.
        """
        names = self.get_shared_stimulus_metadata()["image_name"].tolist()
        return SharedImages(Stimuli(self[0].data_dir).images, names, format)


class SharedImages(Sequence["Image | NDArray[np.uint8]"]):
    """Images in a fixed order, decoded on access; created by `Group`.

    ``images[3]`` and ``images["shared_….jpg"]`` return one image; iteration yields images, and
    ``items()`` yields ``(name, image)``.

    Attributes
    ----------
    names : list of str
    """

    def __init__(self, images: Images, names: list[str], format: str = "pil") -> None:
        self._format = one_of("image format", format, IMAGE_FORMATS)
        require_stimulus_file(images.data_dir, layout.STIMULI_IMAGES)
        self.names = names
        self._images = images

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[name] for name in self.names[place]]
        asked = as_scalar(place)
        picture = self._images.get(asked if isinstance(asked, str) else self.names[asked])
        return picture if self._format == "pil" else np.asarray(picture)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield each name with its image."""
        return ((name, self[name]) for name in self.names)


def _of_shared(table: pd.DataFrame, column: str) -> NDArray[np.bool_]:
    return trials.is_shared(table[column])


def _shared_labels(found: pd.DataFrame | dict[str, pd.DataFrame]) -> set[str]:
    tables = found.values() if isinstance(found, dict) else [found]
    return {label for table in tables for label in table["label"]}
