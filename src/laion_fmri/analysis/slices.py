"""Volumes for drawing slices through a subject's head.

Examples
--------
>>> from laion_fmri.analysis.slices import available_anatomies, brain_box, read_anatomy
>>> available_anatomies(sub)[0]
'T1w'
>>> read_anatomy(sub, "T1w").greys.dtype
dtype('uint8')
>>> brain_box(sub).indices.shape == (sub.get_n_voxels(),)
True
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from laion_fmri import layout
from laion_fmri._errors import UnknownNameError
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.volumes.grid import read_volume
from laion_fmri.volumes.masks import nonzero
from laion_fmri.volumes.slices import SliceAnatomy, VolumeGrid

if TYPE_CHECKING:
    from laion_fmri.subject import Subject

ANATOMIES = {"T1w": ("T1w", None), "T1w, 1.8 mm": ("T1w", "1pt8"), "T2w": ("T2w", None)}
"""Background volumes of slices: name to contrast and resolution."""


def available_anatomies(sub: Subject) -> list[str]:
    """List the volumes of `ANATOMIES` that are downloaded."""
    files = SubjectFiles(sub.name, sub.data_dir)
    return [
        name
        for name, (contrast, res) in ANATOMIES.items()
        if files.found(layout.anatomical(sub.name, contrast, res))
    ]


def anatomy_path(sub: Subject, name: str) -> Path:
    """Return the path of a volume of `ANATOMIES`.

    Raises
    ------
    UnknownNameError, DataNotDownloadedError
    """
    if name not in ANATOMIES:
        raise UnknownNameError("anatomy", name, ANATOMIES)
    contrast, res = ANATOMIES[name]
    return sub.get_t1w(res) if contrast == "T1w" else sub.get_t2w(res)


def read_anatomy(sub: Subject, name: str = "T1w") -> SliceAnatomy:
    """Read a volume of `ANATOMIES` as grey values.

    Raises
    ------
    UnknownNameError, DataNotDownloadedError, DamagedFileError
    """
    volume = read_volume(anatomy_path(sub, name))
    return SliceAnatomy.from_values(volume.values, volume.grid.affine)


def brain_box(sub: Subject) -> VolumeGrid:
    """Return the bounding box of the brain mask in the functional grid.

    Raises
    ------
    DataNotDownloadedError, DamagedFileError
    """
    brain = SubjectFiles(sub.name, sub.data_dir).brain_volume()
    return VolumeGrid.around(nonzero(brain).reshape(brain.grid.shape), brain.grid.affine)
