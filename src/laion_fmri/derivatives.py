"""Paths of published derivatives below the data directory."""

from __future__ import annotations

import os
from pathlib import Path

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.arguments import as_scalar, one_of, whole_number
from laion_fmri.config import get_data_dir
from laion_fmri.localizers import SURFACE_SPACE, VOLUME_SPACE
from laion_fmri.subject_files import SubjectFiles


def localizer_statmap_path(
    subject: str | int,
    task: str,
    contrast: str,
    session: str | int,
    space: str = SURFACE_SPACE,
    hemi: str | None = None,
    res: str | None = layout.LOCALIZER_RES,
    data_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """Return the path of the z-map of a localizer's contrast.

    Parameters
    ----------
    subject : str or int
        ``"sub-03"``, ``"03"`` or 3.
    task : str
        ``"floc"``, ``"oloc"``, ``"MotionLoc"``, ``"MotionLeft"`` or ``"MotionRight"``.
    contrast : str
        Such as ``"faceVsOthers"``.
    session : str or int
        ``"ses-4BarScreenfLoc"``, ``"ses-31"`` (oloc) or ``"ses-MotionLocBarsSML"``.
    space : {"fsnative", "T1w"}
        The surface, or the volume.
    hemi : {"L", "R"}
        Hemisphere; required for the surface.
    res : {"1pt5", "1pt8"}
        Resolution of the volume: that of the localizers, or of the betas. Ignored for the surface.
    data_dir : path, optional
        The configured one by default.

    Returns
    -------
    Path
        The file need not exist; ``download(…, include_localizers=True)`` fetches it.

    Raises
    ------
    SubjectNotFoundError, InvalidArgumentError, UnknownNameError
        When an argument is not valid in a file name.
    DataDirNotSetError
        When no data directory is given or configured.
    """
    return _map_path(subject, task, contrast, session, "z", None, space, hemi, res, data_dir)


def localizer_effect_path(
    subject: str | int,
    task: str,
    condition: str,
    session: str | int,
    run: str | int,
    space: str = SURFACE_SPACE,
    hemi: str | None = None,
    res: str | None = layout.LOCALIZER_RES,
    data_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """Return the path of a condition's effect in one localizer run, in percent signal change.

    Parameters
    ----------
    subject, task, session, space, hemi, res, data_dir
        As in `localizer_statmap_path`.
    condition : str
        Such as ``"face"``.
    run : int or str
        ``1``, ``"01"`` and ``"run-01"`` are the same.

    Returns
    -------
    Path
        The file need not exist.

    Raises
    ------
    SubjectNotFoundError, InvalidArgumentError, UnknownNameError
        When an argument is not valid in a file name.
    DataDirNotSetError
        When no data directory is given or configured.
    """
    return _map_path(
        subject, task, condition, session, "effect", _padded_run(run), space, hemi, res, data_dir
    )


def _map_path(
    subject: str | int,
    task: str,
    contrast: str,
    session: str | int,
    stat: str,
    run: str | None,
    space: str,
    hemi: str | None,
    res: str | None,
    data_dir: str | os.PathLike[str] | None,
) -> Path:
    """Return the path of a map; raise an error for invalid parts of its name."""
    name = layout.subject_id(subject)
    where = one_of("space", space, (SURFACE_SPACE, VOLUME_SPACE))
    if where == SURFACE_SPACE:
        if hemi is None:
            raise InvalidArgumentError(
                f"The surface has two hemispheres. Give hemi='L' or 'R', or space={VOLUME_SPACE!r}."
            )
        side, grid = one_of("hemisphere", hemi, layout.HEMISPHERES), None
    else:
        if hemi is not None:
            raise InvalidArgumentError(
                f"A volume holds both hemispheres: leave out hemi={hemi!r}, or give "
                f"space={SURFACE_SPACE!r}."
            )
        side, grid = None, one_of("res", res, (layout.LOCALIZER_RES, layout.FUNCTIONAL_RES))
    key = layout.localizer(
        name,
        layout.session_id(session),
        _entity("task", task),
        _entity("contrast", contrast),
        stat=stat,
        run=run,
        hemi=side,
        res=grid,
    )
    files = SubjectFiles(name, get_data_dir() if data_dir is None else Path(data_dir))
    return files.found(key) or files.path(key)


def _entity(kind: str, value: object) -> str:
    name = as_scalar(value)
    if not isinstance(name, str) or not name.isalnum():
        raise InvalidArgumentError(f"{value!r} is no {kind}. Give its name, letters and digits.")
    return name


def _padded_run(run: object) -> str:
    number = whole_number(run)
    name = str(as_scalar(run)).removeprefix("run-") if number is None else str(number)
    if not name.isdecimal():
        raise InvalidArgumentError(f"{run!r} is no run. Give its number, such as 1 or '01'.")
    return f"{int(name):02d}"
