"""The kinds of data on the Download tab. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from laion_fmri import layout

Level = Literal["session", "averages", "subject"]
Scope = Literal["session", "subject", "dataset"]


@dataclass(frozen=True)
class FileKind:
    """Files of one ``desc`` and suffix, and their scope."""

    desc: str | None
    suffix: str
    level: Level


@dataclass(frozen=True)
class Choice:
    """One kind of data to download.

    Attributes
    ----------
    label : str
        On screen.
    group : str
        The control that lists it.
    files : tuple of FileKind
        Files that the filters of `download` must pass.
    flag : str
        The ``include_…`` argument of `download`, for whole trees.
    verb : str
        The dedicated download function, if any.
    model : str
        The model of embeddings.
    scope : {"session", "subject", "dataset"}
        The level at which one such file exists.
    """

    label: str
    group: str
    files: tuple[FileKind, ...] = ()
    flag: str = ""
    verb: str = ""
    model: str = ""
    scope: Scope = "subject"


_SESSION_MAPS = (("R2", "statmap"), ("Fracridge", "statmap"), ("HRFindex", "dseg"))
RESPONSES, BRAIN, STIMULI, MORE = "Responses", "Brain", "Stimuli", "More"

LOCALIZERS, RAW, IMAGES, SPLITS = "Localizers", "Raw data (BIDS)", "Images", "Train/test splits"

_ALL = (
    Choice("Betas", RESPONSES, (FileKind("SingletrialBetas", "statmap", "session"),)),
    Choice("Trial tables", RESPONSES, (FileKind("SingletrialBetas", "trials", "session"),)),
    Choice(
        "Noise ceilings",
        RESPONSES,
        (
            FileKind("Noiseceiling", "statmap", "session"),
            *(FileKind(d, "statmap", "averages") for d in layout.SUBJECT_NOISE_CEILINGS),
        ),
    ),
    Choice(
        "Other maps (R², HRF index, ridge fraction)",
        RESPONSES,
        (
            *(FileKind(desc, suffix, "session") for desc, suffix in _SESSION_MAPS),
            FileKind("R2mean", "statmap", "averages"),
        ),
    ),
    Choice(
        "GLMsingle models",
        RESPONSES,
        (FileKind("GLMsingle", "model", "session"), FileKind("GLMsingle", "summary", "averages")),
    ),
    Choice("ROIs", BRAIN, (FileKind(None, "mask", "subject"),)),
    Choice("Anatomy (T1w, T2w, brain mask)", BRAIN, flag="include_anatomical"),
    Choice("FreeSurfer recon", BRAIN, flag="include_freesurfer"),
    Choice(LOCALIZERS, BRAIN),
    Choice(IMAGES, STIMULI, verb="download_stimuli", scope="dataset"),
    *(
        Choice(
            f"{model} embeddings",
            STIMULI,
            verb="download_embeddings",
            model=model,
            scope="dataset",
        )
        for model in layout.EMBEDDING_MODELS
    ),
    Choice("Segmentations", STIMULI, verb="download_segmentations", scope="dataset"),
    Choice("Captions", STIMULI, verb="download_captions", scope="dataset"),
    Choice(RAW, MORE, verb="download_raw", scope="session"),
    Choice(SPLITS, MORE, verb="download_splits", scope="dataset"),
)
CHOICES: Mapping[str, Choice] = {choice.label: choice for choice in _ALL}
GROUPS: Mapping[str, tuple[str, ...]] = {
    group: tuple(c.label for c in _ALL if c.group == group)
    for group in (RESPONSES, BRAIN, STIMULI, MORE)
}
EVERY_FILE_KIND = frozenset(kind for choice in _ALL for kind in choice.files)
