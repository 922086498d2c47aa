"""Data of the Trials tab for one subject, from the library and cached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, trial_contents
from laion_fmri.analysis import roi_responses as responses
from laion_fmri.analysis.neighbours import EmbeddingSpace, nearest_images, similar_trials
from laion_fmri.analysis.roi_responses import RoiResponses, TrialResponses, VoxelChoice
from laion_fmri.config import load_settings
from laion_fmri.explorer.authorization import selections_of
from laion_fmri.explorer.data import ExplorerData, data_of_page
from laion_fmri.explorer.runtime.error_messages import Absent, or_absent
from laion_fmri.missing_files import MissingPart, missing_for_trials, subject_to_begin_with
from laion_fmri.splits import list_pools, list_splits
from laion_fmri.stimuli.caption_search import CaptionIndex
from laion_fmri.stimuli.embeddings import embeddings_path
from laion_fmri.trial_contents import Caption, ObjectMask, Picture
from laion_fmri.trial_selection.filters import TrialFilter
from laion_fmri.trial_selection.saved_selections import Selections
from laion_fmri.trial_selection.selection import read_trials, split_sides
from laion_fmri.trial_selection.trial_table import trial_table_files

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.subject import Subject
    from laion_fmri.volumes.masks import MaskSource

Mask = NDArray[np.bool_]

_QUICK_BYTES = 400_000_000  # size of betas that are read without asking


@dataclass(frozen=True)
class TrialParts:
    """Picture, masks and captions of one trial, or why each is missing."""

    picture: Picture | Absent
    masks: list[ObjectMask] | Absent
    captions: list[Caption] | Absent

    @property
    def n_bytes(self) -> int:
        """Approximate size in memory."""
        picture = 0 if isinstance(self.picture, Absent) else len(self.picture.encoded)
        masks = [] if isinstance(self.masks, Absent) else self.masks
        return picture + sum(mask.runs.nbytes for mask in masks) + 4096


class TrialSource:
    """The data of a subject's trials.

    Parameters
    ----------
    data : ExplorerData
    subject : str
    """

    def __init__(self, data: ExplorerData, subject: str) -> None:
        self.data = data
        self.subject = subject

    @property
    def sub(self) -> Subject:
        """The subject; raises `SubjectNotFoundError` if none of its files are downloaded."""
        return self.data.subject(self.subject)

    # --- all trials ---------------------------------------------------------------------

    def trials(self) -> TrialFilter:
        """Return the trials of the subject, ready for filtering."""
        sub = self.sub
        tables = (layout.SEGMENTATIONS_METADATA, layout.CAPTIONS)
        files = [*trial_table_files(sub), *map(self._stimulus_file, tables)]
        return self.data.remember(
            ("trial filter", self.subject), lambda: read_trials(sub, self.data.stimuli()), files
        )

    def captions(self) -> CaptionIndex:
        """Return an index of the captions of all images."""
        return self.data.remember(
            ("captions",),
            lambda: CaptionIndex.read(self.data.stimuli().captions),
            [self._stimulus_file(layout.CAPTIONS)],
        )

    def sides(self, pool: str, split: str) -> NDArray[np.intp]:
        """Return the split side of each trial; see `split_sides`."""
        trials, data_dir = self.trials(), self.data.data_dir
        return self.data.remember(
            ("sides", self.subject, pool, split),
            lambda: split_sides(trials, split, pool, data_dir),
            [self._stimulus_file(layout.STIMULI_METADATA), *trial_table_files(self.sub)],
        )

    def known_splits(self, pool: str) -> tuple[list[str], list[str]]:
        """Return the pools, and the splits of `pool`; no splits for an unknown pool."""
        pools = list_pools(self.data.data_dir)
        return pools, list_splits(pool, self.data.data_dir) if pool in pools else []

    @property
    def selections(self) -> Selections:
        """The named selections in the data directory."""
        return selections_of(self.data)

    # --- one trial ----------------------------------------------------------------------

    def has_images(self) -> bool:
        """Whether the images are downloaded and the visitor may see them."""
        return self.data.has_images()

    def parts(self, trial: int) -> TrialParts:
        """Return picture, masks and captions of a trial; for each part, the value or why not."""
        sub, stimuli = self.sub, self.data.stimuli()
        files = (*self.data.stimulus_files(), *trial_table_files(sub))

        def read() -> TrialParts:
            masks = stimuli.segmentations
            return TrialParts(
                picture=or_absent(lambda: trial_contents.displayed_picture(sub, trial)),
                masks=or_absent(lambda: trial_contents.object_masks(sub, trial, masks)),
                captions=or_absent(lambda: trial_contents.trial_captions(sub, trial)),
            )

        return self.data.remember(("trial parts", self.subject, trial), read, files)

    def reads_quickly(self) -> bool:
        """Whether the betas of all sessions are small enough to read immediately."""
        sub = self.sub
        paths = [
            layout.local_path(sub.data_dir, layout.betas(sub.name, session))
            for session in sub.get_sessions()
        ]
        return sum(path.stat().st_size for path in paths if path.exists()) < _QUICK_BYTES

    def responses(self, trial: int, voxels: VoxelChoice, across: bool) -> TrialResponses:
        """Return the responses in a trial, compared with its session or all downloaded ones."""
        return responses.trial_responses(
            self.sub, trial, voxels, across, self._session_responses, self.trials().table
        )

    def _session_responses(self, sub: Subject, session: str, voxels: VoxelChoice) -> RoiResponses:
        return self.data.remember(
            ("ROI responses", sub.name, session, voxels),
            lambda: responses.roi_responses(sub, session, voxels),
            responses.roi_response_files(sub, session),
        )

    # --- neighbours ---------------------------------------------------------------------

    def models(self) -> list[str]:
        """List the models with downloaded embeddings."""
        return self.data.stimuli().embeddings.models

    def nearest_images(
        self, trial: int, model: str, n: int, among: str | Iterable[str]
    ) -> pd.DataFrame:
        """Return the images nearest to the image of a trial; see `laion_fmri.nearest_images`."""
        embeddings = self.data.stimuli().embeddings
        space = self.data.remember(
            ("embedding space", model),
            lambda: EmbeddingSpace.read(embeddings, model),
            [embeddings_path(self.data.data_dir, model)],
        )
        table = self.trials().table
        return nearest_images(self.sub, trial, model, n, among, space=space, table=table)

    def similar_trials(
        self, trial: int, roi: str, n: int, voxels: VoxelChoice, across: bool
    ) -> pd.DataFrame:
        """Return the trials with the most similar pattern; see `laion_fmri.similar_trials`."""
        return similar_trials(
            self.sub,
            trial,
            roi,
            n,
            across_sessions=across,
            nc_threshold=voxels.nc_threshold,
            mask_source=voxels.mask_source,
            read=self._patterns,
            table=self.trials().table,
        )

    def _patterns(
        self, sub: Subject, session: str, roi: str, good: Mask, mask_source: MaskSource
    ) -> NDArray[np.float32]:
        return self.data.remember(
            ("patterns", sub.name, session, roi, mask_source, good.tobytes()),
            lambda: responses.session_patterns(sub, session, roi, good, mask_source),
            responses.roi_response_files(sub, session),
        )

    def _stimulus_file(self, key: str) -> Path:
        return layout.local_path(self.data.data_dir, key)


def missing_files(data: ExplorerData, wanted: str) -> tuple[str, list[MissingPart]]:
    """Return a subject, the requested one or the first, and its missing files."""
    bucket = data.bucket()
    name = subject_to_begin_with(wanted, bucket)
    return name, missing_for_trials(name, data.settings.data_dir, bucket) if name else []


def source_of(subject: str | Subject) -> TrialSource:
    """Return the source of a view outside the explorer.

    Parameters
    ----------
    subject : str or Subject
        A name is looked up in the configured data directory.
    """
    from laion_fmri.subject import load_subject

    sub = load_subject(subject) if isinstance(subject, str) else subject
    return TrialSource(data_of_page(load_settings(data_dir=sub.data_dir)), sub.name)
