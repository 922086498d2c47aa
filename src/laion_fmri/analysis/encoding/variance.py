"""The variance that feature spaces explain alone and together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError, UnknownNameError
from laion_fmri.analysis.encoding.models import encode
from laion_fmri.analysis.encoding.result import Encoding
from laion_fmri.analysis.encoding.statistics import interval
from laion_fmri.features import Features, feature_sets
from laion_fmri.features.reading import FeaturesLike
from laion_fmri.subject import Subject, load_subject

if TYPE_CHECKING:
    import pandas as pd

SHARED, ALL = "shared", "all"


@dataclass(frozen=True, eq=False)
class VariancePartition:
    """Unique and shared variance of feature spaces.

    Attributes
    ----------
    spaces : tuple of str
    encoding : Encoding
        Of all feature spaces together (``"all"``), and of all but one (``"all but …"``).
    table : DataFrame
        One row per split, ROI and part: the variance that is unique to each feature space, that
        is shared by several (``"shared"``), and that all explain together (``"all"``): mean R²
        over voxels, with the ends of its 95 % bootstrap interval over test images (low, high), and
        n_voxels.

    Notes
    -----
    The unique variance of a feature space is the R² of all together less that of all others. What
    all explain together less the unique parts is shared; it is negative where feature spaces help
    each other. Each R² is that of a model fitted on the training images: more training images
    raise it, and for features that say nothing it is a little below 0.
    """

    spaces: tuple[str, ...]
    encoding: Encoding
    table: pd.DataFrame

    def map(self, part: str, split: str | None = None) -> NDArray[np.float32]:
        """Return a part of the variance as a map of the brain mask, NaN outside.

        Parameters
        ----------
        part : str
            A feature space, ``"shared"`` or ``"all"``.
        split : str, optional
            The first one by default.

        Raises
        ------
        UnknownNameError
        """
        known = [*self.spaces, SHARED, ALL]
        if part not in known:
            raise UnknownNameError("part of the variance", part, known)
        r2 = {m: self.encoding.score(m, split).r2 for m in self.encoding.models}
        return self.encoding.in_brain(_parts(r2, self.spaces)[part])

    def __repr__(self) -> str:
        return f"<VariancePartition of {', '.join(self.spaces)}: {self.encoding.subject}>"

    def _repr_html_(self) -> str:
        return self.table.round(4).to_html(index=False)


def variance_partition(
    features: Mapping[str, FeaturesLike] | list[FeaturesLike] | Features,
    subject: str | int | Subject,
    split: Any = "tau",
    *,
    data_dir: Any = None,
    **options: Any,
) -> VariancePartition:
    """Partition the variance that feature spaces explain into unique and shared parts.

    Parameters
    ----------
    features : mapping or list of features, or Features with layers
        Two or more feature spaces.
    subject, split, data_dir
        As in `encode`.
    **options
        Others of `encode`, such as ``roi=``. ``estimator="banded"`` gives each feature space a
        penalty of its own.

    Raises
    ------
    InvalidArgumentError
        When there are fewer than two feature spaces, and as `encode`.

    Examples
    --------
    >>> laion_fmri.variance_partition(["CLIP", "DINOv2"], "sub-01", roi="FFA1")  # doctest: +SKIP
    """
    import pandas as pd

    sub = subject if isinstance(subject, Subject) else load_subject(subject, data_dir)
    spaces = (
        {name: features.layer(name) for name in features.layers}
        if isinstance(features, Features)
        else feature_sets(features, sub.data_dir)
    )
    if len(spaces) < 2:
        raise InvalidArgumentError(
            "Variance is partitioned between two or more feature spaces. Give a list of features, "
            "or features with layers."
        )
    if taken := {SHARED, ALL} & spaces.keys():
        raise InvalidArgumentError(f"A feature space cannot be called {taken.pop()!r}.")
    models = {ALL: Features.joined(spaces, ALL)}
    for name in spaces:
        rest = {other: one for other, one in spaces.items() if other != name}
        models[_without(name)] = Features.joined(rest, _without(name))
    found = encode(models, sub, split, **options)
    rows = []
    for split_name in found.splits:
        for roi, inside in found.rois.items():
            draws = {m: found.roi_scores[m, split_name, roi].r2 for m in models}
            r2 = {m: found.score(m, split_name).r2 for m in models}
            scored = inside & np.isfinite(list(r2.values())).all(axis=0)
            means = {
                m: np.array(one[scored].mean(dtype=np.float64) if scored.any() else np.nan)
                for m, one in r2.items()
            }
            ends = {part: interval(one) for part, one in _parts(draws, spaces).items()}
            for part, value in _parts(means, spaces).items():
                rows.append(
                    {
                        "split": split_name,
                        "roi": roi,
                        "part": part,
                        "r2": float(value),
                        "low": ends[part][0],
                        "high": ends[part][1],
                        "n_voxels": int(scored.sum()),
                    }
                )
    return VariancePartition(tuple(spaces), found, pd.DataFrame(rows))


def _without(name: str) -> str:
    return f"all but {name}"


def _parts(r2: Mapping[str, NDArray], spaces: Any) -> dict[str, NDArray]:
    """Unique parts, the shared part and all, of the R² of all spaces and of all but one."""
    unique = {name: r2[ALL] - r2[_without(name)] for name in spaces}
    return {**unique, SHARED: r2[ALL] - sum(unique.values()), ALL: r2[ALL]}
