"""What drives a piece of cortex: the images it responds to most and least. No widgets.

Responses are z-scored over the trials of each session, voxel by voxel, averaged over
voxels, then over the repeats of each image.
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
from laion_fmri.responses import require_sessions

if TYPE_CHECKING:
    from laion_fmri.stimuli.segmentations import Segmentations
    from laion_fmri.subject import Subject

MIN_REPEATS = 2


@dataclass(frozen=True, eq=False)
class ImageResponses:
    """The mean response to each image, in the order of the first time it was shown.

    Attributes
    ----------
    names : ndarray of str, shape (n_images,)
    means : ndarray of float64, shape (n_images,)
        Z-scored within session, averaged over voxels and repeats; no NaN.
    repeats : ndarray of int, shape (n_images,)
        How many trials went into each mean.
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
    """Places in `ImageResponses`, the strongest response first in each."""

    highest: NDArray[np.intp]
    lowest: NDArray[np.intp]


class NounCount(NamedTuple):
    """How often a noun is in the images that a piece of cortex prefers."""

    noun: str
    n_preferred: int
    n_all: int
    ratio: float
    p_value: float


# --- pure --------------------------------------------------------------------------------


def trial_responses(betas: NDArray[np.floating]) -> NDArray[np.float64]:
    """The response of a set of voxels in each trial of one session.

    Every voxel is z-scored over the session's trials, then voxels are averaged.

    Parameters
    ----------
    betas : array of shape (n_trials, n_voxels)
        NaN is no estimate: it is left out of both.

    Returns
    -------
    ndarray of float64, shape (n_trials,)
        NaN where no voxel has a value.
    """
    values = np.asarray(betas, dtype=np.float64)
    known = np.isfinite(values)
    n_trials = known.sum(axis=0)
    total = np.sum(values, axis=0, where=known)
    centred = values - np.divide(total, n_trials, out=np.zeros_like(total), where=n_trials > 0)
    variance = np.sum(centred**2, axis=0, where=known) / np.maximum(n_trials, 1)
    usable = variance > 0  # a voxel that never varies has no z-score
    z = centred[:, usable] / np.sqrt(variance[usable])
    known = known[:, usable]
    count = known.sum(axis=1)
    summed = np.sum(z, axis=1, where=known)
    return np.divide(summed, count, out=np.full(len(values), np.nan), where=count > 0)


def image_responses(
    trials: Sequence[NDArray[np.float64]],
    names: Sequence[Sequence[str]],
    n_voxels: int = 0,
    min_repeats: int = MIN_REPEATS,
) -> ImageResponses:
    """The mean response to each image over its repeats.

    Parameters
    ----------
    trials : sequence of arrays, each of shape (n_trials,)
        Responses of each session, as from `trial_responses`.
    names : sequence of sequences of str
        The image of each trial, session by session.
    n_voxels : int
        Only noted.
    min_repeats : int
        Images with fewer trials that have a response are left out.

    Raises
    ------
    InvalidArgumentError
        When the two do not have the same lengths, or `min_repeats` is below 1.
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
    """The `n` images with the largest and the `n` with the smallest mean response.

    No image is in both; ties go to the image that was shown first.
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
    """Nouns that are in the preferred images more often than chance would have it.

    Parameters
    ----------
    preferred, every : iterable of str
        Image names; those of which no noun is known count in neither.
    nouns_of : mapping or callable
        The nouns in an image.
    most : int
    p_below : float
        Of a one-sided hypergeometric test for one noun; nothing is corrected for how many
        nouns there are.

    Returns
    -------
    list of NounCount
        The least likely by chance first. `ratio` is the share of the preferred images that
        have the noun over that of all images.
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
    """Chance of at least `n_found` marked among `n_drawn` drawn without replacement."""

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    whole = log_choose(n_all, n_drawn)
    total = 0.0
    first = max(n_found, n_drawn - (n_all - n_marked), 0)
    for k in range(first, min(n_drawn, n_marked) + 1):
        rest = log_choose(n_all - n_marked, n_drawn - k)
        total += math.exp(log_choose(n_marked, k) + rest - whole)
    return min(total, 1.0)


def trials_of_images(names: NDArray[np.object_], wanted: Iterable[str]) -> list[int]:
    """The global indices of every trial that shows one of these images, in order."""
    return np.flatnonzero(np.isin(names.astype(str), list(wanted))).tolist()


def _unique_in_order(
    names: NDArray[np.object_],
) -> tuple[NDArray[np.object_], NDArray[np.intp], NDArray[np.intp]]:
    """Each name once in the order of its first place, that place, and which name each is."""
    import pandas as pd

    inverse, unique = pd.factorize(names)
    first = np.full(len(unique), len(names), dtype=np.intp)
    np.minimum.at(first, inverse, np.arange(len(names)))
    return np.asarray(unique, dtype=object), first, inverse.astype(np.intp)


# --- from a subject's files ----------------------------------------------------------------


def response_files(sub: Subject) -> list[Path]:
    """The files that responses depend on."""
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
    """The mean response of some voxels to each image of the local sessions.

    Fast where the sessions have local stores (`Subject.build_store`); otherwise every
    session's betas are inflated once.

    Parameters
    ----------
    sub : Subject
    voxels : ndarray of bool
        Over the brain mask's voxels or over the grid, as `Subject.get_betas` takes a mask.
    min_repeats : int

    Raises
    ------
    DataNotDownloadedError
        When no session is local.
    InvalidArgumentError
        When there is no voxel.
    LaionFmriError
        When betas or trial tables are missing or damaged.
    """
    if not voxels.any():
        raise InvalidArgumentError("No voxel of the brain mask is there. Choose another place.")
    trials, names = [], []
    for session in require_sessions(sub):
        betas = sub.get_betas(session, mask=voxels)
        table = sub.get_trial_info(session)
        assert isinstance(betas, np.ndarray)
        trials.append(trial_responses(betas))
        names.append([str(label) for label in table["label"]])
    return image_responses(trials, names, int(voxels.sum()), min_repeats)


def nouns_by_image(segmentations: Segmentations) -> dict[str, set[str]]:
    """The nouns found in each image that has segmentations."""
    table = segmentations.metadata[["image_name", "noun"]].dropna()
    found: dict[str, set[str]] = {}
    for name, noun in table.itertuples(index=False):
        found.setdefault(str(name), set()).add(str(noun))
    return found
