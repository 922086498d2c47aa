"""Find the spheres of fsaverage on this machine; nothing is downloaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import DamagedFileError, DataNotDownloadedError
from laion_fmri.arguments import one_of
from laion_fmri.volumes.nifti import translated_errors
from laion_fmri.volumes.surfaces import HEMISPHERE_PREFIXES, read_sphere


@dataclass(frozen=True)
class Density:
    """One of the meshes of fsaverage.

    Attributes
    ----------
    name : str
        Name in FreeSurfer, with the number of subdivisions: ``"fsaverage5"``.
    folder : str
        Folder in FreeSurfer and nilearn.
    den : str
        Density in BIDS: ``"10k"``.
    n_vertices : int
        Vertices per hemisphere.
    """

    name: str
    folder: str
    den: str
    n_vertices: int


_DENSITIES = {
    density.name: density
    for density in (
        Density("fsaverage5", "fsaverage5", "10k", 10242),
        Density("fsaverage6", "fsaverage6", "41k", 40962),
        Density("fsaverage7", "fsaverage", "164k", 163842),
    )
}
FSAVERAGE_DENSITIES = tuple(_DENSITIES)


def find_density(name: str) -> Density:
    """Return the mesh of a name; ``"fsaverage"`` is ``"fsaverage7"``.

    Raises
    ------
    UnknownNameError
    """
    known = one_of("fsaverage density", name, (*FSAVERAGE_DENSITIES, "fsaverage"))
    return _DENSITIES["fsaverage7" if known == "fsaverage" else known]


def read_template_sphere(density: Density, hemi: str) -> NDArray[np.float64]:
    """Read the vertices of fsaverage's sphere; shape (n_vertices, 3).

    The folders of nilearn, FreeSurfer and TemplateFlow are searched. nilearn includes fsaverage5.

    Raises
    ------
    DataNotDownloadedError
        When none of them has it.
    DamagedFileError
        When the file is unreadable or has another mesh.
    """
    path = next((p for p in _places(density, hemi) if _has_content(p)), None)
    if path is None:
        raise DataNotDownloadedError(
            f"The sphere of {density.name} is not on this machine. Point SUBJECTS_DIR at "
            f"FreeSurfer's subjects folder (it needs {density.folder}/surf), or fetch it once: "
            f"nilearn.datasets.fetch_surf_fsaverage({density.name!r}). fsaverage5 needs neither."
        )
    if ".gii" in path.suffixes:
        points = _read_gifti_points(path)
    else:
        points = read_sphere(path).points.astype(np.float64)
    if len(points) != density.n_vertices:
        raise DamagedFileError(
            path,
            f"{density.name} has {density.n_vertices} vertices, this {len(points)}",
            "Put the right file there.",
        )
    return points


def _places(density: Density, hemi: str) -> Iterator[Path]:
    side = {"L": "left", "R": "right"}[hemi]
    for subjects in _freesurfer_subjects():
        for name in ("sphere.reg", "sphere"):
            yield subjects / density.folder / "surf" / f"{HEMISPHERE_PREFIXES[hemi]}.{name}"
    home = os.environ.get("TEMPLATEFLOW_HOME") or Path.home() / ".cache" / "templateflow"
    name = f"tpl-fsaverage_hemi-{hemi}_den-{density.den}_sphere.surf.gii"
    yield Path(home) / "tpl-fsaverage" / name

    from nilearn import datasets  # takes a second to import

    if density.name == "fsaverage5":
        yield Path(datasets.fetch_surf_fsaverage("fsaverage5")[f"sphere_{side}"])
    for folder in datasets.get_data_dirs():
        yield Path(folder) / density.folder / f"sphere_{side}.gii.gz"


def _freesurfer_subjects() -> Iterator[Path]:
    subjects, home = os.environ.get("SUBJECTS_DIR"), os.environ.get("FREESURFER_HOME")
    if subjects:
        yield Path(subjects)
    if home:
        yield Path(home) / "subjects"


def _has_content(path: Path) -> bool:
    # TemplateFlow creates empty files for data that it has not downloaded.
    return path.is_file() and path.stat().st_size > 0


def _read_gifti_points(path: Path) -> NDArray[np.float64]:
    import nibabel

    with translated_errors(path):
        arrays = nibabel.gifti.GiftiImage.from_filename(path).get_arrays_from_intent("pointset")
    if len(arrays) != 1 or arrays[0].data.ndim != 2 or arrays[0].data.shape[1] != 3:
        raise DamagedFileError(path, "one list of points was expected", "Put the right file there.")
    return np.asarray(arrays[0].data, dtype=np.float64)
