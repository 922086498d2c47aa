"""The stimuli by global trial index: the rows of `Subject.metadata`.

Everything is joined by image name. A trial index that does not exist raises
`TrialNotFoundError`; an image without masks or captions gives empty answers.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import InconsistentDataError, TrialNotFoundError
from laion_fmri.stimuli.hub import Stimuli
from laion_fmri.stimuli.metadata import NameIndex, read_metadata
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.trials import no_trials

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from laion_fmri.subject import Subject

# Columns of the joined table that a trial table has no say in.
_DERIVED = ("session", "session_trial", "image_name", "stim_idx", "unique_or_shared", "dataset")


def trial_metadata(sub: Subject) -> pd.DataFrame:
    """Every trial of every local session with what is known of its image.

    See `Subject.metadata`.
    """
    import pandas as pd

    images = read_metadata(sub.data_dir)
    path = layout.local_path(sub.data_dir, layout.STIMULI_METADATA)
    index = NameIndex(images["image_name"], path)
    tables = sub.get_trial_info(session=None)
    assert isinstance(tables, dict)
    filled = {session: table for session, table in tables.items() if len(table)}
    trials = pd.concat(
        [
            table.drop(columns=[c for c in _DERIVED if c in table.columns]).assign(
                session=session, session_trial=np.arange(len(table)), image_name=table["label"]
            )
            for session, table in (filled or {"": no_trials()}).items()
        ],
        ignore_index=True,
    ).drop(columns="label")
    _require_known(sub.name, index.lacking(trials["image_name"]), path.name, "download_stimuli()")
    rows = index.rows(trials["image_name"])
    known = images.iloc[rows].reset_index(drop=True).drop(columns="image_name")
    own = ["session", "session_trial", "image_name"]
    rest = [c for c in known.columns if c not in _DERIVED and c not in trials.columns]
    return pd.concat(
        [
            trials[own],
            pd.Series(rows, name="stim_idx"),
            known[["unique_or_shared", "dataset", *rest]],
            trials.drop(columns=own),
        ],
        axis=1,
    )


def _require_known(subject: str, lacking: list[str], file_name: str, remedy: str) -> None:
    """Refuse trials whose image a file does not name: no row may stand for another."""
    if lacking:
        raise InconsistentDataError(
            f"{len(lacking)} images shown to {subject} are not in {file_name} (first: "
            f"{lacking[0]}). Download it again with laion_fmri.{remedy}."
        )


class TrialNames:
    """The image name of each global trial, from the trial tables alone.

    Kept until a table changes on disk.
    """

    def __init__(self, sub: Subject) -> None:
        self._sub = sub
        # Signature of the tables, names, sessions: replaced as one, for other threads' sake.
        self._known: tuple[object, NDArray[np.object_], NDArray[np.object_]] | None = None

    @property
    def subject(self) -> str:
        """Whose trials they are."""
        return self._sub.name

    def all(self, session: str | None = None) -> NDArray[np.object_]:
        """The names of every trial, or of one session's, in order."""
        names, sessions = self._current()
        if session is None:
            return names
        wanted = layout.session_id(session)
        if wanted not in self._sub.get_sessions():
            SubjectFiles(self._sub.name, self._sub.data_dir).require_betas(wanted)
        return names[sessions == wanted]

    def one(self, trial: int) -> str:
        """The name of one trial.

        Raises
        ------
        TrialNotFoundError
        """
        names, _ = self._current()
        try:
            index = operator.index(trial)
        except TypeError:
            index = -1
        if not 0 <= index < len(names):
            here = f"numbered 0 to {len(names) - 1}" if len(names) else "none"
            raise TrialNotFoundError(
                f"{trial!r} is not a trial of {self._sub.name}: local trials are {here} (the "
                "rows of Subject.metadata)."
            )
        return names[index]

    def _current(self) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        sub = self._sub
        sessions = sub.get_sessions()
        paths = [layout.local_path(sub.data_dir, layout.trials(sub.name, s)) for s in sessions]
        signature = [(p, p.stat().st_mtime_ns, p.stat().st_size) for p in paths if p.exists()]
        known = self._known
        if known is not None and known[0] == signature:
            return known[1:]
        tables = sub.get_trial_info(session=sessions)
        assert isinstance(tables, dict)
        labels = [table["label"].to_numpy(dtype=object) for table in tables.values()]
        names = np.concatenate(labels) if labels else np.array([], dtype=object)
        of_session = np.repeat(np.array(sessions, dtype=object), [len(part) for part in labels])
        self._known = (signature, names, of_session)
        return names, of_session


class _ByTrial:
    def __init__(self, stimuli: Stimuli, names: TrialNames) -> None:
        self._stimuli = stimuli
        self._names = names


class TrialImages(_ByTrial):
    """The images shown, by global trial index."""

    def get(self, trial: int, as_displayed: bool = True) -> Image:
        """The image of one trial; see `Images.get`."""
        return self._stimuli.images.get(self._names.one(trial), as_displayed)

    def __getitem__(self, trial: int) -> bytes:
        """The stored bytes of the image of one trial."""
        return self._stimuli.images[self._names.one(trial)]

    def array(self, session: str | None = None) -> NDArray[np.uint8]:
        """The images of every trial, or of one session's, as displayed.

        Returns
        -------
        ndarray of uint8, shape (n_trials, 1000, 1000, 3)
            3 MB a trial: choose a session.
        """
        return self._stimuli.images.array(self._names.all(session))

    def all(self, session: str | None = None) -> ImageSequence:
        """An iterator over the images of every trial as displayed, in trial order."""
        return ImageSequence(self._stimuli, list(self._names.all(session)))


class ImageSequence:
    """Images one after the other, decoded as they are asked for; has a length."""

    def __init__(self, stimuli: Stimuli, names: list[str]) -> None:
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
        """The models whose embeddings are local."""
        return self._stimuli.embeddings.models

    def get(self, model: str, trial: int) -> NDArray[np.float16]:
        """The embedding of one trial's image, shape (n_features,)."""
        return self._stimuli.embeddings.get(model, self._names.one(trial))

    def all(self, model: str, session: str | None = None) -> NDArray[np.float16]:
        """The embeddings of every trial, or of one session's, in trial order.

        Rows line up with the rows of ``get_betas``; shape (n_trials, n_features).
        """
        names = self._names.all(session)
        embeddings = self._stimuli.embeddings
        _require_known(
            self._names.subject,
            embeddings.lacking(model, names),
            PurePosixPath(layout.embeddings(model)).name,
            f'download_embeddings("{model}")',
        )
        return embeddings.rows(model, names)


class TrialSegmentations(_ByTrial):
    """Object masks of the images shown, by global trial index; safe on every trial."""

    def has_image(self, trial: int) -> bool:
        """Whether the image of this trial has any mask (shared images have)."""
        return self._stimuli.segmentations.has_image(self._names.one(trial))

    def nouns(self, trial: int, localized_only: bool = False) -> list[str]:
        """The nouns found in the image of this trial, sorted; empty where there are none."""
        return self._stimuli.segmentations.nouns(self._names.one(trial), localized_only)

    def for_image(self, trial: int) -> pd.DataFrame:
        """The metadata rows of the masks of this trial's image."""
        return self._stimuli.segmentations.for_image(self._names.one(trial))

    def get(self, trial: int, noun: str, instance: int = 0) -> NDArray[np.uint8]:
        """One mask, uint8 of shape (1000, 1000); see `Segmentations.get`."""
        return self._stimuli.segmentations.get(self._names.one(trial), noun, instance)


class TrialCaptions(_ByTrial):
    """Captions of the images shown, by global trial index."""

    def human(self, trial: int) -> list[str]:
        """The human captions of this trial's image, in rank order."""
        return self._stimuli.captions.human(self._names.one(trial))

    def ai(self, trial: int) -> str | None:
        """The AI caption of this trial's image; None for unique and OOD images."""
        return self._stimuli.captions.ai(self._names.one(trial))

    def list(self, trial: int) -> list[str]:
        """Every caption of this trial's image: humans' in rank order, then AI's."""
        return self._stimuli.captions.list(self._names.one(trial))

    def get(self, trial: int) -> pd.DataFrame:
        """The captions of this trial's image with all that is known of them."""
        return self._stimuli.captions.get(self._names.one(trial))
