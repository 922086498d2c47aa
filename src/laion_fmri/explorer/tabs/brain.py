"""The Brain tab: the brain view of what the page has chosen."""

from __future__ import annotations

from typing import Any

from laion_fmri.explorer.components.brain_view import BrainView
from laion_fmri.explorer.tabs.base import Tab

_SHARED = {
    "subject": "subject",
    "map": "map",
    "rois": "rois",
    "trial": "trial",
    "trials": "selected_trials",
}
"""Parameters of the view, and where the page keeps them."""


class BrainTab(Tab):
    """Maps and ROIs of the chosen subject on surface and slices."""

    title = "Brain"

    def build(self) -> None:
        """Fill the layout."""
        self._following = False
        state = self.state
        self.brain = BrainView(data=self.data, gate=self._gate, **self._wanted())
        self.layout[:] = [self.brain]
        self.brain.param.watch(self._tell_state, ["subject", "map", "rois"])
        self.brain.param.watch(self._open_trial, "opened_trial")
        self.brain.param.watch(self._mark_trials, "marked_trials")
        self.brain.param.watch(lambda _: state.param.trigger("files_changed"), "files_arrived")
        state.param.watch(self._follow_state, list(_SHARED.values()))

    def refresh(self) -> None:
        """Offer what is local and show what is chosen."""
        self._take_maps()
        self._follow(**self._wanted())
        self.brain.refresh()
        self._tell_state()

    def _take_maps(self) -> None:
        """Offer what other tabs handed over; what is shown is the state's to say."""
        for given in self.state.given_maps:
            self.brain.offer_map(given)
        self.state.given_maps = []

    def _follow_state(self, *_: object) -> None:
        shown = {name: getattr(self.brain, name) for name in _SHARED}
        if not self._following and self.shown and self._wanted() != shown:
            self._follow(**self._wanted())
            self._tell_state()

    def _follow(self, **wanted: Any) -> None:
        # What the view makes of a choice that does not exist comes back to the state at once.
        self._following = True
        try:
            self.brain.param.update(**wanted)
        finally:
            self._following = False

    def _tell_state(self, *_: object) -> None:
        if not self._following:
            brain = self.brain
            self.state.param.update(subject=brain.subject, map=brain.map, rois=list(brain.rois))

    def _wanted(self) -> dict[str, Any]:
        state = self.state
        wanted = {name: getattr(state, source) for name, source in _SHARED.items()}
        return wanted | {"rois": list(state.rois), "trials": list(state.selected_trials)}

    def _open_trial(self, event: Any) -> None:
        if event.new >= 0:
            self.state.param.update(trial=event.new, tab="Trials")
            self.brain.opened_trial = -1

    def _mark_trials(self, event: Any) -> None:
        if event.new:
            self.state.param.update(selected_trials=list(event.new), tab="Trials")
            self.brain.marked_trials = []
