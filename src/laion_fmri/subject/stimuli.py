"""The trials of one subject and their stimuli."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Self, overload

from laion_fmri import layout
from laion_fmri.arguments import one_of
from laion_fmri.stimuli.by_trial import (
    TrialCaptions,
    TrialEmbeddings,
    TrialImages,
    Trials,
    TrialSegmentations,
)
from laion_fmri.stimuli.hub import LocalStimuli
from laion_fmri.stimuli.metadata import read_metadata
from laion_fmri.subject_files import LocalSubject, OneSession, SeveralSessions
from laion_fmri.trials import STIMULI_GROUPS

if TYPE_CHECKING:
    import pandas as pd


class StimulusAccessors(LocalSubject):
    """The accessors of `Subject` for trials and stimuli."""

    def __init__(self, subject_id: str, data_dir: str | os.PathLike[str]) -> None:
        super().__init__(subject_id, data_dir)
        self._stimuli = LocalStimuli(self.data_dir)
        self._trials = Trials(self)

    def with_stimuli(self, stimuli: LocalStimuli) -> Self:
        """Return the same subject with other stimuli, such as shared or hidden ones.

        Parameters
        ----------
        stimuli : LocalStimuli
        """
        other = copy.copy(self)
        other._stimuli = stimuli
        return other

    @overload
    def get_trial_info(  # type: ignore[overload-overlap]
        self, session: OneSession
    ) -> pd.DataFrame: ...

    @overload
    def get_trial_info(self, session: SeveralSessions = ...) -> dict[str, pd.DataFrame]: ...

    def get_trial_info(
        self, session: OneSession | SeveralSessions = None
    ) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Read the trial table of a session; row i corresponds to row i of its betas.

        Parameters
        ----------
        session : str, list of str or None
            A list returns a dict keyed by session; None a dict of all downloaded sessions.

        Returns
        -------
        DataFrame or dict of DataFrame
            Columns session, run, beta_index, label (stimulus file name).
        """
        return self._by_session(session, self._files.trial_table)

    @property
    def metadata(self) -> pd.DataFrame:
        """The trials of all downloaded sessions, joined with the metadata of their images.

        The row index is the global trial index; rows correspond to the betas of
        ``get_betas(session=None)`` concatenated in session order. The table is cached until a file
        changes; a copy is returned.

        Returns
        -------
        DataFrame
            Columns session, session_trial (0-based in its session), image_name, stim_idx
            (row of the image in the stimuli), unique_or_shared, dataset, then participant,
            n_reps, repeat (1-based presentation number of the image in the downloaded sessions),
            run, beta_index, label and any further column of the trial tables. Columns named
            session_trial, image_name, stim_idx, unique_or_shared, dataset or repeat are left out;
            see `get_trial_info`.

        Raises
        ------
        StimuliNotDownloadedError
            When the stimulus metadata are not downloaded.
        InconsistentDataError
            When a trial shows an image that is not in the metadata.
        """
        return self._trials.metadata()

    @property
    def images(self) -> TrialImages:
        """The images shown, by global trial index."""
        return TrialImages(self._stimuli, self._trials)

    @property
    def embeddings(self) -> TrialEmbeddings:
        """Embeddings of the images shown, by global trial index."""
        return TrialEmbeddings(self._stimuli, self._trials)

    @property
    def segmentations(self) -> TrialSegmentations:
        """Object masks of the images shown, by global trial index."""
        return TrialSegmentations(self._stimuli, self._trials)

    @property
    def captions(self) -> TrialCaptions:
        """Captions of the images shown, by global trial index."""
        return TrialCaptions(self._stimuli, self._trials)

    def has_stimuli(self) -> bool:
        """Whether the images and their metadata are downloaded."""
        return all(
            self._files.path(key).exists()
            for key in (layout.STIMULI_IMAGES, layout.STIMULI_METADATA)
        )

    def get_stimulus_metadata(self) -> pd.DataFrame:
        """Return the metadata of all images of the dataset; row i is image i of the stimuli."""
        return read_metadata(self.data_dir)

    def get_n_stimuli(self, stimuli: str | None = None) -> int:
        """Return the number of images in the dataset.

        Parameters
        ----------
        stimuli : {"shared", "unique"}, optional
            Count only images seen by every subject, or by one participant only.
        """
        table = self.get_stimulus_metadata()
        if stimuli is None:
            return len(table)
        return int((table["unique_or_shared"] == one_of("stimuli", stimuli, STIMULI_GROUPS)).sum())
