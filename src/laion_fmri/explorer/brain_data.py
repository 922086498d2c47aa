"""Maps, surfaces and ROIs for the brain view, through the library's public API."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import UnknownNameError
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.subject import Subject
from laion_fmri.surfaces import SURFACE_KINDS, Surface, read_surface, read_underlay, surface_path
from laion_fmri.templates import volume_to_surface

PERCENT = "%"
_REPEATS = {
    "Noiseceiling4rep": ("4 repeats", "images shown exactly 4 times"),
    "Noiseceiling12rep": ("12 repeats", "images shown exactly 12 times"),
    "NoiseceilingAllrep": ("all repeats", "every repeated image"),
}
_PREFERRED = ("Noiseceiling12rep", "NoiseceilingAllrep", "Noiseceiling4rep")
_GOLDEN_ANGLE = 0.381966  # of a turn: neighbours in the list get distant hues


@dataclass(frozen=True)
class BrainMap:
    """A map that can be shown on the brain.

    Attributes
    ----------
    name : str
        As the Map control lists it.
    units : str
    explanation : str
        One line.
    path : Path
        The file it is read from.
    arguments : mapping of str to str
        What `Subject.get_noise_ceiling` is called with.
    """

    name: str
    units: str
    explanation: str
    path: Path
    arguments: Mapping[str, Any]

    @property
    def code(self) -> str:
        """The call that reads it, as Python."""
        said = ", ".join(f'{key}="{value}"' for key, value in self.arguments.items())
        return f"sub.get_noise_ceiling({said})"


def available_maps(sub: Subject) -> list[BrainMap]:
    """The maps that are local, the most useful first."""
    local = sub.get_available_noise_ceilings()
    maps = [
        BrainMap(
            name=f"Noise ceiling, {_REPEATS[desc][0]}",
            units=PERCENT,
            explanation=f"Variance that any model could explain at best, from {_REPEATS[desc][1]} "
            "across sessions.",
            path=layout.local_path(sub.data_dir, layout.subject_noise_ceiling(sub.name, desc)),
            arguments={"desc": desc},
        )
        for desc in _PREFERRED
        if desc in local
    ]
    for session in sub.get_sessions():
        path = layout.local_path(sub.data_dir, layout.session_noise_ceiling(sub.name, session))
        if path.exists():
            maps.append(
                BrainMap(
                    name=f"Noise ceiling, {session}",
                    units=PERCENT,
                    explanation="Variance that any model could explain at best, from the repeats "
                    "inside this session.",
                    path=path,
                    arguments={"session": session},
                )
            )
    return maps


def find_map(sub: Subject, name: str) -> BrainMap:
    """A local map by its name; the first one for an empty name.

    Raises
    ------
    UnknownNameError
    """
    maps = available_maps(sub)
    found = next((m for m in maps if m.name == name or not name), None)
    if found is None:
        raise UnknownNameError(
            "map",
            name,
            [m.name for m in maps],
            f"download(subject={sub.name!r}, ses='averages') fetches the noise ceilings.",
        )
    return found


def surfaces(data: ExplorerData, sub: Subject, kind: str) -> dict[str, Surface]:
    """Both hemispheres' meshes."""
    recon = sub.get_freesurfer_dir()
    files = [surface_path(recon, hemi, kind) for hemi in layout.HEMISPHERES]
    return data.remember(
        ("surface", sub.name, kind),
        lambda: {hemi: read_surface(recon, hemi, kind) for hemi in layout.HEMISPHERES},
        files,
    )


def underlay(data: ExplorerData, sub: Subject) -> dict[str, NDArray[np.float32]]:
    """Both hemispheres' sulcal depth, positive where the cortex folds in."""
    recon = sub.get_freesurfer_dir()
    files = [surface_path(recon, hemi, "sulc") for hemi in layout.HEMISPHERES]
    return data.remember(
        ("underlay", sub.name),
        lambda: {hemi: read_underlay(recon, hemi) for hemi in layout.HEMISPHERES},
        files,
    )


def map_on_surface(
    data: ExplorerData, sub: Subject, brain_map: BrainMap
) -> dict[str, NDArray[np.float32]]:
    """A map at every vertex of both hemispheres; made once for each state of its file."""

    def sample() -> dict[str, NDArray[np.float32]]:
        values = np.asarray(sub.get_noise_ceiling(**brain_map.arguments))
        return {hemi: volume_to_surface(sub, values, hemi) for hemi in layout.HEMISPHERES}

    mask = sub.get_anatomical_brain_mask(layout.FUNCTIONAL_RES)
    return data.remember(("map", sub.name, brain_map.name), sample, [brain_map.path, mask])


def rois_on_surface(data: ExplorerData, sub: Subject) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """Every local ROI's vertices: ROI to hemisphere to mask, without absent hemispheres.

    In the order of categories, so that the ROIs of one category get distant colours.
    """

    def read() -> dict[str, dict[str, NDArray[np.bool_]]]:
        found = sub.get_roi_data(sub.get_available_categories(), format="func.gii")
        return {
            roi: {side.removeprefix("hemi-"): forms["func.gii"] for side, forms in gii.items()}
            for roi, gii in ((roi, tree.get("gii", {})) for roi, tree in found.items())
        }

    root = sub.data_dir / layout.ROIS_TREE / sub.name
    return data.remember(("rois", sub.name), read, sorted(root.glob("*/*.func.gii")))


def prepare(data: ExplorerData, sub: Subject) -> None:
    """Have what the view first shows of a subject ready: surface, folds, map and ROIs."""
    surfaces(data, sub, SURFACE_KINDS[0])
    underlay(data, sub)
    map_on_surface(data, sub, find_map(sub, ""))
    rois_on_surface(data, sub)


def roi_colours(names: list[str]) -> dict[str, str]:
    """A colour for each ROI, the same whichever are chosen; ``#rrggbb``."""
    colours = {}
    for place, name in enumerate(names):
        hue = (0.55 + place * _GOLDEN_ANGLE) % 1
        lightness = (0.5, 0.62, 0.42)[place % 3]
        rgb = colorsys.hls_to_rgb(hue, lightness, 0.85)
        colours[name] = "#" + "".join(f"{round(255 * channel):02x}" for channel in rgb)
    return colours


def rois_at(
    rois: Mapping[str, Mapping[str, NDArray[np.bool_]]], hemi: str, vertex: int
) -> list[str]:
    """The ROIs a vertex belongs to."""
    return [name for name, sides in rois.items() if hemi in sides and sides[hemi][vertex]]
