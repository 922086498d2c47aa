"""Several subjects at once, and what they share: the images that all of them saw."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, trials
from laion_fmri._errors import InvalidArgumentError, SubjectNotFoundError
from laion_fmri.config import load_settings
from laion_fmri.html import shortened, table
from laion_fmri.masks import MaskSource
from laion_fmri.subject import Subject, load_subject, local_subjects
from laion_fmri.subject_files import RoiQuery

if TYPE_CHECKING:
    import pandas as pd

Masks = Mapping[str, NDArray[np.bool_]]


def load_subjects(
    subjects: str | Iterable[str] = "all", data_dir: str | os.PathLike[str] | None = None
) -> Group:
    """A handle on several subjects' local files.

    Parameters
    ----------
    subjects : list of str, or "all"
        Identifiers such as ``"sub-03"`` or ``"03"``, each meant once; ``"all"`` is every
        subject with local files.
    data_dir : path, optional
        Instead of the configured one.

    Raises
    ------
    DataDirNotSetError
        When no data directory is configured, or it does not exist.
    SubjectNotFoundError
        When an identifier is malformed, or none of its files are local.
    InvalidArgumentError
        When no subject is asked for.

    Examples
    --------
    >>> group = load_subjects(["sub-01", "sub-03"])
    >>> [name for name, sub in group]
    ['sub-01', 'sub-03']
    """
    root = load_settings(data_dir=data_dir).require_data_dir()
    if isinstance(subjects, str) and subjects == "all":
        asked = local_subjects(root)
        if not asked:
            raise SubjectNotFoundError(
                f"No subject has files in {root}. `laion-fmri download --subject all` fetches them."
            )
    elif isinstance(subjects, str) or not isinstance(subjects, Iterable):
        asked = [layout.resolve_subject_id(subjects)]
    else:
        asked = [layout.resolve_subject_id(subject) for subject in subjects]
    if not asked:
        raise InvalidArgumentError('No subject was asked for. Give a list of them, or "all".')
    return Group([load_subject(name, root) for name in dict.fromkeys(asked)])


class Group:
    """Several subjects; made by `load_subjects`.

    Iterating gives ``(name, Subject)`` in the order they were asked for. What is asked of
    the group comes as a dict keyed by subject: voxels, and numbers of trials, differ
    between subjects.

    Attributes
    ----------
    names : list of str
    """

    def __init__(self, subjects: Iterable[Subject]) -> None:
        self._subjects = {sub.name: sub for sub in subjects}

    @property
    def names(self) -> list[str]:
        """The subjects' full identifiers, in order."""
        return list(self._subjects)

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

    def __getitem__(self, subject: str) -> Subject:
        """One subject, by ``"sub-03"`` or ``"03"``.

        Raises
        ------
        SubjectNotFoundError
            When the group has no such subject.
        """
        name = layout.resolve_subject_id(subject)
        if name not in self._subjects:
            raise SubjectNotFoundError(
                f"{name} is not in this group of {', '.join(self._subjects)}. Name it in "
                "load_subjects([…])."
            )
        return self._subjects[name]

    # --- what everyone saw --------------------------------------------------------------

    def shared_images(self, session: str | Iterable[str] | None = None) -> list[str]:
        """The shared images that every subject of the group saw, sorted by name.

        Parameters
        ----------
        session : str or list of str, optional
            Only what was seen in these sessions; every local session by default.
        """
        seen = [_shared_labels(found) for found in self.get_shared_trial_info(session).values()]
        return sorted(set.intersection(*seen))

    def get_shared_betas(
        self,
        session: str | Iterable[str] | None = None,
        roi: RoiQuery | None = None,
        mask: Masks | None = None,
        nc_threshold: float | None = None,
        mask_source: MaskSource = "anatomical",
        streaming: bool = False,
    ) -> dict[str, Any]:
        """Every subject's single-trial betas of the trials that showed shared images.

        Parameters
        ----------
        session : str, list of str or None
            A list gives, for each subject, a dict keyed by session; None every local session
            of each subject, as a dict.
        roi, nc_threshold, mask_source, streaming
            As in `Subject.get_betas`, for each subject.
        mask : mapping of str to bool array, optional
            For every subject, voxels of its own. Not with `roi`.

        Returns
        -------
        dict of ndarray of float32, shape (n_trials, n_voxels), or dict of dicts of them
            Keyed by subject. Rows are in the order of the trials, as in
            `get_shared_trial_info` and `get_shared_metadata`. Subjects saw the images in
            orders of their own, so rows of two subjects do not correspond: join by image name.

        Raises
        ------
        DataNotDownloadedError
            When a subject lacks a file; the message names it.
        UnknownNameError
            When a subject lacks an ROI; found out before anything is read.
        """
        if roi is not None:
            roi = roi if isinstance(roi, str) or not isinstance(roi, Iterable) else list(roi)
            for sub in self._subjects.values():
                sub.resolve_rois(roi)
        masks = self._masks(mask)
        return self._each(
            session,
            lambda sub, ses: sub.get_betas(
                ses,
                roi=roi,
                mask=masks.get(sub.name),
                nc_threshold=nc_threshold,
                stimuli="shared",
                mask_source=mask_source,
                streaming=streaming,
            ),
        )

    def get_shared_trial_info(self, session: str | Iterable[str] | None = None) -> dict[str, Any]:
        """Every subject's trial table, of the trials that showed shared images.

        Returns
        -------
        dict of DataFrame, or dict of dicts of them
            Keys and rows as in `get_shared_betas`; the index is the trial in its session.
        """

        def rows(sub: Subject, ses: str | list[str] | None) -> Any:
            found = sub.get_trial_info(ses)
            if isinstance(found, dict):
                return {one: table[_of_shared(table, "label")] for one, table in found.items()}
            return found[_of_shared(found, "label")]

        return self._each(session, rows)

    def get_shared_metadata(self, session: str | Iterable[str] | None = None) -> dict[str, Any]:
        """Every subject's `Subject.metadata`, of the trials that showed shared images.

        Returns
        -------
        dict of DataFrame, or dict of dicts of them
            Keys and rows as in `get_shared_betas`; the index is the global trial index.

        Raises
        ------
        StimuliNotDownloadedError
            When the stimulus metadata are not local.
        """

        def rows(sub: Subject, ses: str | list[str] | None) -> Any:
            info = sub.get_trial_info(ses)  # says which session is not here
            table = sub.metadata
            table = table[_of_shared(table, "image_name")]
            if isinstance(info, dict):
                return {one: table[table["session"] == one] for one in info}
            return table[table["session"] == layout.session_id(ses)]

        return self._each(session, rows)

    def _each(
        self,
        session: str | Iterable[str] | None,
        read: Callable[[Subject, str | list[str] | None], Any],
    ) -> dict[str, Any]:
        is_many = isinstance(session, Iterable) and not isinstance(session, str)
        # An iterator would serve the first subject alone.
        asked = list(session) if is_many else session  # type: ignore[arg-type]
        return {name: read(sub, asked) for name, sub in self._subjects.items()}  # type: ignore[arg-type]

    def _masks(self, mask: Masks | None) -> dict[str, NDArray[np.bool_]]:
        if mask is None:
            return {}
        if not isinstance(mask, Mapping):
            raise InvalidArgumentError(
                "Voxels differ between subjects. Give mask={'sub-03': …} with a mask of every "
                "subject's own."
            )
        masks = {layout.resolve_subject_id(name): one for name, one in mask.items()}
        if set(masks) != set(self._subjects):
            raise InvalidArgumentError(
                f"There are masks of {', '.join(masks) or 'nobody'}, but the group is "
                f"{', '.join(self._subjects)}. Give a mask of each."
            )
        return masks


def _of_shared(table: pd.DataFrame, column: str) -> NDArray[np.bool_]:
    return trials.is_shared(table[column])


def _shared_labels(found: pd.DataFrame | dict[str, pd.DataFrame]) -> set[str]:
    tables = found.values() if isinstance(found, dict) else [found]
    return {label for table in tables for label in table["label"]}
