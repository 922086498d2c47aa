"""Representational similarity: dissimilarities between images in responses and in features."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, MissingDependencyError, UnknownNameError
from laion_fmri.analysis.distances import METRICS, Metric, Noise, condensed, squared
from laion_fmri.analysis.patterns import Folds, Patterns, listed, repeated
from laion_fmri.arguments import as_items, one_of

if TYPE_CHECKING:
    import rsatoolbox

    from laion_fmri.features import Features
    from laion_fmri.responses import Responses

    Source = Responses | Features | NDArray | str


@dataclass(frozen=True, eq=False)
class RDM:
    """A representational dissimilarity matrix: the distance of each pair of images.

    Attributes
    ----------
    values : ndarray of float64, shape (n_pairs,)
        The pairs above the diagonal, row by row, as in `scipy.spatial.distance.pdist`.
    images : tuple of str
        Names of the rows and columns.
    name : str
        The subject or model.
    metric : str
    n_channels : int
        Voxels or features that the distances are computed from.
    n_left_out : int
        Voxels that were left out because they lack a response to some image.
    """

    values: NDArray[np.float64]
    images: tuple[str, ...]
    name: str
    metric: str
    n_channels: int = 0
    n_left_out: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", np.asarray(self.values, dtype=np.float64))
        object.__setattr__(self, "images", tuple(map(str, self.images)))
        n = len(self.images)
        if np.shape(self.values) != (n * (n - 1) // 2,):
            raise InvalidArgumentError(
                f"{n} images make {n * (n - 1) // 2} pairs; the values have the shape "
                f"{np.shape(self.values)}."
            )
        if len(set(self.images)) < n:
            twice = repeated(self.images)
            raise InvalidArgumentError(f"Images have several rows: {listed(twice)}.")

    def square(self) -> NDArray[np.float64]:
        """Return the whole matrix, shape (n_images, n_images); its diagonal is 0."""
        return squared(self.values, len(self.images))

    def select(self, images: Iterable[str]) -> RDM:
        """Return the part of some images, in the order given.

        Raises
        ------
        UnknownNameError
            When an image has no row.
        """
        names = tuple(map(str, as_items(images)))
        if names == self.images:
            return self
        row_of = {name: row for row, name in enumerate(self.images)}
        for name in names:
            if name not in row_of:
                raise UnknownNameError(f"image of the RDM {self.name}", name, row_of)
        rows = np.array([row_of[name] for name in names], dtype=np.intp)
        a, b = condensed(rows[:, None] + 0 * rows), condensed(rows + 0 * rows[:, None])
        first, second = np.minimum(a, b), np.maximum(a, b)
        places = first * (2 * len(self.images) - first - 1) // 2 + second - first - 1
        return RDM(
            self.values[places], names, self.name, self.metric, self.n_channels, self.n_left_out
        )

    def to_rsatoolbox(self) -> rsatoolbox.rdm.RDMs:
        """Convert to the RDMs of rsatoolbox, with the pattern descriptor ``image``.

        Raises
        ------
        MissingDependencyError
        """
        try:
            from rsatoolbox.rdm import RDMs
        except ImportError as error:
            raise MissingDependencyError(
                'This needs rsatoolbox. Install the extra: pip install "laion-fmri-explorer[rsa]".'
            ) from error
        return RDMs(
            self.values[None],
            dissimilarity_measure=self.metric,
            rdm_descriptors={"name": [self.name]},
            pattern_descriptors={"image": list(self.images)},
        )

    def __repr__(self) -> str:
        left_out = f", {self.n_left_out} left out" if self.n_left_out else ""
        return (
            f"<RDM of {self.name}: {self.metric}, {len(self.images)} images, "
            f"{self.n_channels} channels{left_out}>"
        )


@overload
def rdm(
    source: Mapping[str, Any] | list[Any],
    metric: Metric = ...,
    *,
    images: Iterable[str] | None = ...,
    name: str | None = ...,
    folds: Folds = ...,
    noise: Noise | NDArray = ...,
    data_dir: str | os.PathLike[str] | None = ...,
) -> list[RDM]: ...


@overload
def rdm(
    source: Source,
    metric: Metric = ...,
    *,
    images: Iterable[str] | None = ...,
    name: str | None = ...,
    folds: Folds = ...,
    noise: Noise | NDArray = ...,
    data_dir: str | os.PathLike[str] | None = ...,
) -> RDM: ...


def rdm(
    source: Any,
    metric: Metric = "correlation",
    *,
    images: Iterable[str] | None = None,
    name: str | None = None,
    folds: Folds = "session",
    noise: Noise | NDArray = "none",
    data_dir: str | os.PathLike[str] | None = None,
) -> RDM | list[RDM]:
    """Compute the dissimilarity of each pair of images.

    Parameters
    ----------
    source : Responses, Features, ndarray of shape (n_images, n_channels), str, or several of them
        A name or path is that of features. A list, or a mapping of names such as the responses of
        a group, gives a list of RDMs.
    metric : {"correlation", "cosine", "euclidean", "crossnobis"}
        1 - Pearson's r; 1 - cosine; the squared Euclidean distance divided by the number of
        channels; or the same estimated without bias from repeats ("crossnobis"), for which the
        responses are those of single trials, ``get_responses(average=False)``.
    images : iterable of str, optional
        Use these images, in this order, or the ``"shared"`` or ``"unique"`` ones; all by default.
        For an array, the names of its rows.
    name : str, optional
        The subject, or the name of the features, by default.
    folds : {"session", "repeat"}
        For ``"crossnobis"``: distances are products of responses in different sessions, or of
        different numbers in the column ``repeat``. Noise may be correlated within a session, so
        that repeats there are not quite independent.
    noise : {"none", "diagonal", "shrinkage"} or ndarray, shape (n_voxels, n_voxels)
        For ``"crossnobis"``: how voxels are normalised by their noise, as in `whitened`. An array
        is the precision matrix.
    data_dir : path, optional
        Of features given by name, instead of the configured one.

    Returns
    -------
    RDM, or list of RDM

    Raises
    ------
    InvalidArgumentError
        When there are fewer than 3 images, two rows of one image in features, no voxel with a
        response to every image, values that are infinite, one repeat where two are needed, or
        `noise` with another metric than ``"crossnobis"``.
    UnknownNameError
        When there is no such metric, or an image has no row.
    NotEnoughMemoryError
        When the distances do not fit into memory.

    Notes
    -----
    Euclidean, correlation and cross-validated distances equal those of rsatoolbox, which also
    squares the Euclidean distance and divides it by the number of channels. Noise adds to distances
    other than ``"crossnobis"``: images with fewer repeats are farther from all others. Compare
    images with equal numbers of repeats, or use ``"crossnobis"``. Single trials are
    averaged by image first, except for ``"crossnobis"``. Voxels that lack a response to some image
    are left out and counted in `RDM.n_left_out`.

    Examples
    --------
    >>> import numpy as np
    >>> rdm(np.array([[0.0, 1, 2], [2, 1, 0], [0, 2, 4]])).values
    array([2., 0., 2.])
    """
    metric = one_of("metric", metric, METRICS)
    if metric != "crossnobis" and not (isinstance(noise, str) and noise == "none"):
        raise InvalidArgumentError(
            f'noise= normalises voxels for metric="crossnobis"; metric="{metric}" takes them as '
            "they are. Leave noise= out, or choose that metric."
        )
    options: dict[str, Any] = {"folds": folds, "noise": noise, "data_dir": data_dir}
    chosen = None if images is None else tuple(map(str, as_items(images)))
    if isinstance(source, Mapping):
        return [_rdm(one, metric, chosen, str(key), **options) for key, one in source.items()]
    if isinstance(source, list | tuple | Iterator):
        return [_rdm(one, metric, chosen, None, **options) for one in source]
    return _rdm(source, metric, chosen, name, **options)


def _rdm(
    source: Any,
    metric: Metric,
    images: tuple[str, ...] | None,
    name: str | None,
    *,
    folds: Folds,
    noise: Noise | NDArray,
    data_dir: str | os.PathLike[str] | None,
) -> RDM:
    patterns = Patterns.of(source, images, data_dir).prepared(metric, folds)
    name = patterns.name if name is None else name
    known = patterns.known()
    columns = slice(None) if known.all() else np.flatnonzero(known)
    n_left_out = int((~known).sum())
    pairs = patterns.distances(columns, metric, noise)
    return RDM(pairs, patterns.images, name, metric, int(known.sum()), n_left_out)
