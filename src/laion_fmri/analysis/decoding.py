"""Decoding: from the responses to an image to its features, and to the image itself.

A ridge regression predicts each feature from all voxels. The predicted features of a test image are
then compared with the true features of the candidates, and the rank of the image that was shown
says how much the responses tell apart: 1 if it is the most similar candidate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from laion_fmri import memory, ridge
from laion_fmri._errors import (
    InvalidArgumentError,
    NoMatchingDataError,
    NotEnoughMemoryError,
)
from laion_fmri.analysis.patterns import Patterns, listed
from laion_fmri.arguments import as_items, checked_seed, fraction, number_of_samples, one_of
from laion_fmri.features import as_features
from laion_fmri.responses import require_responses
from laion_fmri.splits import Split, load_split
from laion_fmri.transfer.plan import format_bytes

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.features import Features
    from laion_fmri.responses import Responses

Missing = Literal["raise", "omit"]
MISSING: tuple[Missing, ...] = get_args(Missing)

_FEWEST_TRAINING_IMAGES, _FEWEST_TEST_IMAGES = 3, 2
_TOPS = (1, 5)
_COPIES = 3  # of the responses, as float64, while they are decomposed


@dataclass(frozen=True, eq=False)
class Decoding:
    """How well images were retrieved from responses.

    Attributes
    ----------
    subject, features, split : str
        Names.
    images : tuple of str
        The test images.
    candidates : tuple of str
        The images to retrieve from; the test images come first.
    predicted : ndarray of float32, shape (n_test, n_features)
        Features predicted from the responses, standardised by the training images.
    ranks : ndarray of float64, shape (n_test, n_candidates)
        Of each candidate for each response, 1 for the most similar; the mean rank of equal ones.
    n_train, n_voxels : int
    left_out : mapping of str to tuple of str
        What of the split was not used, and why: ``"not shown"`` and ``"no features"``.
    """

    subject: str
    features: str
    split: str
    images: tuple[str, ...]
    candidates: tuple[str, ...]
    predicted: NDArray[np.float32]
    ranks: NDArray[np.float64]
    n_train: int
    n_voxels: int
    left_out: Mapping[str, tuple[str, ...]]

    @property
    def rank(self) -> NDArray[np.float64]:
        """The rank of the image that was shown, by test image, shape (n_test,)."""
        return np.diagonal(self.ranks).copy()

    @property
    def table(self) -> pd.DataFrame:
        """Return `summary` with 95 % intervals."""
        return self.summary()

    def summary(
        self, *, confidence: float = 0.95, n_resamples: int = 2000, seed: int = 0
    ) -> pd.DataFrame:
        """Return accuracies and the median rank, with chance.

        Parameters
        ----------
        confidence : float
            Of the intervals.
        n_resamples : int
            Number of bootstrap samples of test images, and of permutations.
        seed : int

        Returns
        -------
        DataFrame
            One row a measure, ``"top-1"``, ``"top-5"`` and ``"median rank"``: measure, value; low
            and high (the interval); chance; p_value; n_test; n_candidates.

        Notes
        -----
        Intervals are over test images, for this training set and these candidates: of accuracies
        the Wilson interval of a proportion, which is right also where none or all are hits, of the
        median rank percentiles of the bootstrap. p-values are one-sided: the share of random
        assignments of responses to test images that do at least as well, counting the actual one.
        """
        import pandas as pd

        confidence = fraction("confidence", confidence)
        n_resamples = number_of_samples("n_resamples", n_resamples, fewest=1)
        rng = np.random.default_rng(checked_seed(seed))
        n_test, n_candidates = self.ranks.shape
        own = self.rank
        shuffled = rng.permuted(np.tile(np.arange(n_test), (n_resamples, 1)), axis=1)
        by_chance = self.ranks[np.arange(n_test), shuffled]
        shared = {"n_test": n_test, "n_candidates": n_candidates}
        rows = []
        for top in _TOPS:
            value = float((own <= top).mean())
            low, high = _wilson(value, n_test, confidence)
            better = ((by_chance <= top).mean(axis=1) >= value - 1e-12).sum()
            rows.append(
                {
                    "measure": f"top-{top}",
                    "value": value,
                    "low": low,
                    "high": high,
                    "chance": min(top / n_candidates, 1.0),
                    "p_value": (1 + better) / (1 + n_resamples),
                    **shared,
                }
            )
        value = float(np.median(own))
        drawn = own[rng.integers(n_test, size=(n_resamples, n_test))]
        tails = [50 * (1 - confidence), 50 * (1 + confidence)]
        low, high = np.percentile(np.median(drawn, axis=1), tails)
        better = (np.median(by_chance, axis=1) <= value).sum()
        rows.append(
            {
                "measure": "median rank",
                "value": value,
                "low": float(low),
                "high": float(high),
                "chance": (n_candidates + 1) / 2,
                "p_value": (1 + better) / (1 + n_resamples),
                **shared,
            }
        )
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return (
            f"<Decoding of {self.subject} to {self.features}, {self.split}: {self.n_train} "
            f"training and {len(self.images)} test images, {len(self.candidates)} candidates>"
        )

    def _repr_html_(self) -> str:
        return self.table.round(3).to_html(index=False)


def decode(
    responses: Responses,
    features: Features | Any,
    split: str | Split | tuple[Iterable[str], Iterable[str]] = "tau",
    *,
    pool: str = "shared",
    candidates: Iterable[str] | None = None,
    penalties: Sequence[float] = ridge.PENALTIES,
    selection: ridge.Selection = "gcv",
    missing: Missing = "raise",
    data_dir: Any = None,
) -> Decoding:
    """Predict features from responses, and retrieve the images that were shown.

    Parameters
    ----------
    responses : Responses
        Single trials are averaged by image.
    features : Features, str, path, DataFrame
        As in `as_features`: what images are compared by.
    split : str, Split or (training images, test images)
    pool : str
        Pool of a split given by name.
    candidates : iterable of str, optional
        Further images to retrieve from, such as those of the training side or all that have
        features; by default the test images only.
    penalties : sequence of float
        To choose from for each feature, on the training images.
    selection : {"gcv", "loo"}
        How they are chosen: by generalised or by leave-one-out cross-validation.
    missing : {"raise", "omit"}
        What happens if an image that was shown has no features: an error, or it is left out.
    data_dir : path, optional
        Of features and splits given by name, instead of the configured one.

    Returns
    -------
    Decoding

    Raises
    ------
    InvalidArgumentError
        When the sides of the split overlap, images or candidates have no features, no voxel has a
        response to all images, or an argument is invalid.
    NoMatchingDataError
        When fewer than 3 training or 2 test images were shown and have features.
    UnknownNameError
        When there is no such split, pool or selection.
    NotEnoughMemoryError
        When the voxels do not fit into memory as float64.

    Notes
    -----
    Voxels and features are standardised by the training images. Voxels that lack a response to an
    image of the split are left out, and so are features that are constant over the training
    images. Similarity is Pearson's r over the standardised features.

    Examples
    --------
    >>> decode(sub.get_responses(roi="PPA"), "CLIP", "tau").table  # doctest: +SKIP
    """
    require_responses(responses)
    chosen_from = ridge.checked_penalties(penalties)
    selection = ridge.checked_selection(selection)
    found = as_features(features, data_dir)
    name, train, test = _sides(split, pool, data_dir)
    shown = set(responses.images["name"].astype(str))
    if one_of("choice for missing features", missing, MISSING) == "raise":
        found.require(one for one in (*train, *test) if one in shown)
    left_out = {
        "not shown": tuple(one for one in (*train, *test) if one not in shown),
        "no features": tuple(found.lacking(one for one in (*train, *test) if one in shown)),
    }
    absent = {*left_out["not shown"], *left_out["no features"]}
    train, test = ([one for one in side if one not in absent] for side in (train, test))
    for side, fewest, what in (
        (train, _FEWEST_TRAINING_IMAGES, "training"),
        (test, _FEWEST_TEST_IMAGES, "test"),
    ):
        if len(side) < fewest:
            raise NoMatchingDataError(
                f"{len(side)} {what} images of {name} are among these responses of "
                f"{responses.subject} and have features of {found.name}; at least {fewest} are "
                "needed. Read more images or sessions, or choose another split or pool."
            )
    extra = [] if candidates is None else list(dict.fromkeys(map(str, as_items(candidates))))
    retrieved_from = [*test, *(one for one in extra if one not in set(test))]
    found.require(retrieved_from)

    n_bytes = _COPIES * 8 * (len(train) + len(test)) * responses.values.shape[1]
    if not memory.has_room(n_bytes):
        raise NotEnoughMemoryError(
            f"Decoding from {responses.values.shape[1]:,} voxels takes {format_bytes(n_bytes)}, "
            f"and {format_bytes(memory.available())} of memory are free. Choose an ROI, or fewer "
            "voxels: Responses.select(voxels=…)."
        )
    patterns = Patterns.of(responses, (*train, *test)).prepared("euclidean", "session")
    known = patterns.known()
    if not known.any():
        raise InvalidArgumentError(
            f"None of the {len(known)} voxels of {responses.subject} has a response to all images "
            f"of {name}. Read more sessions, or choose another ROI."
        )
    values = patterns.values[:, known]
    x_train, x_test = ridge.standardised(values[: len(train)], values[len(train) :])
    mean, scale = ridge.standards(found.rows(train))
    varies = scale > 0
    y_train, y_candidates = (
        ((found.rows(side) - mean) * scale)[:, varies].astype(np.float32)
        for side in (train, retrieved_from)
    )
    voxels = ridge.DecomposedFeatures.of(x_train)
    fitted = ridge.fit(voxels, ridge.CentredResponses.of(y_train), chosen_from, selection)
    predicted = voxels.projected(x_test) @ fitted.kept
    return Decoding(
        responses.subject,
        found.name,
        name,
        tuple(test),
        tuple(retrieved_from),
        predicted,
        ranks_of(_similarity(predicted, y_candidates)),
        len(train),
        int(known.sum()),
        {reason: names for reason, names in left_out.items() if names},
    )


def ranks_of(similarity: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the rank of each column in its row, 1 for the largest; equal ones share their mean.

    Parameters
    ----------
    similarity : ndarray, shape (n_test, n_candidates)
        A row of NaN, of a prediction that is the same for all features, tells nothing apart.
    """
    ranks = np.empty(similarity.shape)
    for row, values in zip(ranks, np.nan_to_num(similarity, nan=0.0), strict=True):
        in_order = np.sort(values)
        below = np.searchsorted(in_order, values, side="left")
        up_to = np.searchsorted(in_order, values, side="right")
        row[:] = len(values) - (below + up_to - 1) / 2
    return ranks


def _similarity(predicted: NDArray, true: NDArray) -> NDArray[np.float64]:
    """Compute Pearson's r of each row with each other row, shape (n_predicted, n_true)."""
    sides = []
    for values in (predicted, true):
        centred = values - values.mean(axis=1, dtype=np.float64, keepdims=True)
        size = np.linalg.norm(centred, axis=1, keepdims=True)
        sides.append(np.divide(centred, size, out=np.full(centred.shape, np.nan), where=size > 0))
    return sides[0] @ sides[1].T


def _sides(
    split: str | Split | tuple[Iterable[str], Iterable[str]], pool: str, data_dir: Any
) -> tuple[str, list[str], list[str]]:
    if isinstance(split, str):
        split = load_split(split, pool, data_dir=data_dir)
    if isinstance(split, Split):
        return split.name, list(split.train_ids), list(split.test_ids)
    if not isinstance(split, Sequence) or len(split) != 2:
        raise InvalidArgumentError(
            "split= is the name of a split, a Split, or a pair: training images, test images."
        )
    train, test = (list(dict.fromkeys(map(str, as_items(side)))) for side in split)
    if both := set(train) & set(test):
        raise InvalidArgumentError(
            f"{len(both)} images are on both sides of the split: {listed(sorted(both))}."
        )
    return "own split", train, test


def _wilson(share: float, n: int, confidence: float) -> tuple[float, float]:
    """Return the Wilson interval of a proportion."""
    from statistics import NormalDist

    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
