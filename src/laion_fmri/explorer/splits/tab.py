"""The Splits tab: the split inspector for the page's choices."""

from __future__ import annotations

from functools import partial

from laion_fmri.explorer.runtime.background import begin
from laion_fmri.explorer.splits import data as split_data
from laion_fmri.explorer.splits.inspector import SplitInspector
from laion_fmri.explorer.splits.score_view import score_maps
from laion_fmri.explorer.tab import Tab

_SHARED = ("pool", "split", "subject", "session")


class SplitsTab(Tab):
    """The chosen split, for the chosen subject and session."""

    title = "Splits"

    def build(self) -> None:
        """Fill the layout."""
        for model in split_data.local_models(self.data)[:1]:
            begin(partial(split_data.image_space, self.data, model))
        self.inspector = SplitInspector(data=self.data, gate=self._gate, **self._choices())
        self.layout[:] = [self.inspector]
        self.inspector.param.watch(
            lambda *events: self.state.param.update({e.name: e.new for e in events}), list(_SHARED)
        )
        self.inspector.param.watch(self._show_on_brain, "maps_wanted")
        self.inspector.param.watch(
            lambda _: self.state.param.trigger("files_changed"), "files_arrived"
        )
        self.state.param.watch(self._follow_state, list(_SHARED))

    def refresh(self) -> None:
        """Update the available choices and the display."""
        self.inspector.param.update(self._choices())
        self.inspector.refresh()

    def _choices(self) -> dict[str, str]:
        return {name: getattr(self.state, name) for name in _SHARED}

    def _follow_state(self, *_: object) -> None:
        if self.shown and self._built:
            self.inspector.param.update(self._choices())

    def _show_on_brain(self, *_: object) -> None:
        evaluation = self.inspector.evaluation
        if evaluation is not None:
            maps = score_maps(evaluation)
            self.state.param.update(
                given_maps=maps, subject=maps[0].subject, map=maps[0].name, tab="Brain"
            )
