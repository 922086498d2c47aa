"""A picture with object masks over it, drawn in the page."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from laion_fmri.explorer.trial_data import ObjectMask, Picture

_HUES = (0.58, 0.07, 0.36, 0.93, 0.14, 0.76, 0.50, 0.01, 0.27, 0.67, 0.86, 0.44)
"""Neighbouring nouns get hues far apart."""


class ImageView(JSComponent):
    """A picture, its masks in a colour for each noun and instance, and the controls of these.

    Fill it with `set_picture` or `show_message`. How the masks are drawn is changed in the page
    alone; the parameters follow, and may be set from Python.
    """

    opacity = param.Number(default=0.7, bounds=(0, 1), doc="How much the masks cover.")
    outlines = param.Boolean(
        default=True, doc="Draw the edges of the masks alone, which leaves the picture as it is."
    )
    masks_shown = param.Boolean(default=True, doc="Whether any mask is drawn.")
    hidden_nouns = param.List(default=[], item_type=str, doc="Nouns whose masks are not drawn.")

    picture = param.Dict(default={}, doc="What `set_picture` sent to the page.")
    masks = param.List(default=[], doc="What `set_picture` sent to the page.")
    note = param.String(default="", doc="Said below the picture in place of missing masks.")

    _esm: ClassVar[Path] = Path(__file__).with_name("image_view.js")

    def __init__(self, **params: Any) -> None:
        params.setdefault("sizing_mode", "stretch_width")
        super().__init__(**params)

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
        self, title: str, text: str = "", masks: Sequence[ObjectMask] = (), note: str = ""
    ) -> None:
        """Show a grey card that says why there is no picture; masks are drawn on it."""
        self._send(masks, note, {"title": title, "text": text, "name": title})

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
