"""What a view would need and is not here: which files, how large. No widgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from laion_fmri import discovery, layout
from laion_fmri.bucket import Bucket, BucketObject
from laion_fmri.subject import Subject
from laion_fmri.surfaces import HEMISPHERE_PREFIXES

_SURF = ("white", "pial", "inflated", "sphere", "sphere.reg", "sulc", "curv")


@dataclass(frozen=True)
class MissingPart:
    """Files that show something more.

    Attributes
    ----------
    title : str
    gives : str
        What can be seen once they are here.
    files : tuple of BucketObject
        Only those that are not local.
    """

    title: str
    gives: str
    files: tuple[BucketObject, ...]

    @property
    def n_bytes(self) -> int:
        """Size of the files."""
        return sum(one.size for one in self.files)

    @property
    def keys(self) -> list[str]:
        """Their keys in the bucket."""
        return [one.key for one in self.files]


@dataclass(frozen=True)
class _Part:
    title: str
    gives: str
    folder: Callable[[str], str]
    wanted: Callable[[str, str], bool]


def _is_map(_: str, name: str) -> bool:
    return name.endswith("_statmap.nii.gz")


def _is_recon(_: str, name: str) -> bool:
    side, _, what = name.partition(".")
    is_flat = "flat" in what and "patch" in what
    return side in HEMISPHERE_PREFIXES.values() and (what in _SURF or is_flat)


def _ends(*endings: str) -> Callable[[str, str], bool]:
    return lambda _, name: name.endswith(endings)


_PARTS = (
    _Part("Noise ceilings and R²", "maps over all sessions", layout.subject_betas_dir, _is_map),
    _Part(
        "Brain mask",
        "which voxels maps are made of",
        layout.anatomical_dir,
        _ends(f"_res-{layout.FUNCTIONAL_RES}_desc-brain_mask.nii.gz"),
    ),
    _Part(
        "Cortical surface",
        "the cortex and its folds",
        lambda sub: f"{layout.freesurfer_dir(sub)}/surf",
        _is_recon,
    ),
    _Part(
        "T1w",
        "slices through the head",
        layout.anatomical_dir,
        _ends("_space-T1w_T1w.nii.gz", f"_res-{layout.FUNCTIONAL_RES}_T1w.nii.gz"),
    ),
    _Part("T2w", "slices over T2w", layout.anatomical_dir, _ends("_space-T1w_T2w.nii.gz")),
)
_ROIS = "ROI masks"


def missing_parts(sub: Subject, bucket: Bucket) -> list[MissingPart]:
    """What the bucket has for the brain view of a subject that is not local.

    Raises
    ------
    BucketUnreachableError, AccessDeniedError
    """
    found = []
    for part in _PARTS:
        listed = discovery.list_folder(f"{part.folder(sub.name)}/", bucket).objects
        wanted = [o for o in listed if part.wanted(sub.name, o.key.rpartition("/")[2])]
        found.append(MissingPart(part.title, part.gives, _absent(sub, wanted)))
    masks = discovery.list_objects(f"{layout.ROIS_TREE}/{sub.name}/", bucket)
    wanted = [o for o in masks if o.key.endswith((".nii.gz", ".func.gii"))]
    found.append(MissingPart(_ROIS, "regions by name and category", _absent(sub, wanted)))
    return [part for part in found if part.files]


def missing_embeddings(data_dir: Path, bucket: Bucket) -> list[MissingPart]:
    """The models whose embeddings the bucket has and `data_dir` has not.

    Raises
    ------
    BucketUnreachableError, AccessDeniedError
    """
    listed = discovery.list_folder(f"{layout.STIMULI_TREE}/", bucket).objects
    return [
        MissingPart(f"{model} embeddings", "maps, distances, scores and leaks", (one,))
        for one in listed
        if (model := layout.embedding_model(one.key))
        and not layout.local_path(data_dir, one.key).exists()
    ]


def _absent(sub: Subject, listed: Sequence[BucketObject]) -> tuple[BucketObject, ...]:
    def is_here(key: str) -> bool:
        path = layout.local_path(sub.data_dir, key)
        # A volume may have been uncompressed by its owner.
        return path.exists() or (path.suffix == ".gz" and path.with_suffix("").exists())

    return tuple(o for o in listed if not layout.is_held_out(o.key) and not is_here(o.key))
