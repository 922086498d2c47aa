"""A subject's trials as a PyTorch dataset: betas, image, label, session and trial."""

from __future__ import annotations

import operator
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import (
    DataNotDownloadedError,
    InconsistentDataError,
    InvalidArgumentError,
    MissingDependencyError,
)
from laion_fmri.masks import MaskSource
from laion_fmri.stimuli.hub import Stimuli
from laion_fmri.stimuli.once import ForkSafeLock
from laion_fmri.subject_files import RoiQuery, SubjectFiles
from laion_fmri.trials import select_stimuli

try:
    import torch
except ImportError as error:
    raise MissingDependencyError(
        'PyTorch datasets need torch. Install the extra: pip install "laion-fmri-explorer[torch]".'
    ) from error

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from laion_fmri.subject import Subject

GIGABYTE = 1e9


class TrialDataset(torch.utils.data.Dataset):
    """Trials of one subject, each read when it is asked for.

    Made by `Subject.to_torch_dataset`, where the parameters are described. Betas of a
    session are read when the first of its trials is asked for and kept, the least recently
    used ones going first, as long as they fit into `max_memory_gb`: in every process that
    reads, since a copy that is sent to a worker starts empty. Files are opened anew in each
    worker, forked or spawned.

    Attributes
    ----------
    trials : DataFrame
        One row an item: the columns of the trial tables (session, run, beta_index, label …),
        with the global trial index as index. A mask over its rows chooses items, by way of
        `torch.utils.data.Subset`.
    """

    def __init__(
        self,
        sub: Subject,
        session: str | Iterable[str] | None = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        nc_threshold: float | None = None,
        stimuli: str | None = None,
        mask_source: MaskSource = "anatomical",
        image: bool = True,
        transform: Callable[[Image], Any] | None = None,
        max_memory_gb: float = 2.0,
    ) -> None:
        import pandas as pd

        if roi is not None and not isinstance(roi, str):
            roi = list(roi)
        sessions = _sessions(sub, session)
        if nc_threshold is not None and len(sessions) > 1:
            raise InvalidArgumentError(
                "nc_threshold leaves other voxels in every session, so items would differ in "
                "length. Give one session, or a mask over sessions such as "
                "mask=sub.get_noise_ceiling(desc='Noiseceiling12rep') > 20."
            )
        self._sub = sub
        self._filters: dict[str, Any] = {
            "roi": roi,
            "mask": mask,
            "nc_threshold": nc_threshold,
            "stimuli": stimuli,
            "mask_source": mask_source,
        }
        tables = {
            ses: table if stimuli is None else table.iloc[select_stimuli(table, stimuli)]
            for ses, table in _tables(sub, sessions).items()
        }
        # Where the rows of each session begin among the items.
        self._begins = dict(
            zip(tables, np.cumsum([0, *(len(table) for table in tables.values())]), strict=False)
        )
        self._lengths = {ses: len(table) for ses, table in tables.items()}
        self.trials: pd.DataFrame = pd.concat(tables.values())
        self._labels: list[str] = self.trials["label"].tolist()
        self._sessions = [ses for ses, table in tables.items() for _ in range(len(table))]
        self._stimuli = Stimuli(sub.data_dir) if image else None
        self._transform = transform
        if self._stimuli is not None:
            self._require_images(self._stimuli)
        self._most_bytes = max_memory_gb * GIGABYTE
        self._betas: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = ForkSafeLock()

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One item.

        Returns
        -------
        dict
            ``betas``, a float32 tensor of shape (n_voxels,); ``image``, a uint8 tensor of
            shape (3, height, width) as displayed, or what `transform` made of the picture;
            ``label``, the image's name; ``session``; ``trial``, the global trial index.
        """
        place = operator.index(index)
        if not -len(self) <= place < len(self):
            raise IndexError(f"Item {index} of {len(self)} does not exist.")
        place %= len(self)
        session, label = self._sessions[place], self._labels[place]
        item: dict[str, Any] = {"betas": torch.from_numpy(self._row(session, place))}
        if self._stimuli is not None:
            item["image"] = self._picture(self._stimuli, label)
        item.update(label=label, session=session, trial=int(self.trials.index[place]))
        return item

    def __repr__(self) -> str:
        sessions = ", ".join(self._lengths)
        return f"<TrialDataset of {self._sub.name}: {len(self)} trials of {sessions}>"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_betas": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._betas, self._lock = OrderedDict(), ForkSafeLock()

    def _row(self, session: str, place: int) -> NDArray[np.float32]:
        """A copy, so that what is done to an item does not reach the next epoch."""
        with self._lock:
            if session not in self._betas:
                self._keep(session, self._read(session))
            self._betas.move_to_end(session)
            return self._betas[session][place - self._begins[session]].copy()

    def _read(self, session: str) -> NDArray[np.float32]:
        betas = self._sub.get_betas(session, **self._filters)
        assert isinstance(betas, np.ndarray)
        if len(betas) != self._lengths[session]:
            raise InconsistentDataError(
                f"{session} of {self._sub.name} has {len(betas)} trials now and had "
                f"{self._lengths[session]}. Make the dataset again."
            )
        return betas

    def _keep(self, session: str, betas: NDArray[np.float32]) -> None:
        self._betas[session] = betas
        while len(self._betas) > 1 and sum(b.nbytes for b in self._betas.values()) > (
            self._most_bytes
        ):
            gone, _ = self._betas.popitem(last=False)
            warnings.warn(
                f"The betas take more than {self._most_bytes / GIGABYTE:g} GB: those of {gone} "
                "were dropped and will be read again. Choose an ROI, give a larger "
                "max_memory_gb, or draw the trials session by session.",
                UserWarning,
                stacklevel=4,
            )

    def _picture(self, stimuli: Stimuli, label: str) -> Any:
        picture = stimuli.images.get(label)
        if self._transform is not None:
            return self._transform(picture)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()

    def _require_images(self, stimuli: Stimuli) -> None:
        unknown = [label for label in dict.fromkeys(self._labels) if label not in stimuli.images]
        if unknown:
            raise InconsistentDataError(
                f"{len(unknown)} images shown to {self._sub.name} are not among the stimuli "
                f"(first: {unknown[0]}). Download them again with laion_fmri.download_stimuli()."
            )


def _sessions(sub: Subject, session: str | Iterable[str] | None) -> list[str]:
    """Which sessions, in order; all of them must be local."""
    if session is None:
        asked = sub.get_sessions()
    elif isinstance(session, str) or not isinstance(session, Iterable):
        asked = [layout.session_id(session)]
    else:
        asked = list(dict.fromkeys(layout.session_id(one) for one in session))
    for one in asked:
        SubjectFiles(sub.name, sub.data_dir).require_betas(one)
    if not asked:
        raise DataNotDownloadedError(
            f"No session of {sub.name} to make a dataset of. "
            f"download(subject={sub.name!r}, ses='ses-01') fetches one."
        )
    return asked


def _tables(sub: Subject, sessions: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The trial tables of these sessions, indexed by global trial index."""
    import pandas as pd

    tables = sub.get_trial_info(session=None)
    assert isinstance(tables, dict)
    first = 0
    for table in tables.values():
        table.index = pd.RangeIndex(first, first + len(table))
        first += len(table)
    return {session: tables[session] for session in sessions}
