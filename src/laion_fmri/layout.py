"""Published names and local paths; BIDS entities. Pure: nothing here touches a disk.

Keys (in the bucket) and local paths (below the data directory) are the same but for
one thing: BIDS forbids hyphens inside a label, so the local name of a key such as
``…_label-FFA-1_mask.nii.gz`` drops them (``label-FFA1``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from laion_fmri._errors import (
    InvalidArgumentError,
    SubjectNotFoundError,
    UnknownNameError,
    UnsafeKeyError,
)

BETAS_TREE = "derivatives/glmsingle-tedana"
ROIS_TREE = "derivatives/rois"
ANATOMICAL_TREE = "derivatives/anatomical"
FREESURFER_TREE = "derivatives/freesurfer"
LOCALIZERS_TREE = "derivatives/localizers"
STIMULI_TREE = "stimuli"
SPLITS_TREE = "splits"
DERIVATIVE_TREES = (BETAS_TREE, ROIS_TREE, ANATOMICAL_TREE, FREESURFER_TREE, LOCALIZERS_TREE)

TREES = {
    "betas": BETAS_TREE,
    "ROIs": ROIS_TREE,
    "anatomical": ANATOMICAL_TREE,
    "FreeSurfer": FREESURFER_TREE,
    "localizers": LOCALIZERS_TREE,
    "raw": "",
    "diffusion": "",
    "stimuli": STIMULI_TREE,
    "splits": SPLITS_TREE,
    "dataset": "",
}
"""What people call the parts of the bucket, and where those that are one folder are."""

DATASET_FILES = ("dataset_description.json", "participants.tsv", "participants.json", "README")
"""Objects at the top of the bucket that describe the dataset; always fetched."""

HELD_OUT_SESSIONS = tuple(f"ses-{n}" for n in range(31, 35))
"""Sessions whose keys are listed but which the bucket refuses to serve."""

ROI_CATEGORIES = (
    "body",
    "character",
    "face",
    "laion",
    "motion",
    "object",
    "place",
    "retinotopy",
)
"""The eight families of ROIs, as published; what a subject has comes from listings."""

HEMISPHERES = ("L", "R")
MaskSource = Literal["anatomical", "rsquare"]
MASK_SOURCES: tuple[MaskSource, ...] = get_args(MaskSource)
"""The two brain masks; what they are is told in `laion_fmri.masks`."""

FUNCTIONAL_RES = "1pt8"
ANATOMICAL_SESSION = "ses-PrismaAnat"

STIMULI_IMAGES = f"{STIMULI_TREE}/task-images_stimuli.h5"
STIMULI_METADATA = f"{STIMULI_TREE}/task-images_metadata.csv"
SEGMENTATIONS = f"{STIMULI_TREE}/task-images_desc-segmentations.h5"
SEGMENTATIONS_METADATA = f"{STIMULI_TREE}/task-images_desc-segmentations_metadata.csv"
CAPTIONS = f"{STIMULI_TREE}/task-images_desc-captions.csv"
OOD_TYPES = (
    "cropped",
    "gabor",
    "gaudy",
    "illusion-classic",
    "illusion-natural",
    "relations",
    "selfmade",
    "shape",
    "unusual",
)
"""Kinds of out-of-distribution images, in the order they are listed everywhere."""

EMBEDDING_MODELS = ("CLIP", "DINOv2", "PEcore", "SigLIP2")
GATED_KEYS = frozenset({STIMULI_IMAGES})
"""Objects behind the data use agreement: the access service hands them out, not the bucket."""

LICENSE_MARKER = ".laion_fmri/license_accepted"

AVERAGES = "averages"
"""As a session: the summaries over sessions."""

SUBJECT_NOISE_CEILINGS = ("Noiseceiling4rep", "Noiseceiling12rep", "NoiseceilingAllrep")

_ENTITY = re.compile(r"^([a-z]+)-(.*)$", re.IGNORECASE)
_ENTITIES = re.compile(r"(?<![^_])([a-zA-Z]+)-([^_]*)")
_LABEL = re.compile(r"(?<=_)label-([^_.]+)")
_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")
_SESSION = re.compile(r"ses-[A-Za-z0-9]+")
_DOUBLE_EXTENSIONS = (".nii.gz", ".func.gii", ".surf.gii", ".shape.gii", ".label.gii")


# --- identifiers --------------------------------------------------------------------


def resolve_subject_id(subject: object) -> str:
    """The full BIDS form of a subject: ``"03"`` and ``"sub-03"`` are the same.

    Raises
    ------
    SubjectNotFoundError
        When `subject` is empty, a bare ``"sub-"``, not a string, or not alphanumeric.
    """
    if isinstance(subject, str):
        full = subject if subject.startswith("sub-") else f"sub-{subject}"
        if _SUBJECT.fullmatch(full):
            return full
    raise SubjectNotFoundError(
        f"{subject!r} is not a subject identifier. Use the full form ('sub-03') or the bare "
        "value ('03')."
    )


def session_id(session: object) -> str:
    """The full BIDS form of a session: ``"04"`` and ``"ses-04"`` are the same.

    Raises
    ------
    InvalidArgumentError
        When `session` is not a non-empty alphanumeric string.
    """
    if isinstance(session, str):
        full = session if session.startswith("ses-") else f"ses-{session}"
        if _SESSION.fullmatch(full):
            return full
    raise InvalidArgumentError(
        f"{session!r} is not a session identifier. Use the full form ('ses-01') or the bare "
        "value ('01')."
    )


def natural_order(name: str) -> tuple:
    """Sort key that puts ``ses-2`` before ``ses-10``."""
    return tuple(
        (0, int(part), part) if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    )


# --- entities -----------------------------------------------------------------------


@dataclass(frozen=True)
class Entities:
    """What a file name says of itself.

    Attributes
    ----------
    values : mapping
        BIDS entities in the order of the name: ``{"sub": "03", "ses": "01", …}``,
        without their keys' prefix.
    suffix : str
        The last part before the extension (``"statmap"``), ``""`` where there is none.
    extension : str
        With its dot (``".nii.gz"``), ``""`` where there is none.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""
    extension: str = ""

    def get(self, entity: str) -> str | None:
        """The value of one entity, of ``"suffix"`` or of ``"extension"``; None if absent."""
        if entity == "suffix":
            return self.suffix or None
        if entity == "extension":
            return self.extension or None
        return self.values.get(entity)


def split_extension(name: str) -> tuple[str, str]:
    """``("…_statmap", ".nii.gz")``; knows the field's double extensions."""
    if name.endswith(_DOUBLE_EXTENSIONS):
        stem, first, second = name.rsplit(".", 2)
        return stem, f".{first}.{second}"
    stem, dot, extension = name.rpartition(".")
    return (stem, dot + extension) if stem else (name, "")


def parse_entities(key: str) -> Entities:
    """Read the entities of a key; ``sub`` and ``ses`` also come from its folders.

    Only the file name speaks for every other entity. A name that is no BIDS name (a
    FreeSurfer file, a README) has no suffix.
    """
    folder, _, name = key.rpartition("/")
    values = dict(_entities_of_folders(folder))
    stem, extension = split_extension(name)
    in_name = dict(_ENTITIES.findall(stem))
    suffix = ""
    if "sub" in in_name or "task" in in_name:
        values |= in_name
        last = stem.rpartition("_")[2]
        suffix = "" if _ENTITY.match(last) else last
    return Entities(MappingProxyType(values), suffix, extension)


@lru_cache(maxsize=4096)
def _entities_of_folders(folders: str) -> tuple[tuple[str, str], ...]:
    matches = (_ENTITY.match(folder) for folder in folders.split("/"))
    return tuple((m[1], m[2]) for m in matches if m and m[1] in ("sub", "ses"))


def is_held_out(key: str) -> bool:
    """Whether a key belongs, by folder or name, to a session that is listed but not served."""
    if not any(session in key for session in HELD_OUT_SESSIONS):
        return False
    return any(part in HELD_OUT_SESSIONS for name in key.split("/") for part in name.split("_"))


# --- keys and local paths -----------------------------------------------------------


def local_name(key: str) -> str:
    """The path of a key below the data directory: hyphens inside ``label-`` values go.

    Examples
    --------
    >>> local_name("derivatives/rois/sub-01/face/sub-01_label-FFA-1_mask.nii.gz")
    'derivatives/rois/sub-01/face/sub-01_label-FFA1_mask.nii.gz'
    """
    if "_label-" not in key:
        return key
    folder, slash, name = key.rpartition("/")
    return folder + slash + _LABEL.sub(lambda m: "label-" + m[1].replace("-", ""), name)


def require_safe(key: str) -> str:
    """`key` itself when it can be a relative path of files.

    Raises
    ------
    UnsafeKeyError
        When it is absolute, has an empty, ``.`` or ``..`` part, a backslash or a NUL.
    """
    # Most keys have no part that begins with a dot, which one look tells.
    is_suspect = "//" in f"/{key}/" or "/." in f"/{key}"
    has_unsafe_part = is_suspect and any(part in ("", ".", "..") for part in key.split("/"))
    if has_unsafe_part or "\\" in key or "\0" in key:
        raise UnsafeKeyError(
            f"The key {key!r} is not a safe file name and is refused. Check which bucket is set "
            "(`laion-fmri config`)."
        )
    return key


def local_path(data_dir: Path, key: str) -> Path:
    """Where a key's file is (or would be) below `data_dir`.

    Raises
    ------
    UnsafeKeyError
        See `require_safe`.
    """
    return data_dir.joinpath(local_name(require_safe(key)))


# --- where things are (relative to the data directory, and in the bucket) --------------


def subject_betas_dir(sub: str) -> str:
    """Folder of a subject's single-trial betas and summaries."""
    return f"{BETAS_TREE}/{sub}"


def session_func(sub: str, ses: str, rest: str) -> str:
    """A file of one session's betas tree, `rest` being all after ``task-images_``."""
    return f"{BETAS_TREE}/{sub}/{ses}/func/{sub}_{ses}_task-images_{rest}"


def betas(sub: str, ses: str, extension: str = ".nii.gz") -> str:
    """4-D single-trial betas of one session, one volume a trial."""
    return session_func(sub, ses, f"space-T1w_stat-effect_desc-SingletrialBetas_statmap{extension}")


def trials(sub: str, ses: str) -> str:
    """Trial table of one session; row i is volume i of the betas."""
    return session_func(sub, ses, "desc-SingletrialBetas_trials.tsv")


def session_noise_ceiling(sub: str, ses: str) -> str:
    """Noise ceiling (%) from the repeats inside one session."""
    return session_func(sub, ses, "space-T1w_desc-Noiseceiling_statmap.nii.gz")


def subject_noise_ceiling(sub: str, desc: str) -> str:
    """Noise ceiling (%) across sessions; `desc` such as ``"Noiseceiling12rep"``."""
    return f"{BETAS_TREE}/{sub}/{sub}_task-images_space-T1w_desc-{desc}_statmap.nii.gz"


def mean_rsquare(sub: str) -> str:
    """Mean R² over sessions; the rsquare brain mask is where it is not zero."""
    return f"{BETAS_TREE}/{sub}/{sub}_task-images_space-T1w_stat-rsquare_desc-R2mean_statmap.nii.gz"


def roi_volume(sub: str, category: str, roi: str) -> str:
    """Volume mask of one ROI on the functional grid. In the bucket `roi` may be hyphenated."""
    return (
        f"{ROIS_TREE}/{sub}/{category}/{sub}_space-T1w_res-{FUNCTIONAL_RES}_label-{roi}_mask.nii.gz"
    )


def roi_surface(sub: str, category: str, roi: str, hemi: str, extension: str) -> str:
    """Surface mask (``".func.gii"``) or FreeSurfer label (``".label"``) of one hemisphere."""
    return (
        f"{ROIS_TREE}/{sub}/{category}/{sub}_hemi-{hemi}_space-fsnative_label-{roi}_mask{extension}"
    )


def anatomical_dir(sub: str) -> str:
    """Folder of the anatomical derivatives."""
    return f"{ANATOMICAL_TREE}/{sub}/{ANATOMICAL_SESSION}/anat"


def anatomical(sub: str, what: str, res: str | None = None) -> str:
    """An anatomical volume; `what` is ``"T1w"``, ``"T2w"`` or ``"desc-brain_mask"``."""
    grid = f"_res-{res}" if res else ""
    return f"{anatomical_dir(sub)}/{sub}_{ANATOMICAL_SESSION}_space-T1w{grid}_{what}.nii.gz"


def freesurfer_dir(sub: str) -> str:
    """Folder of the FreeSurfer recon."""
    return f"{FREESURFER_TREE}/{sub}"


def embeddings(model: str) -> str:
    """Embeddings of every image by one model."""
    return f"{STIMULI_TREE}/task-images_desc-{model}_embeddings.h5"


def embedding_model(key: str) -> str | None:
    """The model whose embeddings a key holds, or None."""
    match = re.fullmatch(rf"{STIMULI_TREE}/task-images_desc-([A-Za-z0-9]+)_embeddings\.h5", key)
    return match[1] if match else None


def tree_of(key: str) -> str:
    """What people call the part of the bucket that a key belongs to: one of `TREES`.

    Examples
    --------
    >>> tree_of("derivatives/rois/sub-01/face/x"), tree_of("sub-01/ses-01/dwi/x")
    ('ROIs', 'diffusion')
    """
    for name, folder in TREES.items():
        if folder and key.startswith(f"{folder}/"):
            return name
    if key.startswith("sub-"):
        return "diffusion" if "/dwi/" in key else "raw"
    return "dataset"


def roi_of(key: str) -> tuple[str, str] | None:
    """``(category, ROI)`` of a mask in the ROI tree, as named locally; else None."""
    parts = local_name(key).split("/")
    if not key.startswith(f"{ROIS_TREE}/") or len(parts) != 5:
        return None
    entities = parse_entities(parts[-1])
    label = entities.get("label")
    is_mask = entities.suffix == "mask" and entities.extension != ".json"
    return (parts[3], label) if label and is_mask else None


# --- the filter grammar -------------------------------------------------------------


def as_list(value: str | Iterable[str] | None) -> list[str] | None:
    """A filter's values: a string or an iterable of strings; None filters nothing.

    Raises
    ------
    InvalidArgumentError
        When a value is not a non-empty string.
    """
    if value is None:
        return None
    is_list = isinstance(value, Iterable) and not isinstance(value, str)
    values: list[str] = list(value) if is_list else [value]  # type: ignore[list-item]
    for one in values:
        if not isinstance(one, str) or not one:
            raise InvalidArgumentError(
                f"{one!r} cannot be a filter value. Give a string, or a list of strings."
            )
    return values


def bare(entity: str, token: str) -> str:
    """The bare value of a token: ``"ses-04"`` and ``"04"`` both give ``"04"``."""
    if entity == "extension":
        return token.lstrip(".").lower()
    return token.lower().removeprefix(f"{entity}-")


def matches(actual: str, wanted: str, entity: str) -> bool:
    """Whether a file's value is the one asked for, whatever case and form."""
    return bare(entity, actual) == bare(entity, wanted)


def require_category(category: str) -> str:
    """`category` itself when it is one of the eight.

    Raises
    ------
    UnknownNameError
        When it is not.
    """
    if category not in ROI_CATEGORIES:
        raise UnknownNameError("ROI category", category, ROI_CATEGORIES)
    return category
