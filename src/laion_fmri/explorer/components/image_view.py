"""A picture with object masks over it, drawn in the page."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import param

from laion_fmri.explorer.components.answering import AnsweringComponent
from laion_fmri.explorer.trial_data import (
    Absent,
    ObjectMask,
    Picture,
    TrialParts,
)
from laion_fmri.explorer.trial_source import no_such_trial, source_of

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.subject import Subject

NO_IMAGES = (
    "The images are under a data use agreement and are not in this data directory. Everything "
    "else works without them."
)
NO_MASKS = "Masks exist for shared images only; this one was seen by one participant."

_WIDTH_ALONE = 640  # pixels: a cell is wider than a picture should be high
_HUES = (0.58, 0.07, 0.36, 0.93, 0.14, 0.76, 0.50, 0.01, 0.27, 0.67, 0.86, 0.44)
"""Neighbouring nouns get hues far apart."""


class ImageView(AnsweringComponent):
    """A picture, its masks in a colour for each noun and instance, and the controls of these.

    ``ImageView("sub-01", trial=12)`` shows a trial; set ``trial`` to see another, or have it follow
    a browser: ``ImageView("sub-01", trial=browser.param.trial)``. Without a subject, fill it with
    `set_picture` or `show_message`. How the masks are drawn is changed in the page alone; the
    parameters follow, and may be set from Python.

    Parameters
    ----------
    subject : str or Subject, optional
    act : callable, optional
        Called when the button of a message is pressed.
    """

    opacity = param.Number(default=0.7, bounds=(0, 1), doc="How much the masks cover.")
    outlines = param.Boolean(
        default=True, doc="Draw the edges of the masks alone, which leaves the picture as it is."
    )
    masks_shown = param.Boolean(default=True, doc="Whether any mask is drawn.")
    hidden_nouns = param.List(default=[], item_type=str, doc="Nouns whose masks are not drawn.")
    boxes = param.Boolean(default=False, doc="Draw the detector's boxes and scores.")
    localized_only = param.Boolean(
        default=False, doc="Leave out nouns that were recognised but not bounded in space."
    )
    trial = param.Integer(
        default=0, bounds=(0, None), allow_refs=True, doc="Which trial a view by itself shows."
    )

    picture = param.Dict(default={}, doc="What `set_picture` sent to the page.")
    masks = param.List(default=[], doc="What `set_picture` sent to the page.")
    note = param.String(default="", doc="Said below the picture in place of missing masks.")

    _esm: ClassVar[Path] = Path(__file__).with_name("image_view.js")

    def __init__(
        self,
        subject: str | Subject | None = None,
        act: Callable[[], object] | None = None,
        **params: Any,
    ) -> None:
        params.setdefault("sizing_mode", "stretch_width")
        if subject is not None:
            params.setdefault("max_width", _WIDTH_ALONE)
        super().__init__(**params)
        self._act = act
        self._source = None if subject is None else source_of(subject)
        if self._source is not None:
            self._show_trial()

    @param.depends("trial", watch=True)
    def _show_trial(self) -> None:
        if self._source is None:
            return
        source, trial = self._source, self.trial
        table = source.trials().table
        if trial < len(table):
            self.set_parts(source.parts(trial), table.iloc[trial])
        else:
            self.show_message(
                "There is nothing to show", no_such_trial(source.subject, trial, table)
            )

    def set_parts(self, parts: TrialParts, row: pd.Series, ask: str = "") -> None:
        """Show a trial: its picture, or why it is not here, and its masks.

        Parameters
        ----------
        parts : TrialParts
        row : Series
            The trial's row of the table of trials.
        ask : str
            What stands on a button below the message that the images are not here.
        """
        masks = [] if isinstance(parts.masks, Absent) else parts.masks
        note = ""
        if isinstance(parts.masks, Absent):
            note = parts.masks.reason
        elif not masks:
            unique = row["unique_or_shared"] == "unique"
            note = NO_MASKS if unique else "No object was found in this image."
        if not isinstance(parts.picture, Absent):
            self.set_picture(parts.picture, masks, name=str(row["image_name"]), note=note)
        elif parts.picture.not_downloaded:
            self.show_message("The image is not here", NO_IMAGES, masks, note, ask)
        else:
            self.show_message("The image cannot be shown", parts.picture.reason, masks, note)

    def set_picture(
        self,
        picture: Picture,
        masks: Sequence[ObjectMask] = (),
        *,
        name: str = "",
        note: str = "",
    ) -> None:
        """Show a picture and its masks.

        Parameters
        ----------
        picture : Picture
        masks : sequence of ObjectMask
            Masks of another size than the picture are scaled to it.
        name : str
            What the picture is called by screen readers.
        note : str
            Said below the picture, as text, when there are no masks.
        """
        self._send(masks, note, {"data": picture.encoded, "mime": picture.mime, "name": name})

    def show_message(
        self,
        title: str,
        text: str = "",
        masks: Sequence[ObjectMask] = (),
        note: str = "",
        action: str = "",
    ) -> None:
        """Show a grey card that says why there is no picture; masks are drawn on it.

        `action` stands on a button that calls `act`.
        """
        card = {"title": title, "text": text, "name": title, "action": action}
        self._send(masks, note, card)

    def answer(self, message: Any) -> None:
        """Do what the page asks for."""
        if message == "act" and self._act is not None:
            self._act()

    def _send(self, masks: Sequence[ObjectMask], note: str, picture: dict[str, Any]) -> None:
        colours = mask_colours(masks)
        self.param.update(
            picture=picture,
            note=note,
            masks=[
                {
                    "noun": mask.noun,
                    "instance": mask.instance,
                    "score": None if mask.score != mask.score else mask.score,
                    "localized": mask.localized,
                    "height": mask.shape[0],
                    "width": mask.shape[1],
                    "colour": colour,
                    "box": mask.box,
                    "runs": mask.runs.astype("<u4").tobytes(),
                }
                for mask, colour in zip(masks, colours, strict=True)
            ],
        )


def mask_colours(masks: Sequence[ObjectMask]) -> list[str]:
    """A colour for each mask: a hue for each noun, a lightness for each instance of it.

    Returns
    -------
    list of str
        ``"#rrggbb"``, different for every mask while there are at most twelve nouns with
        at most five instances.
    """
    nouns = sorted({mask.noun for mask in masks})
    return [_colour(nouns.index(mask.noun), mask.instance) for mask in masks]


def _colour(noun: int, instance: int) -> str:
    turn, place = divmod(noun, len(_HUES))
    lightness = (0.56, 0.72, 0.42, 0.64, 0.82)[instance % 5]
    rgb = colorsys.hls_to_rgb((_HUES[place] + 0.04 * turn) % 1, lightness, 0.8)
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)
