"""Writers whose bytes depend on nothing but the content: no time stamp, no file name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

GZIP_LEVEL = 1


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with ``\\n`` line ends on every platform."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: object) -> None:
    """Write JSON with sorted keys."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_table(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]], separator: str = ","
) -> None:
    """Write a CSV (or TSV) table, quoted where the content needs it."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def gzip_bytes(data: bytes) -> bytes:
    """Gzip without time or name."""
    from isal import igzip

    return igzip.compress(data, GZIP_LEVEL, mtime=0)


def _nifti_header(shape: Sequence[int], dtype: np.dtype, affine: np.ndarray, tr: float | None):
    import nibabel as nib

    header = nib.Nifti1Header()
    header.set_data_shape(tuple(shape))
    header.set_data_dtype(dtype)
    header.set_xyzt_units("mm", "sec")
    zooms = list(np.linalg.norm(affine[:3, :3], axis=0))
    header.set_zooms(zooms + [tr or 1.0] * (len(shape) - 3))
    header.set_qform(affine, code=1)
    header.set_sform(affine, code=1)
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    # nibabel leaves these NaN for a writer to fill; 1 and 0 mean "stored as they are".
    header["scl_slope"], header["scl_inter"] = 1, 0
    return header


def write_nifti(
    path: Path, data: np.ndarray, affine: np.ndarray, *, tr: float | None = None
) -> None:
    """Write one NIfTI-1 ``.nii.gz`` at once.

    Parameters
    ----------
    path : Path
    data : array of shape (x, y, z) or (x, y, z, t)
        Stored in its own dtype, unscaled. bool is stored as uint8.
    affine : array of shape (4, 4)
    tr : float, optional
        Fourth zoom, in seconds.
    """
    if data.dtype == bool:
        data = data.astype(np.uint8)
    header = _nifti_header(data.shape, data.dtype, affine, tr)
    raw = header.binaryblock + b"\0" * 4 + data.tobytes(order="F")
    write_bytes(path, gzip_bytes(raw))


def stream_nifti(
    path: Path, volumes: Iterable[np.ndarray], shape: Sequence[int], affine: np.ndarray
) -> None:
    """Write a 4-D float32 ``.nii.gz`` volume by volume, holding one in memory.

    Parameters
    ----------
    path : Path
    volumes : iterable of arrays of shape ``shape[:3]``
    shape : (x, y, z, t)
    affine : array of shape (4, 4)
    """
    from isal import igzip

    path.parent.mkdir(parents=True, exist_ok=True)
    header = _nifti_header(shape, np.dtype(np.float32), affine, None)
    with (
        path.open("wb") as raw,
        igzip.IGzipFile(
            filename="", mode="wb", fileobj=raw, compresslevel=GZIP_LEVEL, mtime=0
        ) as out,
    ):
        out.write(header.binaryblock + b"\0" * 4)
        for volume in volumes:
            out.write(volume.astype(np.float32, copy=False).tobytes(order="F"))


def write_mgz(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    """Write a FreeSurfer ``.mgz`` volume."""
    import nibabel as nib

    write_bytes(path, gzip_bytes(nib.MGHImage(data, affine).to_bytes()))


def write_gifti(path: Path, values: np.ndarray, hemi: str, name: str) -> None:
    """Write one value a vertex as ``.func.gii`` (float32).

    Parameters
    ----------
    path : Path
    values : array of shape (n_vertices,)
    hemi : {"L", "R"}
    name : str
        Shown by viewers as the name of the map.
    """
    import nibabel as nib

    structure = {"L": "CortexLeft", "R": "CortexRight"}[hemi]
    array = nib.gifti.GiftiDataArray(
        values.astype(np.float32),
        intent="NIFTI_INTENT_NONE",
        datatype="NIFTI_TYPE_FLOAT32",
        meta=nib.gifti.GiftiMetaData({"Name": name}),
    )
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure})
    image = nib.GiftiImage(darrays=[array], meta=meta)
    write_bytes(path, image.to_bytes())


def open_h5(path: Path):
    """A new HDF5 file in a fixed format version; use it as a context manager."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    # Not locked: no other process knows the file yet, and some disks have no locks.
    return h5py.File(path, "w", libver=("v108", "v108"), track_order=False, locking=False)


def h5_dataset(group, name: str, data: np.ndarray, **options: Any):
    """A dataset without time stamps."""
    return group.create_dataset(name, data=data, track_times=False, **options)


def h5_strings(group, name: str, values: Sequence[str]):
    """A dataset of variable-length UTF-8 strings."""
    import h5py

    return group.create_dataset(
        name,
        data=np.array(list(values), dtype=object),
        dtype=h5py.string_dtype("utf-8"),
        track_times=False,
    )
