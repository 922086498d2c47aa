"""Averages over repeats of chosen images, for scores of splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from laion_fmri.responses.request import request_responses, requested_sessions
from laion_fmri.subject_files import LocalSubject, SubjectFiles
from laion_fmri.volumes.masks import MaskSource


@dataclass(frozen=True, eq=False)
class ImageAverages:
    """Average the responses to each image over its repeats.

    Attributes
    ----------
    names : tuple of str
        Images that were shown, in the requested order.
    means : ndarray of float32, shape (n_images, n_voxels)
        Every voxel z-scored over the trials of each session, then averaged over repeats. NaN when
        no repeat has a value.
    n_repeats : ndarray of int, shape (n_images,)
        Number of trials with each image.
    n_trials : int
        Total number of trials.
    """

    names: tuple[str, ...]
    means: NDArray[np.float32]
    n_repeats: NDArray[np.intp]

    @property
    def n_trials(self) -> int:
        """Number of trials in the means."""
        return int(self.n_repeats.sum())


def require_sessions(sub: LocalSubject, sessions: Iterable[str] | None = None) -> list[str]:
    """Return the given sessions, or all downloaded ones; raise an error when there are none.

    Raises
    ------
    DataNotDownloadedError
        When there are none; the message names the call that downloads one.
    """
    return requested_sessions(SubjectFiles(sub.name, sub.data_dir), sessions)


def image_averages(
    sub: LocalSubject,
    images: Iterable[str],
    mask: NDArray[np.bool_],
    sessions: Sequence[str] | None = None,
    mask_source: MaskSource = "anatomical",
    on_session: Callable[[str], None] | None = None,
) -> ImageAverages:
    """Average the responses to some images; see `Subject.get_responses`.

    Parameters
    ----------
    sub : Subject
    images : iterable of str
        Images that were not shown are left out.
    mask : ndarray of bool
        Voxels, over the grid or the brain mask, as in `Subject.get_betas`.
    sessions : sequence of str, optional
        All downloaded sessions by default.
    mask_source : {"anatomical", "rsquare"}
    on_session : callable, optional
        Called with each session before it is read.

    Raises
    ------
    DataNotDownloadedError
        When no session is downloaded, or a requested session is not.
    NotEnoughMemoryError
        When the means do not fit into memory, before any session is read.
    LaionFmriError
        When betas or trial tables are damaged or inconsistent.
    """
    files = SubjectFiles(sub.name, sub.data_dir)
    request = request_responses(files, images, mask=mask, session=sessions, mask_source=mask_source)
    found = request.read(on_session=on_session)
    return ImageAverages(found.names, found.values, found.images["repeats"].to_numpy(dtype=np.intp))
