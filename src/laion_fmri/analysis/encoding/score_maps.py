"""Maps of scores: arrays, volumes, surfaces and figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.splits.evaluation import SCORES, SplitScore
from laion_fmri.subject import Subject, load_subject
from laion_fmri.volumes.masks import MaskSource

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

SHARES = ("share_of_correlation", "share_of_r2")
"""Scores relative to the noise ceiling of the test images: its square root, or itself."""


class ScoreMaps:
    """The scores of an `Encoding`, and their maps."""

    subject: str
    data_dir: Path
    mask_source: MaskSource
    in_mask: NDArray[np.bool_]
    scores: Mapping[str, Mapping[str, SplitScore]]

    @property
    def models(self) -> tuple[str, ...]:
        """The models, in the order given."""
        return tuple(self.scores)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits, in the order given."""
        return tuple(next(iter(self.scores.values())))

    def score(self, model: str | None = None, split: str | None = None) -> SplitScore:
        """Return the scores of a model on a split in voxels; the first ones by default.

        Raises
        ------
        UnknownNameError
        """
        model = self.models[0] if model is None else model
        split = self.splits[0] if split is None else split
        if model not in self.scores:
            raise UnknownNameError("model", model, self.models)
        if split not in self.scores[model]:
            raise UnknownNameError("split", split, self.splits)
        return self.scores[model][split]

    def map(
        self, model: str | None = None, split: str | None = None, score: str = "correlation"
    ) -> NDArray[np.float32]:
        """Return a score as a map of the brain mask, for `Subject.to_nifti`.

        Parameters
        ----------
        model, split : str, optional
            The first ones by default.
        score : str
            ``"correlation"``, ``"r2"``, ``"noise_ceiling"``, ``"penalty"``,
            ``"share_of_correlation"`` or ``"share_of_r2"``.

        Returns
        -------
        ndarray of float32, shape (n_brain_voxels,)
            NaN where nothing was scored.
        """
        found = self.score(model, split)
        if score in SHARES:
            best = found.noise_ceiling / 100
            best = np.sqrt(best) if score == SHARES[0] else best
            reached = found.correlation if score == SHARES[0] else found.r2
            nothing = np.full(len(best), np.nan, dtype=np.float32)
            values = np.divide(reached, best, out=nothing, where=best > 0)
        elif score in SCORES:
            values = getattr(found, score)
        else:
            raise UnknownNameError("score", score, [*SCORES, *SHARES])
        return self.in_brain(values)

    def in_brain(self, values: NDArray) -> NDArray[np.float32]:
        """Return values of the scored voxels as a map of the brain mask, NaN elsewhere."""
        out = np.full(len(self.in_mask), np.nan, dtype=np.float32)
        out[self.in_mask] = values
        return out

    def to_nifti(
        self,
        path: str | os.PathLike[str],
        model: str | None = None,
        split: str | None = None,
        score: str = "correlation",
    ) -> Path:
        """Write the map of a score as a volume; see `map` and `Subject.to_nifti`."""
        values = self.map(model, split, score)
        return self._subject().to_nifti(values, path, mask_source=self.mask_source)

    def to_surface(
        self,
        target: str = "fsaverage",
        model: str | None = None,
        split: str | None = None,
        score: str = "correlation",
        **options: Any,
    ) -> dict[str, NDArray[np.float32]]:
        """Return the map of a score on a surface, one array a hemisphere.

        Parameters
        ----------
        target : {"fsaverage", "fsnative"}
        model, split, score
            As in `map`.
        **options
            Of `laion_fmri.templates.volume_to_surface`.
        """
        values = self.map(model, split, score)
        return self._subject().volume_to_surface(
            values, target, mask_source=self.mask_source, **options
        )

    def plot(
        self,
        model: str | None = None,
        split: str | None = None,
        score: str = "correlation",
        **options: Any,
    ) -> Figure:
        """Draw the map of a score on the cortex from four sides.

        Parameters
        ----------
        model, split, score
            As in `map`.
        **options
            Of `laion_fmri.analysis.map_figure.plot_map`, such as ``space="fsaverage"`` and
            ``rois=["FFA1"]``.
        """
        from laion_fmri.analysis.map_figure import plot_map
        from laion_fmri.maps import given_map

        if self.mask_source != "anatomical":
            raise InvalidArgumentError(
                "Figures show maps of the anatomical brain mask. Use to_surface, or encode with "
                'mask_source="anatomical".'
            )
        values, sub = self.map(model, split, score), self._subject()
        title = f"{score.replace('_', ' ')}, {model or self.models[0]}, {split or self.splits[0]}"
        return plot_map(sub, given_map(sub, values, title), **options)

    def _subject(self) -> Subject:
        return load_subject(self.subject, self.data_dir)
