"""The maps of a subject: which are local, what they say, and their values. No widgets."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout, localizers, store
from laion_fmri._errors import InvalidArgumentError, TrialNotFoundError, UnknownNameError
from laion_fmri.masks import columns, nonzero
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes import read_volume, require_same_grid

if TYPE_CHECKING:
    from laion_fmri.subject import Subject

Values = NDArray[np.float32] | dict[str, NDArray[np.float32]]
PERCENT, SIGNAL_CHANGE = "%", "% signal change"
DIVERGING = "blue-white-red"

_REPEATS = {
    "Noiseceiling4rep": ("4 repeats", "images shown exactly 4 times"),
    "Noiseceiling12rep": ("12 repeats", "images shown exactly 12 times"),
    "NoiseceilingAllrep": ("all repeats", "every repeated image"),
}
_PREFERRED = ("Noiseceiling12rep", "NoiseceilingAllrep", "Noiseceiling4rep")
_Z_THRESHOLD = 2.3
_BETAS_AT_ONCE = 64  # trials held in memory while a mean over many is taken
RESPONSE_OF_TRIAL, MEAN_RESPONSE = "Response in trial", "Mean response over"


@dataclass(frozen=True, eq=False)
class BrainMap:
    """A map that can be shown on the brain.

    Attributes
    ----------
    name : str
        As the Map control lists it.
    units : str
    explanation : str
        One line.
    read : callable
        Gives the values: float32 of shape (n_voxels,) over the anatomical brain mask, or a
        dict of one array a hemisphere over the subject's own surface.
    code : str
        Python that puts the values of voxels into ``values``, given the subject as ``sub``.
    files : tuple of Path
        What the values depend on.
    symmetric : bool
        Whether values lie on both sides of a meaningful 0.
    colormap : str
        The scale it is first shown with.
    threshold : float or None
        What it is first cut at; None leaves that to the view.
    token : hashable
        With the name, what tells it from other maps of the same subject.
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
    """A map that GLMsingle leaves for each session."""

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
    """The published maps that are local, the most useful first."""
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
                    _of_file(
                        sub, path, mask, name, kind.units, kind.explanation, kind.colormap,
                        code=f'values = sub.get_noise_ceiling(session="{session}")'
                        if kind.title == "Noise ceiling" else "",
                    )
                )  # fmt: skip
    return maps


def session_folders(sub: Subject) -> list[str]:
    """Sessions of which anything is local, in order; their betas need not be."""
    folder = sub.data_dir / layout.subject_betas_dir(sub.name)
    return sorted((p.name for p in folder.glob("ses-*") if p.is_dir()), key=layout.natural_order)


def find_map(maps: Iterable[BrainMap], name: str, subject: str = "") -> BrainMap:
    """The map of that name; the first one for an empty name.

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
        code=f'values = sub.get_noise_ceiling(desc="{desc}")',
    )


def _localizer_maps(sub: Subject, mask: Path) -> list[BrainMap]:
    maps = []
    for one in localizers.find_maps(SubjectFiles(sub.name, sub.data_dir)):
        if (one.stat, one.res, one.space) != ("z", layout.FUNCTIONAL_RES, localizers.VOLUME_SPACE):
            continue
        call = f'task="{one.task}", contrast="{one.contrast}", session="{one.session}"'
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
                code=f"values = sub.get_localizer_map({call})",
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
    code: str = "",
) -> BrainMap:
    key = path.relative_to(sub.data_dir).as_posix()
    return BrainMap(
        name=name,
        units=units,
        explanation=explanation,
        read=lambda: values_on_mask(sub, path),
        code=code
        or "import nibabel\n\n"
        f'image = nibabel.load(sub.data_dir / "{key}")\n'
        "values = image.get_fdata(dtype='float32').ravel()[sub.get_brain_mask()]",
        files=(path, mask),
        symmetric=symmetric,
        colormap=colormap,
        threshold=threshold,
    )


def values_on_mask(sub: Subject, path: Path) -> NDArray[np.float32]:
    """The values of a volume on the functional grid at the voxels of the brain mask.

    Raises
    ------
    DataNotDownloadedError
        When the brain mask is not local.
    InconsistentDataError
        When the volume lies on another grid.
    DamagedFileError
    """
    brain = SubjectFiles(sub.name, sub.data_dir).brain_volume()
    volume = read_volume(path)
    require_same_grid(brain.grid, volume.grid, path)
    return volume.flat[columns(nonzero(brain))].astype(np.float32)


# --- responses --------------------------------------------------------------------------


def response_map(sub: Subject, trials: Iterable[int]) -> BrainMap:
    """The response in one trial, or the mean over several.

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
    name = f"{RESPONSE_OF_TRIAL} {wanted[0]}" if one else f"{MEAN_RESPONSE} {len(wanted)} trials"
    return BrainMap(
        name=name,
        units=SIGNAL_CHANGE,
        explanation="Single-trial beta of this trial; nothing is subtracted."
        if one
        else "Mean of the single-trial betas of the marked trials; a voxel without an estimate "
        "in a trial is left out of that trial.",
        read=lambda: mean_response(sub, wanted),
        code="import numpy as np\n\n"
        'betas = sub.get_betas(session=None)  # "ses-01": (n_trials, n_voxels), …\n'
        f"values = np.nanmean(np.concatenate(list(betas.values()))[{wanted!r}], axis=0)",
        files=tuple(
            path
            for session in trials_by_session(sub, wanted)
            if (path := SubjectFiles(sub.name, sub.data_dir).betas_path(session))
        ),
        symmetric=True,
        colormap=DIVERGING,
        token=tuple(wanted),
    )


def mean_response(sub: Subject, trials: Iterable[int]) -> NDArray[np.float32]:
    """The mean of the betas of some trials; float32 of shape (n_voxels,).

    NaN is left out of the mean; where every trial has NaN the mean is NaN.

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
    """Global trial indices as rows of sessions, in order.

    Raises
    ------
    TrialNotFoundError
    """
    tables = sub.get_trial_info(session=None)
    assert isinstance(tables, Mapping)
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


# --- maps that are handed in ------------------------------------------------------------


def given_map(
    sub: Subject,
    values: NDArray | Mapping[str, NDArray] | str | Path,
    name: str,
    units: str = "",
    explanation: str = "",
) -> BrainMap:
    """A map from an array, a dict of hemispheres, or a NIfTI.

    Parameters
    ----------
    sub : Subject
    values : array, mapping of hemisphere to array, or path
        One value a voxel of the anatomical brain mask, shape (n_voxels,); or one a voxel of
        the functional grid, 3-D or flat in C order; or ``{"L": …, "R": …}`` with one a vertex
        of the subject's own surface; or the path of a NIfTI on the functional grid.
    name : str
    units, explanation : str

    Raises
    ------
    InvalidArgumentError
        When the array is none of these.
    InconsistentDataError, DamagedFileError
        When the NIfTI lies on another grid, or cannot be read.
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
        explanation=explanation or "A map that was handed in.",
        read=lambda: found,
        code=f"values = ...  # the map {name!r} that was handed in",
        symmetric=signed,
        colormap=DIVERGING if signed else "inferno",
        token=object(),
    )


def _parts(values: Values) -> list[NDArray[np.float32]]:
    return list(values.values()) if isinstance(values, dict) else [values]


def _checked(sub: Subject, values: NDArray | Mapping[str, NDArray] | str | Path) -> Values:
    if isinstance(values, str | Path):
        return values_on_mask(sub, Path(values))
    if isinstance(values, Mapping):
        if not values or set(values) - set(layout.HEMISPHERES):
            raise InvalidArgumentError(
                f"A surface map is keyed 'L' and 'R'; this one {list(values)}."
            )
        return {side: np.asarray(v, dtype=np.float32).ravel() for side, v in values.items()}
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InvalidArgumentError(f"Values of type {array.dtype} are not real numbers.")
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
