"""A subject's trials as a PyTorch dataset: betas, images and trial information."""

from __future__ import annotations

import operator
import warnings
from collections import OrderedDict
from collections.abc import Callable
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
from laion_fmri.arguments import as_items
from laion_fmri.betas import as_percentage, chosen_voxels, read_betas, request_betas
from laion_fmri.stimuli.cache import ForkSafeLock
from laion_fmri.stimuli.hub import LocalStimuli
from laion_fmri.subject_files import LocalSubject, RoiQuery, SubjectFiles
from laion_fmri.trials import select_stimuli
from laion_fmri.volumes.masks import MaskSource

try:
    import torch
except ImportError as error:
    raise MissingDependencyError(
        'PyTorch datasets need torch. Install the extra: pip install "laion-fmri-explorer[torch]".'
    ) from error

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

GIGABYTE = 1e9


class LaionFMRIDataset(torch.utils.data.Dataset):
    """Trials of one subject, read on demand.

    Created by `Subject.to_torch_dataset`, which describes the parameters. The betas of a session
    are read with its first trial and cached within `max_memory_gb`; the least recently used ones
    are dropped first. Each process has its own cache, and opens its own files, whether forked or
    spawned.

    Attributes
    ----------
    trials : DataFrame
        One row per item: the columns of the trial tables (session, run, beta_index, label …),
        indexed by global trial index. A mask over its rows selects items for
        `torch.utils.data.Subset`.
    """

    def __init__(
        self,
        sub: LocalSubject,
        session: layout.Filter = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        nc_threshold: float | None = None,
        image_transform: Callable[[Image], Any] | None = None,
        mask_source: MaskSource = "anatomical",
        *,
        stimuli: str | None = None,
        image: bool = True,
        max_memory_gb: float = 2.0,
    ) -> None:
        import pandas as pd

        if roi is not None:
            roi = as_items(roi)  # the first session would exhaust an iterator
        self._files = SubjectFiles(sub.name, sub.data_dir)
        sessions = _sessions(self._files, session)
        if nc_threshold is not None and len(sessions) > 1:
            raise InvalidArgumentError(
                "nc_threshold leaves other voxels in every session, so items would differ in "
                "length. Give one session, or a mask over sessions such as "
                "mask=sub.get_noise_ceiling(desc='Noiseceiling12rep') > 20."
            )
        self._roi, self._mask, self._mask_source = roi, mask, mask_source
        self._threshold, self._stimuli_group = as_percentage(nc_threshold), stimuli
        every = _tables(self._files)
        tables = {ses: every[ses] for ses in sessions}
        if stimuli is not None:
            tables = {ses: t.iloc[select_stimuli(t, stimuli)] for ses, t in tables.items()}
        # Index of each session's first item.
        self._begins = dict(
            zip(tables, np.cumsum([0, *(len(table) for table in tables.values())]), strict=False)
        )
        self._lengths = {ses: len(table) for ses, table in tables.items()}
        self.trials: pd.DataFrame = pd.concat(tables.values())
        self._labels: list[str] = self.trials["label"].tolist()
        repeats = pd.concat(every.values()).groupby("label").cumcount()
        self._repeats: list[int] = repeats.loc[self.trials.index].tolist()
        self._sessions = [ses for ses, table in tables.items() for _ in range(len(table))]
        self._stimuli = LocalStimuli(sub.data_dir) if image else None
        self._transform = image_transform
        if self._stimuli is not None:
            self._require_images(self._stimuli)
        self._most_bytes = max_memory_gb * GIGABYTE
        self._betas: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = ForkSafeLock()

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one item.

        Returns
        -------
        dict
            ``betas``, a float32 tensor of shape (n_voxels,); ``image``, a float32 tensor of
            shape (3, height, width) from 0 to 1, as displayed, or the result of `image_transform`;
            ``image_name``; ``rep_index``, the number of earlier presentations of the image in the
            downloaded sessions; ``session``; ``trial``, the global trial index.
        """
        place = operator.index(index)
        if not -len(self) <= place < len(self):
            raise IndexError(f"Item {index} of {len(self)} does not exist.")
        place %= len(self)
        session, name = self._sessions[place], self._labels[place]
        item: dict[str, Any] = {"betas": torch.from_numpy(self._row(session, place))}
        if self._stimuli is not None:
            item["image"] = self._picture(self._stimuli, name)
        item.update(
            image_name=name,
            rep_index=self._repeats[place],
            session=session,
            trial=int(self.trials.index[place]),
        )
        return item

    def __repr__(self) -> str:
        sessions = ", ".join(self._lengths)
        return f"<LaionFMRIDataset of {self._files.name}: {len(self)} trials of {sessions}>"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_betas": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._betas, self._lock = OrderedDict(), ForkSafeLock()

    def _row(self, session: str, place: int) -> NDArray[np.float32]:
        """Return a copy, so that in-place changes of an item do not persist."""
        with self._lock:
            if session not in self._betas:
                self._keep(session, self._read(session))
            self._betas.move_to_end(session)
            return self._betas[session][place - self._begins[session]].copy()

    def _read(self, session: str) -> NDArray[np.float32]:
        grid, voxels = chosen_voxels(self._files, self._roi, self._mask, self._mask_source)
        request = request_betas(
            self._files, session, grid, voxels, self._threshold, self._stimuli_group,
            self._mask_source,
        )  # fmt: skip
        betas = read_betas({session: request})[session]
        if len(betas) != self._lengths[session]:
            raise InconsistentDataError(
                f"{session} of {self._files.name} has {len(betas)} trials now and had "
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

    def _picture(self, stimuli: LocalStimuli, label: str) -> Any:
        picture = stimuli.images.get(label)
        if self._transform is not None:
            return self._transform(picture)
        # numpy reorders the axes, because torch would start threads, after which the same operation
        # deadlocks in a forked process.
        channels = np.ascontiguousarray(np.moveaxis(np.asarray(picture), -1, 0))
        return torch.from_numpy(np.divide(channels, 255, dtype=np.float32))

    def _require_images(self, stimuli: LocalStimuli) -> None:
        unknown = [label for label in dict.fromkeys(self._labels) if label not in stimuli.images]
        if unknown:
            raise InconsistentDataError(
                f"{len(unknown)} images shown to {self._files.name} are not among the stimuli "
                f"(first: {unknown[0]}). Download them again with laion_fmri.download_stimuli()."
            )


def _sessions(files: SubjectFiles, session: layout.Filter) -> list[str]:
    """Return the sessions in order; all must be downloaded."""
    if session is None:
        asked = files.sessions()
    else:
        asked = list(dict.fromkeys(layout.session_id(one) for one in as_items(session)))
    for one in asked:
        files.require_betas(one)
    if not asked:
        raise DataNotDownloadedError(
            f"No session of {files.name} to make a dataset of. "
            f"download(subject={files.name!r}, ses='ses-01') fetches one."
        )
    return asked


def _tables(files: SubjectFiles) -> dict[str, pd.DataFrame]:
    """Return the trial tables of the downloaded sessions, indexed by global trial index."""
    import pandas as pd

    tables = {session: files.trial_table(session) for session in files.sessions()}
    first = 0
    for table in tables.values():
        table.index = pd.RangeIndex(first, first + len(table))
        first += len(table)
    return tables
