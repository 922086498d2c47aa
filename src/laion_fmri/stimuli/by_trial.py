"""The stimuli by global trial index: the rows of `Subject.metadata`.

Everything is joined by image name. A trial index that does not exist raises
`TrialNotFoundError`; an image without masks or captions gives empty answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import InconsistentDataError, TrialNotFoundError
from laion_fmri.arguments import as_items, is_single, whole_number
from laion_fmri.stimuli.cache import FileCache
from laion_fmri.stimuli.hub import LocalStimuli
from laion_fmri.stimuli.metadata import NameIndex, read_metadata
from laion_fmri.subject_files import LocalSubject, OneSession, SubjectFiles
from laion_fmri.trials import join_trials

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

T = TypeVar("T")

# Reserved columns, which trial tables cannot replace, besides those of `join_trials`.
_OF_IMAGES = ("stim_idx", "unique_or_shared", "dataset")


def trial_table_paths(sub: LocalSubject) -> dict[str, Path]:
    """Return the path of the trial table of every downloaded session; it need not exist."""
    return {
        session: layout.local_path(sub.data_dir, layout.trials(sub.name, session))
        for session in sub.get_sessions()
    }


def local_trials(sub: LocalSubject) -> pd.DataFrame:
    """Read the trials of all downloaded sessions from the trial tables alone; see `join_trials`."""
    files = SubjectFiles(sub.name, sub.data_dir)
    return join_trials(
        {s: files.local(layout.trials(sub.name, s), ses=s) for s in sub.get_sessions()}
    )


def trial_metadata(sub: LocalSubject) -> pd.DataFrame:
    """Read the trials of all downloaded sessions, joined with the metadata of their images.

    See `Subject.metadata`.
    """
    import pandas as pd

    images = read_metadata(sub.data_dir)
    path = layout.local_path(sub.data_dir, layout.STIMULI_METADATA)
    index = NameIndex(images["image_name"], path)
    trials = local_trials(sub).drop(columns=list(_OF_IMAGES), errors="ignore")
    _require_known(
        sub.name,
        index.lacking(trials["image_name"]),
        path.name,
        _AGAIN.format("download_stimuli()"),
    )
    rows = index.rows(trials["image_name"])
    known = images.iloc[rows].reset_index(drop=True).drop(columns="image_name")
    first = ["session", "session_trial", "image_name"]
    rest = [c for c in known.columns if c not in (*_OF_IMAGES, *trials.columns)]
    return pd.concat(
        [
            trials[first],
            pd.Series(rows, name="stim_idx"),
            known[["unique_or_shared", "dataset", *rest]],
            trials.drop(columns=first),
        ],
        axis=1,
    )


_AGAIN = "Download it again with laion_fmri.{}."


def _require_known(subject: str, lacking: list[str], file_name: str, remedy: str) -> None:
    """Check that a file names the image of every trial."""
    if lacking:
        raise InconsistentDataError(
            f"{len(lacking)} images shown to {subject} are not in {file_name} (first: "
            f"{lacking[0]}). {remedy}"
        )


class Trials:
    """The trials of a subject: image names and metadata.

    Both are cached until a file changes on disk.
    """

    def __init__(self, sub: LocalSubject) -> None:
        self._sub = sub
        self._names: FileCache[tuple[NDArray[np.object_], NDArray[np.object_]]] = FileCache()
        self._metadata: FileCache[pd.DataFrame] = FileCache()

    def metadata(self) -> pd.DataFrame:
        """Return a copy of `trial_metadata`, which is cached until a file changes.

        See `Subject.metadata`.
        """
        images = layout.local_path(self._sub.data_dir, layout.STIMULI_METADATA)
        files = [*trial_table_paths(self._sub).values(), images]
        return self._metadata.get(files, lambda: trial_metadata(self._sub)).copy()

    @property
    def subject(self) -> str:
        """The subject's full identifier."""
        return self._sub.name

    def all(self, session: layout.Filter = None) -> NDArray[np.object_]:
        """Return the image names of all trials, or of one session, in order."""
        names, sessions = self._current()
        if session is None:
            return names
        wanted = layout.session_id(session)
        if wanted not in self._sub.get_sessions():
            SubjectFiles(self._sub.name, self._sub.data_dir).require_betas(wanted)
        return names[sessions == wanted]

    @overload
    def each(  # type: ignore[overload-overlap]
        self, session: OneSession | None, read: Callable[[NDArray[np.object_]], T]
    ) -> T: ...

    @overload
    def each(
        self, session: Iterable[str | int], read: Callable[[NDArray[np.object_]], T]
    ) -> dict[str, T]: ...

    def each(
        self, session: layout.Filter, read: Callable[[NDArray[np.object_]], T]
    ) -> T | dict[str, T]:
        """Apply `read` to the image names of all trials, of one session, or of several.

        Several sessions return a dict keyed by session.
        """
        if session is None or is_single(session):
            return read(self.all(session))
        return {ses: read(self.all(ses)) for ses in map(layout.session_id, as_items(session))}

    def one(self, trial: int) -> str:
        """Return the image name of one trial.

        Raises
        ------
        TrialNotFoundError
        """
        names, _ = self._current()
        index = whole_number(trial)
        if index is None or index >= len(names):
            known = f"numbered 0 to {len(names) - 1}" if len(names) else "none"
            raise TrialNotFoundError(
                f"{trial!r} is not a trial of {self._sub.name}: local trials are {known} (the "
                "rows of Subject.metadata)."
            )
        return names[index]

    def _current(self) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        """Return the image name and the session of each trial."""
        return self._names.get(list(trial_table_paths(self._sub).values()), self._read)

    def _read(self) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        table = local_trials(self._sub)
        return table["label"].to_numpy(dtype=object), table["session"].to_numpy(dtype=object)


class _ByTrial:
    def __init__(self, stimuli: LocalStimuli, names: Trials) -> None:
        self._stimuli = stimuli
        self._names = names


class TrialImages(_ByTrial):
    """The images shown, by global trial index."""

    def __len__(self) -> int:
        """Number of trials."""
        return len(self._names.all())

    def get(self, trial: int, as_displayed: bool = True) -> Image:
        """Return the image of one trial; see `Images.get`."""
        return self._stimuli.images.get(self._names.one(trial), as_displayed)

    def __getitem__(self, trial: int) -> bytes:
        """Return the stored bytes of the image of one trial."""
        return self._stimuli.images[self._names.one(trial)]

    @overload
    def array(  # type: ignore[overload-overlap]
        self, session: OneSession | None = ...
    ) -> NDArray[np.uint8]: ...

    @overload
    def array(self, session: Iterable[str | int]) -> dict[str, NDArray[np.uint8]]: ...

    def array(
        self, session: layout.Filter = None
    ) -> NDArray[np.uint8] | dict[str, NDArray[np.uint8]]:
        """Read the images of all trials, or of one session, as displayed.

        Returns
        -------
        ndarray of uint8, shape (n_trials, 1000, 1000, 3), or dict of them
            3 MB per trial, so select a session. A list of sessions returns a dict keyed by session.

        Raises
        ------
        NotEnoughMemoryError
            When they do not fit into memory; raised before decoding.
        """
        return self._names.each(session, self._stimuli.images.array)

    @overload
    def all(  # type: ignore[overload-overlap]
        self, session: OneSession | None = ...
    ) -> ImageSequence: ...

    @overload
    def all(self, session: Iterable[str | int]) -> dict[str, ImageSequence]: ...

    def all(self, session: layout.Filter = None) -> ImageSequence | dict[str, ImageSequence]:
        """Iterate over the images of all trials, or of one session, as displayed, in trial order.

        A list of sessions returns a dict of iterators.
        """
        return self._names.each(session, lambda names: ImageSequence(self._stimuli, list(names)))


class ImageSequence:
    """An iterator with a length over images, decoded one at a time."""

    def __init__(self, stimuli: LocalStimuli, names: list[str]) -> None:
        self._stimuli = stimuli
        self._names = iter(names)
        self._left = len(names)

    def __len__(self) -> int:
        return self._left

    def __iter__(self) -> Iterator[Image]:
        return self

    def __next__(self) -> Image:
        name = next(self._names)
        self._left -= 1
        return self._stimuli.images.get(name)


class TrialEmbeddings(_ByTrial):
    """Embeddings of the images shown, by model and global trial index."""

    @property
    def models(self) -> list[str]:
        """Models whose embeddings are downloaded."""
        return self._stimuli.embeddings.models

    def get(self, model: str, trial: int | Iterable[int]) -> NDArray[np.float16]:
        """Return the embedding of one trial's image, shape (n_features,).

        A list of trials returns one row per trial, shape (n, n_features).
        """
        if is_single(trial):
            return self._stimuli.embeddings.get(model, self._names.one(trial))  # type: ignore[arg-type]
        names = [self._names.one(one) for one in as_items(trial)]
        return self._stimuli.embeddings.rows(model, names)

    @overload
    def all(  # type: ignore[overload-overlap]
        self, model: str, session: OneSession | None = ...
    ) -> NDArray[np.float16]: ...

    @overload
    def all(self, model: str, session: Iterable[str | int]) -> dict[str, NDArray[np.float16]]: ...

    def all(
        self, model: str, session: layout.Filter = None
    ) -> NDArray[np.float16] | dict[str, NDArray[np.float16]]:
        """Return the embeddings of all trials, or of one session, in trial order.

        Rows correspond to the rows of ``get_betas``; shape (n_trials, n_features). A list of
        sessions returns a dict keyed by session.
        """
        return self._names.each(session, lambda names: self._rows(model, names))

    def _rows(self, model: str, names: NDArray[np.object_]) -> NDArray[np.float16]:
        embeddings = self._stimuli.embeddings
        lacking = embeddings.lacking(model, names)  # refuses what is no name of a model
        _require_known(
            self._names.subject,
            lacking,
            embeddings.path(model).name,
            _AGAIN.format(f'download_embeddings("{model}")')
            if model in layout.EMBEDDING_MODELS
            else "Register features of all images shown with laion_fmri.register_features.",
        )
        return embeddings.rows(model, names)


class TrialSegmentations(_ByTrial):
    """Object masks of the images shown, by global trial index."""

    def has_image(self, trial: int) -> bool:
        """Whether the image of this trial has any mask (only shared images have)."""
        return self._stimuli.segmentations.has_image(self._names.one(trial))

    def nouns(self, trial: int, localized_only: bool = True) -> list[str]:
        """Return the nouns found in the image of this trial, sorted; see `Segmentations.nouns`."""
        return self._stimuli.segmentations.nouns(self._names.one(trial), localized_only)

    def for_image(self, trial: int) -> pd.DataFrame:
        """Return the metadata rows of the masks of this trial's image."""
        return self._stimuli.segmentations.for_image(self._names.one(trial))

    def get(self, trial: int, noun: str, instance: int = 0) -> NDArray[np.uint8]:
        """Return one mask, uint8 of shape (1000, 1000); see `Segmentations.get`."""
        return self._stimuli.segmentations.get(self._names.one(trial), noun, instance)


class TrialCaptions(_ByTrial):
    """Captions of the images shown, by global trial index."""

    def human(self, trial: int, limit: int | None = None) -> list[str]:
        """Return the human captions of this trial's image, in rank order; at most `limit`."""
        return self._stimuli.captions.human(self._names.one(trial), limit)

    def ai(self, trial: int) -> str | None:
        """Return the AI caption of this trial's image; None for unique and OOD images."""
        return self._stimuli.captions.ai(self._names.one(trial))

    def list(self, trial: int, source: str | None = None) -> list[str]:
        """Return all captions of this trial's image: AI, then human in rank order."""
        return self._stimuli.captions.list(self._names.one(trial), source)

    def for_image(self, trial: int) -> pd.DataFrame:
        """Return the captions of this trial's image with their metadata."""
        return self._stimuli.captions.get(self._names.one(trial))

    get = for_image
