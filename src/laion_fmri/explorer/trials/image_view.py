"""A picture with object masks, drawn in the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import param

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.analysis.roi_responses import global_trial
from laion_fmri.explorer.runtime.error_messages import Absent
from laion_fmri.explorer.trials.data import TrialParts, source_of
from laion_fmri.explorer.widgets.page_messages import MessagingComponent
from laion_fmri.trial_contents import ObjectMask, Picture, mask_colours

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.subject import Subject

NO_IMAGES = (
    "The images are under a data use agreement and are not in this data directory. Everything "
    "else works without them."
)
NO_MASKS = "Masks exist for shared images only; this one was seen by one participant."

_WIDTH_ALONE = 640  # pixels: limits the height of a picture in a wide cell


class ImageView(MessagingComponent):
    """A picture, its masks in a colour per noun and instance, and their controls.

    ``ImageView("sub-01", trial=12)`` displays a trial; set ``trial`` to display another, or make it
    follow a browser: ``ImageView("sub-01", trial=browser.param.trial)``. Without a subject, fill it
    with `set_picture` or `show_message`. The display options of the masks change in the page alone;
    the parameters follow, and can be set from Python.

    Parameters
    ----------
    subject : str or Subject, optional
    act : callable, optional
        Called when the button of a message is clicked.
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
    note = param.String(default="", doc="Shown below the picture where there are no masks.")

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
        try:
            row = global_trial(table, trial, source.subject)
        except InvalidArgumentError as error:
            self.show_message("There is nothing to show", str(error))
        else:
            self.set_parts(source.parts(trial), row)

    def set_parts(self, parts: TrialParts, row: pd.Series, ask: str = "") -> None:
        """Display a trial: its picture, or why there is none, and its masks.

        Parameters
        ----------
        parts : TrialParts
        row : Series
            The trial's row of the table of trials.
        ask : str
            Label of a button below the message that the images are not downloaded.
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
            self.show_message("The image is not downloaded", NO_IMAGES, masks, note, ask)
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
        """Display a picture and its masks.

        Parameters
        ----------
        picture : Picture
        masks : sequence of ObjectMask
            Masks of another size than the picture are scaled to it.
        name : str
            Name of the picture for screen readers.
        note : str
            Displayed below the picture, as text, when there are no masks.
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
        """Display why there is no picture, on a grey card; masks are drawn on it.

        `action` is the label of a button that calls `act`.
        """
        card = {"title": title, "text": text, "name": title, "action": action}
        self._send(masks, note, card)

    def receive(self, message: Any) -> bool:
        """Call the function of the button on the card."""
        if message != "act" or self._act is None:
            return False
        self._act()
        return True

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
