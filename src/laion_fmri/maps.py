"""The maps of a subject: available maps, their meaning and their values.

Examples
--------
>>> from laion_fmri import maps
>>> ceiling = maps.get_map(sub, "Noise ceiling, 12 repeats")
>>> ceiling.units
'%'
>>> ceiling.read().shape == (sub.get_n_voxels(),)
True
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, localizers
from laion_fmri._errors import (
    InvalidArgumentError,
    LaionFmriError,
    TrialNotFoundError,
    UnknownNameError,
)
from laion_fmri.store import betas_store as store
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.grid import Volume, read_volume, require_same_grid
from laion_fmri.volumes.masks import columns, nonzero
from laion_fmri.volumes.nifti import own_file

if TYPE_CHECKING:
    from laion_fmri.subject import Subject

Values = NDArray[np.float32] | dict[str, NDArray[np.float32]]
PERCENT, BETA = "%", "beta"
DIVERGING = "blue-white-red"

_REPEATS = {
    "Noiseceiling4rep": ("4 repeats", "images shown exactly 4 times"),
    "Noiseceiling12rep": ("12 repeats", "images shown exactly 12 times"),
    "NoiseceilingAllrep": ("all repeats", "every repeated image"),
}
_PREFERRED = ("Noiseceiling12rep", "NoiseceilingAllrep", "Noiseceiling4rep")
_Z_THRESHOLD = 2.3
_BETAS_AT_ONCE = 64  # trials in memory while averaging
RESPONSE_OF_TRIAL, MEAN_RESPONSE = "Response in trial", "Mean response over"


@dataclass(frozen=True, eq=False)
class BrainMap:
    """A map to show on the brain.

    Attributes
    ----------
    name : str
        Name in the Map control.
    units : str
    explanation : str
        One line.
    read : callable
        Returns the values: float32 of shape (n_voxels,) over the anatomical brain mask, or a dict
        of one array per hemisphere over the subject's own surface.
    code : str
        Python expression of this map, with the subject as ``sub`` and this module as ``maps``.
    files : tuple of Path
        Files that the values depend on.
    symmetric : bool
        Whether the values diverge from a meaningful 0.
    colormap : str
        The default colour scale.
    threshold : float or None
        The default threshold; None for an automatic one.
    token : hashable
        Together with the name, identifies the map among those of the same subject.
    """

    name: str
    units: str
    explanation: str
    read: Callable[[], Values] = field(repr=False)
    code: str = ""
    files: tuple[Path, ...] = ()
    symmetric: bool = False
    colormap: str = "inferno"
    threshold: float | None = None
    token: Hashable = None


# --- published maps ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Kind:
    """A map that GLMsingle writes for each session."""

    title: str
    rest: str
    units: str
    explanation: str
    colormap: str


_OF_A_SESSION = (
    _Kind(
        "Noise ceiling",
        "space-T1w_desc-Noiseceiling_statmap.nii.gz",
        PERCENT,
        "Variance that any model could explain at best, from the repeats inside this session.",
        "inferno",
    ),
    _Kind(
        "R²",
        "space-T1w_stat-rsquare_desc-R2_statmap.nii.gz",
        PERCENT,
        "Variance of the signal that the single-trial model explains in this session.",
        "inferno",
    ),
    _Kind(
        "HRF index",
        "space-T1w_desc-HRFindex_dseg.nii.gz",
        "index",
        "Which response shape of GLMsingle's library fits best, from 1; 0 where none was fitted.",
        "viridis",
    ),
    _Kind(
        "Ridge fraction",
        "space-T1w_desc-Fracridge_statmap.nii.gz",
        "fraction",
        "Length of the regularised response relative to the plain one: 1 is no shrinkage.",
        "viridis",
    ),
)


def available_maps(sub: Subject) -> list[BrainMap]:
    """List the published maps that are downloaded, the most useful first."""
    files = SubjectFiles(sub.name, sub.data_dir)
    mask = files.path(layout.anatomical(sub.name, "desc-brain_mask", layout.FUNCTIONAL_RES))
    maps = []
    for desc in _PREFERRED:
        path = files.found(layout.subject_noise_ceiling(sub.name, desc))
        if path is not None:
            maps.append(_noise_ceiling(sub, path, mask, desc))
    path = files.found(layout.mean_rsquare(sub.name))
    if path is not None:
        maps.append(
            _of_file(
                sub, path, mask, "R², mean over sessions", PERCENT,
                "Variance of the signal that the single-trial model explains, mean over sessions.",
            )
        )  # fmt: skip
    maps += _localizer_maps(sub, mask)
    for kind in _OF_A_SESSION:
        for session in session_folders(sub):
            path = files.found(layout.session_func(sub.name, session, kind.rest))
            if path is not None:
                name = f"{kind.title}, {session}"
                maps.append(
                    _of_file(sub, path, mask, name, kind.units, kind.explanation, kind.colormap)
                )
    return maps


def get_map(sub: Subject, name: str = "") -> BrainMap:
    """Return a downloaded published map by name.

    Parameters
    ----------
    sub : Subject
    name : str
        Name from `available_maps`, such as ``"R², mean over sessions"``. By default the first one.

    Raises
    ------
    UnknownNameError
        When it is not downloaded, or there is no such map.

    Examples
    --------
    >>> get_map(sub, "HRF index, ses-01").explanation.startswith("Which response shape")
    True
    """
    return find_map(available_maps(sub), name, sub.name)


def session_folders(sub: Subject) -> list[str]:
    """List the sessions with any downloaded file, in order; their betas may be missing."""
    folder = sub.data_dir / layout.subject_betas_dir(sub.name)
    return sorted((p.name for p in folder.glob("ses-*") if p.is_dir()), key=layout.natural_order)


def find_map(maps: Iterable[BrainMap], name: str, subject: str = "") -> BrainMap:
    """Return the map of a name; the first one for an empty name.

    Raises
    ------
    UnknownNameError
    """
    listed = list(maps)
    found = next((m for m in listed if m.name == name or not name), None)
    if found is None:
        raise UnknownNameError(
            "map",
            name,
            [m.name for m in listed],
            f"download(subject={subject!r}, ses='averages') fetches the noise ceilings."
            if not listed
            else "",
        )
    return found


def _noise_ceiling(sub: Subject, path: Path, mask: Path, desc: str) -> BrainMap:
    title, images = _REPEATS[desc]
    return _of_file(
        sub,
        path,
        mask,
        f"Noise ceiling, {title}",
        PERCENT,
        f"Variance that any model could explain at best, from {images} across sessions.",
    )


def _localizer_maps(sub: Subject, mask: Path) -> list[BrainMap]:
    maps = []
    for one in localizers.find_maps(SubjectFiles(sub.name, sub.data_dir)):
        if (one.stat, one.res, one.space) != ("z", layout.FUNCTIONAL_RES, localizers.VOLUME_SPACE):
            continue
        maps.append(
            _of_file(
                sub,
                one.path,
                mask,
                f"Localizer {one.task}, {one.contrast}, {one.session}",
                "z",
                f"How reliably the contrast {one.contrast} of the localizer {one.task} differs "
                "from 0.",
                DIVERGING,
                symmetric=True,
                threshold=_Z_THRESHOLD,
            )
        )
    return maps


def _of_file(
    sub: Subject,
    path: Path,
    mask: Path,
    name: str,
    units: str,
    explanation: str,
    colormap: str = "inferno",
    *,
    symmetric: bool = False,
    threshold: float | None = None,
) -> BrainMap:
    return BrainMap(
        name=name,
        units=units,
        explanation=explanation,
        read=lambda: values_on_mask(sub, path),
        code=f'maps.get_map(sub, "{name}")',
        files=(path, mask),
        symmetric=symmetric,
        colormap=colormap,
        threshold=threshold,
    )


def values_on_mask(sub: Subject, path: Path) -> NDArray[np.float32]:
    """Read the values of a volume on the functional grid at the voxels of the brain mask.

    Raises
    ------
    DataNotDownloadedError
        When the brain mask is not downloaded.
    InconsistentDataError
        When the volume has another grid.
    DamagedFileError
    """
    return _on_mask(sub, read_volume(path))


def _on_mask(sub: Subject, volume: Volume) -> NDArray[np.float32]:
    brain = SubjectFiles(sub.name, sub.data_dir).brain_volume()
    require_same_grid(brain.grid, volume.grid, volume.path)
    return volume.flat[columns(nonzero(brain))].astype(np.float32)


# --- responses --------------------------------------------------------------------------


def response_map(sub: Subject, trials: Iterable[int]) -> BrainMap:
    """Return a map of the response in one trial, or of the mean over several.

    Parameters
    ----------
    trials : iterable of int
        Global trial indices, the rows of ``sub.metadata``; order and repeats do not matter.

    Raises
    ------
    InvalidArgumentError
        When there is none.
    TrialNotFoundError
        When one does not exist.
    """
    wanted = sorted({int(trial) for trial in trials})
    if not wanted:
        raise InvalidArgumentError("No trial is marked. Mark some in the Trials tab first.")
    one = len(wanted) == 1
    return BrainMap(
        name=response_name(wanted),
        units=BETA,
        explanation="GLMsingle's regularised beta of this trial, which is no percent signal "
        "change; nothing is subtracted."
        if one
        else "Mean of GLMsingle's regularised betas of the marked trials, which are no percent "
        "signal change; a voxel without an estimate in a trial is left out of that trial.",
        read=lambda: mean_response(sub, wanted),
        code=f"maps.response_map(sub, {wanted!r})",
        files=tuple(
            path
            for session in trials_by_session(sub, wanted)
            if (path := SubjectFiles(sub.name, sub.data_dir).betas_path(session))
        ),
        symmetric=True,
        colormap=DIVERGING,
        token=tuple(wanted),
    )


def response_name(trials: Sequence[int]) -> str:
    """Return the name of the map of the response in one trial, or of the mean over several.

    Examples
    --------
    >>> response_name([12]), response_name([3, 12])
    ('Response in trial 12', 'Mean response over 2 trials')
    """
    if len(trials) == 1:
        return f"{RESPONSE_OF_TRIAL} {trials[0]}"
    return f"{MEAN_RESPONSE} {len(trials)} trials"


def mean_response(sub: Subject, trials: Iterable[int]) -> NDArray[np.float32]:
    """Average the betas of some trials; float32 of shape (n_voxels,).

    NaN is ignored; voxels that are NaN in every trial stay NaN.

    Raises
    ------
    TrialNotFoundError
        When a trial does not exist.
    LaionFmriError
        When the betas or the brain mask are missing or damaged.
    """
    files = SubjectFiles(sub.name, sub.data_dir)
    brain = files.brain_volume()
    voxels = columns(nonzero(brain))
    total, count = np.zeros(len(voxels)), np.zeros(len(voxels), dtype=np.int32)
    for session, rows in trials_by_session(sub, trials).items():
        stored = store.store_for(files, session, "anatomical", brain.grid, voxels)
        source = stored if stored is not None else files.series(session, brain.grid)
        step = _BETAS_AT_ONCE if stored is not None else len(rows)
        for start in range(0, len(rows), step):
            betas = source.masked(voxels, np.asarray(rows[start : start + step]))
            known = np.isfinite(betas)
            total += np.where(known, betas, 0).sum(axis=0, dtype=np.float64)
            count += known.sum(axis=0, dtype=np.int32)
    mean = np.divide(total, count, out=np.full(len(voxels), np.nan), where=count > 0)
    return mean.astype(np.float32)


def trials_by_session(sub: Subject, trials: Iterable[int]) -> dict[str, list[int]]:
    """Convert global trial indices to rows of sessions, in order.

    Raises
    ------
    TrialNotFoundError
    """
    tables = sub.get_trial_info(session=None)
    ends = np.cumsum([len(table) for table in tables.values()])
    found: dict[str, list[int]] = {}
    names = list(tables)
    for trial in sorted(set(trials)):
        if not 0 <= trial < (int(ends[-1]) if len(ends) else 0):
            raise TrialNotFoundError(
                f"{trial} is not a trial of {sub.name}: its local sessions have "
                f"{int(ends[-1]) if len(ends) else 0} trials."
            )
        place = int(np.searchsorted(ends, trial, side="right"))
        first = int(ends[place - 1]) if place else 0
        found.setdefault(names[place], []).append(trial - first)
    return found


# --- custom maps --------------------------------------------------------------------


def given_map(
    sub: Subject,
    values: NDArray | Mapping[str, NDArray] | str | Path,
    name: str,
    units: str = "",
    explanation: str = "",
) -> BrainMap:
    """Create a map from an array, a dict of hemispheres, or a NIfTI.

    Parameters
    ----------
    sub : Subject
    values : array, mapping of hemisphere to array, or path
        One value per voxel of the anatomical brain mask, shape (n_voxels,), or of the functional
        grid, 3-D or flat in C order; or ``{"L": …, "R": …}`` with one per vertex of the subject's
        own surface; or the path of a NIfTI on the functional grid.
    name : str
    units, explanation : str

    Raises
    ------
    InvalidArgumentError
        When the array has none of these forms.
    InconsistentDataError, DamagedFileError
        When the NIfTI has another grid, or cannot be read.
    """
    if not name:
        raise InvalidArgumentError("Give the map a name.")
    found = _checked(sub, values)
    known = np.concatenate([np.ravel(v) for v in _parts(found)])
    known = known[np.isfinite(known)]
    signed = bool(known.size and known.min() < 0 < known.max())
    return BrainMap(
        name=name,
        units=units,
        explanation=explanation or "A map of your own.",
        read=lambda: found,
        code=f"maps.given_map(sub, values, {name!r})  # values: the map that you gave",
        symmetric=signed,
        colormap=DIVERGING if signed else "inferno",
        token=object(),
    )


def _parts(values: Values) -> list[NDArray[np.float32]]:
    return list(values.values()) if isinstance(values, dict) else [values]


def _checked(sub: Subject, values: NDArray | Mapping[str, NDArray] | str | Path) -> Values:
    if isinstance(values, str | Path):
        with own_file():
            volume = read_volume(Path(values))
        return _on_mask(sub, volume)
    if isinstance(values, Mapping):
        if not values or set(values) - set(layout.HEMISPHERES):
            raise InvalidArgumentError(
                f"A surface map is keyed 'L' and 'R'; this one {list(values)}."
            )
        return {side: np.asarray(v, dtype=np.float32).ravel() for side, v in values.items()}
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InvalidArgumentError(f"Values of type {array.dtype} are not real numbers.")
    while array.ndim > 1 and array.shape[-1] == 1:
        array = array[..., 0]
    brain = sub.get_brain_mask()
    n_voxels, shape = int(brain.sum()), SubjectFiles(sub.name, sub.data_dir).brain_volume().grid
    if array.shape == (n_voxels,):
        return array.astype(np.float32)
    if array.shape in (shape.shape, (len(brain),)):
        return array.ravel()[brain].astype(np.float32)
    raise InvalidArgumentError(
        f"This array has shape {array.shape}. A map of {sub.name} has one value a voxel of the "
        f"brain mask, shape ({n_voxels},), or one a voxel of the grid, shape {shape.shape}."
    )


# --- the list of maps -----------------------------------------------------------------


class OfferedMaps:
    """The maps to choose from: custom maps, a subject's published maps, and responses in trials.

    Examples
    --------
    >>> offered = OfferedMaps()
    >>> offered.update(sub, trials=[[3, 8]])
    >>> offered.names[-1]
    'Mean response over 2 trials'
    >>> offered.name_instead_of("no such map") == offered.names[0]
    True

    Attributes
    ----------
    subject : str
        The subject of the maps; empty before the first update.
    maps : list of BrainMap
    """

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], BrainMap] = {}
        self.subject, self.maps = "", list[BrainMap]()

    @property
    def names(self) -> list[str]:
        """Names of the maps."""
        return [one.name for one in self.maps]

    def give(self, sub: Subject, given: BrainMap) -> None:
        """Add a custom map of `given_map`; it replaces one of the same name."""
        self._given[(sub.name, given.name)] = given

    def update(self, sub: Subject, trials: Iterable[Sequence[int]] = ()) -> None:
        """Update the maps to a subject's, with the mean response over each list of trials."""
        self.subject = sub.name
        self.maps = [one for (owner, _), one in self._given.items() if owner == sub.name]
        self.maps += available_maps(sub)
        for some in trials:
            try:
                if some and sub.get_sessions():
                    self.maps.append(response_map(sub, some))
            except LaionFmriError:
                continue  # a trial of another subject, or of a removed session

    def find(self, name: str) -> BrainMap:
        """Return the map of a name, or the first one.

        Raises
        ------
        UnknownNameError
            When there are no maps.
        """
        return find_map(self.maps, name if name in self.names else "", self.subject)

    def name_instead_of(self, name: str, shown: str = "") -> str:
        """Return the name if available, else another response, the map `shown`, or the first."""
        names = self.names
        candidates = [name]
        if name.startswith(RESPONSE_OF_TRIAL):
            candidates += [n for n in names if n.startswith(RESPONSE_OF_TRIAL)]
        else:
            candidates.append(shown)
        return next((n for n in [*candidates, *names] if n in names), "")
