"""One trial: its image, masks, captions, metadata, responses and neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
import panel as pn
import param
from numpy.typing import NDArray
from panel.viewable import Viewable, Viewer

from laion_fmri._errors import LaionFmriError
from laion_fmri.analysis.roi_responses import global_trial
from laion_fmri.explorer.runtime.background import Gate, Latest
from laion_fmri.explorer.trials.captions_and_metadata import TrialText
from laion_fmri.explorer.trials.code import trial_code
from laion_fmri.explorer.trials.data import TrialParts, TrialSource
from laion_fmri.explorer.trials.image_view import ImageView
from laion_fmri.explorer.trials.neighbours_view import AMONG, NeighboursView
from laion_fmri.explorer.trials.response_profile import ResponseProfile
from laion_fmri.explorer.widgets.copy_code import CopyCode
from laion_fmri.explorer.widgets.layout import column, in_a_row, stacked
from laion_fmri.explorer.widgets.shortcuts import Shortcuts

if TYPE_CHECKING:
    import pandas as pd

ASK_FOR_ACCESS = "To the form"
_PAUSE = 0.3  # seconds at a trial before neighbours are searched and the next trial is loaded


class OneTrial(Viewer):
    """The views of one trial.

    Parameters
    ----------
    choose : callable
        Called with the trial of the clicked neighbour.
    ask_for_images : callable
        Called when the button below the message about missing images is clicked.
    buttons : sequence of Viewable
        Placed above the code.
    """

    profile = cast("ResponseProfile", param.ClassSelector(class_=ResponseProfile))
    neighbours = cast("NeighboursView", param.ClassSelector(class_=NeighboursView))

    def __init__(
        self,
        choose: Callable[[int], object],
        ask_for_images: Callable[[], object],
        buttons: tuple[Viewable, ...],
    ) -> None:
        self.gate = Gate()
        self._source: TrialSource | None = None
        self._trial = 0
        self._shown: NDArray[np.intp] = np.array([], dtype=np.intp)
        self._next: list[int] = []
        super().__init__(profile=ResponseProfile(), neighbours=NeighboursView(choose, self.latest))
        self.image = ImageView(act=ask_for_images)
        self.text = TrialText(sizing_mode="stretch_width", margin=0)
        self.code = CopyCode()
        profile = stacked(self.profile)
        neighbours = pn.Column(
            self.neighbours, styles={"flex": "1 1 100%"}, sizing_mode="stretch_width", margin=0
        )
        self._parts_work, self._response_work = self.latest(self.image), self.latest(profile)
        self._pause_work, self._preload_work = self.latest(pn.Spacer()), self.latest(pn.Spacer())
        keys = Shortcuts({"m": self._toggle_masks})
        self.columns = (
            column(self.image, self.text, grow=4, least=340),
            column(profile, in_a_row(*buttons, keys), self.code, grow=5, least=400),
            neighbours,
        )

    def latest(self, busy: Viewable) -> Latest:
        """Create a runner for slow work of these views."""
        return Latest(busy, self.gate)

    def set_source(
        self, source: TrialSource, models: list[str], rois: list[str], compare_all: bool | None
    ) -> None:
        """Set the subject; `compare_all` compares responses across sessions, None keeps it."""
        self._source = None
        self.neighbours.offer(models, rois)
        if compare_all is not None:
            self.profile.across = compare_all
        self._source = source

    def show_trial(self, trial: int, shown: NDArray[np.intp], preload: list[int]) -> None:
        """Display a trial.

        Parameters
        ----------
        trial : int
        shown : ndarray of int
            The trials that pass the filters.
        preload : list of int
            The trials most likely to be displayed next.
        """
        self._trial, self._shown, self._next = trial, shown, preload
        source = self._source
        if source is None:
            return
        try:
            table = source.trials().table
            global_trial(table, trial, source.subject)
        except LaionFmriError as error:  # the trial does not exist, or its files were deleted
            self._show_nothing(str(error))
            return
        self._write_code()

        def show(parts: TrialParts) -> None:
            self._show_parts(source, trial, table.iloc[trial], parts)
            self._show_responses()

        def show_problem(reason: str) -> None:
            self._show_nothing(reason)
            self._show_responses()

        # The picture comes first: it is here already, and the plot of responses takes longer.
        self._parts_work.ask(lambda: source.parts(trial), show, show_problem)

    def set_shown(self, shown: NDArray[np.intp]) -> None:
        """Set the trials that pass the filters."""
        self._shown = shown
        self.neighbours.set_shown(shown)

    def _show_parts(
        self, source: TrialSource, trial: int, row: pd.Series, parts: TrialParts
    ) -> None:
        self.image.set_parts(parts, row, ask=ASK_FOR_ACCESS)
        self.text.set_trial(trial, row, parts.captions)
        self._pause_work.once_at_rest(lambda: self._show_neighbours(source, trial), _PAUSE)

    def _show_neighbours(self, source: TrialSource, trial: int) -> None:
        """Find neighbours and preload the next trial, once the user stays at a trial."""
        if trial != self._trial or source is not self._source:
            return
        self.neighbours.set_trial(source, trial, self._shown)
        preload = self._next[:1]
        self._preload_work.ask(
            lambda: [source.parts(one) for one in preload], lambda _: None, lambda _: None
        )

    def _show_responses(self) -> None:
        source, trial = self._source, self._trial
        if source is None:
            return
        voxels, across = self.profile.voxels, self.profile.across
        self._response_work.ask(
            lambda: source.responses(trial, voxels, across),
            self.profile.set_responses,
            self.profile.show_message,
        )

    @param.depends("profile.across", "profile.nc_threshold", "profile.mask_source", watch=True)
    def _change_voxels(self) -> None:
        self._write_code()
        self._show_responses()
        self.neighbours.voxels = self.profile.voxels

    def _show_nothing(self, reason: str) -> None:
        self.image.show_message("There is nothing to show", reason)
        self.text.clear()
        self.profile.show_message(reason)

    @param.depends(
        "neighbours.model", "neighbours.roi", "neighbours.across", "neighbours.among", watch=True
    )
    def _write_code(self) -> None:
        source, near = self._source, self.neighbours
        if source is None or self._trial >= len(source.trials()):
            return
        self.code.code = trial_code(
            source.subject,
            self._trial,
            source.trials().table.iloc[self._trial],
            self.profile.voxels,
            near.model or "",
            near.roi,
            near.across,
            AMONG[near.among] or "subject",
        )

    def _toggle_masks(self) -> None:
        self.image.masks_shown = not self.image.masks_shown

    def __panel__(self) -> pn.Row:
        return pn.Row(*self.columns)
