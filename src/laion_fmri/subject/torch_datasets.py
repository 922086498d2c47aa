"""PyTorch datasets of one subject's trials and images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri.responses.choices import Images
from laion_fmri.responses.request import NanPolicy, ZScore, request_responses
from laion_fmri.subject_files import LocalSubject, OneSession, RoiQuery, SeveralSessions
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    from PIL.Image import Image

    from laion_fmri.torch_data import LaionFMRIDataset, LaionFMRIImageDataset
    from laion_fmri.torch_data.stimulus_parts import WithoutEmbedding


class TorchAccessors(LocalSubject):
    """The accessors of `Subject` for PyTorch."""

    def to_torch_dataset(
        self,
        session: OneSession | SeveralSessions = None,
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
    ) -> LaionFMRIDataset:
        """Return the trials as a PyTorch dataset, for a ``DataLoader`` with any number of workers.

        Parameters
        ----------
        session : str, list of str or None
            None for all downloaded sessions.
        roi, mask, nc_threshold, mask_source, stimuli
            Voxels and trials, as in `get_betas`. `nc_threshold` with one session only, because its
            voxels differ between sessions.
        image_transform : callable, optional
            Transform of the `PIL.Image` as displayed to the image of an item.
        image : bool
            Include the image in items; without it, no stimulus file is required.
        max_memory_gb : float
            Size of each process's cache of betas from compressed files; others are read again when
            needed. Trials from a store (`build_store`) are read in place and need no cache.
        zscore : {"none", "session", "run"}
            z-score each voxel over all trials of a session or of a run, whatever their images, as
            in `get_responses`. The first trial of a session reads all of it once.
        embeddings : str or list of str, optional
            Include the embedding of the image: a published model or registered features. A list
            gives a dict by model.
        without_embedding : {"raise", "leave_out"}
            Whether an image without embedding is an error, or its trials are left out, with a
            warning, and listed in ``left_out``.

        Returns
        -------
        LaionFMRIDataset
            Items are dicts: betas (float32 tensor, shape (n_voxels,)), image (float32 tensor
            from 0 to 1, shape (3, height, width)), embeddings (float32 tensor, shape
            (n_features,)), image_name, rep_index (0 for the first presentation of the image in the
            downloaded sessions), session, trial (the global trial index).

        Raises
        ------
        MissingDependencyError
            When torch is not installed.
        DataNotDownloadedError, StimuliNotDownloadedError
            When the session, the images or the embeddings are not downloaded.
        InconsistentDataError
            When a trial shows an image that is not among the stimuli.
        InvalidArgumentError
            When an argument is invalid, or an image has no embedding.

        Notes
        -----
        Random order over compressed sessions that do not fit into `max_memory_gb` reads each of
        them again and again. Build a store, or draw trials with
        `laion_fmri.torch_data.SessionSampler`. ``DataLoader(persistent_workers=True)`` keeps what
        the workers have cached from epoch to epoch; without it they begin anew.

        z-scores keep 16 bytes per voxel and session (or run): 130 MB for the whole brain in 30
        sessions. Each process computes its own, unless `LaionFMRIDataset.compute_zscores` did so
        before the workers were started.

        Examples
        --------
        >>> from laion_fmri.torch_data import SessionSampler
        >>> trials = sub.to_torch_dataset(zscore="session", embeddings="CLIP", image=False)
        >>> sampler = SessionSampler(trials)
        >>> loader = DataLoader(trials, 64, sampler=sampler, num_workers=2)  # doctest: +SKIP
        """
        from laion_fmri.torch_data import LaionFMRIDataset

        return LaionFMRIDataset(
            self, session, roi, mask, nc_threshold, image_transform, mask_source,
            stimuli=stimuli, image=image, max_memory_gb=max_memory_gb, zscore=zscore,
            embeddings=embeddings, without_embedding=without_embedding,
        )  # fmt: skip

    def to_torch_image_dataset(
        self,
        images: Images | None = None,
        roi: RoiQuery | None = None,
        mask: NDArray[np.bool_] | None = None,
        session: OneSession | SeveralSessions = None,
        zscore: ZScore = "session",
        nan: NanPolicy = "omit",
        image_transform: Callable[[Image], Any] | None = None,
        mask_source: MaskSource = "anatomical",
        *,
        image: bool = True,
        embeddings: str | Iterable[str] | None = None,
        without_embedding: WithoutEmbedding = "raise",
        n_jobs: int = 1,
    ) -> LaionFMRIImageDataset:
        """Return images, each with the averaged response to it, as a PyTorch dataset.

        Parameters
        ----------
        images, roi, mask, session, zscore, nan, mask_source, n_jobs
            As in `get_responses`, which reads the responses: fast from averages
            (`build_averages`). They are kept in memory.
        image_transform, image, embeddings, without_embedding
            As in `to_torch_dataset`.

        Returns
        -------
        LaionFMRIImageDataset
            Items are dicts: betas (float32 tensor, shape (n_voxels,)), image, embeddings,
            image_name, repeats (number of trials with the image).

        Raises
        ------
        MissingDependencyError
            When torch is not installed.
        NotEnoughMemoryError
            When the responses do not fit into memory; raised before reading.
        LaionFmriError
            As in `get_responses` and `to_torch_dataset`.

        Examples
        --------
        >>> train = sub.to_torch_image_dataset("unique", roi="FFA1", embeddings="CLIP", image=False)
        >>> loader = DataLoader(train, 64, shuffle=True)  # doctest: +SKIP
        """
        from laion_fmri.torch_data import LaionFMRIImageDataset

        request = request_responses(
            self._files, images, roi, mask, session, zscore, True, nan, mask_source
        )
        return LaionFMRIImageDataset(
            self.data_dir, request.read(n_jobs), image_transform, image=image,
            embeddings=embeddings, without_embedding=without_embedding,
        )  # fmt: skip
