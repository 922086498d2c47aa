"""Small files in the published layout, each written by hand."""

from __future__ import annotations

import gzip
import io
import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
from PIL import Image

from laion_fmri import layout
from laion_fmri.subject import Subject

GRID = (4, 3, 5)
AFFINE = np.array([[-1.778, 0, 0, 3], [0, 1.778, 0, -2], [0, 0, 1.778, 1], [0, 0, 0, 1]])
SUB = "sub-01"
SES = "ses-01"
LABELS = (
    "shared_12rep_LAION_cluster_1003_i0.jpg",
    "unique_LAION_new_cluster_17_i2_p01.jpg",
    "shared_4rep_OOD_shape_3.png",
    "unique_THINGS_whisk_p01.jpg",
)


def nifti_bytes(
    stored: np.ndarray,
    affine: np.ndarray = AFFINE,
    slope: float = np.nan,
    inter: float = np.nan,
) -> bytes:
    """A NIfTI holding these very numbers in this very byte order; the header says the scaling."""
    order = ">" if stored.dtype.str[0] == ">" else "<"
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(stored.dtype.newbyteorder(order))
    header.set_data_shape(stored.shape)
    header.set_sform(affine, code=1)
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    header["scl_slope"], header["scl_inter"] = slope, inter
    return header.binaryblock + bytes(4) + stored.tobytes(order="F")


def gzipped(data: bytes, n_members: int = 1) -> bytes:
    """A gzip of one or several members, as block compressors write them."""
    edges = np.linspace(0, len(data), n_members + 1).astype(int)
    return b"".join(gzip.compress(data[a:b], 1, mtime=0) for a, b in itertools.pairwise(edges))


def write_nifti(path: Path, stored: np.ndarray, n_members: int = 1, **header: object) -> Path:
    """Write a NIfTI, compressed when its name says so."""
    data = nifti_bytes(stored, **header)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzipped(data, n_members) if path.name.endswith(".gz") else data)
    return path


def read_nifti(path: Path) -> np.ndarray:
    """What nibabel gives."""
    return np.asarray(nibabel.load(path).dataobj)


def expected_betas(path: Path, inside: np.ndarray) -> np.ndarray:
    """Trials × voxels by nibabel and numpy alone; `inside` is a mask over the 3-D grid."""
    with np.errstate(over="ignore", invalid="ignore"):
        return read_nifti(path)[inside].T.astype(np.float32)


class SmallData:
    """A data directory with one subject; what is written is up to the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.rng = np.random.default_rng(0)

    @property
    def subject(self) -> Subject:
        return Subject(SUB, self.path)

    def at(self, key: str) -> Path:
        path = self.path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    # --- brain --------------------------------------------------------------------------

    def brain(self, stored: np.ndarray | None = None, **header: object) -> Path:
        if stored is None:
            stored = (self.rng.random(GRID) < 0.6).astype("u1")
        key = layout.anatomical(SUB, "desc-brain_mask", layout.FUNCTIONAL_RES)
        return write_nifti(self.at(key), stored, **header)  # type: ignore[arg-type]

    def rsquare(self, stored: np.ndarray, **header: object) -> Path:
        return write_nifti(self.at(layout.mean_rsquare(SUB)), stored, **header)  # type: ignore[arg-type]

    def betas(
        self, stored: np.ndarray | None = None, ses: str = SES, extension: str = ".nii.gz", **more
    ) -> Path:
        if stored is None:
            stored = self.rng.normal(size=(*GRID, len(LABELS))).astype("f4")
        return write_nifti(self.at(layout.betas(SUB, ses, extension)), stored, **more)

    def huge_betas(self, ses: str = SES) -> Path:
        """A brain mask and betas that would take 524 GB, in a file of holes."""
        shape = (160, 160, 160)
        self.brain(np.ones(shape, "u1"))
        path = self.betas(np.zeros((*shape, 0), "u1"), ses=ses)
        header = bytearray(gzip.decompress(path.read_bytes()))
        header[48:50] = np.array(32_000, "<i2").tobytes()  # volumes
        path.write_bytes(gzipped(bytes(header)))
        os.truncate(path, 130_000_000)  # as small as such a file can be
        return path

    def trials(self, labels: Sequence[str] = LABELS, ses: str = SES, **columns: object) -> Path:
        table = pd.DataFrame(
            {
                "session": ses,
                "run": np.arange(len(labels)) // 2 + 1,
                "beta_index": np.arange(len(labels)),
                "label": list(labels),
            }
        ).assign(**columns)
        path = self.at(layout.trials(SUB, ses))
        table.to_csv(path, sep="\t", index=False)
        return path

    def session_ceiling(self, stored: np.ndarray, ses: str = SES, **header: object) -> Path:
        key = layout.session_noise_ceiling(SUB, ses)
        return write_nifti(self.at(key), stored, **header)  # type: ignore[arg-type]

    def subject_ceiling(self, stored: np.ndarray, desc: str, **header: object) -> Path:
        key = layout.subject_noise_ceiling(SUB, desc)
        return write_nifti(self.at(key), stored, **header)  # type: ignore[arg-type]

    # --- ROIs ---------------------------------------------------------------------------

    def roi(self, category: str, name: str, stored: np.ndarray, **header: object) -> Path:
        key = layout.roi_volume(SUB, category, name)
        return write_nifti(self.at(key), stored, **header)  # type: ignore[arg-type]

    def surface(self, category: str, name: str, hemi: str, values: Iterable[float]) -> Path:
        path = self.at(layout.roi_surface(SUB, category, name, hemi, ".func.gii"))
        array = nibabel.gifti.GiftiDataArray(
            np.asarray(list(values), dtype="f4"), intent="NIFTI_INTENT_NONE"
        )
        nibabel.gifti.GiftiImage(darrays=[array]).to_filename(path)
        return path

    def label(self, category: str, name: str, hemi: str, vertices: Sequence[int]) -> Path:
        path = self.at(layout.roi_surface(SUB, category, name, hemi, ".label"))
        path.write_text(label_text(vertices))
        return path

    # --- stimuli ------------------------------------------------------------------------

    def metadata(self, names: Sequence[str] = LABELS) -> Path:
        path = self.at(layout.STIMULI_METADATA)
        pd.DataFrame(
            {
                "image_name": list(names),
                "dataset": ["THINGS" if "THINGS" in n else "LAION" for n in names],
                "participant": ["" if n.startswith("shared") else "p01" for n in names],
                "unique_or_shared": [n.partition("_")[0] for n in names],
                "n_reps": [12] * len(names),
            }
        ).to_csv(path, index=False)
        return path

    def images(self, pictures: Sequence[bytes]) -> Path:
        path = self.at(layout.STIMULI_IMAGES)
        with h5py.File(path, "w") as file:
            data = file.create_dataset("images", (len(pictures),), dtype=h5py.vlen_dtype("u1"))
            for row, picture in enumerate(pictures):
                data[row] = np.frombuffer(picture, dtype="u1")
        return path

    def embeddings(
        self,
        names: Sequence[str] = LABELS,
        model: str = "CLIP",
        valid: Sequence[bool] | None = None,
    ) -> np.ndarray:
        features = self.rng.normal(size=(len(names), 8)).astype("f2")
        with h5py.File(self.at(layout.embeddings(model)), "w") as file:
            file["embedding"] = features
            file.create_dataset("image_ids", data=list(names), dtype=h5py.string_dtype())
            file["valid"] = np.ones(len(names), bool) if valid is None else np.array(valid)
        return features

    def segmentations(self, rows: Sequence[tuple[str, str, int]]) -> np.ndarray:
        masks = (self.rng.random((len(rows), 6, 6)) < 0.5).astype("u1")
        with h5py.File(self.at(layout.SEGMENTATIONS), "w") as file:
            file.create_dataset("masks", data=masks, compression="gzip", shuffle=True)
        pd.DataFrame(
            {
                "mask_row": np.arange(len(rows))[::-1],
                "image_name": [name for name, _, _ in rows],
                "noun": [noun for _, noun, _ in rows],
                "instance_id": [instance for _, _, instance in rows],
                "score": 0.9,
                "box_x0": 0,
                "box_y0": 0,
                "box_x1": 5,
                "box_y1": 5,
                "localized": [int(noun != "sky") for _, noun, _ in rows],
                "mask_file": "x.png",
            }
        ).to_csv(self.at(layout.SEGMENTATIONS_METADATA), index=False)
        return masks[::-1]

    def captions(self, rows: Sequence[tuple[str, int, str]]) -> Path:
        path = self.at(layout.CAPTIONS)
        pd.DataFrame(
            {
                "image_name": [name for name, _, _ in rows],
                "caption_idx": [rank for _, rank, _ in rows],
                "source": ["human" if rank else "ai" for _, rank, _ in rows],
                "caption": [text for _, _, text in rows],
                "origin_collection": "batch",
                "participant_id": "",
                "ai_model": "",
            }
        ).to_csv(path, index=False)
        return path


def label_text(vertices: Sequence[int]) -> str:
    """A FreeSurfer label."""
    lines = [f"{v}  1.000  -2.000  3.500 0.0000000000" for v in vertices]
    head = "#!ascii label  , from subject sub-01 vox2ras=TkReg"
    return "\n".join([head, str(len(vertices)), *lines]) + "\n"


def picture(mode: str = "RGB", size: int = 6, colour: object = None, form: str = "PNG") -> bytes:
    """A picture of one colour, encoded."""
    colour = colour if colour is not None else {"RGB": (200, 100, 50), "RGBA": (200, 0, 0, 0)}[mode]
    out = io.BytesIO()
    Image.new(mode, (size, size), colour).save(out, form)  # type: ignore[arg-type]
    return out.getvalue()
