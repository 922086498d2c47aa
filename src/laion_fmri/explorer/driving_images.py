"""The images that drive a place, with small pictures, captions and nouns. No widgets."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from laion_fmri import layout
from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer import preference
from laion_fmri.explorer.components.image_cards import ImageCard
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.preference import ImageResponses, NounCount
from laion_fmri.stimuli.hub import Stimuli
from laion_fmri.store import estimate_store_bytes, list_stores
from laion_fmri.subject import Subject
from laion_fmri.transfer.plan import count_of, format_bytes

_PIXELS = 160
_WORTH_A_STORE = 400_000_000  # bytes of betas that are inflated in some seconds


@dataclass(frozen=True, eq=False)
class Drivers:
    """What drives a place.

    Attributes
    ----------
    responses : ImageResponses
    highest, lowest : list of ImageCard
        The strongest first, and the weakest first.
    nouns : list of NounCount
        Over-represented among the highest.
    highest_trials, lowest_trials : list of int
        Every trial that shows one of these images.
    note : str
        What could not be shown, and why; empty where everything is.
    """

    responses: ImageResponses
    highest: list[ImageCard]
    lowest: list[ImageCard]
    nouns: list[NounCount]
    highest_trials: list[int]
    lowest_trials: list[int]
    note: str


def drivers(
    data: ExplorerData,
    sub: Subject,
    voxels: NDArray[np.bool_],
    min_repeats: int = preference.MIN_REPEATS,
    n_images: int = 12,
) -> Drivers:
    """Find the images with the largest and the smallest mean response of some voxels.

    Raises
    ------
    LaionFmriError
        When betas are missing or damaged, or no voxel is there.
    """
    key = ("responses", sub.name, voxels.tobytes(), min_repeats)
    responses = data.remember(
        key,
        lambda: preference.read_responses(sub, voxels, min_repeats),
        preference.response_files(sub),
    )
    ends = preference.extremes(responses, n_images)
    stimuli, notes = data.stimuli(), []
    if not data.has_images():
        where = "are not here" if data.visitor.sees_images else "are not shown on this server"
        notes.append(f"The images {where}: their captions stand for them.")
    nouns: list[NounCount] = []
    try:
        nouns_of = data.remember(
            ("nouns",),
            lambda: preference.nouns_by_image(stimuli.segmentations),
            data.stimulus_files(),
        )
        preferred = preference.extremes(responses, max(n_images, len(responses) // 20)).highest
        nouns = preference.overrepresented_nouns(
            responses.names[preferred], responses.names, nouns_of
        )
    except LaionFmriError:
        notes.append("Without the segmentations no noun can be counted.")
    if advice := store_advice(sub):
        notes.append(advice)
    names = np.concatenate(
        [np.empty(0, dtype=object)]
        + [sub.get_trial_info(s)["label"].to_numpy(dtype=object) for s in sub.get_sessions()]
    )
    lowest = ends.lowest[::-1]
    return Drivers(
        responses=responses,
        highest=[_item(stimuli, responses, i) for i in ends.highest],
        lowest=[_item(stimuli, responses, i) for i in lowest],
        nouns=nouns,
        highest_trials=preference.trials_of_images(names, responses.names[ends.highest]),
        lowest_trials=preference.trials_of_images(names, responses.names[lowest]),
        note=" ".join(notes),
    )


def store_advice(sub: Subject) -> str:
    """How answers come at once, where sessions of some size are inflated for each; else empty."""
    fresh = {info.session for info in list_stores(sub.data_dir, sub.name) if info.is_fresh}
    slow = {
        session: layout.local_path(sub.data_dir, layout.betas(sub.name, session))
        for session in sub.get_sessions()
        if session not in fresh
    }
    n_bytes = sum(path.stat().st_size for path in slow.values() if path.exists())
    if n_bytes < _WORTH_A_STORE:
        return ""
    size = sum(estimate_store_bytes(sub.name, session, data_dir=sub.data_dir) for session in slow)
    return (
        f"{count_of(len(slow), 'session')} without a store had to be inflated. "
        f"`laion-fmri store build --subject {sub.name}` ({format_bytes(size)}) makes such answers "
        "instant."
    )


def _item(stimuli: Stimuli, responses: ImageResponses, place: int) -> ImageCard:
    name = str(responses.names[place])
    return ImageCard(
        trial=int(responses.first_trials[place]),
        name=name,
        score=float(responses.means[place]),
        caption=_caption(stimuli, name),
        image=_thumbnail(stimuli, name),
    )


def _caption(stimuli: Stimuli, name: str) -> str:
    try:
        return next(iter(stimuli.captions.list(name)), "")
    except LaionFmriError:
        return ""


def _thumbnail(stimuli: Stimuli, name: str) -> bytes | None:
    """A small JPEG of an image as displayed; None where it is not here or damaged."""
    try:
        image = stimuli.images.get(name)
    except LaionFmriError:
        return None
    image.thumbnail((_PIXELS, _PIXELS))
    encoded = io.BytesIO()
    image.convert("RGB").save(encoded, "JPEG", quality=82)
    return encoded.getvalue()
