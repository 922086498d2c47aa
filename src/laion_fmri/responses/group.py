"""Responses of several subjects, aligned by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from laion_fmri import layout
from laion_fmri._errors import NoMatchingDataError, NotEnoughMemoryError, SubjectNotFoundError
from laion_fmri.arguments import as_scalar, number_of_jobs
from laion_fmri.html import table
from laion_fmri.memory import available, has_room
from laion_fmri.responses.container import Responses
from laion_fmri.responses.request import ResponsesRequest
from laion_fmri.responses.tables import left_out_table, roi_columns
from laion_fmri.transfer.plan import count_of, format_bytes

if TYPE_CHECKING:
    import pandas as pd

GROUP = "group"
T = TypeVar("T")


@dataclass(frozen=True, eq=False, repr=False)
class GroupResponses(Mapping[str, Responses]):
    """Responses of several subjects to the same images in the same order.

    A mapping of subject to `Responses`: ``group_responses["sub-03"].values`` has one row per item
    of `names`. As in a `Group`, ``"03"`` and a position name a subject, too.

    Attributes
    ----------
    subjects : mapping of str to Responses
    """

    subjects: Mapping[str, Responses]

    def __getitem__(self, subject: str | int) -> Responses:
        return member(self.subjects, subject)

    def __iter__(self) -> Iterator[str]:
        return iter(self.subjects)

    def __len__(self) -> int:
        return len(self.subjects)

    def __repr__(self) -> str:
        voxels = ", ".join(f"{name} {one.values.shape[1]:,}" for name, one in self.items())
        return f"<Responses of {len(self)} subjects: {len(self.names):,} images; voxels: {voxels}>"

    def _repr_html_(self) -> str:
        rows = [
            (name, one.values.shape[1], int(one.images["repeats"].sum()), len(one.left_out))
            for name, one in self.items()
        ]
        title = f"Responses of {len(self)} subjects to {count_of(len(self.names), 'image')}"
        return table(title, rows, ("Subject", "Voxels", "Trials", "Left out"))

    @property
    def names(self) -> tuple[str, ...]:
        """The images: the rows of every subject."""
        return next(iter(self.subjects.values())).names

    @property
    def left_out(self) -> pd.DataFrame:
        """What was left out: columns subject, kind, name and reason."""
        import pandas as pd

        parts = [
            one.left_out.assign(subject=pd.Series([name] * len(one.left_out), dtype=object))
            for name, one in self.items()
        ]
        return pd.concat(parts, ignore_index=True)[["subject", *parts[0].columns[:-1]]]

    def joined(self) -> Responses:
        """Return one `Responses` with the voxels of all subjects side by side.

        Returns
        -------
        Responses
            Its subject is ``"group"``, its table of voxels has a column subject, and its table of
            images the repeats and sessions of all subjects together. An ROI that a subject lacks
            is False for its voxels, a noise ceiling NaN.
        """
        import pandas as pd

        parts = list(self.values())
        rois = sorted({roi for one in parts for roi in roi_columns(one.voxels)})
        voxels = pd.concat(
            [one.voxels.assign(subject=one.subject) for one in parts], ignore_index=True
        )
        for roi in rois:
            voxels[roi] = voxels[roi].fillna(False).astype(bool)
        first = ["subject", *(column for column in parts[0].voxels if column not in rois)]
        others = [column for column in voxels if column not in (*first, *rois)]
        images = parts[0].images.copy()
        images["repeats"] = np.sum([one.images["repeats"] for one in parts], axis=0)
        every = zip(*(one.images["sessions"] for one in parts), strict=True)
        images["sessions"] = pd.Series(
            [tuple(sorted({ses for found in row for ses in found})) for row in every], dtype=object
        )
        left_out = self.left_out
        named = left_out["subject"] + ": " + left_out["name"]
        return Responses(
            GROUP,
            np.concatenate([one.values for one in parts], axis=1),
            images,
            voxels[[*first, *others, *rois]],
            left_out_table(zip(left_out["kind"], named, left_out["reason"], strict=True)),
            True,
            parts[0].zscore,
        )


def member(members: Mapping[str, T], subject: str | int) -> T:
    """Return what a group has of one subject, by name (``"sub-03"`` or ``"03"``) or by position.

    Raises
    ------
    SubjectNotFoundError
        When the group has no such subject.
    """
    place = as_scalar(subject)
    if isinstance(place, int) and not isinstance(place, bool):
        if -len(members) <= place < len(members):
            return list(members.values())[place]
        raise SubjectNotFoundError(
            f"This group has {len(members)} subjects, at 0 to {len(members) - 1}; there is none at "
            f"{place}. Name a subject to get it whatever its place: group['sub-03']."
        )
    name = layout.resolve_subject_id(subject)
    if name not in members:
        raise SubjectNotFoundError(
            f"{name} is not in this group of {', '.join(members)}. Name it in load_subjects([…])."
        )
    return members[name]


def read_aligned(
    requests: Mapping[str, ResponsesRequest], n_jobs: int = 1, is_sorted: bool = True
) -> GroupResponses:
    """Read averages of several subjects for the images that all of them saw.

    Parameters
    ----------
    requests : mapping of str to ResponsesRequest
        Requests for averages of each subject.
    n_jobs : int
        Number of sessions to read in parallel.
    is_sorted : bool
        Whether images are sorted by name; else they are in the order of the first request.

    Raises
    ------
    NoMatchingDataError
        When no image was shown to all subjects.
    NotEnoughMemoryError
        When the responses of all subjects do not fit into memory together; before reading.
    """
    number_of_jobs(n_jobs)
    shown = {name: set(request.names) for name, request in requests.items()}
    common = set.intersection(*shown.values())
    if not common:
        counts = ", ".join(f"{name} {len(names):,}" for name, names in shown.items())
        raise NoMatchingDataError(
            f"No image was shown to all of these subjects (images of each: {counts}). Choose other "
            "images or fewer subjects."
        )
    first = next(iter(requests.values())).names
    names = sorted(common) if is_sorted else [name for name in first if name in common]
    chosen = {}
    for subject, request in requests.items():
        more = []
        for name in request.names:
            lacking = [other for other, seen in shown.items() if name not in seen]
            if lacking:
                more.append(("image", name, f"not shown to {', '.join(lacking)} in these sessions"))
        chosen[subject] = request.only(names, more)
    n_bytes = sum(request.n_bytes for request in chosen.values())
    if not has_room(n_bytes):
        raise NotEnoughMemoryError(
            f"The responses of {count_of(len(chosen), 'subject')} to {len(names):,} images take "
            f"{format_bytes(n_bytes)}, and {format_bytes(available())} of memory are free. Choose "
            "voxels (roi=… or mask=…) or fewer subjects."
        )
    return GroupResponses({name: request.read(n_jobs) for name, request in chosen.items()})
