"""How alike representational dissimilarity matrices are, with intervals and noise ceilings.

Images and subjects are both samples: the interval of a score is for new images and, with several
subjects, for new subjects too. Its variance is that of Schütt et al. [1]_: with the variances of
bootstraps over images, over subjects and over both, each corrected for its number of samples,
``2 (V_images + V_subjects) - V_both``, which is not below either of the first two nor above the
last. The bootstrap over both alone would count the noise of single distances several times.

An image that a bootstrap draws twice has a distance of 0 to itself. Such pairs are left out; all
others count as often as they are drawn.

.. [1] H. H. Schütt, A. D. Kipnis, J. Diedrichsen, N. Kriegeskorte (2023). Statistical inference on
   representational geometries. eLife 12:e82566.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, MissingDependencyError, UnknownNameError
from laion_fmri.analysis.distances import condensed
from laion_fmri.analysis.patterns import FEWEST_IMAGES, Patterns, listed, repeated
from laion_fmri.analysis.rsa import RDM
from laion_fmri.arguments import checked_seed, fraction, number_of_samples, one_of

if TYPE_CHECKING:
    import pandas as pd

Similarity = Literal["spearman", "pearson", "kendall", "cosine"]
SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)

_LEVELS = 1 << 16  # ranks that a bootstrap tells apart
Pairs = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class RdmComparison:
    """The similarity of models' RDMs to those of subjects.

    Attributes
    ----------
    method : str
    models, subjects : tuple of str
        Names of the two sides.
    images : tuple of str
        Images that every RDM has.
    left_out : mapping of str to tuple of str
        RDM to its images that another RDM lacks.
    by_subject : ndarray of float64, shape (n_models, n_subjects)
    resampled : ndarray of float64, shape (n_bootstrap, n_models, n_subjects)
        The same for bootstrap samples of the images; NaN for samples of fewer than 3 images.
    noise_ceiling : tuple of float
        Lower and upper bound of the score that any model can have, given how much the subjects
        differ. NaN with one subject.
    confidence : float
        Of the intervals.
    seed : int
    """

    method: Similarity
    models: tuple[str, ...]
    subjects: tuple[str, ...]
    images: tuple[str, ...]
    left_out: Mapping[str, tuple[str, ...]]
    by_subject: NDArray[np.float64]
    resampled: NDArray[np.float64]
    noise_ceiling: tuple[float, float]
    confidence: float
    seed: int

    @property
    def table(self) -> pd.DataFrame:
        """Return the score of each model.

        Returns
        -------
        DataFrame
            model; score (mean over subjects); low and high (the interval); p_value (two-sided,
            that the score is 0; NaN for ``"cosine"``, by which even unrelated distances are alike
            because they are positive); ceiling_low and ceiling_high; n_images; n_subjects.
        """
        found = self._table(self.models, self.by_subject, self.resampled)
        found[["low", "high"]] = found[["low", "high"]].clip(-1, 1)
        if self.method == "cosine":
            found["p_value"] = np.nan
        return found

    def differences(self, reference: str | None = None) -> pd.DataFrame:
        """Return how much each model's score exceeds that of one model, on the same samples.

        Parameters
        ----------
        reference : str, optional
            The first model by default.

        Returns
        -------
        DataFrame
            The columns of `table`, without ceilings; the score is the difference. p-values are
            not corrected for the number of models.

        Raises
        ------
        UnknownNameError
            When there is no such model.
        """
        reference = self.models[0] if reference is None else reference
        if reference not in self.models:
            raise UnknownNameError("model", reference, self.models)
        place = self.models.index(reference)
        rows = [row for row in range(len(self.models)) if row != place]
        found = self._table(
            tuple(self.models[row] for row in rows),
            self.by_subject[rows] - self.by_subject[place],
            self.resampled[:, rows] - self.resampled[:, [place]],
        )
        return found.drop(columns=["ceiling_low", "ceiling_high"])

    def _table(self, names: Sequence[str], by_subject: NDArray, resampled: NDArray) -> pd.DataFrame:
        import pandas as pd

        score = by_subject.mean(axis=1)
        variance = sampling_variance(by_subject, resampled, len(self.images), self.seed)
        half, p_value = _interval(score, variance, self._degrees_of_freedom(), self.confidence)
        return pd.DataFrame(
            {
                "model": list(names),
                "score": score,
                "low": score - half,
                "high": score + half,
                "p_value": p_value,
                "ceiling_low": self.noise_ceiling[0],
                "ceiling_high": self.noise_ceiling[1],
                "n_images": len(self.images),
                "n_subjects": len(self.subjects),
            }
        )

    def _degrees_of_freedom(self) -> int:
        counts = [len(self.images), *([len(self.subjects)] if len(self.subjects) > 1 else [])]
        return min(counts) - 1

    def __repr__(self) -> str:
        return (
            f"<Comparison of {', '.join(self.models)} with {', '.join(self.subjects)}: "
            f"{self.method}, {len(self.images)} images>"
        )

    def _repr_html_(self) -> str:
        return self.table.round(3).to_html(index=False)


def compare_rdms(
    models: RDM | Iterable[RDM],
    subjects: RDM | Iterable[RDM],
    method: Similarity = "spearman",
    *,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Callable[[float, str], object] | None = None,
) -> RdmComparison:
    """Compare the RDMs of models with those of subjects.

    Parameters
    ----------
    models, subjects : RDM or list of RDM
        Aligned by the names of images; those that an RDM lacks are left out.
    method : {"spearman", "pearson", "kendall", "cosine"}
        Correlation of ranks, of distances, Kendall's tau-b, or cosine of the two vectors of
        distances. Only the cosine keeps what a distance of 0 means, as those of ``"crossnobis"``.
    n_bootstrap : int
        Number of bootstrap samples of the images; 0 for no intervals.
    confidence : float
        Of the intervals.
    seed : int
        Of the samples.
    progress : callable, optional
        Called with the completed fraction, 0 to 1, and the name of the step. An error that it
        raises ends the comparison.

    Returns
    -------
    RdmComparison

    Raises
    ------
    InvalidArgumentError
        When fewer than 3 images are in all RDMs, a distance is NaN or infinite, all are equal, or
        two models have the same name.
    UnknownNameError
        When there is no such method.
    MissingDependencyError
        When scipy is not installed.

    Notes
    -----
    The score of a model is the mean over subjects of the similarity to their RDMs. The upper
    noise ceiling is the mean similarity of each subject's RDM to the mean RDM of all, the lower one
    to that of all others (Nili et al., 2014), as in rsatoolbox: RDMs are ranked, z-scored or
    divided by their length, as the method asks for, before they are averaged. Intervals are
    ``score ± t · sd`` with the variance described in `laion_fmri.analysis.rdm_comparison` and one
    degree of freedom less than there are subjects, or images if they are fewer. With few subjects
    that is cautious: in simulations of five, intervals of 95 % have the truth in 97 to 100 %.
    A bootstrap for ``"spearman"`` ranks again in each sample, and tells 65,536 ranks apart.

    Examples
    --------
    >>> brain = rdm(group.get_responses("FFA1", images="shared"))  # doctest: +SKIP
    >>> models = rdm(["CLIP", "DINOv2"], images=brain[0].images)  # doctest: +SKIP
    >>> compare_rdms(models, brain).table  # doctest: +SKIP
    """
    method = one_of("method", method, SIMILARITIES)
    confidence = fraction("confidence", confidence)
    n_bootstrap = number_of_samples("n_bootstrap", n_bootstrap)
    seed = checked_seed(seed)
    require_scipy()
    left, right = as_rdms(models, "models"), as_rdms(subjects, "subjects")
    require_names(left)
    images, left_out = common_images([*left, *right])
    x, y = (values_of(side, images) for side in (left, right))
    return RdmComparison(
        method,
        tuple(one.name for one in left),
        tuple(one.name for one in right),
        images,
        left_out,
        similarities(x, y, method),
        bootstrapped(x, y, method, len(images), n_bootstrap, seed, progress),
        subjects_ceiling(y, method),
        confidence,
        seed,
    )


def require_scipy() -> None:
    """Check that scipy is installed.

    Raises
    ------
    MissingDependencyError
    """
    try:
        import scipy.stats  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "Comparisons of RDMs need scipy. Install the extra: "
            'pip install "laion-fmri-explorer[rsa]".'
        ) from error


def common_images(
    rdms: Sequence[RDM | Patterns],
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return the images that all RDMs have, and those that are left out of each.

    Raises
    ------
    InvalidArgumentError
        When there are fewer than 3.
    """
    shared = set(rdms[0].images).intersection(*(one.images for one in rdms))
    images = tuple(name for name in rdms[0].images if name in shared)
    if len(images) < FEWEST_IMAGES:
        sizes = ", ".join(f"{one.name} has {len(one.images)}" for one in rdms)
        raise InvalidArgumentError(
            f"{len(images)} images are in all RDMs, and a comparison needs at least "
            f"{FEWEST_IMAGES}: {sizes}. Compute them of the same images: rdm(…, images=…)."
        )
    left_out = {
        one.name: tuple(name for name in one.images if name not in shared)
        for one in rdms
        if len(one.images) > len(images)
    }
    return images, left_out


def similarities(x: Pairs, y: Pairs, method: Similarity) -> NDArray[np.float64]:
    """Compute the similarity of each row of `x` to each row of `y`.

    Parameters
    ----------
    x : ndarray, shape (n_models, n_pairs)
    y : ndarray, shape (n_subjects, n_pairs)

    Returns
    -------
    ndarray of float64, shape (n_models, n_subjects)
        NaN for constant rows.
    """
    if method == "kendall":
        from scipy.stats import kendalltau

        return np.array([[kendalltau(a, b).statistic for b in y] for a in x])
    if method == "spearman":
        x, y = _ranks(x), _ranks(y)
    if method != "cosine":
        x, y = (side - side.mean(axis=1, keepdims=True) for side in (x, y))
    return _products(x, y, np.ones(x.shape[1]), is_centred=False)


def bootstrapped(
    x: Pairs,
    y: Pairs,
    method: Similarity,
    n_images: int,
    n_bootstrap: int,
    seed: int,
    progress: Callable[[float, str], object] | None = None,
) -> NDArray[np.float64]:
    """Compute `similarities` for bootstrap samples of the images.

    Returns
    -------
    ndarray of float64, shape (n_bootstrap, n_models, n_subjects)
        NaN for samples of fewer than 3 images.
    """
    from scipy.stats import kendalltau

    counts = np.random.default_rng(seed).multinomial(
        n_images, np.full(n_images, 1 / n_images), size=n_bootstrap
    )
    found = np.full((n_bootstrap, len(x), len(y)), np.nan)
    both = np.concatenate([x, y])
    if method == "spearman":
        both = np.stack([_levels(row) for row in both])
    elif method == "pearson":  # sums of squares are exact when the means are near 0
        both -= both.mean(axis=1, keepdims=True)
    for sample, count in enumerate(counts):
        if progress is not None:
            progress(sample / n_bootstrap, "Drawing images")
        if (count > 0).sum() < FEWEST_IMAGES:
            continue
        weights = condensed(np.multiply.outer(count, count))
        drawn = np.flatnonzero(weights)
        weights = weights[drawn]
        some = np.take(both, drawn, axis=1)
        if method == "kendall":
            some = np.repeat(some, weights, axis=1)
            found[sample] = [
                [kendalltau(a, b).statistic for b in some[len(x) :]] for a in some[: len(x)]
            ]
            continue
        values = weights.astype(np.float64)
        if method == "spearman":
            some = np.stack([_weighted_ranks(row, values) for row in some])
        found[sample] = _products(some[: len(x)], some[len(x) :], values, method != "cosine")
    if progress is not None:
        progress(1.0, "Drawing images")
    return found


def subjects_ceiling(y: Pairs, method: Similarity) -> tuple[float, float]:
    """Return the lower and upper noise ceiling across subjects; NaN with one.

    Parameters
    ----------
    y : ndarray, shape (n_subjects, n_pairs)
    """
    if len(y) < 2:
        return np.nan, np.nan
    values = y.astype(np.float64)
    if method in ("spearman", "kendall"):
        values = _ranks(values)
    elif method == "pearson":
        values = values - values.mean(axis=1, keepdims=True)
    if method in ("pearson", "cosine"):
        values = values / np.sqrt((values**2).mean(axis=1, keepdims=True))
    total = values.sum(axis=0)
    upper = similarities(total[None], y, method).mean()
    lower = np.mean(
        [
            similarities((total - own)[None], one[None], method)
            for own, one in zip(values, y, strict=True)
        ]
    )
    return float(lower), float(upper)


def sampling_variance(
    by_subject: NDArray, resampled: NDArray, n_images: int, seed: int
) -> NDArray[np.float64]:
    """Compute the variance of mean scores over samples of images and subjects.

    Parameters
    ----------
    by_subject : ndarray, shape (n_models, n_subjects)
    resampled : ndarray, shape (n_bootstrap, n_models, n_subjects)
        For bootstrap samples of the images.
    n_images : int
    seed : int
        Of the bootstrap samples of subjects.

    Returns
    -------
    ndarray of float64, shape (n_models,)
        NaN without bootstrap samples.
    """
    known = resampled[~np.isnan(resampled).any(axis=(1, 2))]
    n_subjects = by_subject.shape[1]
    if len(known) < 2:
        return np.full(len(by_subject), np.nan)
    for_images = n_images / (n_images - 1)
    images = known.mean(axis=2).var(axis=0, ddof=1) * for_images
    if n_subjects == 1:
        return images
    subjects = by_subject.var(axis=1, ddof=1) / n_subjects
    rng = np.random.default_rng([seed, 1])
    shares = rng.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), len(known))
    mean = np.einsum("bms,bs->bm", known, shares / n_subjects)
    both = mean.var(axis=0, ddof=1) * for_images * n_subjects / (n_subjects - 1)
    least = np.maximum(images, subjects)
    return np.clip(2 * (images + subjects) - both, least, np.maximum(both, least))


def _interval(
    score: NDArray, variance: NDArray, degrees_of_freedom: int, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return half the width of each interval, and the p-value that the score is 0."""
    from scipy.stats import t

    deviation = np.sqrt(variance)
    with np.errstate(invalid="ignore", divide="ignore"):
        p_value = 2 * t.sf(np.abs(score) / deviation, degrees_of_freedom)
    return t.ppf((1 + confidence) / 2, degrees_of_freedom) * deviation, p_value


def as_rdms(given: RDM | Iterable[RDM], side: str) -> list[RDM]:
    """Return one or several RDMs as a list.

    Raises
    ------
    InvalidArgumentError
        When there are none, or something else is among them.
    """
    found = [given] if isinstance(given, RDM) or not isinstance(given, Iterable) else list(given)
    if not found:
        raise InvalidArgumentError(f"There is no RDM among the {side}. Give at least one.")
    for one in found:
        if not isinstance(one, RDM):
            raise InvalidArgumentError(
                f"An RDM was expected among the {side}, not a {type(one).__name__}. "
                "rdm(…) computes one of responses or features."
            )
    return found


def require_names(models: Sequence[RDM]) -> None:
    """Check that each model has a name of its own.

    Raises
    ------
    InvalidArgumentError
    """
    if twice := repeated(one.name for one in models):
        raise InvalidArgumentError(
            f"Several models are called {listed(twice)}. Give each a name: rdm(…, name=…)."
        )


def values_of(rdms: Sequence[RDM], images: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the distances of some images, one row an RDM.

    Raises
    ------
    InvalidArgumentError
        When a distance is NaN or infinite, or all are equal.
    """
    values = np.stack([one.select(images).values for one in rdms])
    for one, row in zip(rdms, values, strict=True):
        if np.isinf(row).any():
            raise InvalidArgumentError(f"{one.name} has distances that are infinite.")
        if np.isnan(row).any():
            missing = np.isnan(one.select(images).square()).sum(axis=0) == len(images) - 1
            names = [name for name, lacks in zip(images, missing, strict=True) if lacks]
            raise InvalidArgumentError(
                f"{one.name} has distances that are NaN"
                + (f", of {listed(names)}" if names else "")
                + ": these images have a constant pattern. Leave them out: RDM.select(images)."
            )
        if np.ptp(row) == 0:
            raise InvalidArgumentError(
                f"All distances of {one.name} are {row[0]:g}, so that it is like no other RDM."
            )
    return values


def _products(x: Pairs, y: Pairs, weights: NDArray, is_centred: bool) -> NDArray[np.float64]:
    """Compute weighted correlations, or cosines, of each row of `x` with each of `y`."""
    weighted = x * weights
    products = weighted @ y.T
    x_squares = np.einsum("ij,ij->i", weighted, x)
    weighted = y * weights
    y_squares = np.einsum("ij,ij->i", weighted, y)
    if is_centred:
        total = weights.sum()
        x_sums, y_sums = x @ weights, weighted.sum(axis=1)
        products -= np.multiply.outer(x_sums, y_sums) / total
        x_squares -= x_sums**2 / total
        y_squares -= y_sums**2 / total
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(products / np.sqrt(np.multiply.outer(x_squares, y_squares)), -1, 1)


def _ranks(values: Pairs) -> NDArray[np.float64]:
    """Rank each row; equal values share their mean rank, and a row with NaN is NaN.

    As `scipy.stats.rankdata` does, whose stable sort takes several times as long.
    """
    ranks = np.empty(values.shape)
    for row, own in zip(values, ranks, strict=True):
        order = np.argsort(row)
        in_order = row[order]
        if np.isnan(in_order[-1]):
            own[:] = np.nan
            continue
        is_first = np.concatenate([[True], in_order[1:] != in_order[:-1]])
        bounds = np.append(np.flatnonzero(is_first), len(row))
        own[order] = np.repeat((bounds[:-1] + bounds[1:] + 1) / 2, np.diff(bounds))
    return ranks


def _levels(values: Pairs) -> NDArray[np.uint16]:
    """Number distances by size; equal ones alike, and the nearest ones if there are too many."""
    distinct, levels = np.unique(values, return_inverse=True)
    if len(distinct) > _LEVELS:
        levels = levels * _LEVELS // len(distinct)
    return levels.astype(np.uint16)


def _weighted_ranks(levels: NDArray[np.uint16], weights: NDArray) -> NDArray[np.float64]:
    """Return the mean rank that each level has in the sample."""
    sizes = np.bincount(levels, weights)
    ranks = np.cumsum(sizes) - sizes / 2
    return (ranks - ranks[-1] / 2)[levels]
