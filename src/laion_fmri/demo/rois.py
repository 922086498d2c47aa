"""The regions of interest on each subject's surface and in the volume."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from laion_fmri import layout
from laion_fmri.demo import files
from laion_fmri.demo.anatomy import Brain
from laion_fmri.demo.profiles import Profile, rng_for
from laion_fmri.demo.templates import load_hemisphere

Seed = tuple[tuple[float, float, float], float]
"""A place in the left hemisphere (MNI152, mm) and a radius (mm on the sphere)."""

SEEDS: Mapping[str, Mapping[str, Seed]] = MappingProxyType(
    {
        "retinotopy": {
            "V1d": ((-7, -92, 5), 15),
            "V1v": ((-7, -84, -3), 15),
            "V2d": ((-12, -97, 14), 12),
            "V2v": ((-11, -76, -8), 12),
            "V3d": ((-20, -94, 17), 11),
            "V3v": ((-18, -78, -11), 11),
            "hV4": ((-27, -78, -14), 10),
            "VO1": ((-26, -69, -11), 8),
            "VO2": ((-26, -60, -10), 8),
            "LO1": ((-31, -90, 4), 9),
            "LO2": ((-38, -84, 0), 9),
            "TO1": ((-44, -74, 4), 8),
            "TO2": ((-47, -67, 6), 8),
            "V3A": ((-19, -88, 27), 9),
            "V3B": ((-29, -83, 22), 8),
            "IPS0": ((-25, -77, 36), 10),
            "IPCS": ((-46, 5, 30), 8),
            "SPCS": ((-29, -5, 52), 8),
        },
        "object": {"l-objects": ((-42, -80, 0), 20), "v-objects": ((-36, -58, -17), 20)},
        "motion": {"MT": ((-45, -72, 4), 9), "MST": ((-47, -64, 8), 8)},
        "body": {"EBA": ((-47, -73, 0), 15), "FBA": ((-41, -50, -20), 9)},
        "place": {
            "PPA": ((-26, -46, -10), 13),
            "OPA": ((-33, -82, 20), 11),
            "MPA": ((-14, -56, 12), 11),
        },
        "face": {
            "OFA": ((-40, -79, -13), 9),
            "FFA-1": ((-40, -61, -17), 10),
            "FFA-2": ((-41, -47, -20), 9),
            "pSTS-faces": ((-53, -50, 9), 11),
        },
        "character": {
            "VWFA-1": ((-45, -64, -12), 9),
            "VWFA-2": ((-46, -51, -16), 9),
            "mfs-words": ((-37, -42, -20), 7),
            "pSTS-words": ((-56, -42, 5), 9),
        },
        "laion": {},
    }
)
"""Seeds by category and published label. Sectors of the category ``laion`` follow from them."""

LEFT_ONLY = ("VWFA-1", "VWFA-2")
LACKING: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sub-03": ("mfs-words",),
        "sub-05": ("pSTS-faces", "IPCS"),
        "sub-06": ("VWFA-2",),
        "sub-07": ("mfs-words", "SPCS"),
    }
)
"""Published labels that could not be found in a subject."""

_GENERAL_FROM = 14.0


def expected_ceiling(points: np.ndarray) -> np.ndarray:
    """The noise ceiling of a location over 12 repeats, in %.

    Bright in the back of the brain, fading smoothly into the rest.

    Parameters
    ----------
    points : array of shape (n, 3)
        MNI152 coordinates (mm).
    """
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]

    def bump(cx: float, cy: float, cz: float, sx: float, sy: float, sz: float) -> np.ndarray:
        return np.exp(-(((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2 + ((z - cz) / sz) ** 2))

    above_cerebellum = 1 / (1 + np.exp(-(z - (-24 - 0.18 * (y + 60))) / 3.0))
    back = 1 / (1 + np.exp((y + 72) / 6.0)) / (1 + np.exp((z - 34) / 6.0))
    parts = [
        78 * back,
        66 * bump(38, -56, -14, 16, 22, 12),
        60 * bump(46, -70, 4, 13, 13, 16),
        42 * bump(27, -46, -9, 9, 15, 9),
        40 * bump(26, -74, 38, 14, 14, 16),
        34 * bump(14, -57, 13, 9, 9, 9),
        32 * bump(54, -47, 8, 11, 14, 10),
        22 * bump(46, 5, 30, 9, 9, 10),
        20 * bump(29, -5, 52, 9, 9, 9),
    ]
    return np.max(parts, axis=0) * np.where(y < -35, above_cerebellum, 1.0)


@dataclass(frozen=True)
class Regions:
    """The ROIs of one subject.

    Attributes
    ----------
    brain : Brain
    vertices : mapping of str to mapping of str to array
        For each published label, for each hemisphere that has it: vertex numbers.
    category : mapping of str to str
        The category of each published label.
    """

    brain: Brain
    vertices: Mapping[str, Mapping[str, np.ndarray]]
    category: Mapping[str, str]

    @cached_property
    def _nearest(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each voxel of the mask: hemisphere (0, 1), nearest vertex, distance (mm)."""
        from scipy.spatial import cKDTree

        centres = self.brain.voxel_centres
        side = (centres[:, 0] > 0).astype(int)
        vertex = np.zeros(len(centres), dtype=int)
        distance = np.full(len(centres), np.inf)
        for h, hemi in enumerate(layout.HEMISPHERES):
            white, pial = self.brain.surface(hemi, "white"), self.brain.surface(hemi, "pial")
            ribbon = np.concatenate([white + f * (pial - white) for f in (0.15, 0.5, 0.85)])
            here = side == h
            reach, index = cKDTree(ribbon).query(centres[here])
            vertex[here], distance[here] = index % len(white), reach
        return side, vertex, distance

    @property
    def distance(self) -> np.ndarray:
        """Distance (mm) of each voxel of the mask to the cortical ribbon."""
        return self._nearest[2]

    def voxels(self, label: str) -> np.ndarray:
        """The ROI in the volume: boolean, over the voxels of the brain mask."""
        side, vertex, distance = self._nearest
        close = distance <= max(0.55 * self.brain.functional.affine[1, 1], 2.0)
        inside = np.zeros(len(vertex), dtype=bool)
        for h, hemi in enumerate(layout.HEMISPHERES):
            numbers = self.vertices[label].get(hemi)
            if numbers is not None:
                member = np.zeros(len(load_hemisphere(hemi).white), dtype=bool)
                member[numbers] = True
                inside |= (side == h) & member[vertex]
        return inside & close


def _patches(category: Mapping[str, Seed], hemi: str, rng: np.random.Generator):
    """Round patches around seeds; where two of a category meet, the nearer seed wins."""
    half = load_hemisphere(hemi)
    middle = (half.white + half.pial) / 2
    mirror = np.array([-1.0 if hemi == "R" else 1.0, 1.0, 1.0])
    relative = []
    for place, radius in category.values():
        target = np.array(place) * mirror + rng.normal(0, 1.2, 3)
        gap = ((middle - target) ** 2).sum(axis=1)
        seed = half.sphere[np.argmin(np.where(half.cortex, gap, np.inf))]
        reach = 100 * np.arccos(np.clip(half.sphere @ seed / 1e4, -1, 1))
        relative.append(reach / (radius * rng.uniform(0.9, 1.15)))
    best = np.argmin(relative, axis=0)
    nearest = np.min(relative, axis=0)
    for i, label in enumerate(category):
        yield label, np.flatnonzero((best == i) & (nearest <= 1) & half.cortex)


def find_regions(profile: Profile, brain: Brain, seed: int) -> Regions:
    """The ROIs of one subject: everyone's lie at similar places, differently shaped."""
    vertices: dict[str, dict[str, np.ndarray]] = {}
    category_of: dict[str, str] = {}
    for category, seeds in SEEDS.items():
        for hemi in layout.HEMISPHERES:
            if not seeds:
                continue
            rng = rng_for(seed, "rois", brain.subject, category, hemi)
            for label, numbers in _patches(seeds, hemi, rng):
                category_of[label] = category
                if hemi == "L" or label not in LEFT_ONLY:
                    vertices.setdefault(label, {})[hemi] = numbers
    for hemi in layout.HEMISPHERES:
        for label, numbers in _sectors(hemi, vertices).items():
            category_of[label] = "laion"
            vertices.setdefault(label, {})[hemi] = numbers
    lacking = LACKING.get(brain.subject, ())
    wanted = [
        label
        for label in vertices
        if label not in lacking and (profile.rois is None or label in profile.rois)
    ]
    return Regions(brain, {k: vertices[k] for k in wanted}, {k: category_of[k] for k in wanted})


def _sectors(hemi: str, vertices: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All of visually driven cortex, and its four sectors."""
    half = load_hemisphere(hemi)
    middle = (half.white + half.pial) / 2
    general = (expected_ceiling(middle) > _GENERAL_FROM) & half.cortex
    early = np.zeros(len(middle), dtype=bool)
    for label in ("V1d", "V1v", "V2d", "V2v", "V3d", "V3v"):
        early[vertices[label][hemi]] = True
    rest = general & ~early & (middle[:, 1] < -20)
    dorsal = rest & (middle[:, 2] > 14 + 0.25 * np.maximum(np.abs(middle[:, 0]) - 30, 0))
    ventral = rest & (middle[:, 2] < -6) & ~dorsal
    sectors = {
        "laion-EVC": general & early,
        "laion-general": general,
        "laion-dorsal": dorsal,
        "laion-ventral": ventral,
        "laion-lateral": rest & ~dorsal & ~ventral,
    }
    return {label: np.flatnonzero(member) for label, member in sectors.items()}


def label_text(subject: str, hemi: str, numbers: np.ndarray, points: np.ndarray) -> str:
    """A FreeSurfer ASCII label: vertex numbers with surface coordinates (tkRAS, mm)."""
    lines = [
        f"#!ascii label  , from subject {subject} vox2ras=TkReg coords=white",
        str(len(numbers)),
    ]
    lines += [
        f"{n}  {x:.3f}  {y:.3f}  {z:.3f} 0.0000000000"
        for n, (x, y, z) in zip(numbers.tolist(), points[numbers].tolist(), strict=True)
    ]
    return "\n".join(lines) + "\n"


def write_volume_at_localizer_resolution(
    path: Path, volume: np.ndarray, affine: np.ndarray
) -> None:
    """Write a volume of the functional grid on the finer grid of the localizers."""
    ratio = 1.5 / 1.778
    nearest = [
        np.minimum((np.arange(math.ceil(n / ratio)) + 0.5) * ratio, n - 1).astype(int)
        for n in volume.shape
    ]
    finer = np.diag([ratio, ratio, ratio, 1.0])
    finer[:3, 3] = (ratio - 1) / 2  # both grids begin at the same corner
    files.write_nifti(path, volume[np.ix_(*nearest)], affine @ finer)


def write_rois(root: Path, regions: Regions) -> None:
    """Every ROI as volume masks on both grids, and as surface masks and labels."""
    brain = regions.brain
    tk = {h: brain.surface(h, "white") - brain.c_ras for h in layout.HEMISPHERES}
    for label, by_hemi in regions.vertices.items():
        category = regions.category[label]
        volume = np.zeros(brain.functional.shape, dtype=np.uint8)
        volume[brain.mask] = regions.voxels(label)
        path = root / layout.roi_volume(brain.subject, category, label)
        files.write_nifti(path, volume, brain.functional.affine)
        path = root / layout.roi_volume(brain.subject, category, label, layout.LOCALIZER_RES)
        write_volume_at_localizer_resolution(path, volume, brain.functional.affine)
        for hemi, numbers in by_hemi.items():
            mask = np.zeros(len(tk[hemi]), dtype=np.float32)
            mask[numbers] = 1
            surface = layout.roi_surface(brain.subject, category, label, hemi, ".func.gii")
            files.write_gifti(root / surface, mask, hemi, label)
            text = label_text(brain.subject, hemi, numbers, tk[hemi])
            files.write_text(
                root / layout.roi_surface(brain.subject, category, label, hemi, ".label"), text
            )
