"""The Trials tab's questions about one subject, answered from the library and remembered."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, splits
from laion_fmri._errors import InvalidArgumentError, LaionFmriError
from laion_fmri.config import load_settings
from laion_fmri.explorer import roi_responses as responses
from laion_fmri.explorer import trial_data
from laion_fmri.explorer.caption_search import CaptionIndex
from laion_fmri.explorer.data import ExplorerData, data_of_page
from laion_fmri.explorer.neighbours import Neighbours, nearest, patterns_like, unit_vectors
from laion_fmri.explorer.roi_responses import RoiResponses, TrialResponses, VoxelChoice
from laion_fmri.explorer.selections import Selections
from laion_fmri.explorer.thumbnails import BoundedCache, thumbnails
from laion_fmri.explorer.trial_data import Absent, TrialParts, or_absent
from laion_fmri.explorer.trial_filter import SIDES, TrialFilter
from laion_fmri.explorer.trial_table import trial_table, trial_table_files

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.masks import MaskSource
    from laion_fmri.subject import Subject

Mask = NDArray[np.bool_]

_THUMBNAIL_BYTES = 48 << 20
_VECTOR_BYTES = 256 << 20  # two models of the published size
_PATTERN_BYTES = 192 << 20
_TRIAL_BYTES = 48 << 20
_QUICK_BYTES = 400_000_000  # betas that are read without being asked for


@dataclass(frozen=True)
class _Caches:
    """Shared by the pages of a server, each within its bounds."""

    thumbnails: BoundedCache[Hashable, bytes] = field(
        default_factory=lambda: BoundedCache(_THUMBNAIL_BYTES, len)
    )
    vectors: BoundedCache[Hashable, NDArray] = field(
        default_factory=lambda: BoundedCache(_VECTOR_BYTES, lambda array: array.nbytes)
    )
    patterns: BoundedCache[Hashable, NDArray] = field(
        default_factory=lambda: BoundedCache(_PATTERN_BYTES, lambda array: array.nbytes)
    )
    trials: BoundedCache[Hashable, TrialParts] = field(
        default_factory=lambda: BoundedCache(_TRIAL_BYTES, lambda parts: parts.n_bytes)
    )


class TrialSource:
    """Everything that is asked about the trials of one subject.

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
        """The subject; raises `SubjectNotFoundError` where nothing of it is here."""
        return self.data.subject(self.subject)

    @property
    def _caches(self) -> _Caches:
        return self.data.remember(("trial caches",), _Caches)

    # --- all trials ---------------------------------------------------------------------

    def trials(self) -> TrialFilter:
        """The table of trials, ready to be filtered."""
        sub = self.sub
        tables = (layout.SEGMENTATIONS_METADATA, layout.CAPTIONS)
        files = [*trial_table_files(sub), *(self._stimulus_file(key) for key in tables)]

        def make() -> TrialFilter:
            stimuli = self.data.stimuli()
            masks = or_absent(lambda: stimuli.segmentations.metadata)
            captions = or_absent(lambda: stimuli.captions.metadata)
            return TrialFilter(
                trial_table(sub),
                None if isinstance(masks, Absent) else masks,
                None if isinstance(captions, Absent) else captions,
            )

        return self.data.remember(("trial filter", self.subject), make, files)

    def captions(self) -> CaptionIndex:
        """An index of all captions, whoever saw the images."""

        def make() -> CaptionIndex:
            rows = self.data.stimuli().captions.metadata.dropna(subset=["image_name", "caption"])
            return CaptionIndex(rows["image_name"].tolist(), rows["caption"].tolist())

        return self.data.remember(("captions",), make, [self._stimulus_file(layout.CAPTIONS)])

    def sides(self, pool: str, split: str) -> NDArray[np.intp]:
        """The side of a split that each trial's image is on: its place in `SIDES`."""
        trials = self.trials()
        files = [self._stimulus_file(layout.STIMULI_METADATA), *trial_table_files(self.sub)]

        def make() -> NDArray[np.intp]:
            train, test = splits.get_split_masks(
                trials.images, split, pool, data_dir=self.data.data_dir
            )
            of_image = np.where(train, SIDES.index("train"), SIDES.index("neither"))
            of_image[test] = SIDES.index("test")
            return of_image[trials.image_of]

        return self.data.remember(("sides", self.subject, pool, split), make, files)

    @property
    def selections(self) -> Selections:
        """Named selections of the data directory."""
        return Selections(self.data.data_dir, self.data.visitor)

    # --- pictures -----------------------------------------------------------------------

    def has_images(self) -> bool:
        """Whether the images are local and may be seen."""
        return self.data.has_images()

    def thumbnails(self, names: Sequence[str]) -> list[bytes]:
        """Small JPEGs of images; empty bytes for a damaged one.

        Raises
        ------
        StimuliNotDownloadedError
        """
        state = _state(self._stimulus_file(layout.STIMULI_IMAGES))
        return thumbnails(self.data.stimuli().images, names, self._caches.thumbnails, state)

    def parts(self, trial: int) -> TrialParts:
        """What there is to show of a trial; each part or why it is not there."""
        sub, stimuli = self.sub, self.data.stimuli()
        files = (*self.data.stimulus_files(), *trial_table_files(sub))
        key = (self.subject, trial, tuple(map(_state, files)))

        def make() -> TrialParts:
            return TrialParts(
                picture=or_absent(lambda: trial_data.displayed_picture(sub, trial)),
                masks=or_absent(lambda: trial_data.object_masks(sub, trial, stimuli.segmentations)),
                captions=or_absent(lambda: trial_data.trial_captions(sub, trial)),
            )

        return self._caches.trials.get(key, make)

    # --- responses ----------------------------------------------------------------------

    def reads_quickly(self) -> bool:
        """Whether the betas of every session are read in moments."""
        sub = self.sub
        paths = [
            layout.local_path(sub.data_dir, layout.betas(sub.name, session))
            for session in sub.get_sessions()
        ]
        return sum(path.stat().st_size for path in paths if path.exists()) < _QUICK_BYTES

    def session_responses(self, session: str, voxels: VoxelChoice) -> RoiResponses:
        """Mean responses of every ROI in every trial of a session."""
        sub = self.sub
        return self.data.remember(
            ("ROI responses", self.subject, session, voxels),
            lambda: responses.roi_responses(sub, session, voxels),
            responses.roi_response_files(sub, session),
        )

    def responses(self, trial: int, voxels: VoxelChoice, across: bool) -> TrialResponses:
        """One trial's responses against those of its session, or of every local session.

        Sessions that cannot be read are left out of the comparison.
        """
        table = self.trials().table
        row = table.iloc[trial]
        session = str(row["session"])
        own = self.session_responses(session, voxels)
        compared = [own]
        if across:
            compared = []
            for other in self.sub.get_sessions():
                try:
                    one = own if other == session else self.session_responses(other, voxels)
                except LaionFmriError:
                    continue
                if one.rois == own.rois:
                    compared.append(one)
        here = {one.session for one in compared}
        same = table[table["image_name"] == row["image_name"]]
        shown = zip(same["session"], same["session_trial"].tolist(), strict=True)
        return TrialResponses(
            session=session,
            responses=own,
            row=int(row["session_trial"]),
            compared_with=tuple(compared),
            repeats=tuple(pair for pair in shown if pair[0] in here),
            n_repeats=len(same),
            voxels=voxels,
        )

    # --- neighbours ---------------------------------------------------------------------

    def models(self) -> list[str]:
        """The models whose embeddings are local."""
        return self.data.stimuli().embeddings.models

    def image_neighbours(
        self, model: str, name: str, n: int, among: Callable[[str], bool] | None
    ) -> Nearby:
        """The images nearest to one in an embedding.

        Parameters
        ----------
        model, name : str
        n : int
        among : callable, optional
            Whether to look among an image, by its name.

        Raises
        ------
        LaionFmriError
            When the embeddings are not local or damaged, or have none of this image.
        """
        embeddings = self.data.stimuli().embeddings
        path = self._stimulus_file(layout.embeddings(model))
        names = self.data.remember(
            ("embedded names", model), lambda: embeddings.image_ids(model), [path]
        )
        rows = self.data.remember(
            ("embedded rows", model), lambda: {n: row for row, n in enumerate(names)}, [path]
        )
        if name not in rows:
            raise InvalidArgumentError(f"{model} has no embedding of {name}. Choose another model.")
        units = self._caches.vectors.get(
            (model, _state(path)),
            lambda: unit_vectors(embeddings.rows(model, names), np.ones(len(names), dtype=bool)),
        )
        allowed = None
        if among is not None:
            allowed = np.fromiter(map(among, names), dtype=bool, count=len(names))
        found = nearest(units, rows[name], n, allowed)
        return Nearby([names[row] for row in found.rows], found.similarity.tolist())

    def pattern_neighbours(
        self, trial: int, roi: str, n: int, voxels: VoxelChoice, across: bool, among: Mask | None
    ) -> Neighbours:
        """The trials whose response pattern in an ROI is most like that of one.

        Voxels are those above the noise ceiling of the trial's own session.

        Parameters
        ----------
        trial : int
        roi : str
        n : int
        voxels : VoxelChoice
        across : bool
            Look among every local session's trials, not those of the trial's own alone.
        among : ndarray of bool, shape (n_trials,), optional
            Trials to look among.
        """
        sub, table = self.sub, self.trials().table
        session = str(table["session"].iloc[trial])
        n_voxels = int((sub.get_roi_mask(roi) & sub.get_brain_mask(voxels.mask_source)).sum())
        good = responses.good_voxels(sub, session, voxels, roi, n_voxels)
        chosen = sub.get_sessions() if across else [session]
        parts = [self._patterns(name, roi, voxels.mask_source, good) for name in chosen]
        rows = np.flatnonzero(table["session"].isin(chosen).to_numpy())
        allowed = None if among is None else among[rows]
        seed = int(np.searchsorted(rows, trial))
        found = patterns_like(np.concatenate(parts), seed, n, allowed)
        return Neighbours(rows[found.rows], found.similarity)

    def _patterns(
        self, session: str, roi: str, mask_source: MaskSource, good: Mask
    ) -> NDArray[np.float32]:
        sub = self.sub
        state = tuple(map(_state, responses.roi_response_files(sub, session)))
        return self._caches.patterns.get(
            (self.subject, session, roi, mask_source, good.tobytes(), state),
            lambda: responses.session_patterns(sub, session, roi, good, mask_source),
        )

    def _stimulus_file(self, key: str) -> Path:
        return layout.local_path(self.data.data_dir, key)


@dataclass(frozen=True)
class Nearby:
    """Images and how near they are, the nearest first."""

    names: list[str]
    similarity: list[float]


def source_of(subject: str | Subject) -> TrialSource:
    """Of a subject by itself, outside the explorer.

    Parameters
    ----------
    subject : str or Subject
        A name is looked for in the configured data directory.
    """
    from laion_fmri.subject import load_subject

    sub = load_subject(subject) if isinstance(subject, str) else subject
    return TrialSource(data_of_page(load_settings(data_dir=sub.data_dir)), sub.name)


def no_such_trial(subject: str, trial: int, table: pd.DataFrame) -> str:
    """What to say of a trial that does not exist."""
    here = f"local trials are numbered 0 to {len(table) - 1}" if len(table) else "none is here"
    return f"{subject} has no trial {trial} here: {here}."


def _state(path: Path) -> tuple[str, int, int]:
    """What changes when a file does."""
    try:
        stat = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), stat.st_mtime_ns, stat.st_size
