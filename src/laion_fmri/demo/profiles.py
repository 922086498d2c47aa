"""Sizes of the demo dataset: three profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from laion_fmri._errors import UnknownNameError

FORMAT_VERSION = 2
"""Changes whenever the same profile and seed would give other bytes."""

SUBJECTS = ("sub-01", "sub-03", "sub-05", "sub-06", "sub-07")

PARTICIPANT_CODES: Mapping[str, str] = MappingProxyType(
    {"sub-01": "p01", "sub-03": "p04", "sub-05": "p03", "sub-06": "p02", "sub-07": "p05"}
)
"""Codes at the end of unique images' names, as in the published splits (not in subject order)."""

TINY_ROIS = frozenset(
    [
        "EBA",
        "FBA",
        "FFA-1",
        "FFA-2",
        "OFA",
        "pSTS-faces",
        "VWFA-1",
        "mfs-words",
        "laion-EVC",
        "laion-ventral",
        "laion-general",
        "MT",
        "l-objects",
        "PPA",
        "V1v",
        "V1d",
        "hV4",
    ]
)


@dataclass(frozen=True)
class Profile:
    """One size of the demo dataset.

    Attributes
    ----------
    name : str
    subjects : tuple of str
    n_sessions, n_runs : int
        Sessions of each subject, runs of each session.
    n_laion, n_things, n_nsd, n_ood : int
        Shared images: the first two shown 12 times to everyone, the others 4 times;
        `n_ood` counts images of each of the nine types.
    n_unique : int
        Images shown once to one subject alone. With the shared ones they make up the trials.
    voxel_mm, anatomical_mm, recon_mm : float
        Voxel sizes of the functional grid, the full-resolution anatomy and the recon.
    grid : tuple of int or None
        Shape of the functional grid; None fits it around the brain.
    rois : frozenset of str or None
        Published ROI labels to write; None writes all.
    all_contrasts : bool
        Whether the localizers have all published contrasts; else one of each category.
    balanced_noise : bool
        Noise whose sample variances equal its nominal one: a small dataset then has
        noise ceilings as clean as those of a large one.
    """

    name: str
    subjects: tuple[str, ...]
    n_sessions: int
    n_runs: int
    n_laion: int
    n_things: int
    n_nsd: int
    n_ood: int
    n_unique: int
    voxel_mm: float
    anatomical_mm: float
    recon_mm: float
    grid: tuple[int, int, int] | None = None
    rois: frozenset[str] | None = None
    all_contrasts: bool = True
    balanced_noise: bool = True

    @property
    def sessions(self) -> tuple[str, ...]:
        """Session identifiers, ``"ses-01"`` first."""
        return tuple(f"ses-{i + 1:02d}" for i in range(self.n_sessions))


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "tiny": Profile(
            name="tiny",
            subjects=SUBJECTS,
            n_sessions=2,
            n_runs=3,
            n_laion=2,
            n_things=1,
            n_nsd=4,
            n_ood=1,
            n_unique=6,
            voxel_mm=7.5,
            anatomical_mm=4.0,
            recon_mm=4.0,
            rois=TINY_ROIS,
            all_contrasts=False,
        ),
        "demo": Profile(
            name="demo",
            subjects=SUBJECTS,
            n_sessions=4,
            n_runs=4,
            n_laion=14,
            n_things=6,
            n_nsd=8,
            n_ood=2,
            n_unique=62,
            voxel_mm=3.6,
            anatomical_mm=1.5,
            recon_mm=2.0,
        ),
        "full": Profile(
            name="full",
            subjects=("sub-01",),
            n_sessions=1,
            n_runs=12,
            n_laion=44,
            n_things=16,
            n_nsd=40,
            n_ood=2,
            n_unique=114,
            voxel_mm=1.778,
            anatomical_mm=1.0,
            recon_mm=1.0,
            grid=(143, 143, 143),
            balanced_noise=False,
        ),
    }
)


@dataclass(frozen=True)
class DemoDataset:
    """A demo dataset on disk.

    Attributes
    ----------
    path : Path
        The directory bucket.
    profile : str
    seed : int
    subjects : tuple of str
    sessions : tuple of str
        Sessions every subject has (held-out ones not counted).
    """

    path: Path
    profile: str
    seed: int
    subjects: tuple[str, ...]
    sessions: tuple[str, ...]


def get_profile(name: str) -> Profile:
    """The profile called `name`.

    Raises
    ------
    UnknownNameError
        When there is none.
    """
    if name not in PROFILES:
        raise UnknownNameError("demo profile", name, PROFILES)
    return PROFILES[name]


def rng_for(*parts: int | str):
    """A random generator that depends on nothing but `parts`.

    Every file draws from its own generator, so neither the order of the work nor the
    number of workers changes a byte.
    """
    import numpy as np

    return np.random.default_rng(
        [p if isinstance(p, int) else int.from_bytes(p.encode(), "little") for p in parts]
    )
