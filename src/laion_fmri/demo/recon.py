"""A FreeSurfer recon in its native file formats."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from laion_fmri import layout
from laion_fmri.demo import files
from laion_fmri.demo.anatomy import Brain, Grid
from laion_fmri.demo.profiles import Profile
from laion_fmri.demo.rois import label_text
from laion_fmri.demo.templates import load_hemisphere, mni152_to_mni305

_STAMP = "created by laion_fmri.demo"
FLAT_PATCH = "full.flat.patch.3d"


def conformed_grid(profile: Profile, c_ras: np.ndarray) -> Grid:
    """The recon's cube of 256 mm: LIA, centred on `c_ras`, as FreeSurfer conforms volumes."""
    n = round(256 / profile.recon_mm)
    v = profile.recon_mm
    affine = np.eye(4)
    affine[:3, :3] = np.array([[-v, 0, 0], [0, 0, v], [0, -v, 0]])
    affine[:3, 3] = c_ras - affine[:3, :3] @ np.full(3, n / 2)
    return Grid((n, n, n), affine)


def _volume_info(grid: Grid, c_ras: np.ndarray) -> OrderedDict:
    voxel = np.linalg.norm(grid.affine[:3, :3], axis=0)
    x, y, z = (grid.affine[:3, i] / voxel[i] for i in range(3))
    return OrderedDict(
        head=np.array([2, 0, 20], dtype=np.int32),
        valid="1  # volume info valid",
        filename="../mri/orig.mgz",
        volume=np.array(grid.shape),
        voxelsize=voxel,
        xras=x,
        yras=y,
        zras=z,
        cras=c_ras,
    )


@cache
def _patch_bytes(hemi: str) -> bytes:
    """FreeSurfer's binary patch: each vertex 1-based, negative on the patch's border."""
    half = load_hemisphere(hemi)
    edges = np.sort(
        np.concatenate([half.flat_faces[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]), axis=1
    )
    pairs, uses = np.unique(edges, axis=0, return_counts=True)
    numbers = np.unique(half.flat_faces)
    border = np.isin(numbers, pairs[uses == 1])
    record = np.zeros(len(numbers), dtype=[("vertex", ">i4"), ("xyz", ">f4", 3)])
    record["vertex"] = np.where(border, -(numbers + 1), numbers + 1)
    record["xyz"] = half.flat[numbers]
    return np.array([-1, len(numbers)], dtype=">i4").tobytes() + record.tobytes()


def _write_hemisphere(folder: Path, brain: Brain, hemi: str, info: OrderedDict) -> None:
    from nibabel.freesurfer import write_geometry, write_morph_data

    half = load_hemisphere(hemi)
    prefix = {"L": "lh", "R": "rh"}[hemi]
    surf = folder / "surf"
    surf.mkdir(parents=True, exist_ok=True)
    white = brain.surface(hemi, "white") - brain.c_ras
    meshes = {
        "white": white,
        "pial": brain.surface(hemi, "pial") - brain.c_ras,
        "inflated": half.inflated,
        "sphere": half.sphere,
        "sphere.reg": half.sphere,
    }
    for name, points in meshes.items():
        write_geometry(
            str(surf / f"{prefix}.{name}"),
            points.astype(np.float32),
            half.faces,
            create_stamp=_STAMP,
            volume_info=info,
        )
    for name in ("curv", "sulc", "thickness"):
        write_morph_data(str(surf / f"{prefix}.{name}"), getattr(half, name), len(half.faces))
    files.write_bytes(surf / f"{prefix}.{FLAT_PATCH}", _patch_bytes(hemi))
    cortex = label_text(brain.subject, hemi, np.flatnonzero(half.cortex), white)
    files.write_text(folder / "label" / f"{prefix}.cortex.label", cortex)
    thickness = half.thickness[half.cortex]
    files.write_text(
        folder / "stats" / f"{prefix}.aparc.stats",
        f"# Table of FreeSurfer cortical parcellation anatomical statistics\n# hemi {prefix}\n"
        f"# Measure Cortex, NumVert, Number of Vertices, {half.cortex.sum()}, unitless\n"
        f"# Measure Cortex, MeanThickness, Mean Thickness, {thickness.mean():.5f}, mm\n",
    )


def _talairach(brain: Brain, grid: Grid) -> str:
    """Scanner RAS to MNI305 RAS, the best affine to the subject's bending, as LTA."""
    points = brain.surface("L", "white")[::8]
    points = np.concatenate([points, brain.surface("R", "white")[::8]])
    design = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    matrix = np.linalg.lstsq(design, mni152_to_mni305(brain.to_template(points)), rcond=None)[0].T
    rows = [" ".join(f"{v: .15e}" for v in row) for row in (*matrix, (0, 0, 0, 1))]

    def volume(name: str, filename: str, centre: np.ndarray) -> list[str]:
        n, v = grid.shape[0], np.linalg.norm(grid.affine[:3, 0])
        return [
            f"{name} volume info",
            "valid = 1  # volume info valid",
            f"filename = {filename}",
            f"volume = {n} {n} {n}",
            f"voxelsize = {v:.15e} {v:.15e} {v:.15e}",
            "xras   = -1.000000000000000e+00 0.000000000000000e+00 0.000000000000000e+00",
            "yras   = 0.000000000000000e+00 0.000000000000000e+00 -1.000000000000000e+00",
            "zras   = 0.000000000000000e+00 1.000000000000000e+00 0.000000000000000e+00",
            "cras   = " + " ".join(f"{c:.15e}" for c in centre),
        ]

    lines = [
        "type      = 1 # LINEAR_RAS_TO_RAS",
        "nxforms   = 1",
        "mean      = 0.0000 0.0000 0.0000",
        "sigma     = 1.0000",
        "1 4 4",
        *rows,
        *volume("src", "orig.mgz", brain.c_ras),
        *volume("dst", "mni305.cor.mgz", np.zeros(3)),
    ]
    return "\n".join(lines) + "\n"


def _scans(t1: np.ndarray, depth: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The recon's volumes one after the other: at 1 mm each takes its share of memory."""
    skull = np.exp(-(((depth + 13) / np.float32(3.2)) ** 2)) * np.float32(150)
    yield "orig", np.where(depth > 0, np.maximum(t1, 8), skull).astype(np.uint8)
    bright = np.float32(110 / 150)  # FreeSurfer scales white matter to 110
    skull *= bright
    yield "T1", np.where(depth > 0, np.maximum(t1, 8) * bright, skull).astype(np.uint8)
    del skull
    yield "brain", np.where(depth > 0, t1 * bright, 0).astype(np.uint8)


def write_recon(root: Path, profile: Profile, brain: Brain) -> None:
    """``surf/``, ``mri/``, ``label/`` and ``stats/`` of one subject."""
    folder = root / layout.freesurfer_dir(brain.subject)
    grid = conformed_grid(profile, brain.c_ras)
    info = _volume_info(grid, brain.c_ras)
    for hemi in layout.HEMISPHERES:
        _write_hemisphere(folder, brain, hemi, info)
    t1, depth = brain.sample(grid)
    for name, scan in _scans(t1, depth):
        files.write_mgz(folder / "mri" / f"{name}.mgz", scan, grid.affine)
    files.write_text(folder / "mri" / "transforms" / "talairach.lta", _talairach(brain, grid))
    voxels = int((depth > 0).sum())
    files.write_text(
        folder / "stats" / "aseg.stats",
        f"# subjectname {brain.subject}\n# Measure BrainSeg, BrainSegVol, Brain Segmentation "
        f"Volume, {voxels * profile.recon_mm**3:.1f}, mm^3\n",
    )
