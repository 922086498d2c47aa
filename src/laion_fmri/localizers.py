"""Maps of the functional localizers: z-maps of contrasts, and effects of single runs.

They are published in the T1w volume at two resolutions, of which ``res-1pt8`` has the grid of the
betas, and on the surface of each hemisphere (fsnative).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import DataNotDownloadedError, InvalidArgumentError, UnknownNameError
from laion_fmri.arguments import as_items, whole_number
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.grid import read_volume, require_same_grid
from laion_fmri.volumes.masks import columns, nonzero
from laion_fmri.volumes.rois import ALL, hemispheres, read_surface_values

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("floc", "oloc", "MotionLoc", "MotionLeft", "MotionRight")
"""The published localizers; a subject may have only some of them."""

VOLUME_SPACE, SURFACE_SPACE = "T1w", "fsnative"
_EXTENSIONS = (".nii.gz", ".nii", ".func.gii")


@dataclass(frozen=True)
class LocalizerMap:
    """The file of a localizer map; missing entities are None."""

    task: str
    contrast: str
    session: str
    space: str
    hemi: str | None
    res: str | None
    stat: str | None
    run: str | None
    path: Path


COLUMNS = tuple(field.name for field in fields(LocalizerMap))
Filters = dict[str, layout.Filter]


def find_maps(files: SubjectFiles) -> list[LocalizerMap]:
    """List the downloaded localizer maps of a subject, in a fixed order."""
    root = files.path(f"{layout.LOCALIZERS_TREE}/{files.name}")
    found: dict[tuple, LocalizerMap] = {}
    for path in sorted(root.glob(f"ses-*/func/{files.name}_*_statmap.*")):
        key = path.relative_to(files.data_dir).as_posix()
        entities = layout.parse_entities(key)
        if entities.extension in _EXTENSIONS:
            get = entities.get
            one = LocalizerMap(
                task=get("task") or "",
                contrast=get("contrast") or "",
                session=f"ses-{get('ses')}",
                space=get("space") or "",
                hemi=get("hemi"),
                res=get("res"),
                stat=get("stat"),
                run=get("run"),
                path=path,
            )
            found[_order(one)] = one  # sorted, so the compressed file of a volume comes last
    return [found[order] for order in sorted(found)]


def _order(one: LocalizerMap) -> tuple:
    named = (one.session, one.task, one.stat, one.contrast, one.run, one.space, one.res, one.hemi)
    return tuple(layout.natural_order(value or "") for value in named)


def as_table(maps: Iterable[LocalizerMap]) -> pd.DataFrame:
    """Return a table with one row per map and the columns `COLUMNS`."""
    import pandas as pd

    return pd.DataFrame([asdict(one) for one in maps], columns=list(COLUMNS), dtype=object)


def narrowed(maps: list[LocalizerMap], subject: str, filters: Filters) -> list[LocalizerMap]:
    """Apply the filters one after the other and return the remaining maps.

    Raises
    ------
    UnknownNameError
        When no remaining map has a requested value.
    """
    for name, wanted in filters.items():
        if wanted is None:
            continue
        clean = _CLEAN.get(name, str)
        values = as_items(wanted)
        known = list(dict.fromkeys(v for one in maps if (v := getattr(one, name)) is not None))
        allowed = {clean(value) for value in known}
        for value in values:
            if clean(value) not in allowed:
                others = [f"{n}={v!r}" for n, v in filters.items() if v is not None and n != name]
                among = f" with {', '.join(others)}" if others else ""
                raise UnknownNameError(
                    f"localizer {name}",
                    value,
                    known,
                    f"Looked for in the local maps of {subject}{among}.",
                )
        cleaned = {clean(value) for value in values}
        maps = [one for one in maps if (v := getattr(one, name)) and clean(v) in cleaned]
    return maps


def _bare_run(run: object) -> str:
    number = whole_number(run)
    return layout.bare("run", str(run if number is None else number))


_CLEAN: dict[str, Callable[[object], str]] = {"session": layout.session_id, "run": _bare_run}


def require_maps(files: SubjectFiles, task: str) -> list[LocalizerMap]:
    """Return the downloaded maps; raise an error when a task has none.

    Raises
    ------
    DataNotDownloadedError
        When the task is published and none of its maps is downloaded.
    """
    maps = find_maps(files)
    if task not in {one.task for one in maps} and task in TASKS:
        raise DataNotDownloadedError(
            f"No map of the localizer {task} of {files.name} is in {files.data_dir}. "
            f"download(subject={files.name!r}, task={task!r}, include_localizers=True) fetches "
            "them if the bucket has them."
        )
    if not maps:
        raise UnknownNameError("localizer task", task, TASKS)
    return maps


def read_map(
    files: SubjectFiles,
    filters: Filters,
    hemi: str = ALL,
    mask_source: str = "anatomical",
) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]:
    """Read the one map that passes the filters; both hemispheres as a dict.

    See `Subject.get_localizer_map`.
    """
    maps = narrowed(require_maps(files, str(filters["task"])), files.name, filters)
    for name in ("stat", "res", "session", "run"):
        choices = sorted({v for one in maps if (v := getattr(one, name))}, key=layout.natural_order)
        if len(choices) > 1:
            raise InvalidArgumentError(
                f"Several such maps are local, with {name} {', '.join(choices)}. Choose one with "
                f"{name}=…."
            )
    if filters["space"] != SURFACE_SPACE:
        if hemi != ALL:
            raise InvalidArgumentError(
                f"A volume holds both hemispheres: leave out hemi={hemi!r}, or give "
                f"space={SURFACE_SPACE!r}."
            )
        return _read_volume(files, maps[0], mask_source)
    sides = hemispheres(hemi)
    found = {
        one.hemi: read_surface_values(one.path).astype(np.float32)
        for side in sides
        for one in narrowed(maps, files.name, {"hemi": side})
        if one.hemi
    }
    return found if hemi == ALL else found[hemi]


def _read_volume(files: SubjectFiles, one: LocalizerMap, mask_source: str) -> NDArray[np.float32]:
    volume = read_volume(one.path)
    if one.res != layout.FUNCTIONAL_RES:
        return volume.flat.astype(np.float32)
    brain = files.brain_volume(mask_source)
    require_same_grid(brain.grid, volume.grid, one.path)
    return volume.flat[columns(nonzero(brain))].astype(np.float32)
