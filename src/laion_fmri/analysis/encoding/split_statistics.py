"""Scores, intervals and tests of all models on a split, block of voxels by block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from laion_fmri import memory
from laion_fmri._errors import NotEnoughMemoryError
from laion_fmri.analysis.encoding.comparison import Pair, RoiScores
from laion_fmri.analysis.encoding.result import Predictions, Weights
from laion_fmri.analysis.encoding.statistics import (
    Influence,
    flipped_statistics,
    influence,
    interval,
    power,
    random_signs,
    resampled_scores,
    resampled_weights,
    standard_error,
)
from laion_fmri.features import Features
from laion_fmri.splits.chosen_voxels import BRAIN, ChosenVoxels
from laion_fmri.splits.evaluation import SplitScore
from laion_fmri.splits.fitting import MakeModel, PredictedBlock, Sides, Steps, predictions
from laion_fmri.splits.response_blocks import ResponseBlocks
from laion_fmri.splits.scoring import BlockScores
from laion_fmri.transfer.plan import format_bytes


@dataclass(frozen=True)
class Options:
    """What is calculated beside the scores; see `encode`."""

    n_bootstrap: int = 1000
    n_flips: int = 0
    voxel_intervals: bool = False
    predictions: bool = False
    weights: bool = False
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Found:
    """The parts of an `Encoding`."""

    scores: dict[str, dict[str, SplitScore]]
    roi_scores: dict[tuple[str, str, str], RoiScores]
    pairs: dict[tuple[str, str, str], Pair]
    voxel_intervals: dict[tuple[str, str], NDArray]
    predictions: dict[tuple[str, str], Predictions]
    weights: dict[tuple[str, str], Weights]


def fit_and_score(
    blocks: ResponseBlocks,
    sides: Mapping[str, Sides],
    models: Mapping[str, Features],
    make: MakeModel,
    voxels: ChosenVoxels,
    options: Options,
    steps: Steps,
) -> Found:
    """Fit all models on all splits, and score them; see `encode`."""
    of_split = {
        name: SplitStatistics(side, models, voxels, options) for name, side in sides.items()
    }
    for block in predictions(blocks, sides, models, make, steps):
        of_split[block.split].add(block)
    steps.end()
    found = Found({model: {} for model in models}, {}, {}, {}, {}, {})
    for split, one in of_split.items():
        one.finish(split, found)
    return found


class SplitStatistics:
    """Scores of all models on one split, to which blocks of voxels are added."""

    def __init__(
        self,
        side: Sides,
        models: Mapping[str, Features],
        voxels: ChosenVoxels,
        options: Options,
    ) -> None:
        n_test, n_voxels = len(side.test), voxels.n_voxels
        self._side, self._voxels, self._options = side, voxels, options
        self._models = models
        self._in_rois = np.stack(list(voxels.of_roi.values()), axis=1).astype(np.float32)
        # Where ROIs cover all voxels of a brain, scoring each bootstrap sample would take as long
        # as the fit; see `encode`.
        is_exact = BRAIN not in voxels.of_roi
        self._is_sampled = is_exact or options.voxel_intervals
        self._is_exact = is_exact
        self._samples = resampled_weights(n_test, options.n_bootstrap, options.seed)
        self._signs = random_signs(n_test, options.n_flips, options.seed)
        self._scores = {model: BlockScores(n_voxels) for model in models}
        n_rois = self._in_rois.shape[1]
        self._n_scored = np.zeros(n_rois)
        self._influence = {model: np.zeros((2, n_test, n_rois)) for model in models}
        self._sampled = {model: np.zeros((2, options.n_bootstrap, n_rois)) for model in models}
        self._pairs = {
            names: Pair(
                np.full(n_voxels, np.nan, dtype=np.float32),
                np.zeros(options.n_flips, dtype=np.float32),
            )
            for names in combinations(models, 2)
        }
        self._kept = _Kept(side, models, n_voxels, options)

    def add(self, block: PredictedBlock) -> None:
        """Score the predictions of a block."""
        at = block.voxels
        influences: dict[str, Influence] = {}
        scored = block.is_known.copy()
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            squares = power(block.centred)
            for model in self._models:
                found = self._scores[model].add(block, model)
                influences[model] = influence(block.centred, squares, found)
                scored &= np.isfinite(self._scores[model].values["correlation"][at])
            in_rois = np.where(scored[:, None], self._in_rois[at], 0)
            self._n_scored += in_rois.sum(axis=0)
            for model, of_image in influences.items():
                for row, values in enumerate(of_image):
                    self._influence[model][row] += np.where(scored, values, 0) @ in_rois
            for (a, b), pair in self._pairs.items():
                apart = influences[a].correlation - influences[b].correlation
                pair.standard_error[at] = np.where(scored, standard_error(apart), np.nan)
                if len(self._signs):
                    ours, theirs = (self._scores[m].values["correlation"][at] for m in (a, b))
                    apart = np.where(scored, apart + (ours - theirs), 0)
                    np.maximum(
                        pair.largest, flipped_statistics(apart, self._signs), out=pair.largest
                    )
            if self._is_sampled:
                self._sample(block, scored, in_rois)
        self._kept.add(block)

    def _sample(
        self, block: PredictedBlock, scored: NDArray[np.bool_], in_rois: NDArray[np.float32]
    ) -> None:
        for model, fitted in block.fits.items():
            found = resampled_scores(block.measured, fitted.predicted, self._samples)
            if self._is_exact:
                for row, values in enumerate(found):
                    self._sampled[model][row] += np.where(np.isfinite(values), values, 0) @ in_rois
            if self._options.voxel_intervals:
                ends = np.full((2, len(scored)), np.nan)
                ends[:, scored] = interval(found[0][:, scored])
                self._kept.intervals[model][:, block.voxels] = ends

    def finish(self, split: str, found: Found) -> None:
        """Add everything to what was found."""
        for model in self._models:
            score = self._scores[model].of_split(self._side, self._voxels.ncsnr2)
            found.scores[model][split] = score
            for at, roi in enumerate(self._voxels.of_roi):
                n = self._n_scored[at]
                mean = np.full(2, np.nan) if not n else self._means(model, roi)
                of_image = self._influence[model][:, :, at] / max(n, 1)
                if self._is_exact:
                    draws = self._sampled[model][:, :, at] / max(n, 1)
                    # A sample has fewer different images, and so a lower R²: without this shift
                    # an interval can miss the score that it is of.
                    draws += (mean - draws.mean(axis=1))[:, None]
                else:
                    apart = of_image - of_image.mean(axis=1, keepdims=True)
                    draws = mean[:, None] + apart @ self._samples.T
                if not n:
                    draws, of_image = draws * np.nan, of_image * np.nan
                found.roi_scores[model, split, roi] = RoiScores(draws[0], draws[1], of_image)
        for (a, b), pair in self._pairs.items():
            found.pairs[a, b, split] = pair
        self._kept.finish(split, found)

    def _means(self, model: str, roi: str) -> NDArray[np.float64]:
        """Mean r and R² over the voxels of an ROI that all models have scores in."""
        values = [one.values["correlation"] for one in self._scores.values()]
        scored = self._voxels.of_roi[roi] & np.isfinite(values).all(axis=0)
        own = self._scores[model].values
        return np.array(
            [own[name][scored].mean(dtype=np.float64) for name in ("correlation", "r2")]
        )


class _Kept:
    """Predictions, weights and intervals of all voxels, as far as they were asked for."""

    def __init__(
        self, side: Sides, models: Mapping[str, Features], n_voxels: int, options: Options
    ) -> None:
        self._side = side
        n_test = len(side.test)
        n_rows = n_test * (len(models) + 1) if options.predictions else 0
        if options.weights:
            n_rows += sum(one.n_features for one in models.values())
        n_bytes = 4 * n_rows * n_voxels
        if not memory.has_room(n_bytes):
            raise NotEnoughMemoryError(
                f"Predictions and weights of {n_voxels:,} voxels take {format_bytes(n_bytes)} for "
                f"each split, and {format_bytes(memory.available())} of memory are free. Choose "
                "fewer voxels or models."
            )

        def empty(n: int) -> NDArray[np.float32]:
            return memory.empty((n, n_voxels), np.float32)

        self.intervals = {m: empty(2) for m in models} if options.voxel_intervals else {}
        self._predicted = {m: empty(n_test) for m in models} if options.predictions else {}
        self._measured = empty(n_test) if options.predictions else None
        self._weights = (
            {m: Weights(empty(one.n_features), empty(1)[0]) for m, one in models.items()}
            if options.weights
            else {}
        )
        self._means = {
            m: one.rows(side.train).mean(axis=0, dtype=np.float64)
            for m, one in models.items()
            if options.weights
        }

    def add(self, block: PredictedBlock) -> None:
        at, mean = block.voxels, block.mean.astype(np.float32)
        if self._measured is not None:
            self._measured[:, at] = block.measured + mean
        for model, predicted in self._predicted.items():
            predicted[:, at] = block.fits[model].predicted + mean
        for model, (values, intercept) in self._weights.items():
            values[:, at] = block.fits[model].weights()
            intercept[at] = block.mean - self._means[model] @ values[:, at]

    def finish(self, split: str, found: Found) -> None:
        for model, ends in self.intervals.items():
            found.voxel_intervals[model, split] = ends
        for model, predicted in self._predicted.items():
            assert self._measured is not None
            found.predictions[model, split] = Predictions(
                self._side.test, predicted, self._measured
            )
        for model, weights in self._weights.items():
            found.weights[model, split] = weights
