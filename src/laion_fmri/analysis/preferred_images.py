"""Preferred images: the images that a vertex, a voxel or an ROI responds to most and least.

Responses are z-scored over the trials of each session, voxel by voxel, averaged over
voxels, then over the repeats of each image.

Examples
--------
>>> from laion_fmri.analysis.preferred_images import preferred_images
>>> found = preferred_images(sub, roi="FFA1", n=3)
>>> list(found.highest.columns)
['image_name', 'response', 'repeats', 'trials']
>>> len(found.highest), bool(found.highest["response"].is_monotonic_decreasing)
(3, True)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.analysis.cortex import (
    Space,
    cortex_samplers,
    vertex_positions,
    vertex_voxels,
)
from laion_fmri.responses import require_sessions
from laion_fmri.store.betas_store import estimate_store_bytes, list_stores
from laion_fmri.transfer.plan import count_of, format_bytes
from laion_fmri.zscore import nan_mean, z_scored

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.stimuli.segmentations import Segmentations
    from laion_fmri.subject import Subject

MIN_REPEATS = 2
_LARGE = 400_000_000  # bytes of betas that take seconds to decompress


@dataclass(frozen=True, eq=False)
class ImageResponses:
    """The mean response to each image, in order of first presentation.

    Attributes
    ----------
    names : ndarray of str, shape (n_images,)
    means : ndarray of float64, shape (n_images,)
        Z-scored within session, averaged over voxels and repeats; no NaN.
    repeats : ndarray of int, shape (n_images,)
        Number of trials in each mean.
    first_trials : ndarray of int, shape (n_images,)
        Global index of the first trial that showed each image.
    n_voxels : int
    n_sessions : int
    """

    names: NDArray[np.object_]
    means: NDArray[np.float64]
    repeats: NDArray[np.intp]
    first_trials: NDArray[np.intp]
    n_voxels: int
    n_sessions: int

    def __len__(self) -> int:
        return len(self.names)


class Extremes(NamedTuple):
    """Indices into `ImageResponses`, the most extreme response first."""

    highest: NDArray[np.intp]
    lowest: NDArray[np.intp]


class NounCount(NamedTuple):
    """Frequency of a noun in the preferred images and in all images."""

    noun: str
    n_preferred: int
    n_all: int
    ratio: float
    p_value: float


# --- pure --------------------------------------------------------------------------------


def trial_responses(betas: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute the mean response of voxels in each trial of one session.

    Every voxel is z-scored over the session's trials before the voxels are averaged.

    Parameters
    ----------
    betas : array of shape (n_trials, n_voxels)
        NaN (no estimate) is ignored.

    Returns
    -------
    ndarray of float64, shape (n_trials,)
        NaN where no voxel has a value.
    """
    return nan_mean(z_scored(np.asarray(betas, dtype=np.float64)), axis=1)


def image_responses(
    trials: Sequence[NDArray[np.float64]],
    names: Sequence[Sequence[str]],
    n_voxels: int = 0,
    min_repeats: int = MIN_REPEATS,
) -> ImageResponses:
    """Average the responses to each image over its repeats.

    Parameters
    ----------
    trials : sequence of arrays, each of shape (n_trials,)
        Responses of each session, from `trial_responses`.
    names : sequence of sequences of str
        The image of each trial, session by session.
    n_voxels : int
        Stored in the result only.
    min_repeats : int
        Images with fewer trials that have a response are left out.

    Raises
    ------
    InvalidArgumentError
        When the lengths of `trials` and `names` differ, or `min_repeats` is below 1.
    """
    if [len(t) for t in trials] != [len(n) for n in names]:
        raise InvalidArgumentError("Every trial must have one response and one image name.")
    if min_repeats < 1:
        raise InvalidArgumentError(f"min_repeats={min_repeats} is below 1.")
    values = np.concatenate(list(trials) or [np.empty(0)])
    flat = np.array([name for part in names for name in part], dtype=object)
    unique, first, inverse = _unique_in_order(flat)
    known = np.isfinite(values)
    count = np.bincount(inverse[known], minlength=len(unique))
    total = np.bincount(inverse[known], weights=values[known], minlength=len(unique))
    enough = count >= min_repeats
    return ImageResponses(
        names=unique[enough],
        means=total[enough] / count[enough],
        repeats=count[enough],
        first_trials=first[enough],
        n_voxels=n_voxels,
        n_sessions=len(trials),
    )


def extremes(responses: ImageResponses, n: int = 12) -> Extremes:
    """Select the `n` images with the largest and the `n` with the smallest mean response.

    No image is in both; ties are broken by the order of presentation.
    """
    n = min(n, len(responses) // 2) if len(responses) > 1 else len(responses)
    order = np.argsort(-responses.means, kind="stable")
    return Extremes(order[:n], order[len(order) - n :] if len(responses) > 1 else order[:0])


def overrepresented_nouns(
    preferred: Iterable[str],
    every: Iterable[str],
    nouns_of: Mapping[str, Iterable[str]] | Callable[[str], Iterable[str]],
    most: int = 8,
    p_below: float = 0.05,
) -> list[NounCount]:
    """Find nouns that occur in the preferred images more often than expected by chance.

    Parameters
    ----------
    preferred, every : iterable of str
        Image names; images without known nouns are ignored in both.
    nouns_of : mapping or callable
        The nouns of each image.
    most : int
    p_below : float
        Significance level of a one-sided hypergeometric test, not corrected for multiple
        comparisons.

    Returns
    -------
    list of NounCount
        Smallest p-value first. `ratio` is the fraction of preferred images with the noun divided by
        the fraction of all images with it.
    """
    look_up = nouns_of if callable(nouns_of) else lambda name: nouns_of.get(name, ())
    sets = {name: found for name in set(every) if (found := set(look_up(name)))}
    chosen = [name for name in dict.fromkeys(preferred) if name in sets]
    if not chosen:
        return []
    counts = {}
    for noun in {noun for name in chosen for noun in sets[name]}:
        inside = sum(noun in sets[name] for name in chosen)
        overall = sum(noun in found for found in sets.values())
        p = hypergeometric_tail(inside, len(chosen), overall, len(sets))
        ratio = (inside / len(chosen)) / (overall / len(sets))
        counts[noun] = NounCount(noun, inside, overall, ratio, p)
    likely = [c for c in counts.values() if c.ratio > 1 and c.p_value < p_below]
    return sorted(likely, key=lambda c: (c.p_value, -c.ratio, c.noun))[:most]


def hypergeometric_tail(n_found: int, n_drawn: int, n_marked: int, n_all: int) -> float:
    """Probability of at least `n_found` marked items in `n_drawn` draws without replacement."""

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    whole = log_choose(n_all, n_drawn)
    total = 0.0
    first = max(n_found, n_drawn - (n_all - n_marked), 0)
    for k in range(first, min(n_drawn, n_marked) + 1):
        rest = log_choose(n_all - n_marked, n_drawn - k)
        total += math.exp(log_choose(n_marked, k) + rest - whole)
    return min(total, 1.0)


def _unique_in_order(
    names: NDArray[np.object_],
) -> tuple[NDArray[np.object_], NDArray[np.intp], NDArray[np.intp]]:
    """Return unique names in order of first occurrence, first indices, and inverse indices."""
    import pandas as pd

    inverse, unique = pd.factorize(names)
    first = np.full(len(unique), len(names), dtype=np.intp)
    np.minimum.at(first, inverse, np.arange(len(names)))
    return np.asarray(unique, dtype=object), first, inverse.astype(np.intp)


# --- from a subject's files ----------------------------------------------------------------


def response_files(sub: Subject) -> list[Path]:
    """Return the files that responses depend on."""
    keys = [layout.anatomical(sub.name, "desc-brain_mask", layout.FUNCTIONAL_RES)]
    for session in sub.get_sessions():
        keys += [
            layout.betas(sub.name, session),
            layout.betas(sub.name, session, ".nii"),
            layout.trials(sub.name, session),
        ]
    return [layout.local_path(sub.data_dir, key) for key in keys]


def read_responses(
    sub: Subject, voxels: NDArray[np.bool_], min_repeats: int = MIN_REPEATS
) -> ImageResponses:
    """Read the mean response of voxels to each image of the downloaded sessions.

    Fast for sessions with a local store (`Subject.build_store`); otherwise the betas of every
    session are decompressed once.

    Parameters
    ----------
    sub : Subject
    voxels : ndarray of bool
        Over the brain mask's voxels or over the grid, as the mask of `Subject.get_betas`.
    min_repeats : int
        Images with fewer trials that have a response are left out.

    Raises
    ------
    DataNotDownloadedError
        When no session is downloaded.
    InvalidArgumentError
        When no voxel is selected.
    LaionFmriError
        When betas or trial tables are missing or damaged.
    """
    if not voxels.any():
        raise InvalidArgumentError("No voxel of the brain mask is there. Choose another location.")
    trials = []
    for session in require_sessions(sub):
        betas = sub.get_betas(session, mask=voxels)
        trials.append(trial_responses(betas))
    return image_responses(trials, _names_by_session(sub), int(voxels.sum()), min_repeats)


def _names_by_session(sub: Subject) -> list[list[str]]:
    tables = (sub.get_trial_info(session) for session in sub.get_sessions())
    return [[str(label) for label in table["label"]] for table in tables]


@dataclass(frozen=True, eq=False)
class PreferredImages:
    """The images with the largest and the smallest mean response.

    Attributes
    ----------
    highest, lowest : DataFrame
        Largest response first, and smallest first. Columns ``image_name``,
        ``response`` (z), ``repeats`` and ``trials``, a list of the global indices of every
        trial that shows the image.
    responses : ImageResponses
        Of all images.
    """

    highest: pd.DataFrame
    lowest: pd.DataFrame
    responses: ImageResponses

    def nouns(self, nouns_of: Mapping[str, Iterable[str]], share: float = 0.05) -> list[NounCount]:
        """Find overrepresented nouns in the preferred images; see `overrepresented_nouns`.

        Parameters
        ----------
        nouns_of : mapping of str to iterable of str
            From `nouns_by_image`.
        share : float
            Fraction of all images, those with the largest responses, that count as preferred; at
            least the images in `highest`.
        """
        n_preferred = max(len(self.highest), int(share * len(self.responses)))
        preferred = self.responses.names[extremes(self.responses, n_preferred).highest]
        return overrepresented_nouns(preferred, self.responses.names, nouns_of)


def preferred_images(
    sub: Subject,
    roi: str | Sequence[str] | None = None,
    *,
    voxels: NDArray[np.bool_] | None = None,
    vertices: Mapping[str, Iterable[int]] | None = None,
    space: Space = "fsnative",
    n: int = 12,
    min_repeats: int = MIN_REPEATS,
) -> PreferredImages:
    """Find the images that an ROI, voxels or vertices respond to most and least.

    Parameters
    ----------
    sub : Subject
    roi : str or sequence of str, optional
        Names or categories of ROIs, as in `Subject.get_roi_mask`.
    voxels : array of bool, optional
        Over the brain mask's voxels or over the grid.
    vertices : mapping of str to iterable of int, optional
        ``{"L": [812]}``: the voxels between white matter and pia at these vertices.
    space : {"fsnative", "fsaverage"}
        Space of `vertices`.
    n : int
        Number of images in each table.
    min_repeats : int
        Images with fewer trials that have a response are left out.

    Returns
    -------
    PreferredImages

    Raises
    ------
    InvalidArgumentError
        Unless exactly one of `roi`, `voxels` and `vertices` is given, or when they select no voxel
        of the brain mask.
    DataNotDownloadedError
        When no session is downloaded, or an ROI's mask is not.
    LaionFmriError
        When a file is missing or damaged.

    Examples
    --------
    >>> found = preferred_images(sub, vertices={"L": [812]}, n=3)
    >>> found.responses.n_voxels > 0
    True
    """
    if sum(given is not None for given in (roi, voxels, vertices)) != 1:
        raise InvalidArgumentError("Give one of roi, voxels and vertices.")
    if roi is not None:
        voxels = sub.get_roi_mask(roi)
    elif vertices is not None:
        samplers = cortex_samplers(sub)
        positions = vertex_positions(sub, space, samplers)
        voxels = np.zeros(sub.get_n_voxels(), dtype=bool)
        for hemi, numbers in vertices.items():
            for vertex in numbers:
                voxels |= vertex_voxels(sub, hemi, vertex, space, samplers, positions)
    assert voxels is not None
    responses = read_responses(sub, np.asarray(voxels, dtype=bool), min_repeats)
    names = np.array([name for part in _names_by_session(sub) for name in part], dtype=object)
    ends = extremes(responses, n)
    return PreferredImages(
        _table(responses, ends.highest, names),
        _table(responses, ends.lowest[::-1], names),
        responses,
    )


def _table(
    responses: ImageResponses, chosen: NDArray[np.intp], names: NDArray[np.object_]
) -> pd.DataFrame:
    """Return one row per image of `chosen`; `names` is the image of every trial."""
    import pandas as pd

    return pd.DataFrame(
        {
            "image_name": responses.names[chosen],
            "response": responses.means[chosen],
            "repeats": responses.repeats[chosen],
            "trials": [np.flatnonzero(names == name).tolist() for name in responses.names[chosen]],
        }
    )


def nouns_by_image(segmentations: Segmentations) -> dict[str, set[str]]:
    """Return the nouns of each image that has segmentations."""
    table = segmentations.metadata[["image_name", "noun"]].dropna()
    found: dict[str, set[str]] = {}
    for name, noun in table.itertuples(index=False):
        found.setdefault(str(name), set()).add(str(noun))
    return found


def store_advice(sub: Subject) -> str:
    """Return advice to build a store for large sessions without one; empty otherwise."""
    fresh = {info.session for info in list_stores(sub.data_dir, sub.name) if info.is_fresh}
    slow = {
        session: layout.local_path(sub.data_dir, layout.betas(sub.name, session))
        for session in sub.get_sessions()
        if session not in fresh
    }
    n_bytes = sum(path.stat().st_size for path in slow.values() if path.exists())
    if n_bytes < _LARGE:
        return ""
    size = sum(estimate_store_bytes(sub.name, session, data_dir=sub.data_dir) for session in slow)
    return (
        f"{count_of(len(slow), 'session')} without a store had to be inflated. "
        f"`laion-fmri store build --subject {sub.name}` ({format_bytes(size)}) makes such answers "
        "instant."
    )
