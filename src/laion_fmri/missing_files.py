"""Files that a view requires and that are not downloaded, with their sizes.

Each function compares the bucket with a data directory and returns `MissingPart` objects, one per
group of files that become visible together. `laion_fmri.download.download_files` fetches their
keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from laion_fmri import discovery, layout
from laion_fmri.bucket import Bucket, BucketObject
from laion_fmri.download_plans import SEGMENTATION_FILES
from laion_fmri.volumes.surfaces import HEMISPHERE_PREFIXES

__all__ = [
    "MissingPart", "first_parts", "missing_embeddings", "missing_for_trials", "missing_parts",
    "subject_to_begin_with",
]  # fmt: skip

_MASK, _ROIS, _T2W = "Brain mask", "ROI masks", "T2w"
_SURFACES = ("white", "pial", "inflated", "sphere", "sphere.reg", "sulc", "curv")


@dataclass(frozen=True)
class MissingPart:
    """A group of files that are not downloaded.

    Attributes
    ----------
    title : str
    gives : str
        What the files show.
    files : tuple of BucketObject
        Files that are not downloaded.
    """

    title: str
    gives: str
    files: tuple[BucketObject, ...]

    @property
    def n_bytes(self) -> int:
        """Size of the files in bytes."""
        return sum(file.size for file in self.files)

    @property
    def keys(self) -> list[str]:
        """Keys of the files in the bucket."""
        return [file.key for file in self.files]


def _is_map(name: str) -> bool:
    return name.endswith("_statmap.nii.gz")


def _is_surface(name: str) -> bool:
    side, _, what = name.partition(".")
    is_flat = "flat" in what and "patch" in what
    return side in HEMISPHERE_PREFIXES.values() and (what in _SURFACES or is_flat)


def _ends(*endings: str) -> Callable[[str], bool]:
    return lambda name: name.endswith(endings)


# Title, contents, folder of a subject, and a predicate of file names for each part.
_PARTS: tuple[tuple[str, str, Callable[[str], str], Callable[[str], bool]], ...] = (
    ("Noise ceilings and R²", "maps over all sessions", layout.subject_betas_dir, _is_map),
    (
        _MASK,
        "the voxels of maps",
        layout.anatomical_dir,
        _ends(f"_res-{layout.FUNCTIONAL_RES}_desc-brain_mask.nii.gz"),
    ),
    (
        "Cortical surface",
        "the cortex and its folds",
        lambda subject: f"{layout.freesurfer_dir(subject)}/surf",
        _is_surface,
    ),
    (
        "T1w",
        "slices through the head",
        layout.anatomical_dir,
        _ends("_space-T1w_T1w.nii.gz", f"_res-{layout.FUNCTIONAL_RES}_T1w.nii.gz"),
    ),
    (_T2W, "slices over T2w", layout.anatomical_dir, _ends("_space-T1w_T2w.nii.gz")),
)


def subject_to_begin_with(subject: str, bucket: Bucket) -> str:
    """Return the subject if the bucket has it, else the first one of the bucket.

    Parameters
    ----------
    subject : str
        Full identifier; may be empty.
    bucket : Bucket

    Returns
    -------
    str
        Empty when the bucket has no subject.

    Raises
    ------
    BucketUnreachableError, AccessDeniedError
    """
    names = discovery.get_subjects(bucket)
    return subject if subject in names else next(iter(names), "")


def missing_parts(subject: str, data_dir: Path | None, bucket: Bucket) -> list[MissingPart]:
    """List the files for the brain view of a subject that are not downloaded.

    Parameters
    ----------
    subject : str
        Full identifier, ``"sub-01"``.
    data_dir : Path or None
        None when no data directory is set; nothing counts as downloaded.
    bucket : Bucket

    Returns
    -------
    list of MissingPart
        Maps, brain mask, surfaces, anatomy and ROI masks; complete parts are left out.

    Raises
    ------
    BucketUnreachableError, AccessDeniedError
    """
    found = []
    for title, gives, folder, belongs in _PARTS:
        listed = discovery.list_folder(f"{folder(subject)}/", bucket).objects
        wanted = [file for file in listed if belongs(file.key.rpartition("/")[2])]
        found.append(MissingPart(title, gives, _missing(data_dir, wanted)))
    masks = discovery.list_objects(f"{layout.ROIS_TREE}/{subject}/", bucket)
    wanted = [file for file in masks if file.key.endswith((".nii.gz", ".func.gii"))]
    found.append(MissingPart(_ROIS, "regions by name and category", _missing(data_dir, wanted)))
    return [part for part in found if part.files]


def missing_for_trials(subject: str, data_dir: Path | None, bucket: Bucket) -> list[MissingPart]:
    """List the files for the trials of a subject that are not downloaded.

    Responses are large: only the first session is listed, and only if no session is downloaded.
    The same holds for embeddings of the images.

    Parameters
    ----------
    subject : str
        Full identifier, ``"sub-01"``.
    data_dir : Path or None
        None when no data directory is set; nothing counts as downloaded.
    bucket : Bucket

    Returns
    -------
    list of MissingPart

    Raises
    ------
    BucketUnreachableError, AccessDeniedError
    """
    listed = discovery.list_objects(f"{layout.BETAS_TREE}/{subject}/", bucket)
    sessions = discovery.get_sessions(subject, bucket)
    tables = {layout.trials(subject, session) for session in sessions}
    betas = {layout.betas(subject, session) for session in sessions}
    responses = [file for file in listed if file.key in betas]
    first = responses[:1] if len(_missing(data_dir, responses)) == len(responses) else []
    stimuli = discovery.list_folder(f"{layout.STIMULI_TREE}/", bucket).objects
    embeddings = missing_embeddings(data_dir, bucket)
    n_models = sum(bool(layout.embedding_model(file.key)) for file in stimuli)
    brain = missing_parts(subject, data_dir, bucket)
    wanted = [
        ("Trial tables", "which image was seen when", [f for f in listed if f.key in tables]),
        (f"Responses of {sessions[0] if sessions else ''}", "the response in each trial", first),
        (
            "Captions",
            "descriptions of the images",
            [f for f in stimuli if f.key == layout.CAPTIONS],
        ),
        (
            "Object masks",
            "where objects are in an image",
            [f for f in stimuli if f.key in SEGMENTATION_FILES],
        ),
    ]
    parts = [MissingPart(title, gives, _missing(data_dir, files)) for title, gives, files in wanted]
    found = [
        *parts[:2],
        *(part for part in brain if part.title in (_MASK, _ROIS)),
        *parts[2:],
        *(embeddings[:1] if len(embeddings) == n_models else []),
    ]
    return [part for part in found if part.files]


def first_parts(subject: str, data_dir: Path | None, bucket: Bucket) -> list[MissingPart]:
    """List the files to download first, so that no view of a subject is empty.

    Parameters
    ----------
    subject : str
        Full identifier, ``"sub-01"``.
    data_dir : Path or None
    bucket : Bucket

    Returns
    -------
    list of MissingPart

    Raises
    ------
    BucketUnreachableError, AccessDeniedError
    """
    for_trials = missing_for_trials(subject, data_dir, bucket)
    titles = {part.title for part in for_trials} | {_T2W}
    for_brain = missing_parts(subject, data_dir, bucket)
    return [*(part for part in for_brain if part.title not in titles), *for_trials]


def missing_embeddings(data_dir: Path | None, bucket: Bucket) -> list[MissingPart]:
    """List the models whose embeddings are in the bucket and not downloaded.

    Parameters
    ----------
    data_dir : Path or None
    bucket : Bucket

    Returns
    -------
    list of MissingPart
        One for each model.

    Raises
    ------
    BucketUnreachableError, AccessDeniedError
    """
    listed = discovery.list_folder(f"{layout.STIMULI_TREE}/", bucket).objects
    return [
        MissingPart(f"{model} embeddings", "maps, distances, scores and leaks", (file,))
        for file in listed
        if (model := layout.embedding_model(file.key)) and _missing(data_dir, [file])
    ]


def _missing(data_dir: Path | None, listed: Sequence[BucketObject]) -> tuple[BucketObject, ...]:
    def is_downloaded(key: str) -> bool:
        if data_dir is None:
            return False
        path = layout.local_path(data_dir, key)
        # Users may have decompressed a volume.
        return path.exists() or (path.suffix == ".gz" and path.with_suffix("").exists())

    return tuple(f for f in listed if not layout.is_held_out(f.key) and not is_downloaded(f.key))
