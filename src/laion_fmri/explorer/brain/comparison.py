"""A second map, or another subject, next to the brain."""

from __future__ import annotations

from collections.abc import Callable

from laion_fmri import maps
from laion_fmri._errors import LaionFmriError
from laion_fmri.explorer.brain.choices import BrainChoices
from laion_fmri.explorer.brain.controls import NOTHING, BrainControls
from laion_fmri.explorer.brain.data import Picture
from laion_fmri.explorer.brain.stage import BrainStage
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.runtime.background import explain
from laion_fmri.maps import OfferedMaps


class Comparison:
    """Displays the chosen comparison, in the controls and next to the brain.

    Parameters
    ----------
    data : ExplorerData
    choices : BrainChoices
    controls : BrainControls
    stage : BrainStage
    offered : OfferedMaps
        Maps of the displayed subject.
    say : callable
        Called with an error message.
    """

    def __init__(
        self,
        data: ExplorerData,
        choices: BrainChoices,
        controls: BrainControls,
        stage: BrainStage,
        offered: OfferedMaps,
        say: Callable[[str], None],
    ) -> None:
        self._data, self._choices, self._controls = data, choices, controls
        self._stage, self._offered, self._say = stage, offered, say
        controls.compare_map.param.watch(
            lambda e: choices.choose(compare="" if e.new == NOTHING else e.new), "value"
        )
        controls.compare_subject.param.watch(
            lambda e: choices.choose(
                compare_subject="" if e.new == choices.subject else e.new or ""
            ),
            "value",
        )
        controls.linked.param.watch(lambda e: choices.choose(linked=e.new), "value")

    def update(self) -> None:
        """Update the controls and the second brain."""
        self.update_controls()
        self.load()

    def update_controls(self) -> None:
        """Update the controls; clear a choice that is no longer available."""
        choices, controls = self._choices, self._controls
        controls.linked.value = self._stage.linked = choices.linked
        if not self._offered.maps:
            return
        compared, subjects = controls.compare_map, controls.compare_subject
        compare = choices.compare if choices.compare in compared.options else ""
        owner = choices.compare_subject if choices.compare_subject in subjects.options else ""
        compared.value, subjects.value = compare or NOTHING, owner or choices.subject
        choices.choose(compare=compare, compare_subject=owner)

    def load(self) -> None:
        """Load the second picture and display it; without one, display the first alone."""
        choices, side = self._choices, self._stage.second
        wanted, owner = choices.compare, choices.compare_subject or choices.subject
        if not wanted or self._stage.first.picture is None:
            side.forget_request()
            self._stage.set_second(None)
            return

        def show(picture: Picture) -> None:
            if choices.compare == wanted:
                self._stage.set_second(picture)

        try:
            offered = self._offered.maps
            if owner != self._offered.subject:
                offered = maps.available_maps(self._data.subject(owner))
            compared = maps.find_map(offered, wanted, owner)
        except LaionFmriError as error:
            self._say(explain(error))
            return
        folds = self._controls.folds.value
        side.load(owner, compared, choices.space, folds, show, self._say)
