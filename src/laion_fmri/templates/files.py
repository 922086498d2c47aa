"""Maps as BIDS-named files, which appear under their names only when they are whole."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.nifti import grid_of
from laion_fmri.volumes import write_volume

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

_STRUCTURES = {"L": "CortexLeft", "R": "CortexRight"}


class MapFiles:
    """A folder for maps of one subject, and what they are of.

    Parameters
    ----------
    folder : path
        Made where it does not exist.
    subject : str
        Full identifier, ``"sub-03"``.
    desc : str, optional
        What the maps are of, the ``desc`` of their names: letters and digits.

    Raises
    ------
    InvalidArgumentError
        When `desc` cannot be part of a BIDS name, or the folder cannot be made.
    """

    def __init__(
        self, folder: str | os.PathLike[str], subject: str, desc: str | None = None
    ) -> None:
        if desc is not None and not re.fullmatch(r"[A-Za-z0-9]+", desc):
            raise InvalidArgumentError(
                f"desc={desc!r} cannot be part of a BIDS name. Use letters and digits only."
            )
        self.folder = Path(folder)
        self._subject = subject
        self._desc = desc
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidArgumentError(
                f"{folder} cannot be a folder ({error.strerror}). Choose another output_dir."
            ) from error

    def write_surface(
        self, values: NDArray[np.float32], hemi: str, space: str, den: str | None = None
    ) -> Path:
        """Write one hemisphere as GIFTI, one data array a trial."""
        import nibabel
        from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

        image = GiftiImage(
            darrays=[
                GiftiDataArray(row, intent="NIFTI_INTENT_NONE", datatype="NIFTI_TYPE_FLOAT32")
                for row in np.atleast_2d(values)
            ],
            meta=GiftiMetaData(AnatomicalStructurePrimary=_STRUCTURES[hemi]),
        )
        path = self.folder / self._name(".func.gii", hemi=hemi, space=space, den=den)
        temporary = path.with_name(f".{path.name.removesuffix('.func.gii')}.partial.func.gii")
        try:
            nibabel.save(image, temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def write_volume(self, image: Nifti1Image, space: str, voxel_size: float | None = None) -> Path:
        """Write a volume, or one a trial, as NIfTI."""
        res = None if voxel_size is None else f"{voxel_size:g}".replace(".", "pt")
        path = self.folder / self._name(".nii.gz", space=space, res=res)
        return write_volume(path, np.asarray(image.dataobj), grid_of(image))

    def _name(self, extension: str, **entities: str | None) -> str:
        named = {**entities, "desc": self._desc}
        parts = [f"{entity}-{value}" for entity, value in named.items() if value is not None]
        return "_".join([self._subject, *parts, f"statmap{extension}"])
