"""BIDS-named files of maps, written atomically."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.arguments import as_scalar
from laion_fmri.atomic_write import atomic_path
from laion_fmri.layout import session_id
from laion_fmri.volumes.grid import write_volume
from laion_fmri.volumes.nifti import Grid

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

_DESC = re.compile(r"[A-Za-z0-9]+")
_STRUCTURES = {"L": "CortexLeft", "R": "CortexRight"}


class MapFiles:
    """Writer of one subject's maps as BIDS-named files.

    Parameters
    ----------
    folder : path
        Created if it does not exist.
    subject : str
        Full identifier, ``"sub-03"``.
    desc : str, optional
        The ``desc`` of the file names: letters and digits.
    session : str or int, optional
        The session of the maps.

    Raises
    ------
    InvalidArgumentError
        When `desc` is not valid in a BIDS name, or the folder cannot be created.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        subject: str,
        desc: str | None = None,
        session: str | int | None = None,
    ) -> None:
        desc = as_scalar(desc)
        if desc is not None and not (isinstance(desc, str) and _DESC.fullmatch(desc)):
            raise InvalidArgumentError(
                f"desc={desc!r} cannot be part of a BIDS name. Use letters and digits only."
            )
        self.folder = Path(folder)
        self._owner = subject if session is None else f"{subject}_{session_id(session)}"
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
        """Write one hemisphere as GIFTI, with one data array per trial."""
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
        with atomic_path(path) as temporary:
            nibabel.save(image, temporary)
        return path

    def write_volume(self, image: Nifti1Image, space: str, voxel_size: float | None = None) -> Path:
        """Write a volume, or one volume per trial, as NIfTI."""
        res = None if voxel_size is None else f"{voxel_size:g}".replace(".", "pt")
        path = self.folder / self._name(".nii.gz", space=space, res=res)
        nx, ny, nz = image.shape[:3]
        return write_volume(path, np.asarray(image.dataobj), Grid((nx, ny, nz), image.affine))

    def _name(self, extension: str, **entities: str | None) -> str:
        named = {**entities, "desc": self._desc}
        parts = [f"{entity}-{value}" for entity, value in named.items() if value is not None]
        return "_".join([self._owner, *parts, f"statmap{extension}"])
