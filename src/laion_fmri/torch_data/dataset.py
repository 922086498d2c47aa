"""The datasets: one item per trial, or one per image."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import (
    DataNotDownloadedError,
    InvalidArgumentError,
    NoMatchingDataError,
)
from laion_fmri.arguments import as_items, one_of
from laion_fmri.betas import as_percentage
from laion_fmri.responses.container import Responses
from laion_fmri.responses.request import ZSCORES, ZScore
from laion_fmri.responses.tables import left_out_table
from laion_fmri.subject_files import LocalSubject, RoiQuery, SubjectFiles
from laion_fmri.torch_data.stimulus_parts import (
    WITHOUT_EMBEDDING,
    ItemEmbeddings,
    StimulusParts,
    WithoutEmbedding,
)
from laion_fmri.torch_data.trial_reader import GIGABYTE, TrialReader
from laion_fmri.transfer.plan import count_of
from laion_fmri.trials import select_stimuli
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image


class LaionFMRIDataset(torch.utils.data.Dataset):
    """Trials of one subject, read on demand.

    Created by `Subject.to_torch_dataset`, which describes the parameters. From a store
    (`Subject.build_store`) each trial is read in place. Without one, the betas of a session are
    read with its first trial and cached within `max_memory_gb`; the least recently used ones are
    dropped first. Each process has its own cache, and opens its own files, whether forked or
    spawned.

    Attributes
    ----------
    trials : DataFrame
        One row per item: the columns of the trial tables (session, run, beta_index, label …),
        indexed by global trial index. A mask over its rows selects items for
        `torch.utils.data.Subset`.
    item_sessions : list of str
        The session of each item.
    left_out : DataFrame
        The images whose trials were left out: kind, name and reason.
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
        zscore: ZScore = "none",
        embeddings: str | Iterable[str] | None = None,
        without_embedding: WithoutEmbedding = "raise",
    ) -> None:
        import pandas as pd

        if roi is not None:
            roi = as_items(roi)  # the first session would exhaust an iterator
        zscore = one_of("zscore", zscore, ZSCORES)
        files = SubjectFiles(sub.name, sub.data_dir)
        sessions = _sessions(files, session)
        if nc_threshold is not None and len(sessions) > 1:
            raise InvalidArgumentError(
                "nc_threshold leaves other voxels in every session, so items would differ in "
                "length. Give one session, or a mask over sessions such as "
                "mask=sub.get_noise_ceiling(desc='Noiseceiling12rep') > 20."
            )
        every = _tables(files)
        tables = {ses: every[ses] for ses in sessions}
        chosen = {
            ses: np.arange(len(t)) if stimuli is None else select_stimuli(t, stimuli)
            for ses, t in tables.items()
        }
        shown = pd.concat([t["label"].iloc[chosen[ses]] for ses, t in tables.items()])
        of_images, self.left_out = _embeddings(
            sub.data_dir, embeddings, list(dict.fromkeys(map(str, shown))), without_embedding
        )
        if len(self.left_out):
            is_out = {ses: t["label"].isin(self.left_out["name"]) for ses, t in tables.items()}
            chosen = {ses: rows[~is_out[ses].to_numpy()[rows]] for ses, rows in chosen.items()}
        self.trials: pd.DataFrame = pd.concat([t.iloc[chosen[ses]] for ses, t in tables.items()])
        self._labels: list[str] = self.trials["label"].tolist()
        repeats = pd.concat(every.values()).groupby("label").cumcount()
        self._repeats: list[int] = repeats.loc[self.trials.index].tolist()
        self.item_sessions = [ses for ses, rows in chosen.items() for _ in rows]
        self._rows = np.concatenate([np.arange(0), *chosen.values()])
        self._name, self._session_names = sub.name, list(tables)
        self._parts = StimulusParts(
            sub.data_dir, sub.name, self._labels, image, image_transform, of_images
        )
        self._reader = TrialReader(
            files, roi, mask, mask_source, as_percentage(nc_threshold), tables, chosen, zscore,
            max_memory_gb * GIGABYTE,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one item.

        Returns
        -------
        dict
            ``betas``, a float32 tensor of shape (n_voxels,); ``image``, a float32 tensor of
            shape (3, height, width) from 0 to 1, as displayed, or the result of `image_transform`;
            ``embeddings``, a float32 tensor of shape (n_features,), or a dict of them by model;
            ``image_name``; ``rep_index``, the number of earlier presentations of the image in the
            downloaded sessions; ``session``; ``trial``, the global trial index.
        """
        place = _place(index, len(self))
        session, name = self.item_sessions[place], self._labels[place]
        return {
            "betas": torch.from_numpy(self._reader.read(session, int(self._rows[place]))),
            **self._parts.get(name),
            "image_name": name,
            "rep_index": self._repeats[place],
            "session": session,
            "trial": int(self.trials.index[place]),
        }

    def __repr__(self) -> str:
        sessions = ", ".join(self._session_names)
        return f"<LaionFMRIDataset of {self._name}: {count_of(len(self), 'trial')} of {sessions}>"

    def compute_zscores(self) -> None:
        """Compute the mean and deviation of each voxel in each session now.

        Otherwise each process computes those of a session with its first trial there. Worker
        processes that start afterwards inherit them. Nothing is done without `zscore`.
        """
        self._reader.compute_moments()


class LaionFMRIImageDataset(torch.utils.data.Dataset):
    """Images with the average response of one subject to each, in memory.

    Created by `Subject.to_torch_image_dataset`, which describes the parameters.

    Attributes
    ----------
    images : DataFrame
        One row per item: name, repeats, dataset, shared, sessions, as in `Responses.images`. A
        mask over its rows selects items for `torch.utils.data.Subset`.
    left_out : DataFrame
        What was asked for and is in no item: kind, name and reason.
    """

    def __init__(
        self,
        data_dir: Path,
        responses: Responses,
        image_transform: Callable[[Image], Any] | None = None,
        *,
        image: bool = True,
        embeddings: str | Iterable[str] | None = None,
        without_embedding: WithoutEmbedding = "raise",
    ) -> None:
        import pandas as pd

        of_images, left_out = _embeddings(data_dir, embeddings, responses.names, without_embedding)
        if len(left_out):
            keep = ~responses.images["name"].isin(left_out["name"])
            responses = responses.select(images=responses.images["name"][keep].tolist())
        self.left_out = pd.concat([responses.left_out, left_out], ignore_index=True)
        self.images = responses.images
        self._subject, self._names = responses.subject, responses.names
        self._repeats: list[int] = self.images["repeats"].tolist()
        # A tensor, because spawned workers share the memory of tensors.
        self._values = torch.from_numpy(responses.values)
        self._parts = StimulusParts(
            data_dir, responses.subject, responses.names, image, image_transform, of_images
        )

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one item.

        Returns
        -------
        dict
            ``betas``, the averaged response, a float32 tensor of shape (n_voxels,); ``image`` and
            ``embeddings`` as for a trial; ``image_name``; ``repeats``, the number of trials with
            the image.
        """
        place = _place(index, len(self))
        return {
            "betas": torch.from_numpy(self._values[place].numpy().copy()),  # numpy forks safely
            **self._parts.get(self._names[place]),
            "image_name": self._names[place],
            "repeats": self._repeats[place],
        }

    def __repr__(self) -> str:
        n_images, n_voxels = self._values.shape
        return (
            f"<LaionFMRIImageDataset of {self._subject}: {count_of(n_images, 'image')} × "
            f"{count_of(n_voxels, 'voxel')}>"
        )


def _place(index: int, length: int) -> int:
    place = operator.index(index)
    if not -length <= place < length:
        raise IndexError(f"Item {index} of {length} does not exist.")
    return place % length


def _embeddings(
    data_dir: Path,
    models: str | Iterable[str] | None,
    names: Iterable[str],
    without_embedding: WithoutEmbedding,
) -> tuple[ItemEmbeddings | None, pd.DataFrame]:
    """Return the embeddings of images, and the table of images that are left out for want of one.

    Raises
    ------
    InvalidArgumentError
        When an image has none and `without_embedding` is ``"raise"``.
    NoMatchingDataError
        When no image has one.
    """
    policy = one_of("without_embedding", without_embedding, WITHOUT_EMBEDDING)
    if models is None:
        return None, left_out_table([])
    listed = list(names)
    found = ItemEmbeddings(data_dir, models, listed)
    if found.lacking:
        name = next(iter(found.lacking))
        text = (
            f"{len(found.lacking):,} of {count_of(len(listed), 'image')} have no embedding by "
            f"{', '.join(dict.fromkeys(found.lacking.values()))} (first: {name})"
        )
        if len(found.lacking) == len(listed):
            raise NoMatchingDataError(f"{text}, so no item is left. Choose other embeddings.")
        if policy == "raise":
            raise InvalidArgumentError(
                f'{text}. Choose other images or embeddings, or give without_embedding="leave_out".'
            )
        warnings.warn(f"{text}; they are left out.", UserWarning, stacklevel=4)
    reasons = (("image", name, f"no embedding by {model}") for name, model in found.lacking.items())
    return found, left_out_table(reasons)


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
