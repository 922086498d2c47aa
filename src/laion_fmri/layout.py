"""Keys, local paths and BIDS entities. Pure functions without disk access.

Keys (in the bucket) and local paths (below the data directory) differ only in labels: BIDS forbids
hyphens inside a label, so the local name of a key such as ``…_label-FFA-1_mask.nii.gz`` drops them
(``label-FFA1``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from laion_fmri._errors import (
    InvalidArgumentError,
    SubjectNotFoundError,
    UnsafeKeyError,
)
from laion_fmri.arguments import as_items, as_scalar, one_of, same_number, whole_number
from laion_fmri.names import as_name

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
"""Name of each part of the bucket to its folder; empty when it is not one folder."""

DATASET_FILES = ("dataset_description.json", "participants.tsv", "participants.json", "README")
"""Top-level objects that describe the dataset; always downloaded."""

HELD_OUT_SESSIONS = tuple(f"ses-{n}" for n in range(31, 35))
"""Sessions whose responses and raw data are listed but which the bucket refuses to serve."""

_SERVED_TREES = tuple(
    f"{tree}/"
    for tree in (
        LOCALIZERS_TREE,
        ROIS_TREE,
        ANATOMICAL_TREE,
        FREESURFER_TREE,
        STIMULI_TREE,
        SPLITS_TREE,
    )
)
"""Trees without responses or raw data, in which nothing is held out."""

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
"""The eight published ROI categories; listings tell which of them a subject has."""

HEMISPHERES = ("L", "R")
MaskSource = Literal["anatomical", "rsquare"]
MASK_SOURCES: tuple[MaskSource, ...] = get_args(MaskSource)
"""The two brain masks; see `laion_fmri.volumes.masks`."""

FUNCTIONAL_RES = "1pt8"
LOCALIZER_RES = "1pt5"
"""Resolution of the localizers; ROI masks are published at this one and at that of the betas."""
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
"""Types of out-of-distribution images, in display order."""

EMBEDDING_MODELS = ("CLIP", "DINOv2", "PEcore", "SigLIP2")
GATED_KEYS = frozenset({STIMULI_IMAGES})
"""Objects that require the data use agreement; served by the access service, not the bucket."""

LICENSE_MARKER = ".laion_fmri/license_accepted"

AVERAGES = "averages"
"""Session name that stands for the summaries over sessions."""

SUBJECT_NOISE_CEILINGS = ("Noiseceiling4rep", "Noiseceiling12rep", "NoiseceilingAllrep")

Filter = str | int | Iterable[str | int] | None
_NUMBERED = ("ses", "run", "echo")
_ENTITY = re.compile(r"^([a-z]+)-(.*)$", re.IGNORECASE)
_ENTITIES = re.compile(r"(?<![^_])([a-zA-Z]+)-([^_]*)")
_LABEL = re.compile(r"(?<=_)label-([^_.]+)")
_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")
_SESSION = re.compile(r"ses-[A-Za-z0-9]+")
_DOUBLE_EXTENSIONS = (".nii.gz", ".func.gii", ".surf.gii", ".shape.gii", ".label.gii")


# --- identifiers --------------------------------------------------------------------


def resolve_subject_id(subject: object) -> str:
    """Return the full BIDS form of a subject: ``"03"`` and ``"sub-03"`` are equivalent.

    Raises
    ------
    SubjectNotFoundError
        When `subject` is empty, a bare ``"sub-"``, not a string, or not alphanumeric.
    """
    name = as_scalar(subject)
    if isinstance(name, str):
        full = name if name.startswith("sub-") else f"sub-{name}"
        if _SUBJECT.fullmatch(full):
            return full
    raise SubjectNotFoundError(
        f"{subject!r} is not a subject identifier. Use the full form ('sub-03') or the bare "
        "value ('03')."
    )


def subject_id(subject: object) -> str:
    """Return the full BIDS form of a subject, which may be a number: 3 is ``"sub-03"``.

    Raises
    ------
    SubjectNotFoundError
    """
    return resolve_subject_id(_padded(subject))


def session_id(session: object) -> str:
    """Return the full BIDS form of a session: ``"04"``, ``"ses-04"`` and 4 are equivalent.

    Raises
    ------
    InvalidArgumentError
        When `session` is neither a non-empty alphanumeric string nor a whole number.
    """
    name = _padded(session)
    if isinstance(name, str):
        full = name if name.startswith("ses-") else f"ses-{name}"
        if _SESSION.fullmatch(full):
            return full
    raise InvalidArgumentError(
        f"{session!r} is not a session identifier. Use the full form ('ses-01'), the bare value "
        "('01') or the number (1)."
    )


def sessions_like(session: str, known: Iterable[str]) -> list[str]:
    """Return sessions similar to a name: ``ses-01`` for ``"ses-1"`` or ``"1"``."""
    name = session if session.lower().startswith("ses-") else f"ses-{session}"
    return same_number(name, known)


def _padded(value: object) -> Any:
    """Format a number of a subject, session or run with two digits."""
    number = whole_number(value)
    return as_scalar(value) if number is None else f"{number:02d}"


def natural_order(name: str) -> tuple:
    """Return a sort key that puts ``ses-2`` before ``ses-10``."""
    return tuple(
        (0, int(part), part) if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    )


# --- entities -----------------------------------------------------------------------


@dataclass(frozen=True)
class Entities:
    """The BIDS entities of a file name.

    Attributes
    ----------
    values : mapping
        BIDS entities in the order of the name: ``{"sub": "03", "ses": "01", …}``.
    suffix : str
        The last part before the extension (``"statmap"``), ``""`` if absent.
    extension : str
        With its dot (``".nii.gz"``), ``""`` if absent.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""
    extension: str = ""

    def get(self, entity: str) -> str | None:
        """Return the value of an entity, ``"suffix"`` or ``"extension"``; None if absent."""
        if entity == "suffix":
            return self.suffix or None
        if entity == "extension":
            return self.extension or None
        return self.values.get(entity)


def split_extension(name: str) -> tuple[str, str]:
    """Split a name as in ``("…_statmap", ".nii.gz")``; handles double extensions."""
    if name.endswith(_DOUBLE_EXTENSIONS):
        stem, first, second = name.rsplit(".", 2)
        return stem, f".{first}.{second}"
    stem, dot, extension = name.rpartition(".")
    return (stem, dot + extension) if stem else (name, "")


def parse_entities(key: str) -> Entities:
    """Read the entities of a key; ``sub`` and ``ses`` also come from its folders.

    All other entities come from the file name. Names outside BIDS (a FreeSurfer file, a README)
    have no suffix.
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
    """Whether a key is listed but not served.

    This holds for responses and raw data of the held-out sessions, by folder or by name. Maps of
    the object localizer, which was run in ses-31, are served.

    Examples
    --------
    >>> is_held_out("sub-01/ses-31/func/x"), is_held_out(f"{LOCALIZERS_TREE}/sub-01/ses-31/x")
    (True, False)
    """
    if key.startswith(_SERVED_TREES) or not any(session in key for session in HELD_OUT_SESSIONS):
        return False
    return any(part in HELD_OUT_SESSIONS for name in key.split("/") for part in name.split("_"))


# --- keys and local paths -----------------------------------------------------------


def local_name(key: str) -> str:
    """Return the path of a key below the data directory, without hyphens in ``label-`` values.

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
    """Return `key` if it is a safe relative path.

    Raises
    ------
    UnsafeKeyError
        When it is absolute, has an empty, ``.`` or ``..`` part, a backslash or a NUL.
    """
    # Most keys have no part that begins with a dot, which is fast to check.
    is_suspect = "//" in f"/{key}/" or "/." in f"/{key}"
    has_unsafe_part = is_suspect and any(part in ("", ".", "..") for part in key.split("/"))
    if has_unsafe_part or "\\" in key or "\0" in key:
        raise UnsafeKeyError(
            f"The key {key!r} is not a safe file name and is refused. Check which bucket is set "
            "(`laion-fmri config`)."
        )
    return key


def local_path(data_dir: Path, key: str) -> Path:
    """Return the local path of a key below `data_dir`; it need not exist.

    Raises
    ------
    UnsafeKeyError
        See `require_safe`.
    """
    return data_dir.joinpath(local_name(require_safe(key)))


# --- paths (relative to the data directory, and in the bucket) --------------


def subject_betas_dir(sub: str) -> str:
    """Folder of a subject's single-trial betas and summaries."""
    return f"{BETAS_TREE}/{sub}"


def session_func(sub: str, ses: str, rest: str) -> str:
    """A file of one session in the betas tree; `rest` follows ``task-images_``."""
    return f"{BETAS_TREE}/{sub}/{ses}/func/{sub}_{ses}_task-images_{rest}"


def betas(sub: str, ses: str, extension: str = ".nii.gz") -> str:
    """4-D single-trial betas of one session, one volume per trial."""
    return session_func(sub, ses, f"space-T1w_stat-effect_desc-SingletrialBetas_statmap{extension}")


def trials(sub: str, ses: str) -> str:
    """Trial table of one session; row i is volume i of the betas."""
    return session_func(sub, ses, "desc-SingletrialBetas_trials.tsv")


def session_noise_ceiling(sub: str, ses: str) -> str:
    """Noise ceiling (%) from the repeats within one session."""
    return session_func(sub, ses, "space-T1w_desc-Noiseceiling_statmap.nii.gz")


def subject_noise_ceiling(sub: str, desc: str) -> str:
    """Noise ceiling (%) across sessions; `desc` such as ``"Noiseceiling12rep"``."""
    return f"{BETAS_TREE}/{sub}/{sub}_task-images_space-T1w_desc-{desc}_statmap.nii.gz"


def mean_rsquare(sub: str) -> str:
    """Mean R² over sessions; its nonzero voxels are the rsquare brain mask."""
    return f"{BETAS_TREE}/{sub}/{sub}_task-images_space-T1w_stat-rsquare_desc-R2mean_statmap.nii.gz"


def roi_volume(sub: str, category: str, roi: str, res: str = FUNCTIONAL_RES) -> str:
    """Volume mask of one ROI. In the bucket `roi` may be hyphenated."""
    return f"{ROIS_TREE}/{sub}/{category}/{sub}_space-T1w_res-{res}_label-{roi}_mask.nii.gz"


def roi_surface(sub: str, category: str, roi: str, hemi: str, extension: str) -> str:
    """Surface mask (``".func.gii"``) or FreeSurfer label (``".label"``) of one hemisphere."""
    return (
        f"{ROIS_TREE}/{sub}/{category}/{sub}_hemi-{hemi}_space-fsnative_label-{roi}_mask{extension}"
    )


def localizer(
    sub: str,
    ses: str,
    task: str,
    contrast: str,
    *,
    stat: str,
    run: str | None = None,
    hemi: str | None = None,
    res: str | None = None,
) -> str:
    """A map of a localizer: on the surface of `hemi`, or in the volume of resolution `res`."""
    of_run = f"_run-{run}" if run else ""
    where = f"hemi-{hemi}_space-fsnative" if hemi else f"space-T1w_res-{res}"
    extension = ".func.gii" if hemi else ".nii.gz"
    return (
        f"{LOCALIZERS_TREE}/{sub}/{ses}/func/{sub}_{ses}_task-{task}{of_run}_{where}"
        f"_contrast-{contrast}_stat-{stat}_statmap{extension}"
    )


def anatomical_dir(sub: str) -> str:
    """Folder of the anatomical derivatives."""
    return f"{ANATOMICAL_TREE}/{sub}/{ANATOMICAL_SESSION}/anat"


def anatomical(sub: str, what: str, res: str | None = None) -> str:
    """An anatomical volume; `what` is ``"T1w"``, ``"T2w"`` or ``"desc-brain_mask"``."""
    grid = "" if res is None else f"_res-{as_name(res, 'resolution')}"
    return f"{anatomical_dir(sub)}/{sub}_{ANATOMICAL_SESSION}_space-T1w{grid}_{what}.nii.gz"


def freesurfer_dir(sub: str) -> str:
    """Folder of the FreeSurfer recon."""
    return f"{FREESURFER_TREE}/{sub}"


def embeddings(model: str) -> str:
    """Embeddings of all images by one model."""
    return f"{STIMULI_TREE}/task-images_desc-{model}_embeddings.h5"


def embedding_model(key: str) -> str | None:
    """Return the model whose embeddings a key holds, or None."""
    match = re.fullmatch(rf"{STIMULI_TREE}/task-images_desc-([A-Za-z0-9]+)_embeddings\.h5", key)
    return match[1] if match else None


def tree_of(key: str) -> str:
    """Return the part of the bucket that a key belongs to: one of `TREES`.

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
    """Return the local ``(category, ROI)`` of a mask in the ROI tree; else None."""
    parts = local_name(key).split("/")
    if not key.startswith(f"{ROIS_TREE}/") or len(parts) != 5:
        return None
    entities = parse_entities(parts[-1])
    label = entities.get("label")
    is_mask = entities.suffix == "mask" and entities.extension != ".json"
    return (parts[3], label) if label and is_mask else None


# --- the filter grammar -------------------------------------------------------------


def as_list(value: Filter, entity: str = "") -> list[str] | None:
    """Convert a filter, a string or an iterable of strings, to a list; None for no filter.

    Sessions, runs and echoes may be numbers.

    Raises
    ------
    InvalidArgumentError
        When a value is not a non-empty string.
    """
    if value is None:
        return None
    values = [_padded(one) if entity in _NUMBERED else one for one in as_items(value)]
    for one in values:
        if not isinstance(one, str) or not one:
            raise InvalidArgumentError(
                f"{one!r} cannot be a filter value. Give a string, or a list of strings."
            )
    return values


def bare(entity: str, token: str) -> str:
    """Return the bare value of a token: ``"ses-04"`` and ``"04"`` both give ``"04"``."""
    if entity == "extension":
        return token.lstrip(".").lower()
    value = token.lower().removeprefix(f"{entity}-")
    # Runs are written with or without leading zeros, echoes without.
    return str(int(value)) if entity in ("run", "echo") and value.isdecimal() else value


def matches(actual: str, wanted: str, entity: str) -> bool:
    """Whether a file's value equals the requested one, ignoring case and form."""
    return bare(entity, actual) == bare(entity, wanted)


def require_category(category: str) -> str:
    """Return `category` if it is one of the eight.

    Raises
    ------
    UnknownNameError
        When it is not.
    """
    return one_of("ROI category", category, ROI_CATEGORIES)
